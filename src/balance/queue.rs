//! Queue: requests that wait for a place: first in, first out within a priority.
//! Does not know what they wait for.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use super::Request;

/// One request's place in the queue. Those of a lower priority number are first, then those whose turn has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    priority: u8,
    turn: Turn,
    number: u64,
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
    pub deadline: Duration,
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
    pub fn place(&self, request: &Request) -> Ticket {
        let turn = if request.tried.is_empty() { request.turn } else { Turn::Again };
        Ticket { priority: request.priority, turn, number: self.issued }
    }

    /// Puts a request behind those that go before it. `deadline` is when it has waited for too long; the queue itself
    /// lets nobody go for that.
    pub fn enqueue(&mut self, request: Request, deadline: Duration) -> Ticket {
        let ticket = self.place(&request);
        self.issued += 1;
        self.put_back(ticket, Waiting { request, deadline });
        ticket
    }

    /// Takes a request out, wherever it stands. `None` when it does not wait any more.
    pub fn take(&mut self, ticket: Ticket) -> Option<Waiting> {
        self.waiting.remove(&ticket)
    }

    /// At the place that it had.
    pub fn put_back(&mut self, ticket: Ticket, waiting: Waiting) {
        let former = self.waiting.insert(ticket, waiting);
        debug_assert!(former.is_none(), "two requests with one ticket");
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
        self.waiting.contains_key(&ticket).then(|| self.before(ticket).count())
    }

    /// The requests that go before that ticket, first in the queue first. The ticket need not be in it.
    pub fn before(&self, ticket: Ticket) -> impl Iterator<Item = &Request> {
        self.waiting.range(..ticket).map(|(_, waiting)| &waiting.request)
    }

    /// The first behind that ticket whose request fits.
    pub fn first_behind(&self, last: Option<Ticket>, fits: impl Fn(&Request) -> bool) -> Option<Ticket> {
        let begin = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.waiting.range((begin, Bound::Unbounded));
        behind.find(|(_, waiting)| fits(&waiting.request)).map(|(ticket, _)| *ticket)
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
