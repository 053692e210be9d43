//! Place of a request at a peer: it asks its pool, and waits in the queue while every slot is taken.
//! Who is next is the pool's to say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balance::{Awaited, Failure, Loading, Outcome, Request, Turn};
use crate::gateway::fault::{Fault, Halt};
use crate::record::Retry;
use crate::upstream::{Claim, ClaimError, Fate, Placement, Pool, Queued};

use super::client::{Client, Intake, WaitStatus, wait_until};
use super::dispatch::Dispatch;
use super::terms::Terms;

impl Dispatch<'_> {
    /// A place at the next peer. Waits in the pool's queue if it must, as long as the client does.
    pub(super) async fn place(&mut self, client: &mut dyn Client, pool: &Arc<Pool>) -> Result<Claim, Halt> {
        if let Some(claim) = self.tries.suspect.take() {
            self.suspect(client, pool, claim).await?;
        }
        self.refuse_poison(client).await?;
        if let Some(addressed) = &self.terms.addressed {
            let claim = self.terms.has_untried(&self.tries.tried).then(|| pool.claim_at(&addressed.peer));
            return claim.ok_or(Fault::Claim(ClaimError::Unreachable).into());
        }
        if self.terms.resumption.is_some() {
            let claim = pool.claim_without_slot(&self.tries.tried, self.terms.session);
            return claim.map_err(|e| Fault::Claim(e).into());
        }
        let mut queued = match pool.claim(self.request(), self.terms.need).await {
            Ok(Placement::Claim(claim)) => return Ok(claim),
            Ok(Placement::Queued(queued)) => queued,
            Err(e) => return Err(Fault::Claim(e).into()),
        };
        client.body(Intake::WithLength).await?;
        self.record.enqueued();
        let claim = wait_in_queue(client, &mut queued).await?;
        self.record.dequeued();
        // Meanwhile a copy of it may have gone before.
        self.refuse_poison(client).await?;
        claim.map_err(|e| Fault::Claim(e).into())
    }

    /// What the pool must know to choose.
    fn request(&self) -> Request {
        let (prefix, tried) = (self.terms.prefix.clone(), self.tries.tried.clone());
        let has_waited = self.tries.is_again || self.tries.held_since.is_some();
        let turn = if has_waited { Turn::Again } else { Turn::First };
        let Terms { priority, model, session, .. } = *self.terms;
        Request { priority, model, session, prefix, turn, tried }
    }

    /// A peer broke off before it answered. Returns when the request may be sent again, because the peer cannot be at
    /// it any more.
    async fn suspect(&mut self, client: &mut dyn Client, pool: &Pool, mut claim: Claim) -> Result<(), Halt> {
        let fate = tokio::select! {
            fate = pool.fate(&claim) => fate,
            e = client.left() => return Err(e.into()),
        };
        log::warn!("pool {}: {} broke off before it answered; {}", pool.name(), claim.peer().url(), fate.name());
        if fate == Fate::Lives {
            claim.judge(Outcome::Failed(Failure::Reset));
            return Err(Fault::Broken.into());
        }
        if let (Some(sent), Some(body)) = (&mut self.attempt.sent, client.body(Intake::Known).await?) {
            sent.know(&body);
        }
        let sent = self.attempt.sent.as_ref().filter(|_| fate != Fate::Unloaded);
        let servers = sent.map_or(0, |sent| self.gateway.quarantine.died(sent, claim.peer().id()));
        let goes_on =
            if matches!(fate, Fate::Restarted | Fate::Unloaded) && self.terms.may_return() && self.tries.may_hold(pool)
            {
                claim.judge(Outcome::Loading);
                true
            } else {
                self.tries.give_up(claim);
                self.terms.addressed.is_none() && self.terms.has_untried(&self.tries.tried)
            };
        let failovers_max = self.terms.failovers_max();
        if servers > failovers_max {
            log::warn!("{}: {servers} servers died of this request, no other gets it", self.record.id);
            return Err(Fault::Felling { servers }.into());
        }
        if !goes_on || !self.is_replayable || self.tries.failovers >= failovers_max {
            return Err(Fault::Broken.into());
        }
        self.tries.failovers += 1;
        self.retry(Retry::Broken);
        Ok(())
    }
}

/// Waits until the request has its place, or was there for too long.
async fn wait_in_queue(client: &mut dyn Client, queued: &mut Queued) -> Result<Result<Claim, ClaimError>, Halt> {
    // Who waits for a model may have to do so for long, and hears of it soon.
    let mut soon = queued.awaited().map(|_| Instant::now() + LOADING_TOLD_AFTER);
    loop {
        let tell_at = client.tell_at().map(|at| soon.map_or(at, |soon| at.min(soon)));
        if let Some(claim) = wait_until(client, tell_at, queued.claim()).await? {
            return Ok(claim);
        }
        client.tell(standing(queued)).await?;
        soon = None;
    }
}

/// How a request in the queue stands.
fn standing(queued: &Queued) -> WaitStatus {
    let Some((Awaited { model, loading, before }, peer)) = queued.awaited() else {
        return WaitStatus::Queued { before: queued.position() };
    };
    match loading.zip(peer) {
        Some((Loading { since, takes, .. }, peer)) => {
            WaitStatus::Loading { model, peer: peer.name().to_owned(), since, takes }
        }
        None => WaitStatus::Awaiting { model, before },
    }
}

/// When the client of a request whose model is not loaded hears of it first.
const LOADING_TOLD_AFTER: Duration = Duration::from_millis(1_500);
