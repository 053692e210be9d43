//! Choice of a peer for a request: who could take it, which of them is best, and why.
//! Counts the place that it gives; when to ask, and who is before whom, is the balancer's business.

use std::time::Duration;

use super::Request;
use super::balancer::{Assignment, Balancer};
use super::health::HealthState;
use super::policy::{self, Bound, Candidate, Policy};
use super::prefix::Fingerprint;
use super::roster::{Peer, PeerId, SLOTS_NOMINAL};
use super::why::Why;

/// Who could take a request now.
pub enum Options {
    /// At least one.
    Now(Vec<Candidate>),
    /// Nobody, but somebody will; also where there is no peer at all, since one may come.
    Later,
    /// There is nobody whom it has not tried.
    Nobody,
}

/// Less of a prompt than this, in percent, is not worth a worse balance.
const MATCH_PERCENT_MIN: usize = 50;

impl Balancer {
    /// The best of those that have room: by tier, and in a tier those that are awake before those that sleep.
    /// Who is thought to be dead is taken only when there is nobody else at all, not even to wait for: a breaker
    /// spares requests a bad peer where there is a better one, and must not refuse them where there is none.
    pub(super) fn options(&self, tried: &[PeerId], now: Duration) -> Options {
        let untried = || {
            let peers = self.roster.here().filter(|peer| !tried.contains(&peer.id));
            peers.map(|peer| (peer, peer.health.standing(now)))
        };
        if untried().next().is_none() {
            return if self.roster.here().next().is_some() { Options::Nobody } else { Options::Later };
        }
        let living = best(untried().filter_map(|(peer, standing)| Some((peer, alive(standing)?))));
        if !living.is_empty() {
            return Options::Now(living);
        }
        if untried().any(|(_, standing)| !is_dead(standing)) {
            return Options::Later;
        }
        let dead = best(untried().map(|(peer, _)| (peer, 0)));
        if dead.is_empty() { Options::Later } else { Options::Now(dead) }
    }

    /// A place at the best peer, if there is one.
    pub(super) fn assign(&mut self, request: &Request, now: Duration) -> Option<Assignment> {
        let Options::Now(candidates) = self.options(&request.tried, now) else { return None };
        let (chosen, why) = self.choose(request, &candidates)?;
        let why = self.outranked(why, request, &candidates, chosen, now);
        let peer = self.roster.get_mut(chosen)?;
        self.claims += 1;
        peer.taken_at = self.claims;
        peer.take();
        let kind = peer.health.begin(now);
        if let Some(key) = request.session {
            self.affinity.note_session(key, chosen);
        }
        let prefix = request.prefix.as_ref().filter(|_| self.settings.policy == Policy::Prefix);
        let belief = prefix.map(|prefix| self.affinity.note(prefix, chosen));
        Some(Assignment { peer: chosen, why, kind, since: now, belief })
    }

    fn choose(&mut self, request: &Request, candidates: &[Candidate]) -> Option<(PeerId, Why)> {
        let shares =
            |chosen: Candidate, why: fn(u32, Option<u32>) -> Why| (chosen.id, why(chosen.load, chosen.capacity));
        if let Some(key) = request.session {
            return self.by_session(key, candidates);
        }
        match (self.settings.policy, &request.prefix) {
            (Policy::Prefix, Some(prefix)) => self.by_prefix(prefix, candidates),
            (Policy::Slots | Policy::Prefix, _) => policy::least_busy(candidates)
                .map(|chosen| shares(chosen, |load, capacity| Why::LeastBusy { load, capacity })),
            (Policy::RandomTwo, _) => policy::random_two(candidates, &mut self.random)
                .map(|chosen| shares(chosen, |load, capacity| Why::RandomTwo { load, capacity })),
            (Policy::RoundRobin, _) => {
                let weight = |id| self.roster.get(id).map_or(1, |peer| peer.spec.weight);
                self.turns.take(candidates, weight).map(|chosen| (chosen.id, Why::Turn))
            }
        }
    }

    fn by_session(&self, key: u64, candidates: &[Candidate]) -> Option<(PeerId, Why)> {
        let known = self.affinity.session(key);
        if let Some(home) = candidates.iter().find(|candidate| Some(candidate.id) == known) {
            return Some((home.id, Why::Session));
        }
        let home = policy::home(key, candidates, self.bound(candidates))?;
        Some((home.id, Why::Hash))
    }

    /// Who knows most of the prompt, while it has room: a cold prefill costs more than a fuller batch.
    /// Among several that know as much, and when nobody knows enough, the conversation's hash decides, so that
    /// replicas agree without a word between them.
    fn by_prefix(&self, prefix: &Fingerprint, candidates: &[Candidate]) -> Option<(PeerId, Why)> {
        let bound = self.bound(candidates);
        let (blocks, mut holders) = self.affinity.longest(prefix, candidates);
        // Without slots there is always room, and only the load says that a peer is hot.
        holders.retain(|holder| holder.capacity.is_some() || holder.load < SLOTS_NOMINAL || bound.allows(holder));
        if blocks * 100 >= prefix.blocks().len() * MATCH_PERCENT_MIN
            && let Some(home) = policy::home(prefix.anchor(), &holders, bound)
        {
            return Some((home.id, Why::Prefix { blocks }));
        }
        let home = policy::home(prefix.anchor(), candidates, bound)?;
        Some((home.id, Why::Hash))
    }

    fn bound(&self, candidates: &[Candidate]) -> Bound {
        Bound::over(candidates, self.settings.load_percent_max)
    }

    /// What explains a choice better than the policy does.
    fn outranked(&self, why: Why, request: &Request, candidates: &[Candidate], chosen: PeerId, now: Duration) -> Why {
        match self.roster.get(chosen).map(|peer| peer.health.standing(now)) {
            Some(HealthState::Trial) => return Why::Trial,
            Some(standing) if is_dead(standing) => return Why::LastResort,
            _ => {}
        }
        if !request.tried.is_empty() {
            return Why::Failover { failed: request.tried.len() };
        }
        match why {
            Why::Session | Why::Prefix { .. } => why,
            _ if candidates.len() > 1 => why,
            _ => {
                let is_alive = |peer: &&Peer| alive(peer.health.standing(now)).is_some();
                if self.roster.here().filter(is_alive).count() > 1 { Why::OnlyOneFree } else { Why::OnlyOneAlive }
            }
        }
    }
}

/// Those of the first tier, and of the first rank in it, that have room.
fn best<'p>(ranked: impl Iterator<Item = (&'p Peer, u8)>) -> Vec<Candidate> {
    let with_room = ranked.filter(|(peer, _)| peer.has_room());
    let mut best: Vec<_> = with_room.map(|(peer, rank)| ((peer.spec.tier, rank), Candidate::from(peer))).collect();
    let first = best.iter().map(|(rank, _)| *rank).min();
    best.retain(|(rank, _)| Some(*rank) == first);
    best.into_iter().map(|(_, candidate)| candidate).collect()
}

/// In which order those that can be asked are asked.
fn alive(standing: HealthState) -> Option<u8> {
    match standing {
        HealthState::Serves | HealthState::Trial => Some(0),
        HealthState::Sleeping => Some(1),
        _ => None,
    }
}

fn is_dead(standing: HealthState) -> bool {
    matches!(standing, HealthState::Open(_) | HealthState::Failed)
}
