//! How a request gets its place at a peer: it asks its pool, waits in the queue, and tries another when one fails it.
//! Who is next is the pool's to say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result};

use crate::answer::Summary;
use crate::balance::{Failure, Outcome, Request, Reuse, Turn};
use crate::exchange::Engine;
use crate::metrics::Retry;
use crate::upstream::{Cause, Claim, ClaimError, Expired, Fate, Found, Need, Pool};

use super::body::{Read, Upload};
use super::context::Context;
use super::context::{Distrust, Target};
use super::fault::Fault;
use super::route::{self, Kind, Route};
use super::session::is_repeatable;
use super::shared::Gateway;
use super::wait::Standing;

/// The error that ends one try and begins the next.
const ELSEWHERE: ErrorType = ErrorType::Custom("Elsewhere");

impl Gateway {
    /// A place at the next peer. Waits in the pool's queue if it must, as long as the client does.
    pub(super) async fn place(&self, session: &mut Session, context: &mut Context, pool: &Arc<Pool>) -> Result<Claim> {
        if let Some(claim) = context.target.suspect.take() {
            self.suspect(session, context, pool, claim).await?;
        }
        context.line.be_patient(pool.config().timeouts.client_ms);
        let failovers_max = pool.config().balancing.failovers_max;
        self.refuse_felling(session, context, failovers_max).await?;
        if let Some(addressed) = &context.target.addressed {
            let claim = context.target.has_untried().then(|| pool.claim_at(&addressed.peer));
            return claim.ok_or_else(|| context.fail(Fault::Claim(ClaimError::Unreachable)));
        }
        if context.target.resumption.is_some() {
            let Target { tried, session, .. } = &context.target;
            return pool.claim_for_a_word(tried, *session).map_err(|e| context.fail(Fault::Claim(e)));
        }
        let mut queued = match pool.claim(context.target.request(), need(session, &context.route)).await {
            Ok(Found::Claim(claim)) => return Ok(claim),
            Ok(Found::Queued(queued)) => queued,
            Err(e) => return Err(context.fail(Fault::Claim(e))),
        };
        self.take_in(session, context, Bodies::WithLength).await?;
        let began = Instant::now();
        context.seen.is_queued = true;
        let found = loop {
            tokio::select! {
                claim = queued.claim() => break Ok(claim),
                e = left(session) => break Err(e),
                () = until(context.wait.next()) => {}
            }
            if let Err(e) = context.comment(session, Standing::Queued { before: queued.position() }).await {
                break Err(e);
            }
        };
        *context.target.queued.get_or_insert_default() += began.elapsed();
        let claim = found?;
        context.seen.is_queued = false;
        // Meanwhile a copy of it may have gone before.
        self.refuse_felling(session, context, failovers_max).await?;
        claim.map_err(|e| context.fail(Fault::Claim(e)))
    }

    /// A peer broke off before it answered. Returns when the request may be sent again, because the peer cannot be at
    /// it any more.
    async fn suspect(&self, session: &mut Session, context: &mut Context, pool: &Pool, mut claim: Claim) -> Result<()> {
        let fate = tokio::select! {
            fate = pool.fate(claim.peer()) => fate,
            e = left(session) => return Err(e),
        };
        log::warn!("pool {}: {} broke off before it answered; {}", pool.name(), claim.peer().url(), fate.name());
        if fate == Fate::Lives {
            claim.judge(Outcome::Failed(Failure::Reset));
            return Err(context.fail(Fault::Broken));
        }
        let servers = context.sent.as_ref().map_or(0, |sent| self.felled.died(sent, claim.peer().id()));
        let target = &mut context.target;
        let goes_on = if fate == Fate::Restarted && target.may_return() && target.may_hold(pool) {
            claim.judge(Outcome::Loading);
            true
        } else {
            give_up(target, claim);
            target.has_another()
        };
        let failovers_max = pool.config().balancing.failovers_max;
        if servers > failovers_max {
            log::warn!("{}: {servers} servers died of this request, no other gets it", context.id);
            return Err(context.fail(Fault::Felling { servers }));
        }
        if !goes_on || !is_replayable(session) || context.target.failovers >= failovers_max {
            return Err(context.fail(Fault::Broken));
        }
        context.target.failovers += 1;
        self.retry(context, Retry::Broken);
        Ok(())
    }

    /// Reads the body of a request that is about to wait: whether its client has left is seen only behind its body.
    pub(super) async fn take_in(&self, session: &mut Session, context: &mut Context, which: Bodies) -> Result<()> {
        let request = session.req_header();
        let length = request.headers.get("content-length");
        let length = length.and_then(|value| value.to_str().ok()?.trim().parse::<usize>().ok());
        let fits = if request.headers.contains_key("transfer-encoding") {
            // The end of any other is not known before it has come.
            which == Bodies::All && route::is_json(request)
        } else {
            length.is_some_and(|length| length <= context.settings.limits.request_body_bytes_max)
        };
        let is_new = context.target.tried.is_empty() && matches!(context.upload, Upload::AsRead);
        if !fits || !is_new || session.is_body_done() {
            return Ok(());
        }
        if let Read::Whole(body) = self.read(session, context).await? {
            context.upload = body.unchanged();
        }
        Ok(())
    }

    /// What the head of an answer says of its peer. Fails when another peer, or the same one later, is to answer
    /// instead.
    pub(super) fn judge_head(
        &self,
        session: &mut Session,
        context: &mut Context,
        response: &ResponseHeader,
    ) -> Result<()> {
        let (Some(pool), Some(mut claim)) = (context.target.pool.clone(), context.target.claim.take()) else {
            return Ok(());
        };
        if context.target.resumes_elsewhere(response, claim.peer().id()) {
            return Err(Error::explain(ELSEWHERE, format!("{} does not have the stream", claim.peer().url())));
        }
        let has_served = context.target.watch.as_ref().is_some_and(|watch| watch.is_made());
        let outcome = verdict(response, pool.config().engine).map(|outcome| match outcome {
            // What had begun to answer does not load.
            Outcome::Loading if has_served => Outcome::Busy { retry_after: None },
            outcome => outcome,
        });
        let Some(outcome) = outcome else {
            claim.began();
            context.target.claim = Some(claim);
            return Ok(());
        };
        claim.judge(outcome);
        let may_go =
            need(session, &context.route) == Need::Slot && !context.has_begun(session) && is_replayable(session);
        let goes = may_go
            && match outcome {
                Outcome::Loading => context.target.may_hold(&pool),
                Outcome::Busy { .. } if context.target.addressed.is_none() => {
                    let mut tried = context.target.tried.clone();
                    tried.push(claim.peer().id());
                    let goes = pool.has_another(&tried);
                    if goes {
                        context.target.tried = tried;
                    }
                    goes
                }
                _ => false,
            };
        if goes {
            self.retry(context, Retry::NotReady);
            return Err(Error::explain(ELSEWHERE, format!("{} is not ready", claim.peer().url())));
        }
        context.target.claim = Some(claim);
        Ok(())
    }

    /// Whether a request that failed at its peer is tried again, and where.
    pub(super) fn may_try_again(
        &self,
        session: &mut Session,
        context: &mut Context,
        e: &Error,
        connection: Distrust,
    ) -> bool {
        if e.etype() == &ELSEWHERE {
            return true;
        }
        let is_broken = e.esource() == &ErrorSource::Upstream && matches!(context.fault_of(e), Fault::Broken);
        if !is_broken || context.has_begun(session) {
            return false;
        }
        let target = &mut context.target;
        if is_repeatable(session) {
            if connection == Distrust::Shared {
                // The connection was stale; that says nothing about the peer.
                target.distrust = Distrust::Shared;
                self.retry(context, Retry::Stale);
            } else if let Some(mut claim) = target.claim.take() {
                log::warn!("{}: {} broke off: {}", context.id, claim.peer().url(), Cause(e));
                claim.judge(Outcome::Failed(Failure::Reset));
                target.tried.push(claim.peer().id());
                // With nobody left to ask, how the last one failed is the answer.
                if !target.has_untried() || target.failovers >= target.failovers_max() {
                    return false;
                }
                target.failovers += 1;
                self.retry(context, Retry::Broken);
            }
            return true;
        }
        // What asks for something to be done may be doing it still, unless the peer is gone. Who failed it before may be
        // back by then.
        target.tried.clear();
        if !session.is_upgrade_req() {
            target.suspect = target.claim.take();
        }
        target.suspect.is_some()
    }
}

/// Which bodies are read before a peer is chosen although their route does not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    WithLength,
    /// Chunked JSON too.
    All,
}

/// A peer could not be reached: the request goes elsewhere, and others avoid it for a while.
pub(super) fn give_up(target: &mut Target, mut claim: Claim) {
    claim.unreachable();
    target.tried.push(claim.peer().id());
}

/// What an answer tells of the peer's cache.
pub(super) fn learn(claim: &Claim, summary: Option<&Summary>) {
    let tokens = summary.and_then(|summary| summary.tokens).unwrap_or_default();
    if let (Some(cached_tokens), Some(prompt_tokens)) = (tokens.cached, tokens.input) {
        claim.learn(Reuse { cached_tokens, prompt_tokens });
    }
}

/// What a failure says of the peer.
pub(super) fn blame_peer(fault: &Fault, expired: Option<Expired>) -> Outcome {
    match (fault, expired) {
        (_, Some(Expired::Total(_))) => Outcome::Unjudged,
        (Fault::Late(_), _) => Outcome::Failed(Failure::Stall),
        (Fault::Broken, _) => Outcome::Failed(Failure::Reset),
        _ => Outcome::Unjudged,
    }
}

/// What an answer's head says of its peer; `None` when it began well. A 4xx is the client's own doing.
fn verdict(response: &ResponseHeader, engine: Engine) -> Option<Outcome> {
    let after = response.headers.get("retry-after");
    let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    match response.status.as_u16() {
        // The one thing for which it says so.
        503 if engine == Engine::LlamaCpp && after.is_none() => Some(Outcome::Loading),
        429 | 503 => Some(Outcome::Busy { retry_after }),
        501 => Some(Outcome::Unjudged),
        500.. => Some(Outcome::Failed(Failure::Status)),
        400.. => Some(Outcome::Unjudged),
        _ => None,
    }
}

impl Target {
    fn request(&self) -> Request {
        let (prefix, tried) = (self.prefix.clone(), self.tried.clone());
        let turn = if self.held_since.is_some() { Turn::Again } else { Turn::First };
        Request { priority: self.priority, session: self.session, prefix, turn, tried }
    }

    /// Whether there is a peer that has not failed this request, besides the one that has it now.
    fn has_another(&self) -> bool {
        let now = self.claim.as_ref().map(|claim| claim.peer().id());
        let tried: Vec<_> = self.tried.iter().copied().chain(now).collect();
        self.addressed.is_none() && self.pool.as_ref().is_some_and(|pool| pool.has_untried(&tried))
    }

    /// Whether a peer that was started anew may have the request again; llama.cpp's say that they were.
    fn may_return(&self) -> bool {
        self.addressed.is_none() && self.resumption.is_none()
    }

    fn failovers_max(&self) -> u32 {
        self.pool.as_ref().map_or(0, |pool| pool.config().balancing.failovers_max)
    }

    /// Whether a request may be held for a peer that is not ready yet: as long as it might wait in the queue.
    fn may_hold(&mut self, pool: &Pool) -> bool {
        let queue = &pool.config().balancing.queue;
        let since = *self.held_since.get_or_insert_with(Instant::now);
        queue.max > 0 && since.elapsed() < Duration::from_millis(queue.timeout_ms)
    }
}

fn need(session: &mut Session, route: &Route) -> Need {
    let is_word = is_repeatable(session) || route.kind == Kind::BesideSlots;
    if is_word && !session.is_upgrade_req() { Need::Word } else { Need::Slot }
}

/// Whether the body can be sent again: there is none, or all of it was kept.
fn is_replayable(session: &Session) -> bool {
    !session.as_ref().retry_buffer_truncated()
}

/// Returns at this moment, if there is one.
pub(super) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Returns when the client leaves. One whose body is still to come is not listened to: that would be reading it.
pub(super) async fn left(session: &mut Session) -> Box<Error> {
    if !session.is_body_empty() && !session.is_body_done() {
        return std::future::pending().await;
    }
    loop {
        if let Err(e) = session.as_downstream_mut().read_body_or_idle(true).await {
            return e.into_down();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_its_peer_is() {
        let busy = |seconds: Option<u64>| Some(Outcome::Busy { retry_after: seconds.map(Duration::from_secs) });
        let failed = Some(Outcome::Failed(Failure::Status));
        let table = [
            (200, None, Engine::LlamaCpp, None),
            (101, None, Engine::LlamaCpp, None),
            (304, None, Engine::LlamaCpp, None),
            (400, None, Engine::LlamaCpp, Some(Outcome::Unjudged)),
            (429, None, Engine::LlamaCpp, busy(None)),
            (429, Some("7"), Engine::OpenAi, busy(Some(7))),
            (500, None, Engine::LlamaCpp, failed),
            (501, None, Engine::LlamaCpp, Some(Outcome::Unjudged)),
            (502, None, Engine::Vllm, failed),
            (503, None, Engine::LlamaCpp, Some(Outcome::Loading)),
            (503, Some("2"), Engine::LlamaCpp, busy(Some(2))),
            (503, Some("Fri, 20 Nov 2026 15:00:00 GMT"), Engine::LlamaCpp, busy(None)),
            (503, Some("soon"), Engine::Vllm, busy(None)),
        ];
        for (status, after, engine, expected) in table {
            let mut response = ResponseHeader::build(status, None).unwrap();
            if let Some(after) = after {
                response.insert_header("Retry-After", after).unwrap();
            }
            assert_eq!(verdict(&response, engine), expected, "{status} {after:?} {engine:?}");
        }
    }
}
