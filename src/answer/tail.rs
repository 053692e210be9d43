//! Tail of a stream: the last bytes of a stream that passes through unread: an event may follow only what ends one.
//! Frames nothing, and changes nothing.

/// The end of what has passed so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail([u8; 4]);

impl Tail {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Most pieces have four bytes, so that nothing of what came before counts.
        if let Some(last) = bytes.last_chunk() {
            self.0 = *last;
            return;
        }
        for byte in bytes {
            self.0.rotate_left(1);
            self.0[3] = *byte;
        }
    }

    /// Whether nothing has passed yet, or the last of it ended an event.
    pub(super) fn is_between_events(self) -> bool {
        self.0 == [0; 4] || [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| self.0.ends_with(end))
    }
}
