//! Choice of a peer for a request: who could take it, and the place that it gets there.
//! Who is before whom, and where the first token comes the soonest, is decided elsewhere.

use std::time::Duration;

use super::Request;
use super::balancer::{Assignment, Balancer};
use super::dispatch::Choice;
use super::health::HealthState;
use super::policy::{self, Bound, Candidate, Policy};
use super::roster::{Peer, PeerId};
use super::why::Why;

/// Who could take a request now.
pub enum Options {
    /// At least one has room.
    Now(Candidates),
    /// Nobody, but somebody will; also where there is no peer at all, since one may come.
    Later,
    /// There is nobody whom it has not tried.
    Nobody,
}

/// Those that are not worse than the best that has room: by tier, and in a tier those that are awake before those that
/// sleep.
pub struct Candidates {
    pub room: Vec<Candidate>,
    /// Those that could take it but have no room now.
    pub full: Vec<Candidate>,
}

impl Balancer {
    /// Who could take a request, best ranks only.
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
        if !living.room.is_empty() {
            return Options::Now(living);
        }
        if untried().any(|(_, standing)| !is_dead(standing)) {
            return Options::Later;
        }
        let dead = best(untried().map(|(peer, _)| (peer, 0)));
        if dead.room.is_empty() { Options::Later } else { Options::Now(dead) }
    }

    /// A place for one that waited or has just come. `choice` is where it goes, if that was decided.
    pub(super) fn assign(&mut self, request: &Request, choice: Option<Choice>, now: Duration) -> Option<Assignment> {
        let Options::Now(Candidates { room, full }) = self.options(&request.tried, now) else { return None };
        let Choice { peer: chosen, why } = choice.or_else(|| self.choose(request, &room))?;
        let why = self.outranked(why, request, &room, chosen, now);
        let all: Vec<_> = room.into_iter().chain(full).collect();
        let home = self.home(request, &all);
        let (_, fresh) = self.knowledge(request, chosen);
        let block = self.block(self.roster.get(chosen)?, now);
        if let Some(key) = request.session {
            self.affinity.note_session(key, chosen);
        }
        let prefix = request.prefix.as_ref().filter(|_| self.settings.policy == Policy::Prefix);
        let belief = prefix.map(|prefix| self.affinity.note(prefix, chosen, Self::sent_to(chosen, home)));
        let peer = self.roster.get_mut(chosen)?;
        self.claims += 1;
        peer.taken_at = self.claims;
        peer.take();
        let kind = peer.health.begin(now);
        let reading = peer.pace.begin(fresh, block, now);
        Some(Assignment { peer: chosen, why, kind, reading, belief, told: None })
    }

    fn choose(&mut self, request: &Request, candidates: &[Candidate]) -> Option<Choice> {
        if let Some(key) = request.session {
            return self.by_session(key, candidates);
        }
        match self.settings.policy {
            Policy::Slots | Policy::Prefix => least_busy(candidates),
            Policy::RandomTwo => {
                let Candidate { id, load, capacity, .. } = policy::random_two(candidates, &mut self.random)?;
                Some(Choice { peer: id, why: Why::RandomTwo { load, capacity } })
            }
            Policy::RoundRobin => {
                let weight = |id| self.roster.get(id).map_or(1, |peer| peer.spec.weight);
                self.turns.take(candidates, weight).map(|chosen| Choice { peer: chosen.id, why: Why::Turn })
            }
        }
    }

    /// Where a session is at home, or else where its hash says.
    pub(super) fn by_session(&self, key: u64, candidates: &[Candidate]) -> Option<Choice> {
        let known = self.affinity.session(key);
        if let Some(home) = candidates.iter().find(|candidate| Some(candidate.id) == known) {
            return Some(Choice { peer: home.id, why: Why::Session });
        }
        let home = policy::home(key, candidates, Bound::over(candidates, self.settings.load_percent_max))?;
        Some(Choice { peer: home.id, why: Why::Hash })
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
            Why::Session | Why::Prefix { .. } | Why::Waited { .. } => why,
            _ if candidates.len() > 1 => why,
            _ => {
                let is_alive = |peer: &&Peer| alive(peer.health.standing(now)).is_some();
                if self.roster.here().filter(is_alive).count() > 1 { Why::OnlyOneFree } else { Why::OnlyOneAlive }
            }
        }
    }
}

/// Where the smallest share of the places is taken.
pub fn least_busy(candidates: &[Candidate]) -> Option<Choice> {
    let Candidate { id, load, capacity, .. } = policy::least_busy(candidates)?;
    Some(Choice { peer: id, why: Why::LeastBusy { load, capacity } })
}

/// Those of the first tier, and of the first rank in it, that have room, and those of no worse one that have none.
fn best<'p>(ranked: impl Iterator<Item = (&'p Peer, u8)>) -> Candidates {
    let ranked: Vec<_> = ranked.map(|(peer, rank)| ((peer.spec.tier, rank), peer)).collect();
    let first = ranked.iter().filter(|(_, peer)| peer.has_room()).map(|(rank, _)| *rank).min();
    let of = |fits: &dyn Fn((u8, u8), &Peer) -> bool| {
        ranked.iter().filter(|(rank, peer)| fits(*rank, peer)).map(|(_, peer)| Candidate::from(*peer)).collect()
    };
    Candidates {
        room: of(&|rank, peer| Some(rank) == first && peer.has_room()),
        full: of(&|rank, peer| Some(rank) <= first && !peer.has_room()),
    }
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
