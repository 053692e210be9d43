//! Opening of an answer, held back until it is known what it is, until it says something, or until it is whole.
//! Has no socket and no clock: it is pushed what a server sends, head and framing included, and says what may be shown,
//! and when.
//!
//! A server that dies after its 200 but before its first word has answered nothing yet; as long as nothing was shown,
//! another one can take its place. Only such an answer is held, and a 500 that may tell what the model wrote: anything
//! else but a plain 200 of an event stream is shown at once, and so is what cannot be understood. Of a stream that goes
//! on as one what is shown is what came, in its order; left out are only progress that the client did not ask for, and
//! comments where the gateway's own stand in their place. The chunks that were held become one.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::api::Progress;
use crate::api::openai::{AssembleError, Complaint, ToldText};
use crate::limits::Limits;
use crate::sse;

use super::framing::{Body, Form, Head, Piece};
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
    /// Heads that have come.
    head: BytesMut,
    /// Where the last of them begins.
    began: usize,
    /// What follows the last.
    body: Option<Body>,
    stage: Stage,
    /// What may be shown.
    shown: BytesMut,
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
    /// How long the last line is so far, carriage returns aside.
    Head { line: usize },
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

/// How an answer goes on after some of its bytes.
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

/// The server sends nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nor did it ever.
    Untouched,
    /// What was held may be shown.
    Shown,
    Broken,
}

impl Opening {
    /// Of which nothing has come.
    pub fn new(until: Until, wordless: Wordless) -> Self {
        Self {
            until,
            wordless,
            told_text: ToldText::Ignored,
            head: BytesMut::new(),
            began: 0,
            body: None,
            stage: Stage::Head { line: 0 },
            shown: BytesMut::new(),
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

    /// Takes the next bytes that the server sent.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.failed.is_none() {
            match self.stage {
                Stage::Open => return self.shown.extend_from_slice(bytes),
                Stage::Made => return,
                _ => {}
            }
            let (length, flow) = self.read(bytes);
            bytes = bytes.get(length..).unwrap_or_default();
            match flow {
                Flow::On if self.held() <= HELD_BYTES_MAX => {}
                Flow::On | Flow::Open => self.open(),
                Flow::Make => self.make(),
                Flow::Fail(e) => self.fail(e),
            }
        }
    }

    /// The server sends nothing more, though its answer may not be over.
    pub fn end(&mut self) -> End {
        if self.head.is_empty() && matches!(self.stage, Stage::Head { .. }) {
            return End::Untouched;
        }
        self.make();
        match self.failed.take() {
            None if self.is_made() || self.is_open() => return End::Shown,
            // A stream that just ends is one whose server died.
            None | Some(AssembleError::Incomplete) => {}
            failed => self.failed = failed,
        }
        End::Broken
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

    /// Whether nothing that follows is shown.
    pub fn is_made(&self) -> bool {
        matches!(self.stage, Stage::Made)
    }

    /// What may be shown by now.
    pub fn take(&mut self) -> Bytes {
        self.shown.split().freeze()
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
        let said = match &self.stage {
            Stage::Beginning(first) => first.len(),
            Stage::Speech(speech) => speech.held(),
            Stage::Refused(refused) => refused.held(),
            // It keeps to a limit of its own.
            Stage::Whole(_) => return 0,
            Stage::Head { .. } | Stage::Open | Stage::Made => 0,
        };
        self.head.len() + self.body.as_ref().map_or(0, Body::kept) + said
    }

    /// Reads the first of these bytes that belong together, and says how many they are.
    fn read(&mut self, bytes: &[u8]) -> (usize, Flow) {
        let Some(body) = &mut self.body else {
            let length = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            return (length, self.read_head(bytes.get(..length).unwrap_or_default()));
        };
        let (length, piece) = body.read(bytes);
        let flow = match (piece, &self.stage) {
            (Piece::Frame, _) => Flow::On,
            (Piece::Data(data), _) => self.read_data(data),
            (Piece::Last, Stage::Whole(_)) => Flow::Make,
            (Piece::Broken, Stage::Whole(_)) => Flow::Fail(AssembleError::Incomplete),
            (Piece::Last, _) => self.over(),
            (Piece::Broken, _) => Flow::Open,
        };
        (length, flow)
    }

    /// The answer has ended, and is held still.
    fn over(&mut self) -> Flow {
        match self.stage {
            Stage::Refused(_) => Flow::Make,
            Stage::Speech(_) if self.wordless == Wordless::Failed => Flow::Fail(AssembleError::Incomplete),
            _ => Flow::Open,
        }
    }

    fn read_data(&mut self, data: &[u8]) -> Flow {
        let is_over = self.body.as_ref().is_some_and(Body::is_over);
        let flow = match &mut self.stage {
            Stage::Beginning(first) => {
                first.extend_from_slice(data);
                match (sse::begins(first), &self.until) {
                    (None, _) => Flow::On,
                    (Some(true), Until::Known) => {
                        self.is_events = true;
                        Flow::Open
                    }
                    (Some(true), _) => {
                        let first = std::mem::take(first);
                        self.begin();
                        return self.read_data(&first);
                    }
                    (Some(false), _) => Flow::Open,
                }
            }
            Stage::Speech(speech) => match speech.read(data, &mut self.progress) {
                Heard::Nothing => Flow::On,
                Heard::Something => Flow::Open,
            },
            Stage::Whole(whole) => match whole.push(data) {
                Ok(()) if is_over || whole.is_done() => Flow::Make,
                Ok(()) => Flow::On,
                Err(e) => Flow::Fail(e),
            },
            Stage::Refused(refused) => {
                refused.push(data);
                Flow::On
            }
            Stage::Head { .. } | Stage::Open | Stage::Made => Flow::Open,
        };
        // Nothing follows that could be waited for.
        if is_over && matches!(flow, Flow::On) { self.over() } else { flow }
    }

    /// Reads a line of a head, or the beginning of one.
    fn read_head(&mut self, bytes: &[u8]) -> Flow {
        self.head.extend_from_slice(bytes);
        let Stage::Head { line } = &mut self.stage else { return Flow::Open };
        *line += bytes.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
        if !bytes.ends_with(b"\n") || std::mem::take(line) > 0 {
            return Flow::On;
        }
        let (framing, form) = match Head::read(self.head.get(self.began..).unwrap_or_default()) {
            Head::Other => return Flow::Open,
            Head::Informational => {
                self.began = self.head.len();
                return Flow::On;
            }
            Head::Plain(framing, form) => (framing, form),
            // What a 400 tells was never the model's.
            head @ (Head::Failed(framing) | Head::Refused(framing)) if self.told_text != ToldText::Ignored => {
                let is_failed = matches!(head, Head::Failed(_));
                let told_text = if is_failed { self.told_text } else { ToldText::Ignored };
                self.stage = Stage::Refused(Refused::new(told_text));
                let is_over = self.body.insert(Body::new(framing)).is_over();
                return if is_over { Flow::Open } else { Flow::On };
            }
            Head::Failed(_) | Head::Refused(_) => return Flow::Open,
        };
        let is_over = self.body.insert(Body::new(framing)).is_over();
        match (form, &self.until) {
            (Form::Events, Until::Known) => return Flow::Open,
            (Form::Events, _) => self.begin(),
            (Form::Unsaid, _) => self.stage = Stage::Beginning(Vec::new()),
        }
        if is_over { Flow::Open } else { Flow::On }
    }

    /// It is an event stream.
    fn begin(&mut self) {
        self.is_events = true;
        self.stage = match &self.until {
            Until::Known => Stage::Beginning(Vec::new()),
            Until::Spoken(asked, comments) => {
                // Of a body whose length was said nothing can be left out.
                let is_cut = self.body.as_ref().is_some_and(Body::has_length);
                let (asked, comments) = if is_cut { (Asker::Client, Comments::Servers) } else { (*asked, *comments) };
                Stage::Speech(Box::new(Speech::new(asked, comments, HELD_BYTES_MAX)))
            }
            Until::Whole { choices, limits } => Stage::Whole(Box::new(Whole::new(*choices, limits, self.told_text))),
        };
    }

    /// What is held may be shown as it came, and what follows too.
    fn open(&mut self) {
        let kept = match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Beginning(first) => first,
            Stage::Speech(speech) => speech.finish(),
            Stage::Refused(refused) => refused.into_body(),
            Stage::Head { .. } | Stage::Whole(_) | Stage::Open | Stage::Made => Vec::new(),
        };
        let (before, behind) = self.body.take().map(|body| body.reframe(kept.len())).unwrap_or_default();
        for part in [&std::mem::take(&mut self.head), before.as_bytes(), &kept, &behind] {
            self.shown.extend_from_slice(part);
        }
    }

    /// Everything has come: puts it together.
    fn make(&mut self) {
        let whole = match std::mem::replace(&mut self.stage, Stage::Made) {
            Stage::Whole(whole) => whole,
            Stage::Refused(refused) => return self.answer(refused),
            other => return self.stage = other,
        };
        match whole.finish(self.head.get(self.began..).unwrap_or_default()) {
            Ok(message) => self.show(&message),
            Err(e) => self.fail(e),
        }
    }

    /// All of a refusal has come: what it tells is an answer, or it is shown as it came.
    fn answer(&mut self, refused: Refused) {
        let asked = if matches!(self.until, Until::Spoken(..)) { Asked::Stream } else { Asked::Body };
        if let Some(message) = refused.answer(self.head.get(self.began..).unwrap_or_default(), asked) {
            self.is_events = asked == Asked::Stream;
            return self.show(&message);
        }
        self.complaint = refused.complaint();
        self.stage = Stage::Refused(refused);
        self.open();
    }

    /// No answer can be put together, but perhaps the server has said why.
    fn fail(&mut self, e: AssembleError) {
        match refusal(self.head.get(self.began..).unwrap_or_default(), e) {
            Ok(message) => {
                self.stage = Stage::Made;
                self.show(&message);
            }
            Err(e) => self.failed = Some(e),
        }
    }

    /// Shows a whole answer behind the heads that came before its own.
    fn show(&mut self, message: &[u8]) {
        self.shown.extend_from_slice(self.head.get(..self.began).unwrap_or_default());
        self.shown.extend_from_slice(message);
    }
}

#[cfg(test)]
mod tests;
