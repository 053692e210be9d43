//! Load-balancing policies: who is next among peers that are alive and have room.
//! Knows neither health nor queue, and counts nothing.

use super::random::{Random, mix};
use super::roster::{Peer, PeerId};
use super::seat::Seat;

/// How a peer is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The one with the smallest share of its places taken.
    Slots,
    /// Each in its turn, by weight.
    RoundRobin,
    /// The less busy one of two that are drawn. Replicas that do not know of each other's requests do not all choose
    /// the same one.
    RandomTwo,
    /// The one whose first token is expected the soonest, by what it has of the prompt in its cache, how fast it reads
    /// the rest, and when a place there becomes free.
    #[default]
    Prefix,
}

/// A peer that may be taken.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub id: PeerId,
    pub load: u32,
    pub capacity: Option<u32>,
    /// What it counts for beside others; at least 1.
    pub size: u64,
    pub taken_at: u64,
}

impl Candidate {
    /// A peer with the seat that would be taken there.
    pub fn new(peer: &Peer, seat: &Seat) -> Self {
        let (capacity, size) = (peer.capacity(seat), peer.size(seat));
        Self { id: peer.id, load: seat.load(), capacity, size, taken_at: seat.taken_at }
    }

    /// Orders by the share that would be taken with one request more; among equals the one that waited longest.
    fn busier(&self, other: &Self) -> std::cmp::Ordering {
        let share = |a: &Self, b: &Self| (u128::from(a.load) + 1) * u128::from(b.size);
        share(self, other).cmp(&share(other, self)).then(self.taken_at.cmp(&other.taken_at))
    }
}

/// The one that would have the smallest share of its places taken with one request more; among equals the one that
/// waited longest. `None` when there are no candidates.
pub fn least_busy(candidates: &[Candidate]) -> Option<Candidate> {
    candidates.iter().copied().min_by(Candidate::busier)
}

/// The less busy one of two different ones that are drawn. `None` when there are no candidates.
pub fn random_two(candidates: &[Candidate], random: &mut Random) -> Option<Candidate> {
    let count = candidates.len();
    let mut draw = |among: usize| usize::try_from(random.below(u64::try_from(among).unwrap_or(0))).unwrap_or(0);
    let first = draw(count);
    let second = draw(count.saturating_sub(1));
    let second = if second < first { second } else { second + 1 };
    [first, second].into_iter().filter_map(|at| candidates.get(at).copied()).min_by(Candidate::busier)
}

/// The load that is fair: a share of the candidates' load, this one's size of all sizes, and so many percent of it.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    load: u128,
    size: u128,
    percent: u128,
}

impl Bound {
    /// The bound that holds among these candidates. `percent` is of a fair share of their load; under 100 it counts as
    /// 100.
    pub fn over(candidates: &[Candidate], percent: u32) -> Self {
        Self {
            load: candidates.iter().map(|candidate| u128::from(candidate.load)).sum(),
            size: candidates.iter().map(|candidate| u128::from(candidate.size)).sum(),
            // Below the mean nobody would be left.
            percent: u128::from(percent.max(100)),
        }
    }

    /// Whether it stays within its share, rounded up, when it takes one more.
    pub fn allows(&self, candidate: &Candidate) -> bool {
        u128::from(candidate.load) * self.size * 100 < self.percent * (self.load + 1) * u128::from(candidate.size)
    }
}

/// Where a key is at home: by weighted rendezvous hashing, the first that its load allows (Mirrokni, Thorup,
/// Zadimoghaddam: "Consistent hashing with bounded loads", 2016). When one comes or goes, only its own keys move, and
/// every replica comes to the same answer.
pub fn home(key: u64, candidates: &[Candidate], bound: Bound) -> Option<Candidate> {
    let allowed = candidates.iter().copied().filter(|candidate| bound.allows(candidate));
    allowed.max_by(|a, b| score(key, a).total_cmp(&score(key, b))).or_else(|| least_busy(candidates))
}

/// Where a key is at home whatever the loads are.
pub fn favourite(key: u64, candidates: &[Candidate]) -> Option<Candidate> {
    candidates.iter().copied().max_by(|a, b| score(key, a).total_cmp(&score(key, b)))
}

/// Each is the highest for its size's share of the keys (Schindelhauer, Schomaker: "Weighted distributed hash
/// tables", 2005).
fn score(key: u64, candidate: &Candidate) -> f64 {
    let [.., a, b, c, d] = mix(key ^ mix(candidate.id.0)).to_le_bytes();
    // Between 0 and 1, without either.
    let uniform = (f64::from(u32::from_le_bytes([a, b, c, d])) + 0.5) / 4_294_967_296.0;
    -f64::from(u32::try_from(candidate.size).unwrap_or(u32::MAX)) / uniform.ln()
}

/// Whose turn it is, by stride scheduling (Waldspurger, Weihl, 1995): each turn puts a peer back by the inverse of its
/// weight, and the one that is furthest ahead is next.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Where the last one that was taken stood: who was away or is new begins here, and does not catch up.
    passed: u64,
    peers: Vec<(PeerId, u64)>,
}

/// One turn of a peer of weight 1.
const STRIDE: u64 = 1 << 20;

impl Turns {
    /// The one whose turn it is, and its turn has passed then. A weight of 0 counts as 1. `None` when there are no
    /// candidates.
    pub fn take(&mut self, candidates: &[Candidate], weight: impl Fn(PeerId) -> u32) -> Option<Candidate> {
        let stands = |id: PeerId| {
            let known = self.peers.iter().find(|(peer, _)| *peer == id);
            known.map_or(self.passed, |(_, stands)| self.passed.max(*stands))
        };
        let next = candidates.iter().copied().min_by_key(|candidate| (stands(candidate.id), candidate.taken_at))?;
        self.passed = stands(next.id);
        let after = self.passed + STRIDE / u64::from(weight(next.id).max(1));
        match self.peers.iter_mut().find(|(peer, _)| *peer == next.id) {
            Some((_, stands)) => *stands = after,
            None => self.peers.push((next.id, after)),
        }
        Some(next)
    }

    /// Drops the place of a peer that is gone; should it come back, it begins as a new one.
    pub fn forget(&mut self, id: PeerId) {
        self.peers.retain(|(peer, _)| *peer != id);
    }
}
