//! What is done to an answer: chosen by its head and by what its request asked for, then fed with its body.
//! Knows no connection; the reading itself is the rewriters'.

use bytes::{Bytes, BytesMut};

use super::body::BodyRewriter;
use super::list::List;
use super::merge::AnswerTooLarge;
use super::refusal::Refusal;
use super::rename::ModelRewriter;
use super::stream::StreamRewriter;
use super::tail::Tail;
use super::{Form, Head, Summary, Unread};
use crate::limits::Limits;
use crate::plan::Plan;

/// What an answer is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// What a model writes. How an error is told within a stream of it is known.
    Generation,
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
    reading: Reading,
    /// Says the alias in what comes out of the reading.
    renaming: Option<ModelRewriter>,
}

#[derive(Debug, Default)]
enum Reading {
    /// It passes through.
    #[default]
    None,
    /// It passes through as events, unread but for where one ends.
    Tail(Tail),
    Stream(Box<StreamRewriter>),
    Whole(Box<BodyRewriter>),
    /// It goes on as an error event.
    Refused(Box<Refusal>),
    /// A list of models, which goes on without what is private.
    List(Box<List>),
}

impl Pipeline {
    /// Chooses by the answer's Content-Type, whatever the request asked for. Without an exchange no text is read, and of
    /// what was put together only what it cost.
    pub fn new(head: &Head<'_>, subject: Subject, plan: &Plan, limits: &Limits) -> Result<Self, Unread> {
        let form = head.form();
        let is_events = form == Ok(Form::Events);
        let reading = match (form, plan.exchange.as_deref()) {
            (Ok(Form::Events), Some(exchange)) => Reading::Stream(Box::new(StreamRewriter::new(exchange, limits))),
            (Ok(Form::Whole), Some(exchange)) => Reading::Whole(Box::new(BodyRewriter::new(exchange, limits))),
            (Err(why), Some(_)) => return Err(why),
            (Ok(Form::Whole), None) if plan.is_assembled() => {
                Reading::Whole(Box::new(BodyRewriter::unchanging(limits)))
            }
            (_, None) if subject == Subject::Generation && is_events && !head.has_length => {
                Reading::Tail(Tail::default())
            }
            (_, None) if subject == Subject::Models && head.is_success() && !head.is_event_stream() => {
                Reading::List(Box::new(List::new(limits)))
            }
            (_, None) => Reading::None,
        };
        let renaming = plan.alias.as_deref().zip(form.ok()).map(|(alias, form)| match form {
            Form::Events => ModelRewriter::stream(alias, limits),
            Form::Whole => ModelRewriter::whole(alias, limits),
        });
        Ok(Self { reading, renaming })
    }

    /// For an answer that is no stream, and whose client has already got the head of one. `unsaid` is the event for a
    /// server that gives no error of its own.
    pub fn refusal(status: u16, unsaid: Bytes) -> Self {
        Self { reading: Reading::Refused(Box::new(Refusal::new(status, unsaid))), renaming: None }
    }

    /// Whether the body that goes to the client may differ from the server's in its length.
    pub fn changes_length(&self) -> bool {
        !matches!(self.reading, Reading::None | Reading::Tail(_)) || self.renaming.is_some()
    }

    /// Whether what the model wrote is read, or at least what it cost.
    pub fn is_read(&self) -> bool {
        matches!(self.reading, Reading::Stream(_) | Reading::Whole(_))
    }

    /// Whether it is a stream that is read.
    pub fn is_followed(&self) -> bool {
        matches!(self.reading, Reading::Stream(_))
    }

    /// Takes a piece of the body; what goes to the client takes its place.
    pub fn push(&mut self, piece: &mut Option<Bytes>) -> Result<(), AnswerTooLarge> {
        match (&mut self.reading, piece.take()) {
            (Reading::None, passing) => *piece = passing,
            (Reading::Tail(tail), passing) => {
                tail.push(passing.as_deref().unwrap_or_default());
                *piece = passing;
            }
            (_, None) => {}
            (Reading::Stream(stream), Some(bytes)) => *piece = Some(stream.push(bytes)),
            (Reading::Whole(whole), Some(bytes)) => {
                let mut out = BytesMut::new();
                whole.push(bytes, &mut out);
                *piece = Some(out.freeze());
            }
            (Reading::Refused(refusal), Some(bytes)) => {
                refusal.push(&bytes);
                *piece = Some(Bytes::new());
            }
            (Reading::List(list), Some(bytes)) => {
                list.push(&bytes)?;
                *piece = Some(Bytes::new());
            }
        }
        if let (Some(renaming), Some(bytes)) = (&mut self.renaming, piece.as_mut()) {
            let mut out = BytesMut::new();
            renaming.push(std::mem::take(bytes), &mut out);
            *bytes = out.freeze();
        }
        Ok(())
    }

    /// Whether a comment may follow what went to the client so far: nothing may have, since text is held back.
    pub fn takes_comments(&self) -> bool {
        matches!(&self.reading, Reading::Stream(stream) if stream.is_between_events())
    }

    /// Of a stream that is read: how many of its events had words in them, and how many bytes are held back.
    pub fn progress(&self) -> Option<(u64, usize)> {
        match &self.reading {
            Reading::Stream(stream) => Some((stream.spoken(), stream.held())),
            _ => None,
        }
    }

    /// Whether nothing more of the upstream's body is needed.
    pub fn is_done(&self) -> bool {
        matches!(&self.reading, Reading::Stream(stream) if stream.is_done())
    }

    /// Whether everything was said but what it cost.
    pub fn is_said(&self) -> bool {
        matches!(&self.reading, Reading::Stream(stream) if stream.is_said())
    }

    /// The upstream's body is complete: what is left goes behind `piece`.
    pub fn finish(&mut self, piece: &mut Option<Bytes>) -> Option<Summary> {
        let mut out = BytesMut::new();
        let summary = match std::mem::take(&mut self.reading) {
            Reading::None | Reading::Tail(_) => None,
            Reading::Stream(stream) => Some(stream.finish(&mut out)),
            Reading::Whole(whole) => Some(whole.finish(&mut out)),
            Reading::Refused(refusal) => {
                out.extend_from_slice(&refusal.event());
                None
            }
            Reading::List(list) => {
                out.extend_from_slice(&list.finish());
                None
            }
        };
        let rest = self.rename_rest(out);
        *piece = match piece.take() {
            Some(bytes) if rest.is_empty() => Some(bytes),
            Some(bytes) => Some([bytes, rest].concat().into()),
            None => Some(rest),
        }
        .filter(|bytes| !bytes.is_empty());
        summary
    }

    /// The upstream died with the answer begun: lets go of everything held, and says so where that can be said: as
    /// `message` in a stream that is read, as `event` in one that is not.
    pub fn fail(&mut self, message: &str, event: impl FnOnce() -> Bytes) -> (Bytes, Close, Option<Summary>) {
        let mut out = BytesMut::new();
        let (close, summary) = match std::mem::take(&mut self.reading) {
            Reading::Tail(tail) if tail.is_between_events() => {
                out.extend_from_slice(&event());
                (Close::Properly, None)
            }
            Reading::None | Reading::Tail(_) | Reading::List(_) => (Close::Cut, None),
            Reading::Stream(stream) => (Close::Properly, Some(stream.fail(message, &mut out))),
            // Half a JSON body cannot carry an error; a proper end would make it look whole.
            Reading::Whole(whole) => (Close::Cut, Some(whole.finish(&mut out))),
            Reading::Refused(refusal) => {
                out.extend_from_slice(&refusal.event());
                (Close::Properly, None)
            }
        };
        (self.rename_rest(out), close, summary)
    }

    fn rename_rest(&mut self, rest: BytesMut) -> Bytes {
        let Some(mut renaming) = self.renaming.take() else { return rest.freeze() };
        let mut out = BytesMut::new();
        renaming.push(rest.freeze(), &mut out);
        renaming.finish(&mut out);
        out.freeze()
    }
}
