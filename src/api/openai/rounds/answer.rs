//! One answer of several rounds: the events of each, and what of them its client gets.
//! The first round's name, model and time are those of the answer; its end comes once, behind the last.

use std::borrow::Cow;

use bytes::BytesMut;

use super::calls::{self, Piece};
use super::cost::Total;
use super::joint::{Joint, Shown};
use super::said::Said;
use crate::api::openai::chunk::{self, Chunk, is_void};
use crate::api::openai::writer::{DONE, write_member};
use crate::json::{Edit, Object, elements, string, write_string};
use crate::sse;

/// An answer that is made of rounds.
#[derive(Debug)]
pub struct Rounds {
    cost: Cost,
    /// Bytes that one round may say; what is more is shown, and nothing follows from it.
    round_bytes_max: usize,
    /// Rounds that have ended.
    ended: usize,
    round: Said,
    /// The members by which the client knows the answer, as JSON.
    envelope: Vec<(String, String)>,
    /// All text that the client got.
    told: String,
    is_role_said: bool,
    joint: Joint,
    has_joints: bool,
    client_calls: u64,
    total: Total,
    /// What the round that runs has cost so far.
    usage: Option<String>,
    /// The last events that ended a round, and that said what it cost.
    end: Option<String>,
    costing: Option<String>,
}

/// Whether the client of a stream hears what the answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    #[default]
    Untold,
    Told,
}

impl Rounds {
    /// Of no rounds yet.
    pub fn new(cost: Cost, round_bytes_max: usize) -> Self {
        Self {
            cost,
            round_bytes_max,
            ended: 0,
            round: Said::default(),
            envelope: Vec::new(),
            told: String::new(),
            is_role_said: false,
            joint: Joint::default(),
            has_joints: true,
            client_calls: 0,
            total: Total::default(),
            usage: None,
            end: None,
            costing: None,
        }
    }

    /// The same, with nothing between the texts of its rounds: something else will stand there.
    #[must_use]
    pub fn without_joints(self) -> Self {
        Self { has_joints: false, ..self }
    }

    /// Another round begins.
    pub fn begin(&mut self) {
        if self.has_joints {
            self.joint.begin();
        }
    }

    /// Takes an event of the round that runs, and appends what the client gets.
    pub fn take(&mut self, event: &sse::Event<'_>, is_servers: impl Fn(&str) -> bool, out: &mut BytesMut) {
        let Some(data) = event.data() else { return out.extend_from_slice(event.raw) };
        if chunk::is_done(data) {
            self.round.is_done = true;
            return;
        }
        let object = chunk::object(data);
        match object.as_ref().and_then(|object| Some((object, Chunk::of(object)?))) {
            Some((object, chunk)) if chunk.error.is_none() => {
                if !self.take_chunk(object, &chunk, is_servers, out) {
                    out.extend_from_slice(event.raw);
                }
            }
            Some(_) => {
                self.round.failed = true;
                out.extend_from_slice(event.raw);
            }
            None => out.extend_from_slice(event.raw),
        }
    }

    /// The round has ended: what it said.
    pub fn end_round(&mut self, out: &mut BytesMut) -> Said {
        let held = self.joint.release();
        if !held.is_empty() {
            self.write_text(&held, out);
        }
        self.ended += 1;
        self.usage.take().into_iter().for_each(|usage| self.total.add(&usage));
        std::mem::take(&mut self.round)
    }

    /// The answer ends for this reason: its last events. An answer in which a server told an error has had its end.
    pub fn finish(&mut self, reason: &str, out: &mut BytesMut) {
        let (end, costing) = (self.end.take(), self.costing.take());
        let mut finish_reason = String::new();
        write_string(reason, &mut finish_reason);
        let choice = format!(r#"[{{"index":0,"delta":{{}},"finish_reason":{finish_reason}}}]"#);
        let end = end.as_deref().and_then(Object::part).unwrap_or_else(Object::empty);
        let choices = end.get("choices").and_then(elements).unwrap_or_default();
        let choice = match choices.first().copied().and_then(Object::part) {
            Some(first) => format!("[{}]", first.edited(&[("finish_reason", Edit::Set(finish_reason.into()))])),
            None => choice,
        };
        let costing = costing.as_deref().and_then(Object::part);
        let usage = self.total.told().filter(|_| self.cost == Cost::Told);
        let mut edits = self.named();
        edits.push(("choices", Edit::Set(choice.into())));
        if costing.is_none() || usage.is_none() {
            // What it took is told where no event of its own tells it.
            edits.extend(end.get("usage").map(|_| ("usage", set_or_remove(usage.as_deref()))));
            let timings = costing.as_ref().and_then(|costing| costing.present("timings"));
            edits.extend(timings.map(|timings| ("timings", Edit::Set(timings.into()))));
        } else {
            edits.extend(end.get("usage").map(|_| ("usage", Edit::Set("null".into()))));
        }
        write_event(&end.edited(&edits), out);
        if let (Some(costing), Some(usage)) = (costing, usage) {
            let mut edits = self.named();
            edits.push(("usage", Edit::Set(usage.into())));
            write_event(&costing.edited(&edits), out);
        }
        out.extend_from_slice(DONE);
    }

    /// All text that the client has got of it.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// A round that told an error, or did not come to an end, was the last: what is left to say.
    pub fn break_off(&mut self, said: &Said, out: &mut BytesMut) {
        if said.is_done {
            out.extend_from_slice(DONE);
        }
    }

    /// Appends an event that says thoughts.
    pub fn think(&mut self, text: &str, out: &mut BytesMut) {
        let mut delta = String::new();
        write_member("reasoning_content", text, &mut delta);
        self.write_delta(&delta, out);
    }

    /// Takes a chunk that tells no error. Returns whether the client gets something else than it, or nothing.
    fn take_chunk(
        &mut self,
        object: &Object<'_>,
        chunk: &Chunk<'_>,
        is_servers: impl Fn(&str) -> bool,
        out: &mut BytesMut,
    ) -> bool {
        if self.envelope.is_empty() {
            let members = chunk.envelope().map(|(key, value)| (key.to_owned(), value.to_owned()));
            self.envelope = members.collect();
        }
        self.round.tokens = chunk.tokens(1).or(self.round.tokens);
        let usage = object.present("usage");
        self.usage = usage.map(str::to_owned).or(self.usage.take());
        let Some(choice) = chunk.choices.first() else {
            // What it has beside the cost is no answer's.
            if usage.is_some() {
                self.costing = Some(object.text().to_owned());
            }
            return usage.is_some() || self.ended > 0;
        };
        let finish = choice.finished();
        let text = choice.message.content.and_then(string).filter(|text| !text.is_empty());
        let shown = text.as_deref().map(|text| self.joint.take(text));
        let calls = choice.message.calls();
        let piece = calls.map(|list| calls::take(list, &mut self.round.calls, &mut self.client_calls, is_servers));
        if let Some(Shown::Behind(before)) = &shown {
            self.write_text(before, out);
        }
        self.keep(choice, text, shown.as_ref());
        let is_plain = self.ended == 0 && finish.is_none() && usage.is_none();
        if is_plain
            && !matches!(shown, Some(Shown::Held))
            && piece.as_ref().is_none_or(|piece| *piece == Piece::AsItCame)
        {
            self.is_role_said |= choice.message.role.is_some();
            return false;
        }
        let mut delta = Vec::new();
        if self.is_role_said {
            delta.push(("role", Edit::Remove));
        }
        if shown == Some(Shown::Held) {
            delta.push(("content", Edit::Remove));
        }
        match piece {
            Some(Piece::Instead(calls)) if calls.is_empty() => delta.push(("tool_calls", Edit::Remove)),
            Some(Piece::Instead(calls)) => {
                delta.push(("tool_calls", Edit::Set(format!("[{}]", calls.join(",")).into())));
            }
            Some(Piece::AsItCame) | None => {}
        }
        self.write_rest(object, &delta, out);
        if let Some(finish) = finish {
            self.round.finish = Some(finish.to_owned());
            self.end = Some(with_delta(object, "{}", &[]));
        }
        true
    }

    /// Keeps what the model says.
    fn keep(&mut self, choice: &chunk::Choice<'_>, text: Option<Cow<'_, str>>, shown: Option<&Shown>) {
        let round = &mut self.round;
        if round.is_too_long {
            return;
        }
        if let Some(reasoning) = choice.message.reasoning
            && let Some(thought) = string(reasoning.value)
        {
            round.reasoning_key = reasoning.key;
            round.reasoning.push_str(&thought);
        }
        let text = text.unwrap_or_default();
        round.text.push_str(&text);
        if !matches!(shown, Some(Shown::Held)) {
            self.told.push_str(&text);
        }
        let calls: usize = round.calls.iter().map(|call| call.arguments.len()).sum();
        if round.text.len() + round.reasoning.len() + calls > self.round_bytes_max {
            round.is_too_long = true;
        }
    }

    /// Appends an event with what is left of the chunk's delta, unless that says nothing.
    fn write_rest(&mut self, object: &Object<'_>, edits: &[(&str, Edit<'_>)], out: &mut BytesMut) {
        let choices = object.get("choices").and_then(elements).unwrap_or_default();
        let Some(choice) = choices.first().copied().and_then(Object::part) else { return };
        let Some(delta) = choice.get("delta").and_then(Object::part) else { return };
        let delta = delta.edited(edits);
        let Some(left) = Object::part(&delta) else { return };
        if !left.members().any(|(_, value)| !is_void(value)) {
            return;
        }
        self.is_role_said |= left.present("role").is_some();
        let mut envelope = self.named();
        if object.get("usage").is_some() {
            envelope.push(("usage", Edit::Set("null".into())));
        }
        write_event(&with_delta(object, &delta, &envelope), out);
    }

    /// Appends an event with text of the gateway's own.
    fn write_text(&mut self, text: &str, out: &mut BytesMut) {
        self.told.push_str(text);
        let mut delta = String::new();
        write_member("content", text, &mut delta);
        self.write_delta(&delta, out);
    }

    /// Appends an event whose delta has this member.
    fn write_delta(&mut self, member: &str, out: &mut BytesMut) {
        let role = if self.is_role_said { "" } else { r#""role":"assistant","# };
        self.is_role_said = true;
        let choices = format!(r#"[{{"index":0,"delta":{{{role}{member}}},"finish_reason":null}}]"#);
        let mut edits = self.named();
        edits.push(("choices", Edit::Set(choices.into())));
        write_event(&Object::empty().edited(&edits), out);
    }

    /// The edits by which an event is one of this answer's.
    fn named(&self) -> Vec<(&str, Edit<'_>)> {
        self.envelope.iter().map(|(key, value)| (key.as_str(), Edit::Set(Cow::Borrowed(value.as_str())))).collect()
    }
}

/// A chunk with another delta, which does not end.
fn with_delta(object: &Object<'_>, delta: &str, edits: &[(&str, Edit<'_>)]) -> String {
    let choices = object.get("choices").and_then(elements).unwrap_or_default();
    let Some(choice) = choices.first().copied().and_then(Object::part) else { return object.text().to_owned() };
    let choice = choice.edited(&[("delta", Edit::Set(delta.into())), ("finish_reason", Edit::Set("null".into()))]);
    let mut edits = edits.to_vec();
    edits.push(("choices", Edit::Set(format!("[{choice}]").into())));
    object.edited(&edits)
}

fn set_or_remove(value: Option<&str>) -> Edit<'_> {
    value.map_or(Edit::Remove, |value| Edit::Set(value.into()))
}

fn write_event(data: &str, out: &mut BytesMut) {
    for part in ["data: ", data, "\n\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}
