//! Reading of an answer: chosen once its head has come, and what of the head changes with it.
//! The reading itself is `answer`'s.

use std::sync::PoisonError;

use pingora::Result;
use pingora::http::ResponseHeader;

use crate::answer::{Form, Head, Pipeline, Subject, Unread};
use crate::record::Reading;

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
        let is_made = context.attempt.watch.as_ref().is_some_and(|watch| watch.is_made());
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
