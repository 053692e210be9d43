//! Accounting: what Pingora's phases tell of a request goes into its record, and the record into metrics and access log.
//! Names no metric and writes no line; `metrics` and `record` do.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::balance::Sight;
use crate::record::{Failure, Transfer, access_log};
use crate::upstream::Pool;

use super::context::Context;
use super::fault::Fault;
use super::path::path;
use super::reply::is_event_stream;
use super::shared::Gateway;

impl Context {
    /// The head of the request has come.
    pub fn note_head(&mut self, session: &Session) {
        let (request, record) = (session.req_header(), &mut self.record);
        record.id.clone_from(&self.id);
        record.client = session.client_addr().and_then(|addr| addr.as_inet()).map(|addr| addr.ip());
        request.method.as_str().clone_into(&mut record.method);
        record.path = String::from_utf8_lossy(path(request)).into_owned();
        record.operation = self.route.operation;
    }

    /// The request goes to this pool.
    pub fn goes_to(&mut self, pool: &Arc<Pool>) {
        self.record.pool = Some(pool.name().to_owned());
        self.record.engine = Some(pool.config().engine.name());
        self.terms.pool = Some(Arc::clone(pool));
    }

    /// The head of an answer has come.
    pub fn note_answer(&mut self, response: &ResponseHeader) {
        let transfer = match response.status.is_informational() {
            true => None,
            false if is_event_stream(response) && !self.plan.is_assembled() => Some(Transfer::Streamed),
            false => Some(Transfer::Whole),
        };
        self.record.answered(transfer);
    }

    /// A piece of the answer has come and went through the reply, the reading of which began at `from`.
    pub fn note_piece(&mut self, piece: Option<&Bytes>, from: Option<Instant>) {
        match (self.answer.progress(), from) {
            (Some((spoken, held)), Some(from)) => self.record.read(spoken, held, from),
            _ if piece.is_some_and(|piece| !piece.is_empty()) => self.record.passed(),
            _ => {}
        }
    }

    /// Tells the server's place when the first word has come, or what may be it.
    pub fn note_first_token(&mut self, sight: Sight) {
        if self.record.has_spoken()
            && let Some(claim) = &mut self.attempt.claim
        {
            claim.first_token(sight);
        }
    }
}

impl Gateway {
    /// Lets the stream that begins, or is put together, say how far it is.
    pub(super) fn follow(&self, context: &mut Context) {
        let live = self.metrics.generated(context.record.pool_name(), context.record.peer_url());
        context.record.pace.tell(live);
    }

    /// The request is over.
    pub(super) fn close(&self, session: &mut Session, context: &mut Context) {
        let record = &mut context.record;
        let written = session.response_written().map(|response| response.status.as_u16());
        record.status = written.or(context.fault.as_ref().map(Fault::status));
        record.failure = context.fault.as_ref().map(failure);
        record.is_uploaded |= session.is_body_empty();
        record.request_bytes = bytes(session.body_bytes_read());
        record.answer_bytes = bytes(session.body_bytes_sent());
        record.end();
        self.metrics.finished(record);
        access_log::write(record);
    }
}

fn failure(fault: &Fault) -> Failure {
    Failure { blame: fault.blame(), code: fault.code(), message: fault.to_string() }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
