//! Chunked transfer coding: where a chunked body ends, and whether its chunk lines are such that all who read them
//! agree. Keeps no byte of it; what a chunk's data means is for others.

/// A line of a chunk, its extension included, that is longer says nothing that anybody needs.
const LINE_BYTES_MAX: usize = 4096;
/// A chunk of more hexadecimal digits is none (`u64`).
const DIGITS_MAX: usize = 15;

/// Reads the framing of a chunked body, piece by piece.
#[derive(Debug, Default)]
pub struct Chunks {
    part: Part,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The digits of a size, or what follows them in their line.
    Line {
        size: u64,
        digits: usize,
        bytes: usize,
        is_over: bool,
        last: u8,
    },
    Data {
        left: u64,
    },
    /// What ends a chunk's data.
    End,
    /// A line of the trailer, with so many bytes so far, line ends aside.
    Trailer {
        bytes: usize,
    },
    Over,
}

const NEXT: Part = Part::Line { size: 0, digits: 0, bytes: 0, is_over: false, last: 0 };

impl Default for Part {
    fn default() -> Self {
        NEXT
    }
}

/// A line that servers read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadChunk;

impl Chunks {
    /// Whether the last chunk and its trailer were read whole: the next byte is the next request's.
    pub fn is_over(&self) -> bool {
        self.part == Part::Over
    }

    /// How many of these bytes belong to the body.
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            if let Part::Data { left } = self.part {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let still = left.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                self.part = if still == 0 { Part::End } else { Part::Data { left: still } };
                rest = rest.get(here..).unwrap_or_default();
                continue;
            }
            if self.is_over() {
                break;
            }
            self.part = self.part.next(byte)?;
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }
}

impl Part {
    fn next(self, byte: u8) -> Result<Self, BadChunk> {
        match (self, byte) {
            (Self::Line { size, digits: 1.., last: b'\r', .. }, b'\n') => {
                Ok(if size == 0 { Self::Trailer { bytes: 0 } } else { Self::Data { left: size } })
            }
            // A line ends with both; one that ends with less ends elsewhere for others.
            (Self::Line { .. }, b'\n') | (Self::Line { last: b'\r', .. }, _) => Err(BadChunk),
            (Self::Line { bytes, .. }, _) if bytes >= LINE_BYTES_MAX => Err(BadChunk),
            (Self::Line { size, digits, bytes, is_over: false, .. }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                let (size, digits) = (size << 4 | digit, digits + 1);
                let line = Self::Line { size, digits, bytes: bytes + 1, is_over: false, last: byte };
                if digits > DIGITS_MAX { Err(BadChunk) } else { Ok(line) }
            }
            (Self::Line { size, digits: digits @ 1.., bytes, .. }, _) => {
                Ok(Self::Line { size, digits, bytes: bytes + 1, is_over: true, last: byte })
            }
            (Self::End, b'\r') => Ok(Self::End),
            (Self::End, b'\n') => Ok(NEXT),
            (Self::Trailer { bytes: 0 }, b'\n') => Ok(Self::Over),
            (Self::Trailer { .. }, b'\n') => Ok(Self::Trailer { bytes: 0 }),
            (Self::Trailer { bytes }, b'\r') => Ok(Self::Trailer { bytes }),
            (Self::Trailer { bytes }, _) if bytes < LINE_BYTES_MAX => Ok(Self::Trailer { bytes: bytes + 1 }),
            _ => Err(BadChunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_its_last_chunk_does() {
        let long = format!("1;{}\r\n", "x".repeat(LINE_BYTES_MAX));
        for (bytes, expected) in [
            ("0\r\n\r\nGET", Ok(5)),
            ("5\r\nhello\r\n0\r\n\r\nGET", Ok(15)),
            ("A;a=b\r\n0123456789\r\n000\r\n\r\n.", Ok(26)),
            ("1b \r\n", Ok(5)),
            ("1\r\n\n\r\n0\r\nA: b\r\nC: d\r\n\r\n.", Ok(23)),
            ("5\r\nhe", Ok(5)),
            ("1b;a=\nb\r\n", Err(BadChunk)),
            ("1b\nb", Err(BadChunk)),
            ("1\rb", Err(BadChunk)),
            ("\r\n", Err(BadChunk)),
            (";a\r\n", Err(BadChunk)),
            ("x\r\n", Err(BadChunk)),
            ("1\r\nab", Err(BadChunk)),
            ("1111111111111111\r\n", Err(BadChunk)),
            (long.as_str(), Err(BadChunk)),
        ] {
            assert_eq!(Chunks::default().push(bytes.as_bytes()), expected, "{bytes:?}");
            // Byte by byte it is the same.
            let mut chunks = Chunks::default();
            let each: Result<usize, BadChunk> = bytes.bytes().map(|byte| chunks.push(&[byte])).sum();
            assert_eq!(each, expected, "{bytes:?} byte by byte");
        }
    }
}
