//! A file's text with numbers before its lines, made of bytes that come in pieces.
//! Opens nothing and keeps no more than what is shown: a file may be of any size and its lines of any length.

use std::fmt::Write;

use super::outcome::{Failure, Outcome, RESULT_BYTES_MAX, Stop};

/// Reads a file's bytes to its numbered lines.
#[derive(Debug)]
pub struct Numbered {
    path: String,
    /// Numbers of the first line that is wanted, and of the last.
    first: u64,
    last: u64,
    /// Lines that have ended.
    ended: u64,
    /// Of those, the ones that end with CRLF.
    crlf: u64,
    /// Those that are shown.
    shown: u64,
    line: Line,
    text: String,
    is_text: bool,
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    bytes: u64,
    /// Its beginning, when it is wanted.
    kept: Vec<u8>,
    last: Option<u8>,
}

/// Characters of a line; a longer one is data rather than text.
const LINE_CHARACTERS_MAX: usize = 2_000;
/// So many bytes are that many characters at least, and one more.
const LINE_BYTES_MAX: usize = 4 * (LINE_CHARACTERS_MAX + 1);

impl Numbered {
    /// Shows `limit` lines from the line of number `offset` on. `path` is the file's, as the model wrote it.
    pub fn new(path: &str, offset: u64, limit: u64) -> Self {
        let first = offset.max(1);
        let last = first.saturating_add(limit).saturating_sub(1);
        let (line, text) = (Line::default(), String::new());
        Self { path: path.to_owned(), first, last, ended: 0, crlf: 0, shown: 0, line, text, is_text: true }
    }

    /// Reads the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            self.keep(line);
            self.crlf += u64::from(self.line.last == Some(b'\r'));
            self.end_line(LineEnd::Written);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes);
    }

    /// What is shown. `stop` says why the file was not read to its end.
    pub fn finish(mut self, stop: Option<Stop>) -> Outcome {
        let terminated = self.ended;
        if self.line.bytes > 0 {
            self.end_line(LineEnd::Missing);
        }
        match (self.shown, stop) {
            (0, Some(Stop::Seconds(seconds))) => return Failure::Stopped { seconds, path: self.path }.into(),
            (0, _) => {
                let text = format!("File is empty or offset is beyond file length: {}", self.path);
                return Outcome::done(text);
            }
            _ => {}
        }
        let last = self.first + self.shown - 1;
        if self.ended > last {
            let Self { first, ended, .. } = self;
            let more = if stop.is_some() { "more than " } else { "" };
            let _ = write!(self.text, "\n\n[Showing lines {first}-{last} of {more}{ended} total]");
        }
        if terminated > 0 && self.crlf == terminated {
            self.text.push_str("\n\n[Lines end with CRLF]");
        }
        if !self.is_text {
            self.text.push_str("\n\n[Not UTF-8: some bytes are shown as \u{fffd}]");
        }
        if let Some(stop) = stop {
            let _ = write!(self.text, "{stop}");
        }
        Outcome::done(self.text)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let number = self.ended + 1;
        let Some(last) = bytes.last() else { return };
        self.line.bytes = self.line.bytes.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        self.line.last = Some(*last);
        if self.first <= number && number <= self.last {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.kept.len()).min(bytes.len());
            self.line.kept.extend(bytes.get(..room).unwrap_or_default());
        }
    }

    fn end_line(&mut self, end: LineEnd) {
        self.ended += 1;
        let number = self.ended;
        if self.first <= number && number <= self.last {
            if end == LineEnd::Written && self.line.kept.last() == Some(&b'\r') {
                self.line.kept.pop();
            }
            self.shown += 1;
            // The result is cut there; more of it would only be memory.
            if self.text.len() <= RESULT_BYTES_MAX {
                self.show(number);
            }
        }
        self.line.kept.clear();
        (self.line.bytes, self.line.last) = (0, None);
    }

    fn show(&mut self, number: u64) {
        let separator = if self.shown > 1 { "\n" } else { "" };
        let _ = write!(self.text, "{separator}{number:>6}\t");
        let mut room = LINE_CHARACTERS_MAX;
        for chunk in self.line.kept.utf8_chunks() {
            for character in chunk.valid().chars().chain((!chunk.invalid().is_empty()).then_some('\u{fffd}')) {
                if room == 0 {
                    self.text.push_str("...[truncated]");
                    return;
                }
                room -= 1;
                self.text.push(character);
            }
            // The chunk's invalid bytes have been shown, or there are none.
            self.is_text &= chunk.invalid().is_empty();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Written,
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], offset: u64, limit: u64, cut: usize) -> String {
        let mut numbered = Numbered::new("f", offset, limit);
        bytes.chunks(cut).for_each(|piece| numbered.push(piece));
        numbered.finish(None).text
    }

    #[test]
    fn lines_are_shown_whole_however_they_come() {
        for (bytes, offset, limit, expected) in [
            (&b"a  \nb\n\nc"[..], 1, 9, "     1\ta  \n     2\tb\n     3\t\n     4\tc"),
            (b"a\nb\n", 2, 9, "     2\tb"),
            (b"a\nb\nc\n", 2, 1, "     2\tb\n\n[Showing lines 2-2 of 3 total]"),
            (b"a\r\nb\r\nc", 1, 9, "     1\ta\n     2\tb\n     3\tc\n\n[Lines end with CRLF]"),
            (b"a\r\nb\nc\r", 1, 9, "     1\ta\n     2\tb\n     3\tc\r"),
            (b"\xe9\xe9\xff\n\xc3\xa9", 2, 1, "     2\té"),
            ("é\u{fffd}".as_bytes(), 1, 1, "     1\té\u{fffd}"),
            (b"\xe9", 1, 1, "     1\t\u{fffd}\n\n[Not UTF-8: some bytes are shown as \u{fffd}]"),
            (
                b"a\r\n\xe9\r\nb",
                1,
                2,
                "     1\ta\n     2\t\u{fffd}\n\n[Showing lines 1-2 of 3 total]\n\n[Lines end with CRLF]\n\n[Not UTF-8: some bytes are shown as \u{fffd}]",
            ),
            (b"", 1, 9, "File is empty or offset is beyond file length: f"),
            (b"a", 2, 9, "File is empty or offset is beyond file length: f"),
        ] {
            for cut in 1..=bytes.len().max(1) {
                assert_eq!(read(bytes, offset, limit, cut), expected, "{bytes:?} in pieces of {cut}");
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let truncated = |c: char| format!("     1\t{}...[truncated]", c.to_string().repeat(2000));
        for c in ['x', 'é', '\u{1f600}'] {
            let whole = c.to_string().repeat(2000);
            assert_eq!(
                read(format!("{whole}\r\nb").as_bytes(), 1, 1, 7).lines().next(),
                Some(&*format!("     1\t{whole}"))
            );
            assert_eq!(read(format!("{whole}{c}").as_bytes(), 1, 1, 7), truncated(c));
            assert_eq!(read(c.to_string().repeat(9000).as_bytes(), 1, 1, 4096), truncated(c));
        }
        // What is cut off is not shown, so nothing is said of it.
        assert_eq!(read(&[b"x".repeat(2000), b"\xff".to_vec()].concat(), 1, 1, 99), truncated('x'));
    }
}
