//! What may be all of the rest of an answer: a fence around calls with which it begins, or a list of calls behind text.
//! It is kept to the end, where it is calls and nothing else, or text.

use super::fence::Opening;
use super::{Decoder, State};
use crate::decode::expect::Expected;
use crate::decode::outside::{AfterCall, Awaited, Outside, Place};
use crate::decode::{Calls, Ending, Event, Finish, Settings, UnknownTools};
use crate::dialect::{Opener, Role};
use crate::json::repair::Ended;
use crate::schema::Tools;

/// The rest of an answer, kept until it is known to be nothing but calls.
#[derive(Debug)]
pub(super) struct Rest {
    raw: String,
    form: Form,
    /// Reads what may be calls, once it is known where that begins.
    trial: Option<Box<Decoder>>,
    /// What stood before it.
    outside: Box<Outside>,
}

#[derive(Debug)]
enum Form {
    /// A fence, whose inside begins there in `raw` once its first line is over.
    Fence(Opening, usize),
    /// A list that closes itself.
    List,
}

impl Rest {
    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.raw.len() + self.outside.waiting()
    }

    /// It is text: what was read, and the state that reads it.
    pub fn into_text(self) -> (String, State) {
        (self.raw, State::Outside(self.outside))
    }
}

impl Decoder {
    /// The answer may be a fence that begins now.
    pub(super) fn enter_fence(&mut self) {
        self.enter_rest(Form::Fence(Opening::default(), 0), String::new(), None);
    }

    /// The rest of the answer may be a list of calls, of which `marker` was found. Behind text it has to be sound, and
    /// the tools offered.
    pub(super) fn enter_list(&mut self, marker: String) {
        let mut trial = self.on_trial(Awaited::No);
        trial.settings.unknown_tools = UnknownTools::Text;
        push_on_trial(&mut trial, &marker);
        self.enter_rest(Form::List, marker, Some(trial));
    }

    fn enter_rest(&mut self, form: Form, raw: String, trial: Option<Box<Self>>) {
        if let State::Outside(outside) = std::mem::replace(&mut self.state, State::Closed) {
            self.state = State::Rest(Box::new(Rest { raw, form, trial, outside }));
        }
    }

    /// Reads an answer that begins here, perhaps in a fence.
    fn on_trial(&self, fence: Awaited) -> Box<Self> {
        let settings = Settings { calls: Calls::All, ..self.settings.clone() };
        let mut trial = Self::new(settings, &self.limits);
        trial.state = State::Outside(Outside::new(fence, self.limits.pending_bytes_max));
        Box::new(trial)
    }

    /// Reads on in what may be all of the rest.
    pub(super) fn step_rest(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        for (at, c) in text.char_indices() {
            let State::Rest(rest) = &mut self.state else { return (at, None) };
            rest.raw.push(c);
            let is_possible = match (&mut rest.trial, &mut rest.form) {
                (Some(trial), form) => {
                    form.may_begin_with(&rest.raw, &self.settings.tools)
                        && push_on_trial(trial, c.encode_utf8(&mut [0; 4]))
                }
                (None, Form::List) => false,
                (None, Form::Fence(opening, inside)) => {
                    match opening.push(c, &self.settings.dialect.reads().call.fence) {
                        Expected::Found(_) => {
                            *inside = rest.raw.len();
                            let trial = self.on_trial(Awaited::Yes);
                            if let State::Rest(rest) = &mut self.state {
                                rest.trial = Some(trial);
                            }
                            true
                        }
                        Expected::More => true,
                        Expected::Other => false,
                    }
                }
            };
            if !is_possible
                || matches!(&self.state, State::Rest(rest) if rest.raw.len() > self.limits.pending_bytes_max)
            {
                return (at + c.len_utf8(), Some(self.release_rest(sink)));
            }
        }
        (text.len(), None)
    }

    /// Something else follows, or no call stands there: it is text.
    fn release_rest(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Rest(mut rest) = std::mem::replace(&mut self.state, State::Closed) else { return String::new() };
        self.ending.examined += rest.trial.take().map_or(0, |trial| trial.ending.examined);
        let (raw, state) = rest.into_text();
        self.state = state;
        let (first, rest) = raw.split_at_checked(1).unwrap_or_default();
        if let State::Outside(outside) = &mut self.state {
            outside.push(first, sink);
        }
        rest.to_string()
    }

    /// The answer ended: it was nothing but calls, which are read now, or it is text.
    pub(super) fn settle_rest(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Rest(rest) = &mut self.state else { return String::new() };
        if let Some(trial) = rest.trial.take() {
            self.ending.examined += trial.ending.examined;
            if ended == Ended::ByItself && rest.form.is_closed(&trial) && rest.form.is_calls(*trial) {
                return self.read_rest();
            }
        }
        self.release_rest(sink)
    }

    /// It is calls: what of it is to be read again.
    fn read_rest(&mut self) -> String {
        let State::Rest(rest) = std::mem::replace(&mut self.state, State::Closed) else { return String::new() };
        let Rest { raw, form, outside, .. } = *rest;
        match form {
            Form::Fence(_, inside) => {
                self.state = State::Outside(Outside::new(Awaited::Yes, self.limits.pending_bytes_max));
                raw.get(inside..).unwrap_or_default().to_string()
            }
            Form::List => {
                self.state = State::Outside(outside);
                self.begin(String::new(), Opener::Bare, Role::default());
                raw
            }
        }
    }

    /// Whether the closer of a code fence around calls is awaited.
    fn fence(&self) -> Awaited {
        match &self.state {
            State::Outside(outside) => outside.place.fence(),
            State::Reasoning(thought) => thought.outside.place.fence(),
            State::Header(header) => header.outside.place.fence(),
            State::Suffix(suffix) => suffix.origin.outside().place.fence(),
            State::Section(section) => section.origin.outside().place.fence(),
            State::Call(pending) => pending.fence(),
            State::Rest(_) | State::Program(_) | State::Closed => Awaited::No,
        }
    }

    /// Whether a list of calls was closed, and nothing follows it.
    fn is_behind_list(&self) -> bool {
        let State::Outside(outside) = &self.state else { return false };
        matches!(outside.place, Place::AfterCall(AfterCall { list: Awaited::No, .. }))
    }
}

impl Form {
    /// Whether it may begin so. A list behind text does with the name of a tool, so that no other brackets are held.
    fn may_begin_with(&self, raw: &str, tools: &Tools) -> bool {
        let name = raw.trim_start_matches('[');
        match self {
            Self::Fence(..) => true,
            Self::List => name.contains('(') || tools.names().any(|known| known.starts_with(name)),
        }
    }

    /// Whether its end was read.
    fn is_closed(&self, trial: &Decoder) -> bool {
        match self {
            Self::Fence(..) => trial.fence() == Awaited::No,
            Self::List => trial.is_behind_list(),
        }
    }

    /// Whether what was read on trial is calls, all of them whole, and nothing else.
    fn is_calls(&self, trial: Decoder) -> bool {
        let mut only_calls = true;
        let sink = &mut |event: Event<'_>| only_calls &= !matches!(event, Event::Text(_) | Event::Reasoning(_));
        let Ending { calls, repaired, malformed, truncated, .. } = trial.finish(Finish::Stop, sink);
        only_calls && calls > 0 && !truncated && (matches!(self, Self::Fence(..)) || repaired + malformed == 0)
    }
}

/// Reads on trial: whether it led to nothing but calls.
fn push_on_trial(trial: &mut Decoder, text: &str) -> bool {
    let mut only_calls = true;
    trial.push(text, &mut |event| only_calls &= !matches!(event, Event::Text(_) | Event::Reasoning(_)));
    only_calls
}
