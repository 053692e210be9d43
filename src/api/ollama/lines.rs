//! Lines of JSON (NDJSON): bytes in pieces to whole lines. Framing only: what stands in a line is not looked at.
//! A line ends at a line feed and nowhere else: other characters that some readers break lines at are text.

use memchr::memchr;

/// Cuts bytes into lines.
#[derive(Debug)]
pub struct Lines {
    /// The beginning of a line that has not ended.
    begun: Vec<u8>,
    bytes_max: usize,
}

/// A line is longer than may be. What follows it cannot be told from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {0} bytes")]
pub struct LineTooLong(pub usize);

impl Lines {
    /// For lines of at most so many bytes; of a line that has not ended so many are kept.
    pub fn new(bytes_max: usize) -> Self {
        Self { begun: Vec::new(), bytes_max }
    }

    /// Takes the next bytes and hands on each line that ends in them, without its end. Blank lines are none.
    /// After an error nothing may be pushed any more.
    pub fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(&[u8])) -> Result<(), LineTooLong> {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            self.check(line.len())?;
            if self.begun.is_empty() {
                hand_on(line, take);
            } else {
                self.begun.extend_from_slice(line);
                hand_on(&self.begun, take);
                self.begun.clear();
            }
        }
        self.check(rest.len())?;
        self.begun.extend_from_slice(rest);
        Ok(())
    }

    /// Whether every line that has begun has ended.
    pub fn is_between_lines(&self) -> bool {
        self.begun.is_empty()
    }

    /// Nothing more comes: what stands behind the last line's end, unless it is blank.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.begun);
        (!rest.trim_ascii().is_empty()).then_some(rest)
    }

    fn check(&self, more: usize) -> Result<(), LineTooLong> {
        let is_within = self.begun.len() + more <= self.bytes_max;
        if is_within { Ok(()) } else { Err(LineTooLong(self.bytes_max)) }
    }
}

fn hand_on(line: &[u8], take: &mut impl FnMut(&[u8])) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.trim_ascii().is_empty() {
        take(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of an input that comes in these pieces, how they end, and the rest.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Result<(), LineTooLong>, Option<Vec<u8>>) {
        let (mut lines, mut found) = (Lines::new(8), Vec::new());
        for piece in pieces {
            let mut take = |line: &[u8]| found.push(String::from_utf8_lossy(line).into_owned());
            if let Err(error) = lines.push(piece, &mut take) {
                return (found, Err(error), None);
            }
        }
        (found, Ok(()), lines.finish())
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let long = Err(LineTooLong(8));
        for (input, lines, end, rest) in [
            ("", &[][..], Ok(()), None),
            ("a\nb\n", &["a", "b"], Ok(()), None),
            ("\r\n a\r\n\n \nb", &[" a"], Ok(()), Some("b")),
            ("a\rb\n", &["a\rb"], Ok(()), None),
            ("\u{2028}\u{85}x\n", &["\u{2028}\u{85}x"], Ok(()), None),
            ("12345678\n12345678", &["12345678"], Ok(()), Some("12345678")),
            ("a\n123456789\nb\n", &["a"], long, None),
            ("a\n123456789", &["a"], long, None),
        ] {
            let expected = (lines.iter().map(|line| (*line).to_owned()).collect(), end, rest.map(Into::into));
            assert_eq!(read([input.as_bytes()]), expected, "{input:?}");
            assert_eq!(read(input.as_bytes().chunks(1)), expected, "{input:?}");
            for cut in 0..input.len() {
                let (a, b) = input.as_bytes().split_at(cut);
                assert_eq!(read([a, b]), expected, "{input:?} cut at {cut}");
            }
        }
    }
}
