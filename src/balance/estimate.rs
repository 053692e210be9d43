//! Estimate of a request's first token at each peer: when a place there is free, and how long its prompt takes to read.
//! Compares peers; whether a request waits for one that is full is decided elsewhere.

use std::time::Duration;

use super::Request;
use super::affinity::SentTo;
use super::balancer::Balancer;
use super::choose::Candidates;
use super::pace::{Pace, mean, times};
use super::policy::{self, Bound, Candidate};
use super::roster::PeerId;
use super::seat::{Seat, SeatId, Want};

/// What a request can expect at one peer.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub peer: Candidate,
    pub seat: SeatId,
    /// Blocks of its prompt that the peer is believed to know.
    pub known: usize,
    /// How long the others take to read there.
    pub reading: Duration,
    /// From now to a place there.
    pub until_free: Duration,
    /// From now to its first token.
    pub first_token: Duration,
    /// The same, and what speaks against the peer beyond this request.
    cost: Duration,
}

/// How many of those that are before a request wait for a certain seat.
#[derive(Clone, Debug, Default)]
pub struct Ahead(Vec<(SeatId, u32)>);

impl Ahead {
    /// One more waits for this one.
    pub fn add(&mut self, seat: SeatId) {
        match self.0.iter_mut().find(|(known, _)| *known == seat) {
            Some((_, count)) => *count += 1,
            None => self.0.push((seat, 1)),
        }
    }

    fn of(&self, seat: SeatId) -> u32 {
        self.0.iter().find(|(known, _)| *known == seat).map_or(0, |(_, count)| *count)
    }
}

/// What an estimate goes by beside request and peer.
struct Terms<'a> {
    home: Option<PeerId>,
    usual: u64,
    want: Want,
    /// How long seats that have this read a block, and keep a request.
    block: Option<Duration>,
    stay: Option<Duration>,
    /// Who waits for a place there; none where there is room.
    ahead: Option<&'a Ahead>,
    now: Duration,
}

/// What a block takes to read at a peer before any was seen reading: 2,500 tokens a second.
const BLOCK_AT_FIRST: Duration = Duration::from_millis(100);
/// What the home of a conversation may cost more than another peer, so that its later turns, here and at other
/// replicas, are looked for where they are: in any case, and as far as replicas are seen to share their homes. The
/// latter is no more than so many turns would read.
const HOME: Duration = Duration::from_millis(300);
const HOME_SHARED: Duration = Duration::from_secs(12);
const HOME_TURNS: u32 = 4;
/// How much a home's load may exceed the pool's mean, in percent of it.
const HOME_LOAD_PERCENT_MAX: u32 = 250;

impl Balancer {
    /// What a request can expect at each of those, of which some have room and some have none.
    pub(super) fn estimates(
        &self,
        request: &Request,
        Candidates { want, room, full }: &Candidates,
        ahead: &Ahead,
        now: Duration,
    ) -> Vec<Estimate> {
        let all: Vec<_> = room.iter().chain(full).copied().collect();
        let home = self.home(request, &all);
        let usual = usual_load(&all);
        let (block, stay) = (self.usual_block(*want), self.usual_stay(*want));
        let estimate = |at: usize, peer: &Candidate| {
            let ahead = Some(ahead).filter(|_| at >= room.len());
            self.estimate(request, *peer, &Terms { home, usual, want: *want, block, stay, ahead, now })
        };
        all.iter().enumerate().filter_map(|(at, peer)| estimate(at, peer)).collect()
    }

    fn estimate(&self, request: &Request, candidate: Candidate, terms: &Terms<'_>) -> Option<Estimate> {
        let Terms { home, usual, want, ahead, now, .. } = *terms;
        let peer = self.roster.get(candidate.id)?;
        let seat = peer.seat(want)?;
        // Where a session is at home its client says that all of it is known.
        let is_told = request.session.is_some_and(|key| self.affinity.session(key) == Some(candidate.id));
        let (known, fresh) = if is_told { (0, 0) } else { self.knowledge(request, seat.id) };
        let block = self.block(seat, terms.block, now);
        let reading = times(block, fresh);
        let stay = seat.pace.stay(terms.stay, now).or(terms.stay).unwrap_or(self.service);
        let until_free = ahead.map_or(Duration::ZERO, |ahead| {
            // Requests are of all ages, so the next one ends a little sooner than each in its turn.
            stay * 3 / 4 / peer.capacity(seat).unwrap_or(1) * ahead.of(seat.id).saturating_add(1)
        });
        let first_token = until_free.max(seat.pace.delay(now)).saturating_add(reading);
        // The more it has, the slower it writes.
        let load = u64::from(candidate.load).saturating_add(1);
        let size = if candidate.capacity.is_none() { candidate.size.saturating_mul(usual) } else { candidate.size };
        let slowed = times(stay * 3 / 10, load) / u32::try_from(size).unwrap_or(u32::MAX).max(1);
        let prompt = request.prefix.as_ref().map_or(0, |prefix| prefix.blocks().len());
        let turns = times(block, u64::try_from(prompt).unwrap_or(u64::MAX)).saturating_mul(HOME_TURNS);
        let shared = HOME_SHARED.min(turns) * u32::try_from(self.affinity.shared()).unwrap_or(0) / 1_000;
        let away = if home == Some(candidate.id) { Duration::ZERO } else { HOME + shared };
        let cost = first_token.saturating_add(slowed).saturating_add(away);
        Some(Estimate { peer: candidate, seat: seat.id, known, reading, until_free, first_token, cost })
    }

    /// How many blocks of its prompt a peer is believed to know, and how many it has to read.
    pub(super) fn knowledge(&self, request: &Request, seat: SeatId) -> (usize, u64) {
        let Some(prefix) = &request.prefix else { return (0, 0) };
        let known = self.affinity.known(prefix, seat);
        (known, u64::try_from(prefix.blocks().len().saturating_sub(known)).unwrap_or(u64::MAX))
    }

    /// Where a conversation is at home among those, unless that has far more than its share already.
    pub(super) fn home(&self, request: &Request, among: &[Candidate]) -> Option<PeerId> {
        let home = policy::favourite(request.long_prefix()?.anchor(), among)?;
        Bound::over(among, HOME_LOAD_PERCENT_MAX).allows(&home).then_some(home.id)
    }

    /// What a peer is that a prompt is sent to.
    pub(super) fn sent_to(peer: PeerId, home: Option<PeerId>) -> SentTo {
        if home == Some(peer) { SentTo::Home } else { SentTo::Elsewhere }
    }

    /// How long a seat reads a block; one that was not seen reading yet reads as usual.
    pub(super) fn block(&self, seat: &Seat, usual: Option<Duration>, now: Duration) -> Duration {
        seat.pace.block(usual, now).or(usual).unwrap_or(BLOCK_AT_FIRST)
    }

    /// How long those that have this read a block.
    pub(super) fn usual_block(&self, want: Want) -> Option<Duration> {
        self.mean(want, |pace| pace.seen().0)
    }

    /// How long a request for this keeps its place.
    pub(super) fn usual_stay(&self, want: Want) -> Option<Duration> {
        self.mean(want, |pace| pace.seen().1)
    }

    /// The mean of what was seen of the seats that have this.
    fn mean(&self, want: Want, of: impl Fn(&Pace) -> Option<Duration>) -> Option<Duration> {
        mean(self.roster.seats(want).filter_map(|(_, seat)| of(&seat.pace)))
    }
}

/// What those without a limit are used to have, in times of what they count for: at least 1.
fn usual_load(peers: &[Candidate]) -> u64 {
    let unlimited = || peers.iter().filter(|peer| peer.capacity.is_none());
    let load: u64 = unlimited().map(|peer| u64::from(peer.load)).sum();
    load.checked_div(unlimited().map(|peer| peer.size).fold(0, u64::saturating_add)).unwrap_or(0).max(1)
}

/// The one that costs the least; among equals the one that was not taken for longest.
pub fn cheapest<'e>(estimates: impl Iterator<Item = &'e Estimate>) -> Option<&'e Estimate> {
    estimates.min_by_key(|estimate| (estimate.cost, estimate.peer.taken_at))
}
