//! Translation of an answer on its way out of a connection: what a server says in an API of its own becomes what a server
//! of OpenAI's would have sent, head and framing included. So whoever holds, reads or assembles answers knows one API.
//! Reads no socket; what the words mean is the API's room.

use bytes::{Buf, BytesMut};
use memchr::memchr;
use tokio::io::ReadBuf;

use crate::api::ollama::server::{Answer, Complaint, Refusal, no_answer, refusal};
use crate::api::openai::Usage;
use crate::chat::Calls;
use crate::limits::Limits;

use super::framing::{Body, Facts, Framing, Piece};
use super::whole::{JSON, fields, message};

/// No server has longer heads; what follows one passes.
const HEAD_BYTES_MAX: usize = 1 << 16;
/// No server explains itself at greater length.
const REFUSAL_BYTES_MAX: usize = 1 << 16;

/// How an exchange's answers are translated.
#[derive(Clone, Debug)]
pub struct Translating {
    /// Whether the client wants to know what the answer cost.
    pub usage: Usage,
    /// How many of the calls that its server has read reach it.
    pub calls: Calls,
    pub limits: Limits,
}

/// One answer that is translated.
#[derive(Debug)]
pub struct Translation {
    translating: Translating,
    /// The head that is being read, or the last that was. Of lines it goes on with the first of what they say: what
    /// turns out to be no answer can be refused until then.
    head: BytesMut,
    /// How long its last line is so far, carriage returns aside.
    line: usize,
    stage: Stage,
    complaint: Option<Complaint>,
    /// What is to be handed on.
    out: BytesMut,
}

/// ```text
/// Head --> Lines --> Over
///  | \                ^
///  |  \--> Refusal ---+
///  +--> Through
/// ```
#[derive(Debug)]
enum Stage {
    Head,
    /// The lines of an answer, which go on as events.
    Lines(Box<Answer>, Body),
    /// What it says in place of an answer.
    Refusal(u16, Body, Vec<u8>),
    /// What cannot be understood goes on as it came.
    Through,
    /// Everything was said. What still comes is dropped.
    Over,
}

impl Translation {
    /// Of which nothing has come.
    pub fn new(translating: Translating) -> Self {
        let (head, out) = (BytesMut::new(), BytesMut::new());
        Self { translating, head, line: 0, stage: Stage::Head, complaint: None, out }
    }

    /// Takes the next bytes that the server sent.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = match &mut self.stage {
                Stage::Over => return,
                Stage::Through => {
                    self.out.extend_from_slice(bytes);
                    return;
                }
                Stage::Head => self.read_head(bytes),
                Stage::Lines(..) | Stage::Refusal(..) => self.read_body(bytes),
            };
            bytes = bytes.get(length..).unwrap_or_default();
        }
    }

    /// The server sends nothing more. What has begun and was cut off stays so: whoever reads it sees that.
    pub fn end(&mut self) {
        match &mut self.stage {
            Stage::Head => self.let_go(),
            Stage::Lines(_, body) | Stage::Refusal(_, body, _) if body.ends_with_connection() => self.complete(),
            Stage::Lines(..) => self.begin_stream(),
            Stage::Refusal(..) | Stage::Through | Stage::Over => {}
        }
    }

    /// What a refusal complains of.
    pub fn complaint(&self) -> Option<Complaint> {
        self.complaint
    }

    /// Whether everything was said, and nothing follows.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Puts into `buf` what may be handed on; whether there was anything.
    pub fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let length = self.out.len().min(buf.remaining());
        buf.put_slice(self.out.get(..length).unwrap_or_default());
        self.out.advance(length);
        length > 0
    }

    /// Reads a line of a head, or the beginning of one, and says how long it is.
    fn read_head(&mut self, bytes: &[u8]) -> usize {
        let length = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let part = bytes.get(..length).unwrap_or_default();
        self.head.extend_from_slice(part);
        self.line += part.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
        let is_whole = part.ends_with(b"\n") && std::mem::take(&mut self.line) == 0;
        if is_whole {
            self.begin();
        } else if self.head.len() > HEAD_BYTES_MAX {
            self.let_go();
        }
        length
    }

    /// A head has come.
    fn begin(&mut self) {
        let Some(facts) = Facts::read(&self.head) else { return self.let_go() };
        let body = Body::new(facts.framing);
        match facts.status {
            100..=199 => {
                self.out.extend_from_slice(&self.head);
                self.head.clear();
            }
            200 => {
                let Translating { usage, calls, limits } = &self.translating;
                let answer = Answer::new(*usage, limits).of_calls(*calls);
                self.stage = Stage::Lines(Box::new(answer), body);
                self.complete_if_empty(facts.framing);
            }
            status @ 400..=599 => {
                self.stage = Stage::Refusal(status, body, Vec::new());
                self.complete_if_empty(facts.framing);
            }
            _ => self.let_go(),
        }
    }

    fn complete_if_empty(&mut self, framing: Framing) {
        if framing == Framing::Length(0) {
            self.complete();
        }
    }

    /// The head of a stream goes on, unless it has.
    fn begin_stream(&mut self) {
        if !self.head.is_empty() {
            self.out.extend_from_slice(&fields(&self.head, 200));
            self.out.extend_from_slice(b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            self.head.clear();
        }
    }

    /// Events go on, behind their head.
    fn tell(&mut self, events: &[u8]) {
        if !events.is_empty() {
            self.begin_stream();
            chunk(events, &mut self.out);
        }
    }

    /// Reads the first of these bytes of a body that belong together, and says how many they are.
    fn read_body(&mut self, bytes: &[u8]) -> usize {
        let mut events = Vec::new();
        let (length, is_over) = match &mut self.stage {
            Stage::Lines(answer, body) => {
                let (length, piece) = body.read(bytes);
                if let Piece::Data(data) = piece {
                    events.reserve(data.len().saturating_mul(2));
                    answer.push(data, &mut events);
                    if answer.is_empty() {
                        // It is refused as a whole.
                        events.clear();
                    }
                }
                (length, answer.is_done() || is_last(piece, body))
            }
            Stage::Refusal(_, body, said) => {
                let (length, piece) = body.read(bytes);
                if let Piece::Data(data) = piece {
                    let room = REFUSAL_BYTES_MAX.saturating_sub(said.len());
                    said.extend_from_slice(data.get(..room).unwrap_or(data));
                }
                (length, is_last(piece, body))
            }
            Stage::Head | Stage::Through | Stage::Over => return bytes.len(),
        };
        self.tell(&events);
        if is_over {
            self.complete();
        }
        length
    }

    /// The body is complete.
    fn complete(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Lines(mut answer, _) => {
                let mut events = Vec::new();
                answer.finish(&mut events);
                if answer.is_empty() {
                    return self.refuse(&no_answer());
                }
                self.tell(&events);
                self.out.extend_from_slice(b"0\r\n\r\n");
            }
            Stage::Refusal(status, _, said) => self.refuse(&refusal(status, &said)),
            stage @ (Stage::Head | Stage::Through | Stage::Over) => self.stage = stage,
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.complaint = refusal.complaint;
        if let Some(page) = &refusal.signin {
            log::warn!("a server wants somebody to sign in: {page}");
        }
        self.out.extend_from_slice(&message(&self.head, refusal.status, JSON, refusal.body.as_bytes()));
    }

    /// What has come of a head goes on as it is, and so does everything that follows.
    fn let_go(&mut self) {
        self.out.extend_from_slice(&self.head);
        self.stage = Stage::Through;
    }
}

/// Whether nothing of the body follows this piece. One whose framing cannot be understood ends there.
fn is_last(piece: Piece<'_>, body: &Body) -> bool {
    matches!(piece, Piece::Last | Piece::Broken) || body.is_over()
}

/// Appends data as a chunk; none is no chunk, since that would be the last.
fn chunk(data: &[u8], out: &mut BytesMut) {
    if !data.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
