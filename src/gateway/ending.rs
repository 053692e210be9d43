//! End of an attempt that failed, and of a request: an error in the server's place, or with the end of an answer that has
//! begun. What an error says is `fault`'s, what is left of an answer `answer`'s, and whether another attempt follows
//! `attempt`'s.

use std::time::Duration;

use bytes::Bytes;
use pingora::Error;
use pingora::proxy::Session;

use crate::answer::Close;
use crate::api::ToldError;
use crate::record::Blame;
use crate::upstream::Cause;

use super::attempt::{Distrust, blame_peer};
use super::context::Context;
use super::fault::Fault;
use super::headers::insert_all;
use super::session::has_answered;
use super::shared::Gateway;

/// How long a client that was refused in mid-upload is still listened to: closing at once would reset the connection
/// and could take the answer with it.
const LINGER_MAX: Duration = Duration::from_secs(2);

impl Gateway {
    /// A server could not be connected to. Whether another is asked is said by the error.
    pub(super) fn unreached(&self, session: &Session, context: &mut Context, mut e: Box<Error>) -> Box<Error> {
        let Some(claim) = context.attempt.claim.take() else { return e };
        if Cause(&e).is_shortage() {
            return context.fail(Fault::NoDescriptors);
        }
        log::warn!("{}: {} cannot be reached: {}", context.id, claim.peer().url(), Cause(&e));
        e.set_retry(context.dispatch(self, session).goes_on_unreached(claim));
        e
    }

    /// An attempt has failed. Whether another follows is said by the error.
    ///
    /// Nothing is sent twice but what may be: what asks for nothing to be done, and what was not begun.
    pub(super) fn broke_off(
        &self,
        session: &Session,
        context: &mut Context,
        mut e: Box<Error>,
        connection: Distrust,
    ) -> Box<Error> {
        let (fault, begun) = (context.fault_of(&e), context.begun(session));
        e.set_retry(context.dispatch(self, session).goes_on_after(&e, &fault, begun, connection));
        e
    }

    /// Ends a request that went wrong, and says with which status; also where the client has got another, or none.
    pub(super) async fn end(&self, session: &mut Session, e: &Error, context: &mut Context) -> u16 {
        context.attempt.probation = None;
        let expired = context.expired();
        let (fault, cause) = match context.fault.take() {
            Some(fault) => (fault, String::new()),
            None => match context.connection.slipped() {
                Some(slip) => (slip.fault(), String::new()),
                None => (context.fault_of(e), format!(" ({})", Cause(e))),
            },
        };
        let code = fault.status();
        // As with an answer's end: the client may take its time.
        if let Some(mut claim) = context.attempt.claim.take() {
            claim.judge(blame_peer(&fault, expired));
            if !matches!(fault, Fault::Broken) {
                self.abandon(session, context, claim);
            }
        }
        match fault.blame() {
            Blame::Upstream | Blame::Gateway => log::warn!("{}: {fault}{cause}", context.id),
            Blame::Client | Blame::Left | Blame::Stalled | Blame::Busy | Blame::Stop => {
                log::debug!("{}: {fault}{cause}", context.id)
            }
        }
        if matches!(fault.blame(), Blame::Left | Blame::Stalled) {
            context.fault = Some(fault);
        } else if has_answered(session) {
            context.fault = Some(fault);
            self.end_answer(session, context).await;
        } else {
            self.answer(session, context, &fault).await;
            context.fault = Some(fault);
        }
        code
    }

    /// Ends an answer that has begun.
    async fn end_answer(&self, session: &mut Session, context: &mut Context) {
        let event = || context.fault.as_ref().map_or_else(Bytes::new, Fault::event);
        let (bytes, close) = if context.keepalive.is_commented() {
            (event(), Close::Properly)
        } else {
            let message = context.fault.as_ref().map_or_else(String::new, ToString::to_string);
            let (bytes, close, summary) = context.answer.fail(&message, event);
            if summary.as_ref().is_some_and(|summary| summary.complete) {
                // It failed after its last word, or the rest was not wanted.
                context.fault = None;
            }
            context.record.summed_up(summary);
            (bytes, close)
        };
        context.retell_own_stream();
        context.turn.iter_mut().for_each(|turn| turn.give_up());
        let bytes = context.retell_last(bytes);
        // An error here means that the client has gone too.
        let _ = session.write_response_body(Some(bytes), close == Close::Properly).await;
    }

    /// Answers in place of a server.
    async fn answer(&self, session: &mut Session, context: &Context, fault: &Fault) {
        let ToldError { status, body, should_retry } = context.client.error(fault.status(), fault.body(), &context.id);
        let Ok(mut header) = fault.header(&context.id, &body) else { return };
        let mut tell = || {
            header.set_status(status)?;
            if let Some(retry) = should_retry {
                header.insert_header("X-Should-Retry", if retry { "true" } else { "false" })?;
            }
            insert_all(&context.fields, &mut header)
        };
        if tell().is_err() {
            return;
        }
        if session.as_downstream_mut().write_error_response(header, body).await.is_ok() && !session.is_body_done() {
            let rest = session.as_downstream_mut().drain_request_body();
            let _ = tokio::time::timeout(LINGER_MAX, rest).await;
        }
    }
}
