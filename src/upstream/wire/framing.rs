//! HTTP framing of an answer that comes in pieces: its head, and its body without chunks.
//! Understands no more of both than must be known to hold an answer back, and changes nothing.

/// As many as Pingora reads.
const FIELDS_MAX: usize = 256;
/// A chunk of more hexadecimal digits is larger than what is held.
const SIZE_DIGITS_MAX: usize = 8;

/// What a head means for what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Another head follows.
    Informational,
    /// That of a plain 200.
    Plain(Framing, Form),
    /// That of a 500 that says why in JSON.
    Failed(Framing),
    /// That of a 400 that says why in JSON.
    Refused(Framing),
    /// Anything else, and what cannot be understood.
    Other,
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Chunked,
    Length(usize),
    /// It ends with the connection.
    Close,
}

/// What a head says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It is an event stream.
    Events,
    /// It is something else, or nothing is said. Servers are known that send events all the same.
    Unsaid,
}

/// What a head says, as far as its body cannot be read without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub status: u16,
    pub framing: Framing,
    pub form: Form,
    pub is_json: bool,
}

impl Facts {
    /// Reads a whole head. `None` for one that cannot be understood, that changes protocols, or whose body is
    /// compressed.
    pub fn read(head: &[u8]) -> Option<Self> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(_)) = response.parse(head) else { return None };
        let status = response.code.filter(|status| *status != 101)?;
        let (mut form, mut framing, mut is_json) = (Form::Unsaid, Framing::Close, false);
        for field in response.headers.iter() {
            let name = |name| field.name.eq_ignore_ascii_case(name);
            let value = field.value.trim_ascii();
            let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            if name("content-type") && essence.eq_ignore_ascii_case(b"text/event-stream") {
                form = Form::Events;
            } else if name("content-type") {
                is_json = essence.eq_ignore_ascii_case(b"application/json");
            } else if name("transfer-encoding") || name("content-length") {
                let length = || std::str::from_utf8(value).ok()?.parse().ok().map(Framing::Length);
                let is_chunked = name("transfer-encoding") && value.eq_ignore_ascii_case(b"chunked");
                let said = if is_chunked { Some(Framing::Chunked) } else { length() };
                // Two lengths are for others to judge.
                framing = said.filter(|_| framing == Framing::Close)?;
            } else if name("content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
                return None;
            }
        }
        Some(Self { status, framing, form, is_json })
    }
}

impl Head {
    /// Reads a whole head.
    pub fn read(head: &[u8]) -> Self {
        match Facts::read(head) {
            Some(Facts { status: 100..=199, .. }) => Self::Informational,
            Some(Facts { status: 200, framing, form, .. }) => Self::Plain(framing, form),
            Some(Facts { status: 400, framing, is_json: true, .. }) => Self::Refused(framing),
            Some(Facts { status: 500, framing, is_json: true, .. }) => Self::Failed(framing),
            _ => Self::Other,
        }
    }
}

/// Reads a body out of its framing.
#[derive(Debug)]
pub struct Body {
    part: Part,
    /// What has come of the line that is being read.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// A chunk's first line; what has been read of it as a number.
    Size { size: usize, digits: usize, is_over: bool },
    /// So many bytes of a chunk; without an end where the connection is the end.
    Chunk { left: usize },
    /// What ends a chunk.
    End,
    /// All that is left of a body without chunks.
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
        Self { part, line: Vec::new() }
    }

    /// Bytes of framing that are kept.
    pub fn kept(&self) -> usize {
        self.line.len()
    }

    /// Whether its length was said in advance.
    pub fn has_length(&self) -> bool {
        matches!(self.part, Part::Rest { left: Some(_) })
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
            (_, Some(byte)) => {
                self.line.push(*byte);
                (1, self.read_frame(*byte))
            }
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
            (Part::Size { size, digits: digits @ 1.., .. }, _) => Part::Size { size, digits, is_over: true },
            (Part::End, b'\r') => Part::End,
            (Part::End, b'\n') => NEXT_CHUNK,
            _ => return Piece::Broken,
        };
        if byte == b'\n' {
            self.line.clear();
        }
        self.part = next;
        Piece::Frame
    }

    /// So much of what was read, as one chunk: what must stand before it and behind it, so that the bytes that were not
    /// read go on from there.
    pub fn reframe(self, kept: usize) -> (String, Vec<u8>) {
        let (before, end) = match self.part {
            Part::Rest { .. } => (String::new(), ""),
            Part::Chunk { left } => (format!("{:x}\r\n", kept.saturating_add(left)), ""),
            Part::End | Part::Size { .. } if kept == 0 => (String::new(), ""),
            Part::End => (format!("{kept:x}\r\n"), ""),
            Part::Size { .. } => (format!("{kept:x}\r\n"), "\r\n"),
        };
        (before, [end.as_bytes(), &self.line].concat())
    }
}
