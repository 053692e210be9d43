//! An answer that is a code fence and nothing else, which may hold calls.

use super::{Decoder, State};
use crate::decode::expect::{Expect, Expected};
use crate::decode::outside::{Awaited, Outside};
use crate::decode::{Calls, Event, Finish, Settings};
use crate::json::repair::Ended;

/// An answer that begins with a fence, kept until it is known to be nothing but calls in a fence.
#[derive(Debug)]
pub(super) struct Whole {
    raw: String,
    opener: Opening,
    /// Where in `raw` the fence's inside begins, and what reads it on trial.
    inside: Option<(usize, Box<Decoder>)>,
    /// What stood before it.
    outside: Box<Outside>,
}

impl Whole {
    /// An answer that may begin with a fence.
    pub fn new(outside: Box<Outside>) -> Self {
        Self { raw: String::new(), opener: Opening::default(), inside: None, outside }
    }

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
    /// Reads on in an answer that may be a fence and nothing else.
    pub(super) fn step_whole(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Whole(whole) = &mut self.state else { return (0, None) };
        for (at, c) in text.char_indices() {
            whole.raw.push(c);
            let possible = match &mut whole.inside {
                Some((_, trial)) => push_on_trial(trial, c.encode_utf8(&mut [0; 4])),
                None => match whole.opener.push(c, &self.settings.dialect.reads().call.fence) {
                    Expected::Found(_) => {
                        let settings = Settings { calls: Calls::All, ..self.settings.clone() };
                        let mut trial = Self::new(settings, &self.limits);
                        trial.state = State::Outside(Outside::new(Awaited::Yes, self.limits.pending_bytes_max));
                        whole.inside = Some((whole.raw.len(), Box::new(trial)));
                        true
                    }
                    Expected::More => true,
                    Expected::Other => false,
                },
            };
            if !possible || whole.raw.len() > self.limits.pending_bytes_max {
                return (at + c.len_utf8(), Some(self.release_whole(sink)));
            }
        }
        (text.len(), None)
    }

    /// The fence is not the whole answer, or holds no call: it is text.
    fn release_whole(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Whole(mut whole) = std::mem::replace(&mut self.state, State::Closed) else { return String::new() };
        self.ending.examined += whole.inside.take().map_or(0, |(_, trial)| trial.ending.examined);
        let (raw, state) = whole.into_text();
        self.state = state;
        let (first, rest) = raw.split_at_checked(1).unwrap_or_default();
        if let State::Outside(outside) = &mut self.state {
            outside.push(first, sink);
        }
        rest.to_string()
    }

    /// The answer ended: it was nothing but calls in a fence, whose inside is read now, or it is text.
    pub(super) fn settle_whole(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Whole(whole) = &mut self.state else { return String::new() };
        if let Some((begins, trial)) = whole.inside.take() {
            self.ending.examined += trial.ending.examined;
            let fence_closed = trial.fence() == Awaited::No;
            if fence_closed && ended == Ended::ByItself && finish_trial(*trial) {
                let inside = whole.raw.get(begins..).unwrap_or_default().to_string();
                self.state = State::Outside(Outside::new(Awaited::Yes, self.limits.pending_bytes_max));
                return inside;
            }
        }
        self.release_whole(sink)
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
            State::Whole(_) | State::Closed => Awaited::No,
        }
    }
}

/// The opening fence of an answer that may be nothing but calls.
#[derive(Debug, Default)]
pub(super) struct Opening {
    ticks: Expect,
    info: Option<Info>,
}

impl Opening {
    fn push(&mut self, c: char, words: &[String]) -> Expected {
        if let Some(info) = &mut self.info {
            return info.push(c, words);
        }
        match self.ticks.push(c, ["```"].into_iter()) {
            Expected::Found(_) => {
                self.info = Some(Info::default());
                Expected::More
            }
            other => other,
        }
    }
}

/// What stands behind the three backticks of an opening fence, to the end of its line.
#[derive(Debug, Default)]
pub(super) struct Info(String);

impl Info {
    /// Takes one character. The line is over, and one of `words` or none stood on it: found.
    pub(super) fn push(&mut self, c: char, words: &[String]) -> Expected {
        let word = self.0.trim();
        if c == '\n' {
            let known = word.is_empty() || words.iter().any(|known| known.eq_ignore_ascii_case(word));
            return if known { Expected::Found(0) } else { Expected::Other };
        }
        self.0.push(c);
        let word = self.0.trim_start();
        let begins = |known: &String| {
            let (common, rest) = word.split_at_checked(known.len()).unwrap_or((word, ""));
            known.get(..common.len()).is_some_and(|known| known.eq_ignore_ascii_case(common)) && rest.trim().is_empty()
        };
        let is_short = self.0.len() <= INFO_BYTES_MAX;
        if is_short && (word.is_empty() || words.iter().any(begins)) { Expected::More } else { Expected::Other }
    }
}

/// Nobody writes a longer line behind a fence's backticks.
const INFO_BYTES_MAX: usize = 64;

/// Reads on trial: whether it led to nothing but calls.
fn push_on_trial(trial: &mut Decoder, text: &str) -> bool {
    let mut only_calls = true;
    trial.push(text, &mut |event| only_calls &= !matches!(event, Event::Text(_) | Event::Reasoning(_)));
    only_calls
}

/// Ends a trial: whether there were calls, all of them whole, and nothing else.
fn finish_trial(trial: Decoder) -> bool {
    let mut only_calls = true;
    let sink = &mut |event: Event<'_>| only_calls &= !matches!(event, Event::Text(_) | Event::Reasoning(_));
    let ending = trial.finish(Finish::Stop, sink);
    only_calls && ending.calls > 0 && !ending.truncated
}
