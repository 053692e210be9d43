//! Dispatch of those that wait: who goes next, and where. Where a prompt's beginning counts, whoever can be answered the
//! soonest goes first, and a request may wait for a full peer that knows its prompt while others have room.
//!
//! Both are bounded. Nobody is overtaken more often than the settings allow: whoever was goes before all that are
//! behind it. And nobody declines a place for longer than the reading there would take, and the settings allow.

use std::time::Duration;

use super::Request;
use super::balancer::Balancer;
use super::choose::{Candidates, Known, Options, least_busy};
use super::estimate::{Ahead, Estimate, cheapest};
use super::policy::Policy;
use super::queue::{Hold, Patience, Ticket, Turn, Waiting};
use super::roster::PeerId;
use super::seat::SeatId;
use super::why::Why;

/// Who goes next, and what follows for the others.
#[derive(Debug, Default)]
pub struct Dispatch {
    pub goes: Option<(Ticket, Option<Choice>)>,
    /// Those that decline every place that is free, since now and until when.
    pub holds: Vec<(Ticket, Hold)>,
    /// Those before it that could have gone as well.
    pub overtaken: Vec<Ticket>,
}

/// A peer, and why that one.
#[derive(Clone, Debug)]
pub struct Choice {
    pub peer: PeerId,
    pub why: Why,
}

/// What a request would take now.
struct Offer {
    choice: Choice,
    /// How long its prompt takes to read there; `None` when that is not known.
    reading: Option<Duration>,
    /// A full peer at which its first token would still come sooner.
    sooner: Option<Sooner>,
}

/// A full peer that is worth waiting for.
#[derive(Clone, Copy)]
struct Sooner {
    peer: PeerId,
    seat: SeatId,
    /// How much sooner, and until when at most it is waited for.
    gain: Duration,
    until_free: Duration,
}

/// One that could go now.
struct Runner {
    ticket: Ticket,
    choice: Choice,
    rank: Duration,
}

/// So many of those that could go are compared, so that a long queue does not cost more than a short one.
const COMPARED_MAX: u32 = 64;
/// What a second of waiting counts for, in tenths of a second of reading.
const AGING_TENTHS: u32 = 3;
/// Less of a prompt than this, in percent, is not worth being told of.
const MATCH_PERCENT_MIN: usize = 50;

impl Balancer {
    /// Who of those that wait goes next. Changes nothing.
    pub(super) fn dispatch(&self, now: Duration) -> Dispatch {
        match self.settings.policy {
            Policy::Prefix => self.soonest(now),
            Policy::Slots | Policy::RoundRobin | Policy::RandomTwo => {
                let mut known = Known::new(self, now);
                let mut can_go = |request: &Request| matches!(known.of(request, &mut None), Options::Now(_));
                let first = self.queue.all().find(|(_, waiting)| can_go(&waiting.request));
                Dispatch { goes: first.map(|(ticket, _)| (ticket, None)), ..Dispatch::default() }
            }
        }
    }

    fn soonest(&self, now: Duration) -> Dispatch {
        let mut known = Known::new(self, now);
        let (mut holds, mut could_go) = (Vec::new(), Vec::new());
        let mut ahead = Ahead::default();
        let mut best: Option<Runner> = None;
        // The first that was overtaken often enough: whoever is behind it goes after it.
        let mut due: Option<Runner> = None;
        let mut compared = 0;
        for (ticket, waiting) in self.queue.all() {
            let mut own = None;
            let Options::Now(candidates) = known.of(&waiting.request, &mut own) else { continue };
            if best.as_ref().is_some_and(|best| best.ticket.priority() != ticket.priority()) {
                break;
            }
            let Some(offer) = self.offer(&waiting.request, candidates, &ahead, now) else { continue };
            could_go.push(ticket);
            let rank = offer.reading.unwrap_or_default().saturating_add(waiting.since * AGING_TENTHS / 10);
            let runner = Runner { ticket, rank, choice: waited(offer.choice, waiting, now) };
            let is_due = !self.may_be_overtaken(ticket, waiting, now);
            let hold = offer.sooner.and_then(|sooner| Some((sooner.seat, self.hold_for(waiting, sooner, now)?)));
            if let Some((seat, hold)) = hold {
                ahead.add(seat);
                holds.push((ticket, hold));
                if is_due && due.is_none() {
                    due = Some(runner);
                }
                continue;
            }
            // Of which nothing is known, that overtakes nobody.
            let overtakes = |best: &Runner| offer.reading.is_some() && runner.rank < best.rank;
            if best.as_ref().is_none_or(overtakes) {
                best = Some(runner);
            }
            compared += 1;
            if is_due || due.is_some() || compared == COMPARED_MAX {
                break;
            }
        }
        let Some(best) = best else { return Dispatch { holds, ..Dispatch::default() } };
        let next = due.filter(|due| due.ticket < best.ticket).unwrap_or(best);
        could_go.retain(|ticket| *ticket < next.ticket);
        Dispatch { goes: Some((next.ticket, Some(next.choice))), holds, overtaken: could_go }
    }

    /// The best place that a request can have now, and whether it is worth waiting for a better one.
    fn offer(&self, request: &Request, candidates: &Candidates, ahead: &Ahead, now: Duration) -> Option<Offer> {
        let named = request.session.and_then(|key| self.by_session(key, &candidates.room));
        if request.long_prefix().is_none() {
            let choice = named.or_else(|| least_busy(&candidates.room))?;
            let reading = request.prefix.as_ref().map(|_| Duration::ZERO);
            return Some(Offer { choice, reading, sooner: None });
        }
        let estimates = self.estimates(request, candidates, ahead, now);
        let has_room = |estimate: &&Estimate| candidates.room.iter().any(|peer| peer.id == estimate.peer.id);
        let free = cheapest(estimates.iter().filter(has_room))?;
        let choice =
            named.unwrap_or_else(|| Choice { peer: free.peer.id, why: self.reason(request, free, candidates) });
        let taken = estimates.iter().find(|estimate| estimate.peer.id == choice.peer)?;
        // A session that has its place has nothing to wait for.
        let is_open = choice.why != Why::Session;
        let best = cheapest(estimates.iter()).filter(|best| is_open && !has_room(best));
        let sooner = best.and_then(|best| {
            let gain = taken.first_token.checked_sub(best.first_token).filter(|gain| !gain.is_zero())?;
            Some(Sooner { peer: best.peer.id, seat: best.seat, gain, until_free: best.until_free })
        });
        Some(Offer { choice, reading: Some(taken.reading), sooner })
    }

    fn reason(&self, request: &Request, chosen: &Estimate, candidates: &Candidates) -> Why {
        let blocks = request.long_prefix().map_or(0, |prefix| prefix.blocks().len());
        if chosen.known > 0 && chosen.known * 100 >= blocks * MATCH_PERCENT_MIN {
            return Why::Prefix { blocks: chosen.known };
        }
        let all: Vec<_> = candidates.room.iter().chain(&candidates.full).copied().collect();
        if self.home(request, &all) == Some(chosen.peer.id) { Why::Hash } else { Why::Soonest }
    }

    /// How a request waits for a better place, if it does: only where that is expected before its patience ends.
    fn hold_for(&self, waiting: &Waiting, sooner: Sooner, now: Duration) -> Option<Hold> {
        let Sooner { peer, gain, until_free, .. } = sooner;
        let patience = gain.min(self.settings.patience);
        let new = || {
            let is_worth_it = waiting.patience == Patience::Some && until_free <= patience;
            is_worth_it.then(|| Hold { peer, since: now, until: now.saturating_add(patience) })
        };
        let hold = waiting.hold.map(|hold| Hold { peer, ..hold }).or_else(new);
        hold.filter(|hold| now < hold.until)
    }

    /// Whoever has had its turn already, was overtaken often enough, or has waited for half of its time is not
    /// overtaken.
    fn may_be_overtaken(&self, ticket: Ticket, waiting: &Waiting, now: Duration) -> bool {
        let half = waiting.deadline.saturating_sub(waiting.since) / 2;
        let is_young = now.saturating_sub(waiting.since) < half;
        ticket.turn() == Turn::First && waiting.overtaken < self.settings.overtaken_max && is_young
    }
}

/// Why a request goes where it does, if it declined other places for that.
fn waited(choice: Choice, waiting: &Waiting, now: Duration) -> Choice {
    match (&choice.why, waiting.hold) {
        (Why::Prefix { .. }, Some(hold)) if hold.since < now && hold.peer == choice.peer => {
            Choice { why: Why::Waited { time: now.min(hold.until).saturating_sub(hold.since) }, ..choice }
        }
        _ => choice,
    }
}
