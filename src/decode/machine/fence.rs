//! Code fences around calls: the closing fence behind a call, and an answer that is a fence and nothing else.

use super::{Awaited, Decoder, State, emit_text};
use crate::decode::expect::{Expect, Expected};
use crate::decode::{Calls, Event, Finish, Settings};
use crate::json::repair::Ended;

impl Decoder {
    pub(super) fn step_fence_close(&mut self, text: &str) -> (usize, Option<String>) {
        let State::FenceClose(expect) = &mut self.state else { return (0, None) };
        for (at, c) in text.char_indices() {
            match expect.push(c, ["```"].into_iter()) {
                Expected::More => {}
                Expected::Found(_) => {
                    self.fence = Awaited::No;
                    self.enter_text();
                    return (at + c.len_utf8(), None);
                }
                Expected::Other => {
                    let again = expect.take();
                    self.enter_text();
                    return (at + c.len_utf8(), Some(again));
                }
            }
        }
        (text.len(), None)
    }

    pub(super) fn step_whole(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Whole(whole) = &mut self.state else { return (0, None) };
        for (at, c) in text.char_indices() {
            whole.raw.push(c);
            let possible = match &mut whole.inside {
                Some((_, trial)) => push_on_trial(trial, c.encode_utf8(&mut [0; 4])),
                None => match whole.opener.push(c, &self.settings.dialect.spec().call.fence) {
                    Expected::Found(_) => {
                        let mut trial =
                            Self::new(Settings { calls: Calls::All, ..self.settings.clone() }, &self.limits);
                        trial.enter_text();
                        trial.fence = Awaited::Yes;
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
    pub(super) fn release_whole(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Whole(whole) = std::mem::replace(&mut self.state, State::Text) else { return String::new() };
        self.enter_text();
        self.ending.examined += whole.inside.map_or(0, |(_, trial)| trial.ending.examined);
        let (first, rest) = whole.raw.split_at_checked(1).unwrap_or_default();
        emit_text(&mut self.gap, first, sink);
        rest.to_string()
    }

    pub(super) fn settle_whole(&mut self, ended: Ended, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Whole(whole) = &mut self.state else { return String::new() };
        if let Some((begins, trial)) = whole.inside.take() {
            self.ending.examined += trial.ending.examined;
            let fence_closed = trial.fence == Awaited::No;
            if fence_closed && ended == Ended::ByItself && finish_trial(*trial) {
                let inside = whole.raw.get(begins..).unwrap_or_default().to_string();
                self.enter_text();
                self.fence = Awaited::Yes;
                return inside;
            }
        }
        self.release_whole(sink)
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
