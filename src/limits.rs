//! Limits: the numbers that nothing may exceed.
//! Knows nothing of configuration syntax: `config` fills it in.

/// What one exchange may cost.
/// On the answer's side a limit makes bytes pass through; on the request's side it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Header fields of a request; Pingora reads 256 at most.
    pub headers_max: usize,
    /// Bytes of a request's head, which every connection may hold before anybody is known.
    pub header_bytes_max: usize,
    /// Milliseconds from the first byte of a request's head to its last; a head that never ends would hold its
    /// connection for ever.
    pub header_ms_max: u64,
    /// In each so many milliseconds that a client is waited for with a body, so many bytes a second have to come; a body
    /// that trickles would hold a server's place for as long as it likes.
    pub upload_ms: u64,
    pub upload_bytes_per_second_min: u64,
    /// Clients' connections at once; none means as many as there are descriptors for, with one more for a server each.
    pub connections_max: Option<usize>,
    /// Bytes of all bodies together that are read before a peer is chosen; each alone may be small.
    pub bodies_bytes_max: usize,
    /// Bytes of a request body that is read before a peer is chosen; each request may hold that much memory.
    pub request_body_bytes_max: usize,
    /// Nesting of a request's JSON. Servers walk schemas by recursion, and one that is deep enough fells them.
    pub request_depth_max: usize,
    /// Bytes of one SSE event; an upstream that never ends its event would otherwise be kept whole.
    pub event_bytes_max: usize,
    /// Bytes held before a call's commit point; a false opener would otherwise silence the rest of the answer.
    pub pending_bytes_max: usize,
    /// Bytes of one argument value whose type is undecided; past it the value is a string and streams.
    pub value_bytes_max: usize,
    /// Bytes of an answer that is not streamed, which must be whole before it can be rewritten.
    pub answer_bytes_max: usize,
    /// Nesting of arguments; deeper input is not a call, or is closed by force.
    pub depth_max: usize,
    /// Choices of one answer, each of which owns a decoder.
    pub choices_max: usize,
    /// Models that become labels of metrics although nobody configured them; each has its series for as long as the
    /// process lives.
    pub metrics_models_max: usize,
}

/// A call comes on one line, with the file that it writes.
const LINE_BYTES_MIN: usize = 8 << 20;

impl Limits {
    /// Bytes of one line of an answer in lines of JSON. What takes many events elsewhere is one line there.
    pub fn line_bytes_max(&self) -> usize {
        self.event_bytes_max.max(LINE_BYTES_MIN)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers_max: 100,
            header_bytes_max: 64 << 10,
            header_ms_max: 60_000,
            upload_ms: 60_000,
            upload_bytes_per_second_min: 500,
            connections_max: None,
            bodies_bytes_max: 512 << 20,
            request_body_bytes_max: 32 << 20,
            request_depth_max: 128,
            event_bytes_max: 1 << 20,
            pending_bytes_max: 16 << 10,
            value_bytes_max: 64 << 10,
            answer_bytes_max: 64 << 20,
            depth_max: 128,
            choices_max: 128,
            metrics_models_max: 0,
        }
    }
}
