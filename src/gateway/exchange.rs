//! Exchange of a request whose body was read: one task sends it to a server, reads the answer and hands it on.
//! The phases are those of every other request; Pingora's proxy loop, which runs those, has a second HTTP client, channels
//! between two futures, and buffers for each stream.
//!
//! Whatever goes wrong before the client has got anything of a server's is one attempt's, and the next goes elsewhere, as
//! `attempt` says. Until then `Opening` holds the answer's parts, and the client hears comments.

mod incoming;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use pingora::http::{ResponseHeader, Version};
use pingora::protocols::http::v1::client::http_req_header_to_wire;
use pingora::proxy::{ProxyHttp, Session};
use pingora::{Error, ErrorType, Result};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::upstream::{Deadlines, Opening, Part, ServerConnection, Transport};

use incoming::Incoming;

use super::attempt::{Distrust, Receipt, WaitStatus, wait_until};
use super::context::Context;
use super::fault::Fault;
use super::headers;
use super::keepalive::OwnHead;
use super::reply::{Wanted, append};
use super::session::{has_answered, is_chunked, left};
use super::shared::Gateway;

/// How an answer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    /// It is complete.
    Over,
    /// Nothing more of it is needed.
    Stopped,
}

impl Gateway {
    /// Has a server answer the request, another one if the first cannot. Fails with what ends the request.
    pub(super) async fn exchange(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        loop {
            match self.attempt(session, context).await {
                Err(e) if e.retry() => {}
                ended => return ended,
            }
        }
    }

    /// One attempt. An error says whether another follows.
    async fn attempt(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        let incoming = Box::pin(self.ask(session, context)).await?;
        let handed_on = self.hand_on(session, context, incoming).await;
        handed_on.map_err(|e| self.broke_off(session, context, e, Distrust::None))
    }

    /// Places the request, and sends it.
    async fn ask(&self, session: &mut Session, context: &mut Box<Context>) -> Result<Incoming<TcpStream>> {
        context.record.attempted();
        context.record.is_uploaded = true;
        let timeouts = context.terms.timeouts();
        context.connection.be_patient(timeouts.client_ms);
        // A client that stalls holds its server's slot too.
        session.set_write_timeout(timeouts.total_ms.map(Duration::from_millis));
        let (mut dispatch, mut client) = context.halves(self, session);
        let dial = dispatch.dial(&mut client).await;
        let dial = dial.map_err(|halt| context.halt(halt))?;
        self.plan_again(context).await?;
        context.record.asked(context.body.took);
        // That of the whole answer goes on over attempts.
        let began = *context.attempt.began.get_or_insert_with(Instant::now);
        let connected = tokio::select! {
            biased;
            connected = dial.connect_within() => connected,
            e = left(session) => return Err(e),
        };
        let transport = connected.map_err(|e| self.unreached(session, context, e))?;
        let request = self.request_of(session, context).await;
        let (head, body) = request.map_err(|e| self.broke_off(session, context, e, Distrust::None))?;
        if context.plan.is_assembled() {
            self.follow(context);
        }
        Ok(Incoming::new(context, ServerConnection::new(transport, Deadlines::new(timeouts, began), head, body)))
    }

    /// The request as its server gets it: head and body.
    async fn request_of(&self, session: &mut Session, context: &mut Box<Context>) -> Result<(Bytes, Bytes)> {
        let mut request = session.req_header().clone();
        request.set_version(Version::HTTP_11);
        headers::leave_this_hop(&mut request)?;
        self.upstream_request_filter(session, &mut request, context).await?;
        let (Some(head), Some(body)) = (http_req_header_to_wire(&request), context.body.whole.clone()) else {
            return Err(context.fail(Fault::Internal));
        };
        Ok((head.freeze(), body))
    }

    /// Hands on the answer, and notes why it ended early, if it did.
    async fn hand_on<T: Transport>(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
        mut incoming: Incoming<T>,
    ) -> Result<()> {
        let ended = self.hand_on_parts(session, context, &mut incoming).await;
        context.attempt.expired = incoming.server.expired().or(context.attempt.expired);
        ended
    }

    /// Hands on the answer as it comes.
    async fn hand_on_parts<T: Transport>(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
        incoming: &mut Incoming<T>,
    ) -> Result<()> {
        loop {
            let read = match incoming.opening.as_ref().and(context.keepalive.next()) {
                None => tokio::select! {
                    biased;
                    read = incoming.server.read(&mut incoming.came) => read,
                    e = left(session) => return Err(e),
                },
                tell_at => {
                    let (_, mut client) = context.halves(self, session);
                    let read = incoming.server.read(&mut incoming.came);
                    match wait_until(&mut client, tell_at, read).await? {
                        Some(read) => read,
                        None => {
                            if let Some(opening) = &mut incoming.opening {
                                context.tell_waiting(session, opening).await?;
                            }
                            continue;
                        }
                    }
                }
            };
            incoming.take_in(context, read.is_err());
            match self.show(session, context, incoming).await? {
                // A server that breaks off may have said all there is.
                Flow::Over => return Ok(()),
                Flow::Stopped => return self.finish_answer(session, context).await,
                Flow::On if read.is_err() && context.answer.is_said() => {
                    return self.finish_answer(session, context).await;
                }
                Flow::On => read?,
            }
            incoming.give_turn().await;
        }
    }

    /// Everything was said, and no more of the answer is waited for.
    async fn finish_answer(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        let mut rest = None;
        self.take_piece(context, &mut rest, true)?;
        context.write(session, None, rest, Flow::Over).await
    }

    /// Shows the client what may be shown by now, in one write.
    async fn show<T: Transport>(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
        incoming: &mut Incoming<T>,
    ) -> Result<Flow> {
        if context.attempt.heard.failed.is_some() {
            return Err(Error::explain(ErrorType::ReadError, "no answer can be made of it").into_up());
        }
        let (mut head, mut body, mut flow) = (None, None, Flow::On);
        for part in incoming.shown.drain(..) {
            // The end may have come with the last that was wanted.
            if flow == Flow::Stopped && !matches!(part, Part::End(_)) {
                continue;
            }
            let wanted = match part {
                Part::Head(came) => {
                    let came = self.filter_head(session, context, came).await?;
                    if came.status.is_informational() {
                        session.write_response_header(came, false).await.map_err(Error::into_down)?;
                    } else {
                        head = Some(came);
                    }
                    continue;
                }
                Part::Data(data) => {
                    let mut piece = Some(data);
                    let wanted = self.take_piece(context, &mut piece, false)?;
                    append(&mut body, piece.unwrap_or_default());
                    wanted
                }
                Part::End(_) => {
                    let mut piece = None;
                    self.take_piece(context, &mut piece, true)?;
                    append(&mut body, piece.unwrap_or_default());
                    flow = Flow::Over;
                    break;
                }
            };
            match wanted {
                Wanted::More => {}
                Wanted::Rest => incoming.server.rest(),
                Wanted::Nothing => flow = Flow::Stopped,
            }
        }
        context.write(session, head, body, flow).await?;
        Ok(flow)
    }

    /// The head of an answer as its client gets it.
    async fn filter_head(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
        mut head: Box<ResponseHeader>,
    ) -> Result<Box<ResponseHeader>> {
        self.upstream_response_filter(session, &mut head, context).await?;
        headers::frame_response(&mut head)?;
        self.response_filter(session, &mut head, context).await?;
        Ok(head)
    }
}

impl Context {
    /// Writes what is ready to the client, in one go.
    pub(super) async fn write(
        &mut self,
        session: &mut Session,
        mut head: Option<Box<ResponseHeader>>,
        body: Option<Bytes>,
        flow: Flow,
    ) -> Result<()> {
        let mut is_last = flow == Flow::Over;
        if let Some(turn) = &mut self.turn {
            turn.keep_head(&mut head);
            is_last &= !turn.keeps_open();
            if turn.is_put_together() {
                if let Some(body) = &body {
                    turn.outlet.keep(body);
                }
                return Ok(());
            }
        }
        // The client of a stream may have got another head before.
        if let Some(head) = head.filter(|_| !has_answered(session)) {
            self.connection.gather(body.is_some());
            let written = session.write_response_header(head, false).await;
            self.connection.gather(false);
            written.map_err(Error::into_down)?;
        }
        if is_last && body.is_some() && is_chunked(session) {
            // The last chunk follows.
            self.connection.gather(true);
            let written = session.write_response_body(body, false).await;
            self.connection.gather(false);
            written.map_err(Error::into_down)?;
            return session.write_response_body(None, true).await.map_err(Error::into_down);
        }
        session.write_response_body(body, is_last).await.map_err(Error::into_down)
    }

    /// The client is to hear that its request is still waited for.
    async fn tell_waiting(&mut self, session: &mut Session, opening: &mut Opening) -> Result<()> {
        let receipt = Some(Receipt::of(&self.record, &self.attempt));
        let own = OwnHead { request_id: &self.id, receipt };
        self.keepalive.comment(session, WaitStatus::Asked(opening.progress()), own).await?;
        opening.comment();
        Ok(())
    }
}
