//! Quarantine of bodies that servers died of: refused when too many did, and one at a time at each server before.
//! What is remembered of them is `gateway::quarantine`'s.

use crate::balance::PeerId;
use crate::gateway::fault::{Fault, Halt};

use super::client::{Client, Intake, WaitStatus, wait_with};
use super::dispatch::Dispatch;

impl Dispatch<'_> {
    /// Refuses a body that as many servers died of as may. One that would go up unread is read for that, but only
    /// while there are such bodies.
    pub(super) async fn refuse_poison(&self, client: &mut dyn Client) -> Result<(), Halt> {
        if self.gateway.quarantine.is_empty() {
            return Ok(());
        }
        let servers = self.deaths(client, Intake::All).await?;
        if servers > self.terms.failovers_max() { Err(Fault::Felling { servers }.into()) } else { Ok(()) }
    }

    /// Waits until nobody else under suspicion is on the way to this server, if this request is.
    pub(super) async fn wait_for_probation(&mut self, client: &mut dyn Client, peer: PeerId) -> Result<(), Halt> {
        let gateway = self.gateway;
        let quarantine = &gateway.quarantine;
        if quarantine.is_empty() || self.deaths(client, Intake::Known).await? == 0 {
            return Ok(());
        }
        let mut turn = std::pin::pin!(quarantine.probation(peer));
        let probation = loop {
            if let Some(probation) = wait_with(client, &mut turn).await? {
                break probation;
            }
            client.tell(WaitStatus::Asked(None)).await?;
        };
        self.attempt.probation = Some(probation);
        // Whoever was before may have been a copy of it.
        self.refuse_poison(client).await
    }

    /// How many servers died of the request's body, as far as it is known before it goes up.
    async fn deaths(&self, client: &mut dyn Client, intake: Intake) -> Result<u32, Halt> {
        Ok(client.body(intake).await?.map_or(0, |body| self.gateway.quarantine.deaths(&body)))
    }
}
