//! Retry and failover: whether a request whose attempt failed goes to a server again, and where.
//! Nothing is sent twice but what may be: what asks for nothing to be done, and what was not begun.

use pingora::http::ResponseHeader;
use pingora::{Error, ErrorSource, ErrorType};

use crate::api::Tokens;
use crate::api::openai::AssembleError;
use crate::balance::{Failure, ModelState, Outcome, Reuse};
use crate::gateway::fault::{Fault, Halt};
use crate::record::Retry;
use crate::upstream::{Cause, Claim, Doubt, Need};

use super::dispatch::Dispatch;
use super::terms::Repeat;
use super::tries::Distrust;
use super::verdict;

/// The error that ends one try and begins the next.
const ELSEWHERE: ErrorType = ErrorType::Custom("Elsewhere");

/// The error that has a request placed again, for this reason.
pub fn elsewhere(why: String) -> Box<Error> {
    Error::explain(ELSEWHERE, why)
}

/// Whether the client has got anything of a server's answer, or one in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    Yes,
    No,
}

impl Dispatch<'_> {
    /// The head of an answer has come: whether it is because its model was taken away meanwhile. Fails when it is, and
    /// the request is to be placed again.
    pub async fn judge_presence(&mut self, response: &ResponseHeader, begun: Begun) -> Result<(), Halt> {
        let is_suspect =
            matches!(response.status.as_u16(), 400 | 404 | 500..) && begun == Begun::No && self.is_replayable;
        let claim = self.attempt.claim.as_ref().filter(|_| is_suspect);
        let Some((pool, claim, model)) =
            self.terms.pool.clone().zip(claim).and_then(|(pool, claim)| Some((pool, claim, claim.model()?)))
        else {
            return Ok(());
        };
        let doubt = if response.status.as_u16() < 500 { Doubt::Gone } else { Doubt::Stopping };
        match pool.doubted(claim, model, doubt).await {
            Some(ModelState::Loaded | ModelState::Sleeping) => return Ok(()),
            _ if response.status == 404 => {
                self.tries.tried.push(claim.peer().id());
                if !pool.is_elsewhere(model, &self.tries.tried) {
                    self.tries.tried.pop();
                    return Ok(());
                }
            }
            Some(ModelState::Unloaded | ModelState::Stopping) => {}
            // Who is refused because a model is not there has not begun.
            _ if response.status.as_u16() < 500 => {}
            // It may have fallen under this request.
            _ if self.tries.failovers >= self.terms.failovers_max() => return Err(Fault::Broken.into()),
            _ => self.tries.failovers += 1,
        }
        if !self.tries.may_hold(&pool) {
            return Ok(());
        }
        let what = format!("{} does not have the model any more", claim.peer().url());
        self.retry(Retry::NotReady);
        Err(elsewhere(what).into())
    }

    /// The head of an answer has come: what it says of its peer. Fails when another peer, or the same one later, is to
    /// answer instead.
    pub fn judge_head(&mut self, response: &ResponseHeader, begun: Begun) -> Result<(), Box<Error>> {
        let (Some(pool), Some(mut claim)) = (self.terms.pool.clone(), self.attempt.claim.take()) else {
            return Ok(());
        };
        if verdict::shows(response, pool.config().engine) {
            claim.peer().meet();
        }
        if let Some(resumption) = self.terms.resumption
            && resumption.goes_on_elsewhere(response.status.as_u16())
        {
            self.tries.tried.push(claim.peer().id());
            if self.terms.has_untried(&self.tries.tried) {
                return Err(elsewhere(format!("{} does not have the stream", claim.peer().url())));
            }
        }
        let has_served = self.attempt.heard.is_made;
        let outcome = verdict::of_head(response, pool.config().engine).map(|outcome| match outcome {
            // What had begun to answer does not load.
            Outcome::Loading if has_served => Outcome::Busy { retry_after: None },
            outcome => outcome,
        });
        let Some(outcome) = outcome else {
            claim.began();
            self.attempt.claim = Some(claim);
            return Ok(());
        };
        claim.judge(outcome);
        let may_go = self.terms.need == Need::Slot && begun == Begun::No && self.is_replayable;
        let goes = may_go
            && match outcome {
                Outcome::Loading => self.tries.may_hold(&pool),
                Outcome::Busy { .. } if self.terms.addressed.is_none() => {
                    self.tries.tried.push(claim.peer().id());
                    let goes = pool.has_another(self.terms.model, &self.tries.tried);
                    if !goes {
                        self.tries.tried.pop();
                    }
                    goes
                }
                _ => false,
            };
        if goes {
            self.retry(Retry::NotReady);
            return Err(elsewhere(format!("{} is not ready", claim.peer().url())));
        }
        self.attempt.claim = Some(claim);
        Ok(())
    }

    /// The peer could not be reached. Whether another is asked.
    pub fn goes_on_unreached(&mut self, claim: Claim) -> bool {
        self.tries.give_up(claim);
        let retry = self.terms.has_untried(&self.tries.tried);
        if retry {
            self.retry(Retry::Unreachable);
        }
        retry
    }

    /// Whether a request that failed at its peer is tried again. `fault` is what the error means, and `connection`
    /// what it was on.
    pub fn goes_on_after(&mut self, e: &Error, fault: &Fault, begun: Begun, connection: Distrust) -> bool {
        if e.etype() == &ELSEWHERE {
            return true;
        }
        let model = self.attempt.claim.as_ref().and_then(Claim::model);
        let is_broken = match fault {
            Fault::Broken => e.esource() == &ErrorSource::Upstream,
            // Of a model that died a server that lives ends the answer.
            Fault::Assemble(AssembleError::Incomplete) => model.is_some(),
            _ => false,
        };
        if !is_broken || begun == Begun::Yes {
            return false;
        }
        if self.terms.repeat == Repeat::Always {
            return self.repeat(e, connection);
        }
        // What asks for something to be done may be doing it still, unless the peer is gone. Who failed it before may
        // be back by then.
        self.tries.tried.clear();
        if !self.terms.is_upgrade {
            self.tries.suspect = self.attempt.claim.take();
        }
        self.tries.suspect.is_some()
    }

    /// Whether a request that may go to a server twice does.
    fn repeat(&mut self, e: &Error, connection: Distrust) -> bool {
        if connection == Distrust::Shared {
            // The connection was stale; that says nothing about the peer.
            self.tries.distrust = Distrust::Shared;
            self.retry(Retry::Stale);
        } else if let Some(mut claim) = self.attempt.claim.take() {
            log::warn!("{}: {} broke off: {}", self.record.id, claim.peer().url(), Cause(e));
            claim.judge(Outcome::Failed(Failure::Reset));
            self.tries.tried.push(claim.peer().id());
            // With nobody left to ask, how the last one failed is the answer.
            if !self.terms.has_untried(&self.tries.tried) || self.tries.failovers >= self.terms.failovers_max() {
                return false;
            }
            self.tries.failovers += 1;
            self.retry(Retry::Broken);
        }
        true
    }
}

/// What an answer tells of the peer's cache.
pub fn learn(claim: &mut Claim, tokens: Tokens) {
    if let (Some(cached_tokens), Some(prompt_tokens)) = (tokens.cached, tokens.input) {
        claim.learn(Reuse { cached_tokens, prompt_tokens, took: tokens.prompt_time });
    }
}
