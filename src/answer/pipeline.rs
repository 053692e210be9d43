//! Pipeline of an answer: chosen by its head and by what its request asked for, then fed with its body.
//! Knows no connection; the reading itself is the rewriters'.

use bytes::{Bytes, BytesMut};

use super::list::List;
use super::refusal::Refusal;
use super::stream::StreamRewriter;
use super::whole::BodyRewriter;
use super::{Form, Head, Summary, Unread};
use crate::api::ollama::client::error_line;
use crate::api::ollama::server::Counting;
use crate::api::openai::AnswerTooLarge;
use crate::limits::Limits;
use crate::plan::{Exchange, Plan};

/// What an answer is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// What a model writes. How an error is told within a stream of it is known.
    Generation,
    /// The same, for a client in whose own words it comes: it is counted, and nothing else.
    Counted,
    /// Which models a server has. Some of that is private.
    Models,
    #[default]
    Other,
}

/// How an answer was ended that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client was told all it needs: the body ends properly.
    Properly,
    /// The client must see that something is missing: the connection is cut.
    Cut,
}

/// An answer on its way to the client.
#[derive(Debug, Default)]
pub struct Pipeline {
    body: Body,
    subject: Subject,
}

#[derive(Debug, Default)]
enum Body {
    /// It passes through, unlooked at.
    #[default]
    Passing,
    Stream(Box<StreamRewriter>),
    Whole(Box<BodyRewriter>),
    /// It goes on as an error event.
    Refused(Box<Refusal>),
    /// A list of models, which goes on without what is private.
    List(Box<List>),
    /// It passes through, and is listened to.
    Counted(Box<Counting>),
    /// The same of one in lines, to which one can be added.
    Lines(Box<Counting>),
}

impl Pipeline {
    /// Chooses by the answer's Content-Type, whatever the request asked for. Without an exchange no text is read, and of
    /// what was put together only what it cost.
    pub fn new(head: &Head<'_>, subject: Subject, plan: &Plan, limits: &Limits) -> Result<Self, Unread> {
        let scope = Scope::of(plan, head);
        let body = match head.form() {
            _ if subject == Subject::Counted => match head.is_success() {
                true if head.is_lines() => Body::Lines(Box::new(Counting::new(limits))),
                true => Body::Counted(Box::new(Counting::new(limits))),
                false => Body::Passing,
            },
            Err(why) if plan.exchange.is_some() => return Err(why),
            Ok(Form::Events) => stream(head, subject, scope, plan.alias.as_deref(), limits),
            _ if subject == Subject::Models && head.is_success() && !head.is_event_stream() => {
                Body::List(Box::new(List::new(limits)))
            }
            Ok(Form::Whole) => whole(scope, plan, limits),
            _ => Body::Passing,
        };
        Ok(Self { body, subject })
    }

    /// For an answer that is no stream, and whose client has already got the head of one. `unsaid` is the event for a
    /// server that gives no error of its own.
    pub fn refusal(status: u16, unsaid: Bytes) -> Self {
        Self { body: Body::Refused(Box::new(Refusal::new(status, unsaid))), subject: Subject::Generation }
    }

    /// Whether the body that goes to the client may differ from the server's in its length.
    pub fn changes_length(&self) -> bool {
        match &self.body {
            Body::Passing | Body::Counted(_) | Body::Lines(_) => false,
            Body::Stream(stream) => stream.changes(),
            Body::Whole(_) | Body::Refused(_) | Body::List(_) => true,
        }
    }

    /// Whether what the model wrote is read, or at least what it cost.
    pub fn is_read(&self) -> bool {
        match &self.body {
            Body::Stream(stream) => stream.is_read(),
            Body::Whole(whole) => whole.is_read(),
            Body::Passing | Body::Refused(_) | Body::List(_) | Body::Counted(_) | Body::Lines(_) => false,
        }
    }

    /// Whether it is a stream that is read.
    pub fn is_followed(&self) -> bool {
        self.followed().is_some()
    }

    /// Takes a piece of the body; returns what goes to the client.
    pub fn push(&mut self, bytes: Bytes) -> Result<Bytes, AnswerTooLarge> {
        Ok(match &mut self.body {
            Body::Passing => bytes,
            Body::Stream(stream) => stream.push(bytes),
            Body::Whole(whole) => whole.push(bytes),
            Body::Refused(refusal) => {
                refusal.push(&bytes);
                Bytes::new()
            }
            Body::List(list) => {
                list.push(&bytes)?;
                Bytes::new()
            }
            Body::Counted(counting) | Body::Lines(counting) => {
                counting.push(&bytes);
                bytes
            }
        })
    }

    /// Whether a comment may follow what went to the client so far: nothing may have, since text is held back.
    pub fn takes_comments(&self) -> bool {
        self.followed().is_some_and(StreamRewriter::is_between_events)
    }

    /// Of a stream that is read: how many of its events had words in them, and how many bytes are held back.
    pub fn progress(&self) -> Option<(u64, usize)> {
        self.followed().map(|stream| (stream.spoken(), stream.held()))
    }

    /// Whether nothing more of the upstream's body is needed.
    pub fn is_done(&self) -> bool {
        self.followed().is_some_and(StreamRewriter::is_done)
    }

    /// Whether everything was said but what it cost.
    pub fn is_said(&self) -> bool {
        self.followed().is_some_and(StreamRewriter::is_said)
    }

    /// The upstream's body is complete: what is left for the client, and what was done if it was read.
    pub fn finish(&mut self) -> (Bytes, Option<Summary>) {
        let is_read = self.is_read();
        let mut out = BytesMut::new();
        let summary = match std::mem::take(&mut self.body) {
            Body::Passing => return (Bytes::new(), None),
            Body::Refused(refusal) => return (refusal.event(), None),
            Body::List(list) => return (list.finish(), None),
            Body::Counted(counting) | Body::Lines(counting) => {
                return (Bytes::new(), counting.finish().map(Summary::of_counted));
            }
            Body::Stream(stream) => stream.finish(&mut out),
            Body::Whole(whole) => whole.finish(&mut out),
        };
        (out.freeze(), is_read.then_some(summary))
    }

    /// What is to follow an unread stream that ends as it should and in the middle of an event: of a model that died a
    /// server that lives ends the answer.
    pub fn unfinished(&self) -> Option<Bytes> {
        match &self.body {
            Body::Stream(stream) if !stream.is_read() && self.subject == Subject::Generation => stream.unfinished(),
            _ => None,
        }
    }

    /// The upstream died with the answer begun: lets go of everything held, and says so where that can be said: as
    /// `message` in a stream that is read, as `event` in one that is not.
    pub fn fail(&mut self, message: &str, event: impl FnOnce() -> Bytes) -> (Bytes, Close, Option<Summary>) {
        let mut out = BytesMut::new();
        let (close, summary) = match std::mem::take(&mut self.body) {
            Body::Lines(counting) if counting.is_between_lines() => {
                return (error_line(message), Close::Properly, None);
            }
            Body::Passing | Body::List(_) | Body::Counted(_) | Body::Lines(_) => (Close::Cut, None),
            Body::Stream(stream) if stream.is_read() => (Close::Properly, Some(stream.fail(message, &mut out))),
            Body::Stream(stream) if self.subject == Subject::Generation => (stream.break_off(event, &mut out), None),
            Body::Stream(stream) => {
                stream.finish(&mut out);
                (Close::Cut, None)
            }
            // Half a JSON body cannot carry an error; a proper end would make it look whole.
            Body::Whole(whole) => {
                let is_read = whole.is_read();
                (Close::Cut, Some(whole.finish(&mut out)).filter(|_| is_read))
            }
            Body::Refused(refusal) => return (refusal.event(), Close::Properly, None),
        };
        (out.freeze(), close, summary)
    }

    /// The stream that is read.
    fn followed(&self) -> Option<&StreamRewriter> {
        match &self.body {
            Body::Stream(stream) if stream.is_read() => Some(stream),
            _ => None,
        }
    }
}

/// How much of an answer is read.
#[derive(Clone, Copy, Debug)]
enum Scope<'a> {
    Nothing,
    /// An error that tells what the model wrote.
    Errors(&'a Exchange),
    /// The text.
    Text(&'a Exchange),
}

impl<'a> Scope<'a> {
    fn of(plan: &'a Plan, head: &Head<'_>) -> Self {
        match (plan.exchange.as_deref(), plan.salvage.as_deref()) {
            (Some(exchange), _) => Self::Text(exchange),
            (None, Some(exchange)) if head.is_told => Self::Text(exchange),
            (None, Some(exchange)) => Self::Errors(exchange),
            (None, None) => Self::Nothing,
        }
    }
}

/// What is done to a stream of events.
fn stream(head: &Head<'_>, subject: Subject, scope: Scope<'_>, alias: Option<&str>, limits: &Limits) -> Body {
    // Nothing can be added where its length was said.
    let takes_events = subject == Subject::Generation && !head.has_length;
    let stream = match scope {
        Scope::Text(exchange) => StreamRewriter::new(exchange, limits),
        Scope::Errors(exchange) if takes_events => StreamRewriter::looking_for_errors(exchange, limits),
        Scope::Errors(_) | Scope::Nothing if takes_events || alias.is_some() => StreamRewriter::unread(),
        Scope::Errors(_) | Scope::Nothing => return Body::Passing,
    };
    Body::Stream(Box::new(match alias {
        Some(alias) => stream.with_alias(alias, limits),
        None => stream,
    }))
}

/// What is done to an answer that comes whole.
fn whole(scope: Scope<'_>, plan: &Plan, limits: &Limits) -> Body {
    let whole = match scope {
        Scope::Text(exchange) => BodyRewriter::new(exchange, limits),
        Scope::Errors(exchange) if plan.is_assembled() => BodyRewriter::looking_for_errors(exchange, limits),
        Scope::Nothing if plan.is_assembled() => BodyRewriter::unchanging(limits),
        Scope::Errors(_) | Scope::Nothing if plan.alias.is_some() => BodyRewriter::unread(limits),
        Scope::Errors(_) | Scope::Nothing => return Body::Passing,
    };
    Body::Whole(Box::new(match plan.alias.as_deref() {
        Some(alias) => whole.with_alias(alias),
        None => whole,
    }))
}
