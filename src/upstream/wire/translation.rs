//! Translation of an answer on its way out of a connection: what a server says in an API of its own becomes what a server
//! of OpenAI's would have sent. So whoever holds, reads or assembles answers knows one API.
//! Reads no socket; what the words mean is the API's room.

use bytes::Bytes;
use pingora::http::ResponseHeader;

use crate::api::ollama::server::{Answer, Complaint, Refusal, no_answer, refusal};
use crate::api::openai::Usage;
use crate::chat::Calls;
use crate::limits::Limits;

use super::part::{EVENTS, Ending, Facts, Message, Part, remade};

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
    /// The head that came, until one goes on in its place: what turns out to be no answer can be refused until then.
    head: Option<Box<ResponseHeader>>,
    stage: Stage,
    complaint: Option<Complaint>,
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
    Lines(Box<Answer>),
    /// What it says in place of an answer.
    Refusal(u16, Vec<u8>),
    /// What cannot be understood goes on as it came.
    Through,
    /// Everything was said. What still comes is dropped.
    Over,
}

impl Translation {
    /// Of which nothing has come.
    pub fn new(translating: Translating) -> Self {
        Self { translating, head: None, stage: Stage::Head, complaint: None }
    }

    /// Takes the next part that the server sent.
    pub fn push(&mut self, part: Part, out: &mut Vec<Part>) {
        match (&self.stage, part) {
            (Stage::Over, _) => {}
            (Stage::Through, part) => out.push(part),
            (_, Part::Head(head)) if head.status.is_informational() => out.push(Part::Head(head)),
            (_, Part::Head(head)) => self.begin(head, out),
            (_, Part::Data(data)) => self.read(&data, out),
            (_, Part::End(_)) => self.complete(out),
        }
    }

    /// The connection ends before the answer does. What has begun and was cut off stays so: whoever reads it sees that.
    pub fn break_off(&mut self, out: &mut Vec<Part>) {
        if matches!(self.stage, Stage::Lines(_)) {
            self.begin_stream(out);
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

    fn begin(&mut self, head: Box<ResponseHeader>, out: &mut Vec<Part>) {
        match Facts::of(&head).map(|facts| facts.status) {
            Some(200) => {
                let Translating { usage, calls, limits } = &self.translating;
                self.stage = Stage::Lines(Box::new(Answer::new(*usage, limits).of_calls(*calls)));
            }
            Some(status @ 400..=599) => self.stage = Stage::Refusal(status, Vec::new()),
            _ => {
                self.stage = Stage::Through;
                out.push(Part::Head(head));
                return;
            }
        }
        self.head = Some(head);
    }

    /// The head of a stream goes on, unless it has.
    fn begin_stream(&mut self, out: &mut Vec<Part>) {
        let stream = self.head.take().and_then(|head| {
            let mut stream = remade(&head, 200, EVENTS).ok()?;
            stream.insert_header("Transfer-Encoding", "chunked").ok()?;
            Some(stream)
        });
        out.extend(stream.map(Part::Head));
    }

    /// Events go on, behind their head.
    fn tell(&mut self, events: Vec<u8>, out: &mut Vec<Part>) {
        if !events.is_empty() {
            self.begin_stream(out);
            out.push(Part::Data(events.into()));
        }
    }

    fn read(&mut self, data: &Bytes, out: &mut Vec<Part>) {
        match &mut self.stage {
            Stage::Lines(answer) => {
                let mut events = Vec::with_capacity(data.len().saturating_mul(2));
                answer.push(data, &mut events);
                let (is_empty, is_done) = (answer.is_empty(), answer.is_done());
                // It may be refused as a whole.
                if !is_empty {
                    self.tell(events, out);
                }
                if is_done {
                    self.complete(out);
                }
            }
            Stage::Refusal(_, said) => {
                let room = REFUSAL_BYTES_MAX.saturating_sub(said.len());
                said.extend_from_slice(data.get(..room).unwrap_or(data));
            }
            Stage::Head | Stage::Through | Stage::Over => {}
        }
    }

    /// The body is complete.
    fn complete(&mut self, out: &mut Vec<Part>) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Lines(mut answer) => {
                let mut events = Vec::new();
                answer.finish(&mut events);
                if answer.is_empty() {
                    return self.refuse(no_answer(), out);
                }
                self.tell(events, out);
                out.push(Part::End(Ending::Framed));
            }
            Stage::Refusal(status, said) => self.refuse(refusal(status, &said), out),
            stage @ (Stage::Head | Stage::Through | Stage::Over) => self.stage = stage,
        }
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<Part>) {
        self.complaint = refusal.complaint;
        if let Some(page) = &refusal.signin {
            log::warn!("a server wants somebody to sign in: {page}");
        }
        if let Some(head) = self.head.take() {
            // Its fields are a server's that were read, and ours.
            let _ = Message::json(refusal.status, refusal.body).show(&head, out);
        }
    }
}

#[cfg(test)]
mod tests;
