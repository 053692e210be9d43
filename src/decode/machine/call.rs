//! A call from its opener to its end: kept, committed, complete, or none after all.

use super::lead::{Lead, Step};
use super::{Awaited, Decoder, Origin, Pending, Stage, State, context, emit_text, to_u64};
use crate::decode::call::{Call, Patience, Verdict, Wrapped};
use crate::decode::expect::Expect;
use crate::decode::gap::Phase;
use crate::decode::payload::Payload;
use crate::decode::{Calls, Event};
use crate::dialect::{Opener, Role};
use crate::json::repair::{Completion, Ended, Skimmed};

impl Decoder {
    /// A call may begin with `marker`, which was just found.
    pub(super) fn begin(&mut self, marker: &str, by: Opener, role: Role, origin: Origin) {
        let is_wrapped = by == Opener::Wrapper || self.wrapper == Awaited::Yes;
        let wrapped = if is_wrapped { Wrapped::Yes } else { Wrapped::No };
        let cx = context(&self.settings, &self.limits, Patience::Mend, wrapped);
        let mut pending = Pending {
            payload: Payload::new(&cx),
            call: Call::default(),
            raw: marker.to_string(),
            opener: marker.len(),
            lead: Lead::new(marker, by, &self.settings.dialect),
            by,
            role,
            stage: Stage::Kept,
            origin,
            wrapped,
        };
        if matches!(pending.lead, Lead::Over) && !marker.is_empty() {
            let verdict = pending.payload.push(marker, &cx, &mut pending.call);
            debug_assert_eq!(verdict, Verdict::More, "a bare opener begins its payload");
        }
        self.state = State::Call(Box::new(pending));
    }

    /// Reads the rest of an opener. When it is whole, what of it is the payload's own is pushed there.
    fn step_lead(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Call(pending) = &mut self.state else { return (0, None) };
        for (at, c) in text.char_indices() {
            let read = at + c.len_utf8();
            pending.raw.push(c);
            match pending.lead.push(c, pending.raw.len(), &self.settings.dialect) {
                Step::More if pending.raw.len() <= self.limits.pending_bytes_max => {}
                Step::More | Step::Other => return (read, self.reject(sink)),
                Step::Over(payload_at) => {
                    pending.lead = Lead::Over;
                    let own = pending.raw.split_off(payload_at);
                    let (taken, again) = self.push_payload(&own, sink);
                    let rest = own.get(taken..).unwrap_or_default();
                    return (read, Some(again.unwrap_or_default() + rest).filter(|again| !again.is_empty()));
                }
            }
        }
        (text.len(), None)
    }

    /// Reads `text` if a call's arguments go on in it and nothing has to be decided: most of a long call.
    pub(super) fn skim(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> Skimmed {
        let State::Call(pending) = &mut self.state else { return Skimmed::No };
        if pending.stage != Stage::Committed || text.is_empty() {
            return Skimmed::No;
        }
        let skimmed = pending.payload.skim(text, &self.settings.dialect, &mut pending.call.arguments);
        match skimmed {
            Skimmed::Data => sink(Event::Arguments(text)),
            Skimmed::Read => flush(&mut pending.call, sink),
            Skimmed::No => {}
        }
        skimmed
    }

    pub(super) fn step_call(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Call(pending) = &mut self.state else { return (0, None) };
        if !matches!(pending.lead, Lead::Over) {
            return self.step_lead(text, sink);
        }
        let kept = pending.stage == Stage::Kept;
        let value_bytes_max = self.limits.value_bytes_max;
        let room = if kept {
            self.limits.pending_bytes_max.saturating_sub(pending.raw.len())
        } else if pending.call.leftover.len() > value_bytes_max {
            // So much has no place in the arguments that the call ends here.
            let cx = context(&self.settings, &self.limits, Patience::Mend, pending.wrapped);
            pending.payload.close(&cx, &mut pending.call);
            return (0, self.complete(sink));
        } else {
            let first = text.chars().next().map_or(0, char::len_utf8);
            value_bytes_max.saturating_sub(pending.call.leftover.len()).max(first)
        };
        let piece = text.get(..floor_char_boundary(text, room)).unwrap_or_default();
        if piece.is_empty() {
            // The limit: text, unless a call in reasoning is past its commit point and only long.
            if pending.call.ready {
                self.commit(sink);
                return (0, None);
            }
            return (0, self.reject(sink));
        }
        self.push_payload(piece, sink)
    }

    /// Pushes text to a call's payload, and does what that leads to.
    fn push_payload(&mut self, piece: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Call(pending) = &mut self.state else { return (0, None) };
        let kept = pending.stage == Stage::Kept;
        let sound_only = kept && pending.origin == Origin::Reasoning;
        let patience = if sound_only { Patience::SoundOnly } else { Patience::Mend };
        let cx = context(&self.settings, &self.limits, patience, pending.wrapped);
        let verdict = pending.payload.push(piece, &cx, &mut pending.call);
        self.ending.examined += to_u64(std::mem::take(&mut pending.call.examined));
        debug_assert!(kept || !matches!(verdict, Verdict::Reject(_)), "nothing is taken back after the commit");
        match verdict {
            Verdict::Reject(read) if kept => {
                pending.raw.push_str(piece.get(..read).unwrap_or_default());
                (read, self.reject(sink))
            }
            Verdict::Complete(read) | Verdict::Reject(read) => (read, self.complete(sink)),
            Verdict::More => {
                let ready = pending.call.ready && !sound_only;
                if kept && !ready {
                    pending.raw.push_str(piece);
                } else if kept {
                    self.commit(sink);
                } else {
                    flush(&mut pending.call, sink);
                }
                (piece.len(), None)
            }
        }
    }

    /// The commit point: from here on it is a call.
    pub(super) fn commit(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let State::Call(pending) = &mut self.state else { return };
        if self.gap.phase == Phase::Open {
            self.fence = Awaited::No;
            self.list = Awaited::No;
        }
        if let Some(token) = self.gap.before_call() {
            self.gap.show(&token, sink);
        }
        match pending.by {
            Opener::Wrapper => self.wrapper = Awaited::Yes,
            Opener::Fenced => self.fence = Awaited::Yes,
            Opener::Bare => {}
        }
        if pending.call.listed {
            self.list = Awaited::Yes;
        }
        if pending.call.fenced {
            self.fence = Awaited::Yes;
        }
        if pending.origin == Origin::Reasoning {
            self.owed_close = Awaited::Yes;
        }
        pending.stage = Stage::Committed;
        pending.raw = String::new();
        self.ending.calls += 1;
        sink(Event::CallStart { name: &pending.call.name, id: None });
        flush(&mut pending.call, sink);
    }

    /// The call is whole. What is returned was read behind its end, to be read again.
    pub(super) fn complete(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        if matches!(&self.state, State::Call(pending) if pending.stage == Stage::Kept) {
            self.commit(sink);
        }
        let State::Call(mut pending) = std::mem::replace(&mut self.state, State::Text) else { return None };
        flush(&mut pending.call, sink);
        sink(Event::CallEnd);
        self.count(&pending.call);
        emit_text(&mut self.gap, &pending.call.leftover, sink);
        self.gap.after_call();
        self.enter_text();
        if self.settings.calls == Calls::First {
            self.state = State::Closed;
        } else if self.fence == Awaited::Yes {
            self.state = State::FenceClose(Expect::default());
        }
        Some(pending.call.again).filter(|again| !again.is_empty())
    }

    pub(super) fn count(&mut self, call: &Call) {
        self.ending.examined += to_u64(call.examined);
        if call.malformed {
            self.ending.malformed += 1;
        } else if call.repaired {
            self.ending.repaired += 1;
        }
    }

    /// It is no call: its opener is text, and what stood behind it is read again.
    pub(super) fn reject(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let state = std::mem::replace(&mut self.state, State::Text);
        let State::Call(pending) = state else { return None };
        let Pending { raw, opener, lead, by, role, origin, .. } = *pending;
        // Of an opener that was none the first marker says little: a brace, a fence.
        if matches!(lead, Lead::Over | Lead::Again(_)) {
            self.ending.rejected += 1;
        }
        let first = raw.chars().next().map_or(0, char::len_utf8);
        let (opener, rest) = raw.split_at_checked(opener.max(first))?;
        if origin == Origin::Reasoning {
            self.enter_reasoning();
            self.think(opener, sink);
        } else {
            self.enter_text();

            // A marker that opens and closes, right after a call, closed it.
            if role.closes && self.gap.phase == Phase::AfterCall && self.gap.has_room() {
                self.wrapper = Awaited::No;
                self.gap.close_block(opener);
            } else {
                emit_text(&mut self.gap, opener, sink);
                if by == Opener::Wrapper {
                    self.gap.lines.mark();
                }
            }
        }
        Some(rest.to_string())
    }

    pub(super) fn settle_call(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Call(pending) = &mut self.state else { return None };
        let cx = context(&self.settings, &self.limits, Patience::Mend, pending.wrapped);
        let completion = pending.payload.finish(ended, &cx, &mut pending.call);
        let whole = completion == Completion::Complete && pending.call.ready;
        let open = pending.stage == Stage::Committed || (pending.call.ready && pending.origin == Origin::Text);
        if whole {
            self.fence = Awaited::No;
            return Some(self.complete(sink).unwrap_or_default());
        }
        if !open {
            return self.reject(sink);
        }
        if pending.stage == Stage::Kept {
            self.commit(sink);
        }
        let State::Call(mut pending) = std::mem::replace(&mut self.state, State::Closed) else { return None };
        flush(&mut pending.call, sink);
        self.count(&pending.call);
        self.ending.truncated = true;
        None
    }
}

fn flush(call: &mut Call, sink: &mut impl FnMut(Event<'_>)) {
    if !call.arguments.is_empty() {
        sink(Event::Arguments(&call.arguments));
        call.arguments.clear();
    }
}

/// The last place in `text` at or before `at` where it can be cut.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}
