//! A call from its opener to its end: kept, committed, complete, or none after all.

use super::lead::{Lead, Step};
use super::reasoning::Thought;
use super::{Decoder, Frame, Origin, Pending, Stage, State, context, to_u64};
use crate::decode::call::{Call, Patience, Verdict, Wrapped, within};
use crate::decode::outside::{Awaited, Body, LeftOpen};
use crate::decode::payload::Payload;
use crate::decode::{Calls, Event};
use crate::dialect::{Opener, Role};
use crate::json::repair::{Completion, Ended, Skimmed};

impl Pending {
    /// Bytes that are held, beside what waits for it.
    pub(super) fn held(&self) -> usize {
        let own = match self.stage {
            Stage::Kept => self.raw.len(),
            Stage::Committed(_) => self.payload.held() + self.call.leftover.len(),
        };
        self.origin.outside().waiting() + own
    }

    /// Whether the closer of a code fence around it is awaited.
    pub(super) fn fence(&self) -> Awaited {
        match self.stage {
            Stage::Kept => self.origin.outside().place.fence(),
            Stage::Committed(after) => after.fence,
        }
    }
}

impl Decoder {
    /// A call may begin with `marker`, which was just found.
    pub(super) fn begin(&mut self, marker: String, by: Opener, role: Role) {
        self.begin_call(Call::default(), marker, by, role);
    }

    /// The same, of a call that may have a name already.
    pub(super) fn begin_call(&mut self, call: Call, marker: String, by: Opener, role: Role) {
        let (frame, mut raw) = self.take_frame();
        let Some(origin) = self.take_origin() else { return };
        let (before, left_open) = (raw.len(), origin.outside().place.left_open());
        let is_open = left_open.is_wrapped() || left_open.message != Body::None;
        let is_wrapped = by == Opener::Wrapper || frame != Frame::None || is_open;
        raw.push_str(&marker);
        let wrapped = if is_wrapped { Wrapped::Yes } else { Wrapped::No };
        let cx = context(&self.settings, &self.limits, Patience::Mend, wrapped);
        let mut pending = Pending {
            payload: Payload::new(&self.settings.dialect, &marker, &call),
            call,
            frame,
            opener: raw.len(),
            lead: Lead::new(&marker, before, by, &self.settings.dialect),
            raw,
            by,
            role,
            stage: Stage::Kept,
            origin,
            wrapped,
        };
        if matches!(pending.lead, Lead::Over) && !marker.is_empty() {
            let verdict = pending.payload.push(&marker, &cx, &mut pending.call);
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
                    let own = pending.raw.split_off(payload_at);
                    pending.lead = Lead::Over;
                    if own.is_empty() {
                        return (read, None);
                    }
                    let (taken, again) = self.step_call(&own, sink);
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
        if pending.stage == Stage::Kept || text.is_empty() {
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

    /// Reads on in a call, as far as the limits let it.
    pub(super) fn step_call(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Call(pending) = &mut self.state else { return (0, None) };
        if !matches!(pending.lead, Lead::Over) {
            return self.step_lead(text, sink);
        }
        let kept = pending.stage == Stage::Kept;
        let (value_bytes_max, leftover) = (self.limits.value_bytes_max, pending.call.leftover.len());
        if !kept && leftover > value_bytes_max {
            // So much has no place in the arguments that the call ends here.
            let cx = context(&self.settings, &self.limits, Patience::Mend, pending.wrapped);
            pending.payload.close(&cx, &mut pending.call);
            return (0, self.complete(sink));
        }
        // Letter by letter, so that it is too much at the same letter however the text is cut.
        let first = text.chars().next().map_or(0, char::len_utf8);
        let spare = if leftover == 0 { value_bytes_max.saturating_sub(pending.payload.held()) } else { 0 };
        let mut room = spare.max(first);
        if kept {
            room = room.min(self.limits.pending_bytes_max.saturating_sub(pending.raw.len()));
        }
        let piece = within(text, room);
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
        let sound_only = kept && matches!(pending.origin, Origin::Reasoning(_));
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
        let mut after = pending.origin.outside().place.after_call();
        pending.origin.outside_mut().before_call(sink);
        match pending.by {
            Opener::Wrapper => after.left_open.wrapper = Awaited::Yes,
            Opener::Fenced => after.fence = Awaited::Yes,
            Opener::Bare | Opener::Free | Opener::Inner => {}
        }
        match pending.frame {
            Frame::Section => after.left_open.section = Awaited::Yes,
            Frame::Message => after.left_open = LeftOpen { message: Body::Calls, ..LeftOpen::default() },
            Frame::None => {}
        }
        if pending.call.listed {
            after.list = Awaited::Yes;
        }
        if pending.call.fenced {
            after.fence = Awaited::Yes;
        }
        if matches!(pending.origin, Origin::Reasoning(_)) {
            after.left_open.reasoning = Awaited::Yes;
        }
        pending.stage = Stage::Committed(after);
        pending.raw = String::new();
        self.ending.calls += 1;
        sink(Event::CallStart { name: &pending.call.name, id: pending.call.id.as_deref() });
        flush(&mut pending.call, sink);
    }

    /// The call is whole. What is returned was read behind its end, to be read again.
    pub(super) fn complete(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        if matches!(&self.state, State::Call(pending) if pending.stage == Stage::Kept) {
            self.commit(sink);
        }
        let State::Call(pending) = std::mem::replace(&mut self.state, State::Closed) else { return None };
        let Pending { mut call, origin, stage: Stage::Committed(mut after), .. } = *pending else { return None };
        if call.unwrapped {
            after.left_open.wrapper = Awaited::No;
        }
        flush(&mut call, sink);
        sink(Event::CallEnd);
        self.count(&call);
        let (Origin::Outside(mut outside) | Origin::Reasoning(Thought { mut outside, .. })) = origin;
        outside.push(&call.leftover, sink);
        outside.after_call(after);
        if self.settings.calls == Calls::All {
            self.state = State::Outside(outside);
        }
        Some(call.again).filter(|again| !again.is_empty())
    }

    /// Enters a call that is over into the ending.
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
        let State::Call(pending) = std::mem::replace(&mut self.state, State::Closed) else { return None };
        let Pending { raw, frame, opener, lead, by, role, mut origin, .. } = *pending;
        // Of an opener that was none the first marker says little: a brace, a fence.
        if matches!(lead, Lead::Over | Lead::Again(_)) {
            self.ending.rejected += 1;
        }
        let first = raw.chars().next().map_or(0, char::len_utf8);
        let (opener, rest) = raw.split_at_checked(opener.max(first)).unwrap_or_default();
        match &mut origin {
            Origin::Reasoning(thought) => thought.show(opener, sink),
            // A marker that opens and closes, right after a call, closed it.
            Origin::Outside(outside)
                if role.closes && frame == Frame::None && outside.is_after_call() && outside.has_room() =>
            {
                outside.close_wrapper(opener);
            }
            Origin::Outside(outside) => {
                outside.push(opener, sink);
                if by == Opener::Wrapper || frame != Frame::None {
                    outside.lines.mark();
                }
            }
        }
        self.state = origin.into();
        if frame == Frame::Message {
            self.refuse_message();
        }
        Some(rest.to_string())
    }

    /// The answer ended in a call: whole, cut off, or none.
    pub(super) fn settle_call(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Call(pending) = &mut self.state else { return None };
        let cx = context(&self.settings, &self.limits, Patience::Mend, pending.wrapped);
        let completion = pending.payload.finish(ended, &cx, &mut pending.call);
        let whole = completion == Completion::Complete && pending.call.ready;
        let in_text = matches!(pending.origin, Origin::Outside(_));
        let open = pending.stage != Stage::Kept || (pending.call.ready && in_text);
        if whole {
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

pub(super) fn flush(call: &mut Call, sink: &mut impl FnMut(Event<'_>)) {
    if !call.arguments.is_empty() {
        sink(Event::Arguments(&call.arguments));
        call.arguments.clear();
    }
}
