//! Reading of an answer: chosen once its head has come, and what of the head changes with it; then each piece is read.
//! The reading itself is `answer`'s.

use std::sync::PoisonError;
use std::time::Instant;

use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::answer::{Form, Head, Pipeline, Subject, Unread};
use crate::balance::{Failure, Outcome, Sight};
use crate::record::Reading;
use crate::upstream::Claim;

use super::attempt;
use super::context::Context;
use super::fault::Fault;
use super::headers;
use super::route::{Kind, Route};
use super::shared::Gateway;

impl Gateway {
    /// How the answer is read, and what of its head changes with it.
    pub(super) fn choose_reading(&self, response: &mut ResponseHeader, context: &mut Context) -> Result<()> {
        let limits = &context.settings.limits;
        // What was put together is made, too, and by its plan.
        let is_made = context.attempt.heard.is_made;
        let head = Head { is_told: is_made && !context.plan.is_assembled(), ..facts(response) };
        match Pipeline::new(&head, subject(&context.route), &context.plan, limits) {
            Ok(answer) => {
                if answer.changes_length() {
                    headers::unframe_response(response);
                }
                if answer.is_read() {
                    context.record.reading = Some(Reading::Read);
                }
                if answer.is_followed() {
                    headers::keep_streaming(response)?;
                    self.follow(context);
                }
                context.answer = answer;
            }
            Err(why) => {
                context.record.reading = Some(Reading::Unread);
                self.say_unread(context.record.pool_name(), why);
            }
        }
        Ok(())
    }

    /// Reads a piece of the answer, the last one too, and puts in its place what goes to the client.
    pub(super) fn take_piece(&self, context: &mut Context, piece: &mut Option<Bytes>, is_last: bool) -> Result<Wanted> {
        let from = context.answer.is_followed().then(Instant::now);
        if let Some(bytes) = piece.take() {
            *piece = Some(context.push_answer(bytes)?);
        }
        context.note_piece(piece.as_ref(), from);
        context.note_first_token(if from.is_some() { Sight::Word } else { Sight::Bytes });
        if is_last {
            self.take_end(context, piece);
        } else if context.answer.is_done() {
            return Ok(Wanted::Nothing);
        } else if context.answer.is_said() {
            return Ok(Wanted::Rest);
        } else if context.answer.takes_comments() {
            context.keepalive.fill_silence(piece, context.retelling.as_mut());
        }
        Ok(Wanted::More)
    }

    /// The answer is complete: what is left goes behind its last piece.
    fn take_end(&self, context: &mut Context, piece: &mut Option<Bytes>) {
        // The server is done with it, even if the client takes its time.
        let claim = context.attempt.claim.take();
        let of_model = claim.as_ref().and_then(Claim::model);
        let unfinished = of_model.and_then(|_| context.answer.unfinished());
        let (rest, summary) = context.answer.finish();
        let rest = [rest, unfinished.clone().unwrap_or_default()].concat();
        append(piece, context.retell_last(rest.into()));
        let summary = summary.or_else(|| context.turn.as_ref()?.summary());
        let tokens = summary.as_ref().and_then(|summary| summary.tokens).unwrap_or_default();
        context.record.summed_up(summary);
        if let Some(sent) = context.attempt.sent.take() {
            self.quarantine.answered(&sent);
        }
        if let (Some(turn), Some(claim)) = (&mut context.turn, &claim) {
            turn.home = Some(claim.peer().id());
        }
        if let Some(mut claim) = claim {
            claim.judge(unfinished.map_or(Outcome::Served, |_| Outcome::Failed(Failure::Reset)));
            attempt::learn(&mut claim, tokens);
        }
    }

    /// Says once for each pool and reason that replies are not read.
    fn say_unread(&self, pool: &str, why: Unread) {
        let said = format!("pool {pool}: an answer to a request with tools passes unread: {why}");
        let mut known = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&said) {
            log::warn!("{said}");
            known.insert(said);
        }
    }
}

impl Context {
    /// The client waits for a stream, and this is none. Fails when nothing more of it will come.
    pub fn refuse(&mut self, response: &ResponseHeader) -> Result<()> {
        let status = response.status.as_u16();
        if self.plan.exchange.is_some() {
            self.record.reading = Some(Reading::Unread);
        }
        self.answer = Pipeline::refusal(status, Fault::Refused(status).event());
        self.retell_own_stream();
        let e = self.fail(Fault::Refused(status));
        if is_empty(response) {
            return Err(e);
        }
        Ok(())
    }
}

/// What is wanted of an answer behind a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    More,
    /// Everything was said: no more than what it cost.
    Rest,
    Nothing,
}

/// What follows goes behind a piece.
pub(super) fn append(piece: &mut Option<Bytes>, rest: Bytes) {
    let last = piece.take().unwrap_or_default();
    let both = match (last.is_empty(), rest.is_empty()) {
        (_, true) => last,
        (true, false) => rest,
        (false, false) => [last, rest].concat().into(),
    };
    *piece = Some(both).filter(|bytes| !bytes.is_empty());
}

/// What the answer to a request is about.
fn subject(route: &Route) -> Subject {
    match route.kind {
        Kind::OllamaChat(_) => Subject::Counted,
        // Of other APIs it is not known how an error is told within a stream.
        _ if route.generates() => Subject::Generation,
        Kind::ServersModels => Subject::Models,
        _ => Subject::Other,
    }
}

/// What a head says of its body.
fn facts(header: &ResponseHeader) -> Head<'_> {
    Head {
        status: header.status.as_u16(),
        content_type: header.headers.get("content-type").map_or(&b""[..], |value| value.as_bytes()),
        content_encoding: header.headers.get("content-encoding").map(|value| value.as_bytes()),
        has_length: header.headers.contains_key("content-length"),
        is_told: false,
    }
}

/// Whether it is an event stream to which events can be added.
pub fn is_plain_stream(header: &ResponseHeader) -> bool {
    facts(header).form() == Ok(Form::Events)
}

/// Whether nothing follows the head.
pub fn is_empty(header: &ResponseHeader) -> bool {
    let length = header.headers.get("content-length");
    length.is_some_and(|length| length.as_bytes() == b"0") || matches!(header.status.as_u16(), 204 | 304)
}

/// Whether it calls its body JSON.
pub fn is_json(header: &ResponseHeader) -> bool {
    facts(header).is_json()
}

/// Whether it calls its body an event stream.
pub fn is_event_stream(header: &ResponseHeader) -> bool {
    facts(header).is_event_stream()
}
