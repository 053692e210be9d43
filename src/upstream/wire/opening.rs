//! Opening of an answer, held back until it is known what it is, until it says something, or until it is whole.
//! Has no socket and no clock: it is pushed the parts that a server sends and says which may be shown, and when.
//!
//! A server that dies after its 200 but before its first word has answered nothing yet; as long as nothing was shown,
//! another one can take its place. Only such an answer is held, and a refusal that may tell what the model wrote:
//! anything else but a plain 200 of an event stream is shown at once. Of a stream that goes on as one what is shown is
//! what came, in its order; left out are only progress that the client did not ask for, and comments where the gateway's
//! own stand in their place.

use bytes::Bytes;
use pingora::http::ResponseHeader;

use crate::api::Progress;
use crate::api::openai::{AssembleError, Complaint, ToldText};
use crate::limits::Limits;
use crate::sse;

use super::part::{Ending, Facts, Form, Message, Part};
use super::refused::{Asked, Refused};
use super::speech::{Asker, Comments, Heard, Speech};
use super::whole::{Whole, refusal};

/// More than any server says before its first word; beyond it the answer is shown as it is.
const HELD_BYTES_MAX: usize = 1 << 16;

/// What an answer is held for.
#[derive(Clone, Debug)]
pub enum Until {
    /// It is known whether it is an event stream.
    Known,
    /// It says something.
    Spoken(Asker, Comments),
    /// It is whole: a stream of so many choices goes on as one body.
    Whole { choices: usize, limits: Limits },
}

/// What becomes of an event stream that is held, and ends as it should without having said anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wordless {
    /// It is shown as it came.
    #[default]
    Shown,
    /// It has failed: before a model that died stands a server that lives, and ends its answer.
    Failed,
}

/// The beginning of an answer.
#[derive(Debug)]
pub struct Opening {
    until: Until,
    wordless: Wordless,
    told_text: ToldText,
    /// The head of an answer that is held.
    head: Option<Box<ResponseHeader>>,
    stage: Stage,
    is_events: bool,
    complaint: Option<Complaint>,
    progress: Option<Progress>,
    failed: Option<AssembleError>,
}

/// ```text
/// Head --> Beginning --> Speech --> Open
///  | \         |  \______________/   ^
///  |  \        +---> Whole --> Made  |
///  |   \----> Refused -----^ \-------+
///  +---------------------------------+
/// ```
#[derive(Debug)]
enum Stage {
    Head,
    /// Of what may be an event stream its first bytes.
    Beginning(Vec<u8>),
    /// An event stream that goes on as one.
    Speech(Box<Speech>),
    /// An event stream that is put together.
    Whole(Box<Whole>),
    /// A refusal that may tell what the model wrote.
    Refused(Refused),
    /// It is shown, and everything that follows.
    Open,
    /// It is shown, and nothing follows.
    Made,
}

/// How an answer goes on after some of its data.
#[derive(Debug)]
enum Flow {
    On,
    /// It may be shown as it came.
    Open,
    /// All of it has come that is needed to put it together.
    Make,
    /// Nothing can be made of it.
    Fail(AssembleError),
}

impl Opening {
    /// Of which nothing has come.
    pub fn new(until: Until, wordless: Wordless) -> Self {
        Self {
            until,
            wordless,
            told_text: ToldText::Ignored,
            head: None,
            stage: Stage::Head,
            is_events: false,
            complaint: None,
            progress: None,
            failed: None,
        }
    }

    /// The same, and errors that tell what the model wrote go on as answers.
    #[must_use]
    pub fn with_told_text(self, told_text: ToldText) -> Self {
        Self { told_text, ..self }
    }

    /// Takes the next part that the server sent.
    pub fn push(&mut self, part: Part, shown: &mut Vec<Part>) {
        if self.failed.is_some() {
            return;
        }
        match (&self.stage, part) {
            (Stage::Open, part) => shown.push(part),
            (Stage::Made, _) => {}
            (_, Part::Head(head)) if head.status.is_informational() => shown.push(Part::Head(head)),
            (_, Part::Head(head)) => {
                let opens = self.begin(&head);
                self.head = Some(head);
                if opens {
                    self.open(shown);
                }
            }
            (_, Part::Data(data)) => {
                let flow = self.read(data);
                self.go(flow, shown);
            }
            (_, Part::End(ending)) => {
                match ending {
                    Ending::Framed => {
                        let flow = self.over();
                        self.go(flow, shown);
                    }
                    Ending::Closed => self.break_off(shown),
                }
                if self.is_open() {
                    shown.push(Part::End(ending));
                }
            }
        }
    }

    /// The server sends nothing more, though its answer may not be over: what can be shown of it all the same.
    pub fn break_off(&mut self, shown: &mut Vec<Part>) {
        self.make(shown);
        // A stream that just ends is one whose server died.
        if self.failed == Some(AssembleError::Incomplete) {
            self.failed = None;
        }
    }

    /// From here on the client hears comments of the gateway.
    pub fn comment(&mut self) {
        if let Until::Spoken(_, comments) = &mut self.until {
            *comments = Comments::Gateways;
        }
        if let Stage::Speech(speech) = &mut self.stage {
            speech.comments = Comments::Gateways;
        }
    }

    /// Whether everything that follows is shown.
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Whether it was put together, or an error that was told instead; nothing that follows is shown.
    pub fn is_made(&self) -> bool {
        matches!(self.stage, Stage::Made)
    }

    /// Why no whole answer can be made of it.
    pub fn failed(&self) -> Option<&AssembleError> {
        self.failed.as_ref()
    }

    /// Whether it goes on as an event stream, whatever its head says.
    pub fn is_events(&self) -> bool {
        self.is_events && !matches!(self.until, Until::Whole { .. })
    }

    /// What it complains of, where it is a refusal that was held.
    pub fn complaint(&self) -> Option<Complaint> {
        self.complaint
    }

    /// Of an answer that is put together: in how many of its events the model said something.
    pub fn spoken(&self) -> u64 {
        if let Stage::Whole(whole) = &self.stage { whole.spoken() } else { 0 }
    }

    /// Whether all was said of an answer that is put together but what it cost.
    pub fn is_said(&self) -> bool {
        matches!(&self.stage, Stage::Whole(whole) if whole.is_said())
    }

    /// How far the server was last with the prompt, where it was the gateway that asked.
    pub fn progress(&self) -> Option<Progress> {
        self.progress
    }

    /// Bytes that are held.
    fn held(&self) -> usize {
        match &self.stage {
            Stage::Beginning(first) => first.len(),
            Stage::Speech(speech) => speech.held(),
            Stage::Refused(refused) => refused.held(),
            // It keeps to a limit of its own.
            Stage::Whole(_) => 0,
            Stage::Head | Stage::Open | Stage::Made => 0,
        }
    }

    /// A head has come. Whether the answer is shown as it comes.
    fn begin(&mut self, head: &ResponseHeader) -> bool {
        match (Facts::of(head), &self.until) {
            (Some(Facts { status: 200, form: Form::Events, .. }), Until::Known) => return true,
            (Some(Facts { status: 200, form: Form::Events, has_length, .. }), _) => self.begin_events(has_length),
            (Some(Facts { status: 200, form: Form::Unsaid, .. }), _) => self.stage = Stage::Beginning(Vec::new()),
            // What a 400 tells was never the model's.
            (Some(Facts { status: status @ (400 | 500), is_json: true, .. }), _)
                if self.told_text != ToldText::Ignored =>
            {
                let told_text = if status == 500 { self.told_text } else { ToldText::Ignored };
                self.stage = Stage::Refused(Refused::new(told_text));
            }
            _ => return true,
        }
        false
    }

    /// It is an event stream.
    fn begin_events(&mut self, has_length: bool) {
        self.is_events = true;
        self.stage = match &self.until {
            Until::Known => Stage::Beginning(Vec::new()),
            Until::Spoken(asked, comments) => {
                // Of a body whose length was said nothing can be left out.
                let (asked, comments) =
                    if has_length { (Asker::Client, Comments::Servers) } else { (*asked, *comments) };
                Stage::Speech(Box::new(Speech::new(asked, comments, HELD_BYTES_MAX)))
            }
            Until::Whole { choices, limits } => Stage::Whole(Box::new(Whole::new(*choices, limits, self.told_text))),
        };
    }

    fn read(&mut self, data: Bytes) -> Flow {
        match &mut self.stage {
            Stage::Beginning(first) => {
                first.extend_from_slice(&data);
                match (sse::begins(first), &self.until) {
                    (None, _) => Flow::On,
                    (Some(true), Until::Known) => {
                        self.is_events = true;
                        Flow::Open
                    }
                    (Some(true), _) => {
                        let first = std::mem::take(first);
                        let has_length = self
                            .head
                            .as_deref()
                            .is_some_and(|head| Facts::of(head).is_some_and(|facts| facts.has_length));
                        self.begin_events(has_length);
                        self.read(first.into())
                    }
                    (Some(false), _) => Flow::Open,
                }
            }
            Stage::Speech(speech) => match speech.read(data, &mut self.progress) {
                Heard::Nothing => Flow::On,
                Heard::Something => Flow::Open,
            },
            Stage::Whole(whole) => match whole.push(data) {
                Ok(()) if whole.is_done() => Flow::Make,
                Ok(()) => Flow::On,
                Err(e) => Flow::Fail(e),
            },
            Stage::Refused(refused) => {
                refused.push(&data);
                Flow::On
            }
            Stage::Head | Stage::Open | Stage::Made => Flow::Open,
        }
    }

    /// The answer has ended, and is held still.
    fn over(&mut self) -> Flow {
        match self.stage {
            Stage::Refused(_) | Stage::Whole(_) => Flow::Make,
            Stage::Speech(_) if self.wordless == Wordless::Failed => Flow::Fail(AssembleError::Incomplete),
            _ => Flow::Open,
        }
    }

    fn go(&mut self, flow: Flow, shown: &mut Vec<Part>) {
        match flow {
            Flow::On if self.held() <= HELD_BYTES_MAX => {}
            Flow::On | Flow::Open => self.open(shown),
            Flow::Make => self.make(shown),
            Flow::Fail(e) => self.fail(e, shown),
        }
    }

    /// What is held may be shown as it came, and what follows too.
    fn open(&mut self, shown: &mut Vec<Part>) {
        let kept = match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Beginning(first) => first,
            Stage::Speech(speech) => speech.finish(),
            Stage::Refused(refused) => refused.into_body(),
            Stage::Head | Stage::Whole(_) | Stage::Open | Stage::Made => Vec::new(),
        };
        shown.extend(self.head.take().map(Part::Head));
        if !kept.is_empty() {
            shown.push(Part::Data(kept.into()));
        }
    }

    /// Everything has come: puts it together.
    fn make(&mut self, shown: &mut Vec<Part>) {
        let made = match std::mem::replace(&mut self.stage, Stage::Made) {
            Stage::Whole(whole) => whole.finish(),
            Stage::Refused(refused) => return self.answer(refused, shown),
            other => {
                self.stage = other;
                return;
            }
        };
        match made {
            Ok(message) => self.show(message, shown),
            Err(e) => self.fail(e, shown),
        }
    }

    /// All of a refusal has come: what it tells is an answer, or it is shown as it came.
    fn answer(&mut self, refused: Refused, shown: &mut Vec<Part>) {
        let asked = if matches!(self.until, Until::Spoken(..)) { Asked::Stream } else { Asked::Body };
        if let Some(message) = refused.answer(asked) {
            self.is_events = asked == Asked::Stream;
            return self.show(message, shown);
        }
        self.complaint = refused.complaint();
        self.stage = Stage::Refused(refused);
        self.open(shown);
    }

    /// No answer can be put together, but perhaps the server has said why.
    fn fail(&mut self, e: AssembleError, shown: &mut Vec<Part>) {
        match refusal(e) {
            Ok(message) => {
                self.stage = Stage::Made;
                self.show(message, shown);
            }
            Err(e) => self.failed = Some(e),
        }
    }

    /// Shows a whole answer with the fields of the head that came.
    fn show(&mut self, message: Message, shown: &mut Vec<Part>) {
        let is_shown = self.head.take().is_some_and(|head| message.show(&head, shown).is_ok());
        if !is_shown {
            self.failed = Some(AssembleError::Incomplete);
        }
    }
}

#[cfg(test)]
mod tests;
