//! HTTP framing of a body that comes in pieces: the same without chunks.

/// A chunk of more hexadecimal digits is larger than any.
const SIZE_DIGITS_MAX: usize = 15;

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Chunked,
    Length(usize),
    /// It ends with the connection.
    Close,
}

/// Reads a body out of its framing.
#[derive(Debug)]
pub struct Body {
    part: Part,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// A chunk's first line; what has been read of it as a number.
    Size { size: usize, digits: usize, is_over: bool },
    /// So many bytes of a chunk.
    Chunk { left: usize },
    /// What ends a chunk.
    End,
    /// All that is left of a body without chunks; without a number where the connection is the end.
    Rest { left: Option<usize> },
}

/// What bytes of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// They frame it.
    Frame,
    Data(&'a [u8]),
    /// They say that nothing follows.
    Last,
    /// They cannot be understood.
    Broken,
}

const NEXT_CHUNK: Part = Part::Size { size: 0, digits: 0, is_over: false };

impl Body {
    /// Of which nothing has come.
    pub fn new(framing: Framing) -> Self {
        let part = match framing {
            Framing::Chunked => NEXT_CHUNK,
            Framing::Length(length) => Part::Rest { left: Some(length) },
            Framing::Close => Part::Rest { left: None },
        };
        Self { part }
    }

    /// Whether nothing more of it comes, since all of its length has.
    pub fn is_over(&self) -> bool {
        matches!(self.part, Part::Rest { left: Some(0) })
    }

    /// Whether it ends with the connection.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.part, Part::Rest { left: None })
    }

    /// Reads the first of these bytes that belong together, and says how many they are. After its last the body must
    /// not be read on.
    pub fn read<'a>(&mut self, bytes: &'a [u8]) -> (usize, Piece<'a>) {
        let data = |left: usize| {
            let data = bytes.get(..left).unwrap_or(bytes);
            (left - data.len(), (data.len(), Piece::Data(data)))
        };
        match (self.part, bytes.first()) {
            (Part::Rest { left: None }, _) => (bytes.len(), Piece::Data(bytes)),
            (Part::Rest { left: Some(left) }, _) => {
                let (left, read) = data(left);
                self.part = Part::Rest { left: Some(left) };
                read
            }
            (Part::Chunk { left }, _) => {
                let (left, read) = data(left);
                self.part = if left == 0 { Part::End } else { Part::Chunk { left } };
                read
            }
            (_, Some(byte)) => (1, self.read_frame(*byte)),
            (_, None) => (0, Piece::Frame),
        }
    }

    fn read_frame(&mut self, byte: u8) -> Piece<'static> {
        let next = match (self.part, byte) {
            (Part::Size { digits: 0, .. }, b'\n') => return Piece::Broken,
            (Part::Size { size: 0, .. }, b'\n') => return Piece::Last,
            (Part::Size { size, .. }, b'\n') => Part::Chunk { left: size },
            (Part::Size { digits: SIZE_DIGITS_MAX, is_over: false, .. }, byte) if byte.is_ascii_hexdigit() => {
                return Piece::Broken;
            }
            (Part::Size { size, digits, is_over: false }, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).and_then(|digit| usize::try_from(digit).ok());
                Part::Size { size: size << 4 | digit.unwrap_or(0), digits: digits + 1, is_over: false }
            }
            // Blanks, an extension.
            (Part::Size { size, digits: digits @ 1.., is_over }, byte)
                if is_over || matches!(byte, b' ' | b'\t' | b';' | b'\r') =>
            {
                Part::Size { size, digits, is_over: true }
            }
            (Part::End, b'\r') => Part::End,
            (Part::End, b'\n') => NEXT_CHUNK,
            _ => return Piece::Broken,
        };
        self.part = next;
        Piece::Frame
    }
}
