//! Pingora's phases of a request: what the gateway does in each of them.
//! Parses nothing and decides nothing about tools; `fault` alone knows statuses.
//!
//! A request's way: `request_filter` reads it if it must and chooses its pool. One whose body was read goes on in an
//! `exchange`; for any other `upstream_peer` claims a peer. `upstream_request_filter` and `request_body_filter` make it
//! the peer's; `upstream_response_filter` chooses how the reply is read, `response_body_filter` reads it. `fail_to_proxy`
//! ends what went wrong, before or within an answer, and `logging`, the one phase that always runs, gives everything back.

use std::any::Any;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader, Version};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};

use crate::balance::Outcome;

use super::admit::Admitted;
use super::attempt::{Begun, Distrust, Explain, Receipt};
use super::body::End;
use super::client::{Arrival, IDLE_SECONDS};
use super::context::Context;
use super::fault::Fault;
use super::lifecycle::Busy;
use super::nesting::Nesting;
use super::route::{Kind, Route};
use super::shared::Gateway;
use super::{headers, path, reply, session};

#[async_trait]
impl ProxyHttp for Gateway {
    /// Boxed, since the futures that Pingora makes of a request hold it three times over.
    type CTX = Box<Context>;

    fn new_ctx(&self) -> Box<Context> {
        Box::new(Context::new(self.current.settings()))
    }

    /// None: nothing is compressed on the way.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    /// Called with each request, be it the first of its connection.
    fn on_connection_reuse(&self, _: &mut Session, context: &mut Box<Context>, arrival: Box<dyn Any + Send + Sync>) {
        if let Ok(arrival) = arrival.downcast::<Arrival>() {
            (context.connection, context.fault) = (arrival.connection, arrival.fault);
        }
        context.connection.admit();
    }

    async fn early_request_filter(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        context.busy = Some(self.lifecycle.enter());
        context.id = headers::request_id(session.req_header());
        let ollama = self.ollama_clients(session, &context.settings);
        context.route = Route::of(session.req_header(), &context.settings, ollama);
        context.client = context.route.client();
        if context.client.is_anthropics() {
            context.fields = [("request-id", context.id.clone())].into();
            headers::bear_key(session.req_header_mut())?;
        }
        context.note_head(session);
        // Its connection knows better: in a tunnel a client may be silent.
        session.set_read_timeout(None);
        match (session.get_keepalive(), self.lifecycle.is_ready()) {
            (Some(_), true) => session.set_keepalive(Some(IDLE_SECONDS)),
            _ => session.set_keepalive(None),
        }
        match context.fault.take() {
            Some(fault) => Err(context.fail(fault)),
            None => self.check_head(session, context),
        }
    }

    /// What is awaited one after the other is boxed: of a stream that is open for minutes only its own state is kept.
    async fn request_filter(&self, session: &mut Session, context: &mut Box<Context>) -> Result<bool> {
        context.body.nesting = Nesting::of(session.req_header(), context.settings.limits.request_depth_max);
        context.terms = session::terms(session, &context.route);
        let admitted = Box::pin(self.admit_route(session, context)).await?;
        match (admitted, &context.body.whole) {
            (Admitted::Answered, _) => Ok(true),
            (Admitted::Directed, Some(_)) if context.turn.is_some() => {
                Box::pin(self.go_rounds(session, context)).await.map(|()| true)
            }
            (Admitted::Directed, Some(_)) => Box::pin(self.exchange(session, context)).await.map(|()| true),
            (Admitted::Directed, None) => Ok(false),
        }
    }

    async fn upstream_peer(&self, session: &mut Session, context: &mut Box<Context>) -> Result<Box<HttpPeer>> {
        context.record.attempted();
        let timeouts = context.terms.timeouts();
        context.connection.be_patient(timeouts.client_ms);
        let (mut dispatch, mut client) = context.halves(self, session);
        let dial = dispatch.dial(&mut client).await;
        let connection = dispatch.connection();
        let dial = dial.map_err(|halt| context.halt(halt))?;
        context.record.asked(context.body.took);
        if context.attempt.watch.is_some() {
            // A client that stalls holds its server's slot too.
            session.set_write_timeout(timeouts.total_ms.map(Duration::from_millis));
        }
        match connection.to(dial) {
            Ok(http_peer) => Ok(Box::new(http_peer)),
            Err(_) => Err(context.fail(Fault::Internal)),
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        if let Some(nesting) = &mut context.body.nesting {
            nesting.restart();
        }
        let Some(claim) = &context.attempt.claim else { return Err(context.fail(Fault::Internal)) };
        if let Some(addressed) = &context.terms.addressed {
            request.set_raw_path(&addressed.target)?;
            // It was the gateway's key.
            request.remove_header("Authorization");
        } else if !claim.peer().endpoint().prefix().is_empty() && path::climbs(session.req_header()) {
            return Err(context.fail(Fault::Hidden("..".into())));
        }
        if context.client.is_anthropics() {
            headers::leave_anthropic(request)?;
        }
        if let Some(page) = context.route.page {
            headers::ask_page(request, page)?;
        }
        if context.plan.is_translated() {
            headers::translate_request(request)?;
        }
        headers::address_request(request, claim.peer().endpoint(), session, &context.id)?;
        if let Some(guard) = context.terms.guard(claim.peer()) {
            path::add_query(request, guard)?;
        }
        if context.attempt.watch.is_some() || context.body.whole.is_some() {
            request.insert_header("Connection", "close")?;
        }
        if let Some(length) = context.body.length() {
            headers::frame_request(request, length)?;
        }
        // Nothing can be put before or into an answer that is compressed.
        let tells_models = context.route.kind == Kind::ServersModels;
        if tells_models {
            // A part of it could not be read.
            request.remove_header("Range");
        }
        let is_read = context.plan.needs_identity() || context.turn.is_some();
        if is_read || context.client.is_foreign() || tells_models {
            request.insert_header("Accept-Encoding", "identity")?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        piece: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Box<Context>,
    ) -> Result<()> {
        context.body.follow(piece.as_deref().unwrap_or_default()).map_err(|fault| context.fail(fault))?;
        context.record.is_uploaded |= end_of_stream;
        context.body.upload.replace(piece, if end_of_stream { End::Here } else { End::Later });
        if let (Some(sent), Some(piece)) = (&mut context.attempt.sent, piece) {
            sent.push(piece);
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        context.note_answer(response);
        if response.status.is_informational() && response.status != 101 {
            return Ok(());
        }
        let begun = context.begun(session);
        let presence = context.dispatch(self, session).judge_presence(response, begun).await;
        presence.map_err(|halt| context.halt(halt))?;
        self.judge_complaint(session, context)?;
        self.judge_constraint(session, response, context)?;
        context.dispatch(self, session).judge_head(response, begun)?;
        if context.plan.is_translated() {
            headers::say_when(response)?;
        }
        context.draft = None;
        if let (Some(sent), Some(body)) = (&mut context.attempt.sent, &context.body.whole)
            && !self.quarantine.is_empty()
        {
            sent.know(body);
        }
        context.body.release();
        context.attempt.probation = None;
        // Whoever reads it, or wrote a head for it, goes by what it is.
        if (context.plan.touches_answer() || context.keepalive.is_commented()) && context.attempt.heard.is_events {
            response.insert_header("Content-Type", "text/event-stream")?;
        }
        headers::strip_hop_by_hop(response);
        let comes_behind_comments = context.keepalive.is_commented();
        context.keepalive.answered();
        if comes_behind_comments && !reply::is_plain_stream(response) {
            return context.refuse(response);
        }
        context.expect_words(response)?;
        self.choose_reading(response, context)?;
        context.retell_head(response)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        if !self.lifecycle.is_ready() {
            session.set_keepalive(None);
        }
        if !response.status.is_informational() {
            response.insert_header("X-Request-Id", context.id.as_str())?;
            headers::insert_all(&context.fields, response)?;
            Receipt::of(&context.record, &context.attempt).write(Explain::of(session.req_header()), response)?;
        }
        if session.req_header().version == Version::HTTP_10 {
            headers::unchunk(response);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        piece: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Box<Context>,
    ) -> Result<Option<Duration>> {
        self.take_piece(context, piece, end_of_stream)?;
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _: &HttpPeer,
        context: &mut Box<Context>,
        e: Box<Error>,
    ) -> Box<Error> {
        self.unreached(session, context, e)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        e: Box<Error>,
        context: &mut Box<Context>,
        client_reused: bool,
    ) -> Box<Error> {
        let connection = if client_reused { Distrust::Shared } else { Distrust::None };
        self.broke_off(session, context, e, connection)
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, context: &mut Box<Context>) -> FailToProxy {
        let error_code = self.end(session, e, context).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, context: &mut Box<Context>) {
        if let Some(mut claim) = context.attempt.claim.take()
            && context.begun(session) == Begun::Yes
        {
            claim.judge(Outcome::Served);
        }
        context.attempt.watch = None;
        self.close(session, context);
        let busy = context.busy.take();
        if matches!(context.fault, Some(Fault::Stopping)) {
            busy.into_iter().for_each(Busy::cut);
        }
    }

    /// Whoever answers logs.
    fn suppress_error_log(&self, _: &Session, _: &Box<Context>, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Box<Context>, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}
