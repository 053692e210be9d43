//! Server-sent events: bytes to whole ones, as the HTML standard frames them.
//! Reads no JSON and changes nothing: an event's raw bytes, its blank line included, are those that came in.
//!
//! Each byte is looked at once, however the input is cut.
//! An event that arrived in one piece is lent from that piece; only one that was cut is put together in a buffer.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Finds the events in a stream of bytes.
#[derive(Debug)]
pub struct Decoder {
    event_bytes_max: usize,
    /// The beginning of an event whose end has not arrived.
    carry: BytesMut,
    /// Whether what `carry` holds was lent as a whole event, and is to be forgotten.
    lent: bool,
    /// The newest piece of input; before `read` it was lent.
    piece: Bytes,
    read: usize,
    line: Line,
    /// Lines of the current event that are complete.
    lines: usize,
    /// Whether nothing was lent yet: only then may a byte order mark stand in front.
    first: bool,
}

/// One event.
#[derive(Debug)]
pub struct Event<'a> {
    /// The bytes as they came, the blank line that ends the event included.
    pub raw: &'a [u8],
    /// Where in the newest piece they begin. Absent when they began in an earlier one.
    pub at: Option<usize>,
    /// The same, but several `data` lines are joined by a space to one. JSON does not tell a space from a newline
    /// between its tokens, and in one line a value can be replaced.
    pub joined: Cow<'a, [u8]>,
    /// Where in `joined` the data stands. A comment has none.
    pub data: Option<Range<usize>>,
    /// Whether the data is all there is: no comment, no `event`, no `id`.
    pub only_data: bool,
}

/// An event is longer than the limit. `Decoder::finish` then has the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {0} bytes")]
pub struct EventTooLarge(pub usize);

/// Where in a line the scan stands.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Nothing of it was seen.
    Start,
    Within,
    /// It ended with a carriage return; a line feed that follows belongs to it.
    Returned,
}

impl Decoder {
    /// Ready for a stream whose events are at most so many bytes long, each with its blank line; a longer one fails in
    /// `next_event`.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            carry: BytesMut::new(),
            lent: false,
            piece: Bytes::new(),
            read: 0,
            line: Line::Start,
            lines: 0,
            first: true,
        }
    }

    /// Takes the next bytes. Call [`Decoder::next_event`] until it has no more before the next push.
    pub fn push(&mut self, bytes: Bytes) {
        self.forget_lent();
        let unread = self.piece.get(self.read..).unwrap_or_default();
        self.piece = if unread.is_empty() { bytes } else { [unread, &bytes].concat().into() };
        self.read = 0;
    }

    /// The next whole event; `None` when more bytes are needed.
    /// A blank line that ends in a carriage return ends its event at once. The line feed that may still come then
    /// stands in front of the next event's bytes.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, EventTooLarge> {
        self.forget_lent();
        let unread = self.piece.get(self.read..).unwrap_or_default();
        if unread.is_empty() {
            return Ok(None);
        }
        let Some(length) = find_end(unread, &mut self.line, &mut self.lines) else {
            self.carry_unread()?;
            return Ok(None);
        };
        self.check(length)?;
        let at = self.read;
        let part = self.piece.get(at..at + length).unwrap_or_default();
        self.read += length;
        if !self.carry.is_empty() {
            self.carry.extend_from_slice(part);
        }
        let cut_at_return = part.last() == Some(&b'\r') && self.read == self.piece.len();
        self.line = if cut_at_return { Line::Returned } else { Line::Start };
        let lines = std::mem::take(&mut self.lines);
        let bom = if std::mem::take(&mut self.first) { BOM } else { b"" };
        self.lent = !self.carry.is_empty();
        let (raw, at) = if self.lent { (self.carry.as_ref(), None) } else { (part, Some(at)) };
        Ok(Some(Event { at, ..Event::read(raw, lines, bom) }))
    }

    /// Gives back the newest piece, once there are no more events: whoever changed nothing can send it on.
    pub fn reclaim(&mut self) -> Bytes {
        let unread = self.piece.slice(self.read..);
        self.read = 0;
        std::mem::replace(&mut self.piece, unread)
    }

    /// Whether half an event has come after the last whole one.
    pub fn has_begun(&self) -> bool {
        // A line feed is the late half of the line end before it.
        !self.lent && !matches!(self.carry.as_ref(), b"" | b"\n")
    }

    /// What came after the last whole event.
    pub fn finish(mut self) -> Bytes {
        self.forget_lent();
        self.carry.extend_from_slice(self.piece.get(self.read..).unwrap_or_default());
        self.carry.freeze()
    }

    /// Puts the beginning of an event aside, so that its piece is not needed.
    fn carry_unread(&mut self) -> Result<(), EventTooLarge> {
        self.check(self.piece.len().saturating_sub(self.read))?;
        self.carry.extend_from_slice(self.piece.get(self.read..).unwrap_or_default());
        self.read = self.piece.len();
        Ok(())
    }

    /// Whether the event is within the limit with this much more of it.
    fn check(&self, more: usize) -> Result<(), EventTooLarge> {
        let within = self.carry.len() + more <= self.event_bytes_max;
        if within { Ok(()) } else { Err(EventTooLarge(self.event_bytes_max)) }
    }

    fn forget_lent(&mut self) {
        if std::mem::take(&mut self.lent) {
            self.carry.clear();
        }
    }
}

impl<'a> Event<'a> {
    /// The event's data, several lines of it joined.
    pub fn data(&self) -> Option<&[u8]> {
        self.joined.get(self.data.clone()?)
    }

    /// The value of the event's `event` field; of several the last.
    pub fn kind(&self) -> Option<&'a [u8]> {
        if self.only_data {
            return None;
        }
        let mut rest = self.raw.strip_prefix(BOM).unwrap_or(self.raw);
        let mut kind = None;
        while !rest.is_empty() {
            let (line, _, tail) = split_line(rest);
            rest = tail;
            if let Some(value) = line.strip_prefix(b"event:") {
                kind = Some(value.strip_prefix(b" ").unwrap_or(value));
            }
        }
        kind
    }

    fn read(raw: &'a [u8], lines: usize, bom: &[u8]) -> Self {
        if lines == 1
            && let Some(start) = data_start(raw)
        {
            let data = start..trimmed_len(raw).max(start);
            return Self { raw, at: None, joined: Cow::Borrowed(raw), data: Some(data), only_data: true };
        }
        Self::read_lines(raw, bom)
    }

    fn read_lines(raw: &'a [u8], bom: &[u8]) -> Self {
        let mut joined = Vec::with_capacity(raw.len());
        let mut data: Option<Range<usize>> = None;
        let mut data_lines = 0;
        let mut others = false;
        let mut rest = raw.strip_prefix(bom).unwrap_or(raw);
        joined.extend_from_slice(raw.get(..raw.len() - rest.len()).unwrap_or_default());
        while !rest.is_empty() {
            let (line, ending, tail) = split_line(rest);
            rest = tail;
            let Some(start) = data_start(line) else {
                others |= !line.is_empty();
                joined.extend_from_slice(line);
                joined.extend_from_slice(ending);
                continue;
            };
            let value = line.get(start..).unwrap_or_default();
            data_lines += 1;
            data = Some(match data.take() {
                None => {
                    joined.extend_from_slice(line);
                    let range = joined.len() - value.len()..joined.len();
                    joined.extend_from_slice(ending);
                    range
                }
                Some(range) => {
                    joined.splice(range.end..range.end, [b" ", value].concat());
                    range.start..range.end + 1 + value.len()
                }
            });
        }
        let joined = if data_lines > 1 { Cow::Owned(joined) } else { Cow::Borrowed(raw) };
        Self { raw, at: None, joined, data, only_data: !others && !raw.starts_with(BOM) }
    }
}

/// Whether a body begins as an event stream does; `None` while more of it must come.
pub fn begins(body: &[u8]) -> Option<bool> {
    let lines = body.strip_prefix(BOM).unwrap_or(body).trim_ascii_start();
    if lines.is_empty() || BOM.starts_with(lines) {
        return None;
    }
    let fields = [&b":"[..], b"data:", b"event:", b"id:", b"retry:"];
    if fields.iter().any(|field| lines.starts_with(field)) {
        return Some(true);
    }
    if fields.iter().any(|field| field.starts_with(lines)) { None } else { Some(false) }
}

/// The offset just behind the blank line that ends an event.
fn find_end(bytes: &[u8], line: &mut Line, lines: &mut usize) -> Option<usize> {
    let mut at = 0;
    loop {
        match line {
            Line::Start => match bytes.get(at)? {
                b'\n' => return Some(at + 1),
                b'\r' => return Some(at + 1 + usize::from(bytes.get(at + 1) == Some(&b'\n'))),
                _ => *line = Line::Within,
            },
            Line::Within => {
                at += memchr2(b'\n', b'\r', bytes.get(at..)?)?;
                *line = if bytes.get(at) == Some(&b'\n') { Line::Start } else { Line::Returned };
                *lines += 1;
                at += 1;
            }
            Line::Returned => {
                at += usize::from(*bytes.get(at)? == b'\n');
                *line = Line::Start;
            }
        }
    }
}

/// Where the value of a `data` line begins: behind the colon and one space.
fn data_start(line: &[u8]) -> Option<usize> {
    let value = line.strip_prefix(b"data:")?;
    Some(5 + usize::from(value.first() == Some(&b' ')))
}

/// A line, how it ended, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let at = memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(at);
    let ending = if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) };
    let (ending, rest) = rest.split_at(ending);
    (line, ending, rest)
}

/// The length without the newlines at the end.
fn trimmed_len(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1)
}

/// A byte order mark, which may stand before the first event.
const BOM: &[u8] = "\u{feff}".as_bytes();

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 64;

    /// The events of an input that arrives in the given pieces, as `raw => data`, and the rest.
    fn read(pieces: &[&[u8]]) -> (Vec<(String, Option<String>)>, String) {
        let mut decoder = Decoder::new(MAX);
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(event) = decoder.next_event().unwrap() {
                let data = event.data().map(|d| String::from_utf8_lossy(d).into_owned());
                events.push((String::from_utf8_lossy(event.raw).into_owned(), data));
            }
        }
        (events, String::from_utf8_lossy(&decoder.finish()).into_owned())
    }

    macro_rules! t {
        ($name:ident, $input:expr, [$(($raw:expr, $data:expr)),*], $rest:expr) => {
            #[test]
            fn $name() {
                let input: &str = $input;
                let expected: Vec<(String, Option<String>)> =
                    vec![$(($raw.to_string(), Option::<&str>::from($data).map(str::to_string))),*];
                let whole = read(&[input.as_bytes()]);
                assert_eq!(whole, (expected.clone(), $rest.to_string()));
                for cut in 0..=input.len() {
                    let (a, b) = input.as_bytes().split_at(cut);
                    let (events, rest) = read(&[a, b]);
                    let bytes: String = events.iter().map(|(raw, _)| raw.as_str()).chain([rest.as_str()]).collect();
                    assert_eq!(bytes, input, "cut at {cut}: no byte is lost");
                    let data = |events: &[(String, Option<String>)]| -> Vec<_> {
                        events.iter().filter_map(|e| e.1.clone()).collect()
                    };
                    assert_eq!(data(&events), data(&expected), "cut at {cut}");
                }
                let single: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
                assert_eq!(read(&single).0.iter().filter(|e| e.1.is_some()).count(),
                    expected.iter().filter(|e| e.1.is_some()).count());
            }
        };
    }

    t!(line_feeds, "data: a\n\ndata: b\n\n", [("data: a\n\n", "a"), ("data: b\n\n", "b")], "");
    t!(both, "data: a\r\n\r\ndata: b\r\n\r\n", [("data: a\r\n\r\n", "a"), ("data: b\r\n\r\n", "b")], "");
    t!(returns, "data: a\r\rdata: b\r\r", [("data: a\r\r", "a"), ("data: b\r\r", "b")], "");
    t!(no_space, "data:a\n\n", [("data:a\n\n", "a")], "");
    t!(one_space_only, "data:  a \n\n", [("data:  a \n\n", " a ")], "");
    t!(no_value, "data:\n\ndata: \n\n", [("data:\n\n", ""), ("data: \n\n", "")], "");
    t!(comment, ":\n\ndata: a\n\n", [(":\n\n", None), ("data: a\n\n", "a")], "");
    t!(comment_inside, ": hi\ndata: a\n\n", [(": hi\ndata: a\n\n", "a")], "");
    t!(other_fields, "event: x\nid: 1\ndata: a\nretry: 1\n\n", [("event: x\nid: 1\ndata: a\nretry: 1\n\n", "a")], "");
    t!(lines_are_joined, "data: {\ndata: }\n: c\ndata:!\n\n", [("data: {\ndata: }\n: c\ndata:!\n\n", "{ } !")], "");
    t!(mark, "\u{feff}data: a\n\n", [("\u{feff}data: a\n\n", "a")], "");
    t!(mark_only_in_front, "data: a\n\n\u{feff}data: b\n\n", [("data: a\n\n", "a"), ("\u{feff}data: b\n\n", None)], "");
    t!(blank_lines, "\n\ndata: a\n\n\n", [("\n", None), ("\n", None), ("data: a\n\n", "a"), ("\n", None)], "");
    t!(unterminated, "data: a\n\ndata: b\n", [("data: a\n\n", "a")], "data: b\n");
    t!(not_utf8_cut, "data: é😀\n\n", [("data: é😀\n\n", "é😀")], "");

    #[test]
    fn a_line_feed_that_comes_late_makes_no_event() {
        let input = "data: a\r\n\r\ndata: b\r\n\r\n";
        let late = input.find("\ndata: b").unwrap();
        let (a, b) = input.as_bytes().split_at(late);
        for pieces in [&[a, b][..], &[a, &b[..1], &b[1..]], &[a, &b[..3], &b[3..]]] {
            let event = |raw: &str, data: &str| (raw.to_string(), Some(data.to_string()));
            let expected = vec![event("data: a\r\n\r", "a"), event("\ndata: b\r\n\r\n", "b")];
            assert_eq!(read(pieces), (expected, String::new()));
        }
        assert_eq!(read(&[a]).0.len(), 1, "the event does not wait for it");
    }

    #[test]
    fn joined_lines_keep_the_fields_around_them() {
        let mut decoder = Decoder::new(MAX);
        decoder.push(Bytes::from_static(b"id: 1\r\ndata: {\r\n: c\r\ndata: }\r\n\r\n"));
        let event = decoder.next_event().unwrap().unwrap();
        assert_eq!(event.joined.as_ref(), b"id: 1\r\ndata: { }\r\n: c\r\n\r\n");
        assert_eq!(event.data(), Some(&b"{ }"[..]));
        assert!(!event.only_data);
    }

    #[test]
    fn a_stream_is_known_by_its_first_bytes() {
        let table = [
            ("data: {}", Some(true)),
            ("\u{feff}event:x", Some(true)),
            (": ping", Some(true)),
            ("\r\n\nretry: 1", Some(true)),
            ("id:", Some(true)),
            ("", None),
            ("\n", None),
            ("dat", None),
            ("{\"data\":", Some(false)),
            ("data {", Some(false)),
            ("<html>", Some(false)),
            ("identity", Some(false)),
        ];
        for (body, expected) in table {
            assert_eq!(begins(body.as_bytes()), expected, "{body:?}");
        }
        for cut in 0..BOM.len() {
            assert_eq!(begins(&BOM[..cut]), None);
        }
    }

    #[test]
    fn an_event_says_what_it_is() {
        let table: [(&str, Option<&str>); 5] = [
            ("event: error\ndata: a\n\n", Some("error")),
            ("\u{feff}event:error\r\ndata: a\r\n\r\n", Some("error")),
            ("data: event: error\n\n", None),
            ("event: a\nevent: b\n: event: c\n\n", Some("b")),
            ("events: a\n\n", None),
        ];
        for (raw, expected) in table {
            let mut decoder = Decoder::new(MAX);
            decoder.push(Bytes::copy_from_slice(raw.as_bytes()));
            let event = decoder.next_event().unwrap().unwrap();
            assert_eq!(event.kind(), expected.map(str::as_bytes), "{raw:?}");
        }
    }

    #[test]
    fn an_event_over_the_limit_is_an_error_however_it_is_cut() {
        let input = [b"data: ok\n\ndata: ".as_slice(), &[b'x'; MAX], b"\n\n"].concat();
        for size in 1..=input.len() {
            let mut decoder = Decoder::new(MAX);
            let mut pieces = input.chunks(size);
            let mut forwarded = Vec::new();
            let error = 'read: loop {
                decoder.push(Bytes::copy_from_slice(pieces.next().expect("the limit was not noticed")));
                loop {
                    match decoder.next_event() {
                        Ok(Some(event)) => forwarded.extend_from_slice(event.raw),
                        Ok(None) => break,
                        Err(error) => break 'read error,
                    }
                }
            };
            assert_eq!(error, EventTooLarge(MAX));
            forwarded.extend_from_slice(&decoder.finish());
            forwarded.extend(pieces.flatten());
            assert_eq!(forwarded, input, "pieces of {size}");
        }
    }

    #[test]
    fn an_event_of_exactly_the_limit_is_fine() {
        let input = [b"data: ".as_slice(), &[b'x'; MAX - 8], b"\n\n"].concat();
        let mut decoder = Decoder::new(MAX);
        decoder.push(input.into());
        assert!(decoder.next_event().unwrap().is_some());
    }

    #[test]
    fn a_push_before_the_last_piece_was_read_loses_nothing() {
        let mut decoder = Decoder::new(MAX);
        decoder.push(Bytes::from_static(b"data: a\n\ndata: "));
        assert_eq!(decoder.next_event().unwrap().unwrap().data(), Some(&b"a"[..]));
        decoder.push(Bytes::from_static(b"b\n\n"));
        assert_eq!(decoder.next_event().unwrap().unwrap().data(), Some(&b"b"[..]));
    }
}
