//! Holds the beginning of an event stream until it says something.
//! Has no socket and no clock: it is pushed what a server sends, head and framing included, and says from where on it
//! may be shown.
//!
//! A server that dies after its 200 but before its first word has answered nothing yet; as long as nothing was shown,
//! another one can take its place. Only such an answer is held: anything but a plain 200 of an event stream is shown
//! at once, and so is what cannot be understood. What is shown is what came, in its order; left out are only whole
//! chunks of comments, and of progress that the client did not ask for.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::response::{Progress, Said};
use crate::sse;

/// More than any server says before its first word; beyond it the answer is shown as it is.
const HELD_BYTES_MAX: usize = 1 << 16;
/// As many as Pingora reads.
const FIELDS_MAX: usize = 256;
/// A chunk of more hexadecimal digits is larger than what is held.
const SIZE_DIGITS_MAX: usize = 8;

/// Who asked a server how far it is with a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// The client, if anybody: it gets what comes.
    #[default]
    Client,
    /// The gateway: the client hears of it in a comment.
    Gateway,
}

/// The beginning of an answer.
#[derive(Debug)]
pub struct Opening {
    held: BytesMut,
    stage: Stage,
    asked: Asked,
    progress: Option<Progress>,
}

/// ```text
/// Head --> Data (ends with the connection) --------------> Open
///  | \                                                      ^
///  |  +--> Size --> Data --> End --> Size ...  -------------+
///  +--------------------------------------------------------+
/// ```
#[derive(Debug)]
enum Stage {
    /// Of a head, where it began and how long its last line is so far, carriage returns aside.
    Head {
        began: usize,
        line: usize,
    },
    Body(Box<Body>),
    /// It may be shown.
    Open,
}

#[derive(Debug)]
struct Body {
    part: Part,
    events: sse::Decoder,
    /// Bytes of an event whose end has not come.
    begun: usize,
    /// Where in what is held the current chunk began.
    chunk: usize,
    /// Whether everything in it is better left out.
    is_void: bool,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// A chunk's first line; what has been read of it as a number.
    Size { size: usize, digits: usize, is_over: bool },
    /// So many bytes of a chunk; without chunks there is no end to them.
    Data { left: Option<usize> },
    /// What ends a chunk.
    End,
}

const NEXT_CHUNK: Part = Part::Size { size: 0, digits: 0, is_over: false };

/// How the body of an answer that is held is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Chunked,
    /// It ends with the connection.
    Close,
}

/// What a head means for what follows.
#[derive(Debug)]
enum Head {
    /// Another head follows.
    Informational,
    Held(Framing),
    /// Nothing that is held.
    Other,
}

impl Opening {
    pub fn new(asked: Asked) -> Self {
        Self { held: BytesMut::new(), stage: Stage::Head { began: 0, line: 0 }, asked, progress: None }
    }

    /// Takes the next bytes that the server sent.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_open() {
            let length = match &self.stage {
                Stage::Body(body) => body.reach(bytes),
                Stage::Head { .. } | Stage::Open => memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1),
            };
            if self.held.len() + length > HELD_BYTES_MAX {
                self.stage = Stage::Open;
                break;
            }
            let (now, later) = bytes.split_at(length);
            self.held.extend_from_slice(now);
            self.read(now);
            bytes = later;
        }
        // What follows is not looked at.
        self.held.extend_from_slice(bytes);
    }

    /// Whether it may be shown.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// What is held; it is shown now.
    pub fn take(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// Whether nothing has come yet.
    pub fn is_untouched(&self) -> bool {
        matches!(self.stage, Stage::Head { began: 0, .. }) && self.held.is_empty()
    }

    /// How far the server was last with the prompt, where it was the gateway that asked.
    pub fn progress(&self) -> Option<Progress> {
        self.progress
    }

    /// Reads bytes that all belong to the same part of the answer.
    fn read(&mut self, bytes: &[u8]) {
        let next = match &mut self.stage {
            Stage::Open => None,
            Stage::Head { began, line } => {
                *line += bytes.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
                if bytes.ends_with(b"\n") && std::mem::take(line) == 0 {
                    let head = self.held.get(*began..).unwrap_or_default();
                    Some(match Head::read(head) {
                        Head::Informational => Stage::Head { began: self.held.len(), line: 0 },
                        Head::Held(framing) => Stage::Body(Box::new(Body::new(framing, self.held.len()))),
                        Head::Other => Stage::Open,
                    })
                } else {
                    None
                }
            }
            Stage::Body(body) => match body.read(bytes, self.asked, &mut self.progress) {
                Flow::On => None,
                Flow::Drop => {
                    self.held.truncate(body.chunk);
                    None
                }
                Flow::Next => {
                    body.chunk = self.held.len();
                    None
                }
                Flow::Open => Some(Stage::Open),
            },
        };
        if let Some(next) = next {
            self.stage = next;
        }
    }
}

/// How the body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    /// A chunk is over and is left out.
    Drop,
    /// A chunk is over and stays.
    Next,
    /// It says something, it is over, or it cannot be understood.
    Open,
}

impl Body {
    fn new(framing: Framing, began: usize) -> Self {
        let part = match framing {
            Framing::Chunked => NEXT_CHUNK,
            Framing::Close => Part::Data { left: None },
        };
        Self { part, events: sse::Decoder::new(HELD_BYTES_MAX), begun: 0, chunk: began, is_void: true }
    }

    /// How many of these bytes belong to the part that has been reached.
    fn reach(&self, bytes: &[u8]) -> usize {
        match self.part {
            Part::Data { left } => left.map_or(bytes.len(), |left| left.min(bytes.len())),
            Part::Size { .. } | Part::End => 1,
        }
    }

    fn read(&mut self, bytes: &[u8], asked: Asked, progress: &mut Option<Progress>) -> Flow {
        match (self.part, bytes) {
            (Part::Data { left }, data) => {
                self.part = match left.map(|left| left - data.len()) {
                    Some(0) => Part::End,
                    left => Part::Data { left },
                };
                self.read_data(data, asked, progress)
            }
            (Part::Size { size, digits, .. }, b"\n") => {
                // The last chunk ends an answer that has said nothing.
                if digits == 0 || size == 0 {
                    return Flow::Open;
                }
                self.is_void = self.begun == 0;
                self.part = Part::Data { left: Some(size) };
                Flow::On
            }
            (Part::Size { size, digits, is_over: false }, &[byte]) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).and_then(|digit| usize::try_from(digit).ok());
                self.part = Part::Size { size: size << 4 | digit.unwrap_or(0), digits: digits + 1, is_over: false };
                if digits < SIZE_DIGITS_MAX { Flow::On } else { Flow::Open }
            }
            // Blanks, an extension.
            (Part::Size { size, digits: digits @ 1.., .. }, _) => {
                self.part = Part::Size { size, digits, is_over: true };
                Flow::On
            }
            (Part::End, b"\r") => Flow::On,
            (Part::End, b"\n") => {
                self.part = NEXT_CHUNK;
                if self.is_void && self.begun == 0 { Flow::Drop } else { Flow::Next }
            }
            _ => Flow::Open,
        }
    }

    fn read_data(&mut self, data: &[u8], asked: Asked, progress: &mut Option<Progress>) -> Flow {
        self.begun += data.len();
        self.events.push(Bytes::copy_from_slice(data));
        loop {
            let event = match self.events.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => return Flow::On,
                Err(sse::EventTooLarge(_)) => return Flow::Open,
            };
            self.begun = self.begun.saturating_sub(event.raw.len());
            match event.data().map(Said::of) {
                // An id or a time to wait would be missed.
                None => self.is_void &= event.raw.starts_with(b":"),
                Some(Said::Nothing) => self.is_void = false,
                Some(Said::Prefill(so_far)) if asked == Asked::Gateway => *progress = Some(so_far),
                Some(Said::Prefill(_) | Said::Something) => return Flow::Open,
            }
        }
    }
}

impl Head {
    /// Reads a whole head.
    fn read(head: &[u8]) -> Self {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(_)) = response.parse(head) else { return Self::Other };
        match response.code {
            Some(101) | None => return Self::Other,
            Some(100..=199) => return Self::Informational,
            Some(200) => {}
            Some(_) => return Self::Other,
        }
        let (mut is_stream, mut framing) = (false, Framing::Close);
        for field in response.headers.iter() {
            let name = |name| field.name.eq_ignore_ascii_case(name);
            let value = field.value.trim_ascii();
            let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            if name("content-type") {
                is_stream = essence.eq_ignore_ascii_case(b"text/event-stream");
            } else if name("transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
                framing = Framing::Chunked;
            } else if name("transfer-encoding")
                || name("content-length")
                || name("content-encoding") && !value.eq_ignore_ascii_case(b"identity")
            {
                return Self::Other;
            }
        }
        if is_stream { Self::Held(framing) } else { Self::Other }
    }
}

#[cfg(test)]
mod tests;
