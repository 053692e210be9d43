//! Queue: requests that wait for a place, in the order in which they came within a priority.
//! Does not know what they wait for, and who goes before whom all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Request;
use super::roster::PeerId;

/// One request's place in the queue. Those of a lower priority number are first, then those whose turn has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    priority: u8,
    turn: Turn,
    number: u64,
}

impl Ticket {
    /// Lower goes first.
    pub(super) fn priority(self) -> u8 {
        self.priority
    }

    pub(super) fn turn(self) -> Turn {
        self.turn
    }
}

/// Whether a request has had a place before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Turn {
    /// It came back without an answer, and has waited its turn.
    Again,
    #[default]
    First,
}

/// A request that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub request: Request,
    pub since: Duration,
    pub deadline: Duration,
    /// How often one behind it went first.
    pub overtaken: u32,
    /// Whether it may decline a place at all.
    pub patience: Patience,
    /// It declines places, and for how long.
    pub hold: Option<Hold>,
}

/// Whether a request may wait for a better place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Some,
    None,
}

/// A request declines every place that is free, since a better one is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Where that is expected.
    pub peer: PeerId,
    pub since: Duration,
    pub until: Duration,
}

/// The queue of one pool. Its caller keeps it bounded.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<Ticket, Waiting>,
    issued: u64,
}

impl Queue {
    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The place that a request would have.
    fn place(&self, request: &Request) -> Ticket {
        let turn = if request.tried.is_empty() { request.turn } else { Turn::Again };
        Ticket { priority: request.priority, turn, number: self.issued }
    }

    /// Puts a request behind those that go before it. `deadline` is when it has waited for too long; the queue itself
    /// lets nobody go for that.
    pub fn enqueue(&mut self, request: Request, since: Duration, deadline: Duration, patience: Patience) -> Ticket {
        let ticket = self.place(&request);
        self.issued += 1;
        let former =
            self.waiting.insert(ticket, Waiting { request, since, deadline, overtaken: 0, patience, hold: None });
        debug_assert!(former.is_none(), "two requests with one ticket");
        ticket
    }

    /// One that waits.
    pub fn get(&self, ticket: Ticket) -> Option<&Waiting> {
        self.waiting.get(&ticket)
    }

    /// One that waits, to be changed.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waiting> {
        self.waiting.get_mut(&ticket)
    }

    /// Takes a request out, wherever it stands. `None` when it does not wait any more.
    pub fn take(&mut self, ticket: Ticket) -> Option<Waiting> {
        self.waiting.remove(&ticket)
    }

    /// How many wait, by priority.
    pub fn by_priority(&self) -> BTreeMap<u8, usize> {
        let mut counts = BTreeMap::new();
        for ticket in self.waiting.keys() {
            *counts.entry(ticket.priority).or_default() += 1;
        }
        counts
    }

    /// How many are before it.
    pub fn position(&self, ticket: Ticket) -> Option<usize> {
        self.waiting.contains_key(&ticket).then(|| self.waiting.range(..ticket).count())
    }

    /// All that wait, first in the queue first.
    pub fn all(&self) -> impl Iterator<Item = (Ticket, &Waiting)> {
        self.waiting.iter().map(|(ticket, waiting)| (*ticket, waiting))
    }

    /// The earliest deadline of any that wait, which is not always that of the first.
    pub fn first_deadline(&self) -> Option<Duration> {
        self.waiting.values().map(|waiting| waiting.deadline).min()
    }
}
