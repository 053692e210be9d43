//! Dispatch of a request: from a place at a peer to the connection that it needs.
//! Who is next is the pool's to say; what a connection does is `upstream`'s.

use std::sync::Arc;
use std::time::Duration;

use crate::gateway::fault::{Fault, Halt};
use crate::gateway::shared::Gateway;
use crate::metrics::Incident;
use crate::record::{Record, Retry};
use crate::upstream::{Connection, Dial, Watch, is_shortage};

use super::client::Client;
use super::receipt;
use super::terms::{Repeat, Terms};
use super::tries::{Attempt, Distrust, Tries};

/// What finds a server for one request.
#[derive(Debug)]
pub struct Dispatch<'a> {
    pub gateway: &'a Gateway,
    pub record: &'a mut Record,
    pub terms: &'a Terms,
    pub tries: &'a mut Tries,
    pub attempt: &'a mut Attempt,
    /// Whether the body can be sent again: there is none, or all of it was kept.
    pub is_replayable: bool,
}

impl Dispatch<'_> {
    /// The next peer that may have the request, and how to connect to it. Waits for a place as long as the client does.
    pub async fn dial(&mut self, client: &mut dyn Client) -> Result<Dial, Halt> {
        self.attempt.begin();
        let Some(pool) = self.terms.pool.clone() else { return Err(Fault::Internal.into()) };
        loop {
            let gateway = self.gateway;
            let claim = tokio::select! {
                claim = self.place(client, &pool) => claim,
                () = gateway.lifecycle.is_over() => Err(Fault::Stopping.into()),
            }?;
            self.wait_for_probation(client, claim.peer().id()).await?;
            self.record.chosen(claim.peer().url(), claim.why().cloned());
            self.attempt.others = receipt::others(&pool, &claim, self.terms.explain);
            if let Some(conversation) = &self.terms.conversation {
                pool.settle_session(conversation.key, claim.peer().id());
            }
            match claim.dial().await {
                Ok(dial) => {
                    self.attempt.claim = Some(claim);
                    self.attempt.sent = Some(self.gateway.quarantine.sending());
                    return Ok(dial);
                }
                Err(e) if is_shortage(&e) => return Err(Fault::NoDescriptors.into()),
                Err(e) => {
                    log::warn!("pool {}: {}: {e}", pool.name(), claim.peer().url());
                    self.tries.give_up(claim);
                    if self.terms.has_untried(&self.tries.tried) {
                        self.retry(Retry::Unreachable);
                    }
                }
            }
        }
    }

    /// The request goes to a server again.
    pub fn retry(&mut self, why: Retry) {
        self.record.retried();
        let metrics = &self.gateway.metrics;
        metrics.retried(self.record, why);
        let what = match why {
            // They say nothing against the server.
            Retry::Stale | Retry::NotReady | Retry::Ungrammatical | Retry::Refused => return,
            Retry::Unreachable => Fault::Unreachable,
            Retry::Broken => Fault::Broken,
        };
        metrics.recent.add(Incident::of(self.record, None, &what.to_string()));
    }

    /// The connection of Pingora's that the request needs.
    pub fn connection(&mut self) -> Connection {
        let timeouts = self.terms.timeouts();
        if self.terms.is_tunnel {
            return Connection::Own(Arc::new(Watch::of_tunnel(timeouts.connect_ms)));
        }
        // Pingora's one timeout says it all.
        let has_one_wait = timeouts.total_ms.is_none()
            && timeouts.first_byte_ms.is_none_or(|first_byte_ms| timeouts.idle_ms == Some(first_byte_ms));
        if self.terms.repeat == Repeat::Always && has_one_wait && self.tries.distrust == Distrust::None {
            return Connection::Shared { read_timeout: timeouts.idle_ms.map(Duration::from_millis) };
        }
        Connection::Own(Arc::clone(self.attempt.watch.get_or_insert_with(|| Arc::new(Watch::new(timeouts)))))
    }
}
