//! Who is next: the peer with the fewest requests in flight for its weight.
//! Does not know what a peer is; it is told which may be taken.

use std::sync::Mutex;

use super::lock;

/// The requests in flight at each peer of a pool.
#[derive(Debug)]
pub struct Rota {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    inflight: Vec<u32>,
    /// Where the search begins, so that peers that are equal take turns.
    turn: usize,
}

/// A peer that may be taken.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its place in the pool.
    pub index: usize,
    pub weight: u32,
    pub max_inflight: Option<u32>,
    /// Those of a lower rank are taken only when no other has room.
    pub rank: u8,
}

impl Rota {
    pub fn new(peers: usize) -> Self {
        Self { state: Mutex::new(State { inflight: vec![0; peers], turn: 0 }) }
    }

    /// Takes a place at the best candidate that has room.
    pub fn take(&self, candidates: impl Iterator<Item = Candidate>) -> Option<usize> {
        let state = &mut *lock(&self.state);
        let count = state.inflight.len();
        let best = candidates
            .filter_map(|candidate| {
                let load = *state.inflight.get(candidate.index)?;
                let has_room = candidate.max_inflight.is_none_or(|max| load < max);
                has_room.then_some((candidate, u64::from(load) + 1))
            })
            .min_by(|(a, a_load), (b, b_load)| {
                let (a_share, b_share) = (a_load * u64::from(b.weight), b_load * u64::from(a.weight));
                let after_turn = |index: usize| (index + count - state.turn % count.max(1)) % count.max(1);
                (a.rank.cmp(&b.rank)).then(a_share.cmp(&b_share)).then(after_turn(a.index).cmp(&after_turn(b.index)))
            })
            .map(|(candidate, _)| candidate.index)?;
        *state.inflight.get_mut(best)? += 1;
        state.turn = best + 1;
        Some(best)
    }

    pub fn give_back(&self, index: usize) {
        if let Some(load) = lock(&self.state).inflight.get_mut(index) {
            debug_assert!(*load > 0, "a place that was never taken");
            *load = load.saturating_sub(1);
        }
    }

    pub fn in_flight(&self, index: usize) -> u32 {
        lock(&self.state).inflight.get(index).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(rows: &[(u32, Option<u32>, u8)]) -> impl Iterator<Item = Candidate> + '_ {
        rows.iter().enumerate().map(|(index, &(weight, max_inflight, rank))| Candidate {
            index,
            weight,
            max_inflight,
            rank,
        })
    }

    #[test]
    fn places_go_by_weight_and_room_and_rank() {
        let check = |name: &str, rows: &[(u32, Option<u32>, u8)], expected: &[Option<usize>]| {
            let rota = Rota::new(rows.len());
            let taken: Vec<_> = expected.iter().map(|_| rota.take(candidates(rows))).collect();
            assert_eq!(taken, expected, "{name}");
        };
        check("equals take turns", &[(1, None, 0), (1, None, 0)], &[Some(0), Some(1), Some(0), Some(1)]);
        check("twice the weight", &[(1, None, 0), (2, None, 0)], &[Some(1), Some(0), Some(1), Some(1), Some(0)]);
        check("full", &[(1, Some(1), 0), (1, Some(2), 0)], &[Some(0), Some(1), Some(1), None]);
        check("rank before load", &[(1, None, 1), (1, Some(2), 0)], &[Some(1), Some(1), Some(0)]);
        check("none", &[], &[None]);
    }

    #[test]
    fn a_place_given_back_is_free() {
        let rota = Rota::new(1);
        let row = [(1, Some(1), 0)];
        assert_eq!(rota.take(candidates(&row)), Some(0));
        assert_eq!(rota.take(candidates(&row)), None);
        assert_eq!(rota.in_flight(0), 1);
        rota.give_back(0);
        assert_eq!((rota.in_flight(0), rota.in_flight(1)), (0, 0));
        assert_eq!(rota.take(candidates(&row)), Some(0));
    }
}
