//! Sources: what JSON cannot say becomes a string of how it was written: calls, names.
//! Knows brackets and no quotes, so a source ends with what it stands in, or before the next call.

use crate::decode::call::{Call, Context};
use crate::json::repair::{Begins, Mode};
use crate::json::{escape_into, write_string};

use super::value::{Frame, Place};
use super::{Reader, State, Step};

impl Reader {
    /// What JSON cannot say begins with the word that was read.
    pub(super) fn begin_source(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        if call.mode(cx) == Mode::Strict {
            return Step::Reject;
        }
        let at_argument = self.is_at_argument();
        if at_argument {
            self.begin_positional(cx, call);
        }
        call.malformed = true;
        self.state = State::Source(0);
        Step::Again
    }

    /// More of it, as long as no other call begins.
    pub(super) fn source(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match self.tail.take(c, None, cx) {
            Begins::Perhaps => Step::Read,
            Begins::Yes => self.end_before_tail(call),
            Begins::No if self.tail.is_empty() => self.source_character(c, cx, call),
            Begins::No => {
                self.tail_is_data(cx, call);
                Step::Again
            }
        }
    }

    /// More of it, up to what separates it from the next value.
    pub(super) fn source_character(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let (State::Source(depth) | State::LongSource(depth)) = &mut self.state else { return Step::Reject };
        match c {
            '(' | '[' | '{' => *depth += 1,
            ',' | ':' if *depth == 0 => return self.end_source(call),
            ')' | ']' | '}' if *depth == 0 => return self.end_source(call),
            ')' | ']' | '}' => *depth -= 1,
            _ => {}
        }
        let depth = *depth;
        if matches!(self.state, State::LongSource(_)) {
            escape_into(c.encode_utf8(&mut [0; 4]), self.out(call));
            return Step::Read;
        }
        self.word.push(c);
        if self.word.len() > cx.limits.value_bytes_max && self.is_value() {
            let word = std::mem::take(&mut self.word);
            self.begin(call);
            let out = self.out(call);
            out.push('"');
            escape_into(&word, out);
            self.state = State::LongSource(depth);
        }
        Step::Read
    }

    fn end_source(&mut self, call: &mut Call) -> Step {
        if matches!(self.state, State::LongSource(_)) {
            self.out(call).push('"');
        } else {
            let word = std::mem::take(&mut self.word);
            self.begin(call);
            write_string(word.trim(), self.out(call));
        }
        self.state = State::AfterValue;
        Step::Again
    }

    /// A key without a value: a set, which is a list in JSON, or a slip.
    pub(super) fn no_dict(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match self.frames.pop() {
            Some(Frame::Dict { members: 0, source, .. }) if matches!(c, ',' | '}') && !self.key_is_slip() => {
                self.open_set(&source, cx, call)
            }
            Some(Frame::Dict { members: 0, source, .. }) => {
                self.key.clear();
                self.word = source;
                if self.begin_source(cx, call) == Step::Reject {
                    return Step::Reject;
                }
                self.state = State::Source(1);
                Step::Again
            }
            Some(Frame::Dict { members, source, .. }) => {
                if call.mode(cx) == Mode::Strict {
                    return Step::Reject;
                }
                self.write_key_alone(call);
                self.frames.push(Frame::Dict { place: Place::Member, members, source });
                if matches!(c, ',' | '}') { Step::Again } else { Step::Read }
            }
            _ => Step::Reject,
        }
    }

    /// Whether the key that was read may be a key and a value, of which a quote was misread.
    fn key_is_slip(&self) -> bool {
        let inside = self.key.trim_matches('"');
        inside.contains(':') && inside.contains(['"', '\''])
    }

    /// What began as a dict is a set: its first item, which was read as a key, is read again.
    fn open_set(&mut self, source: &str, cx: &Context<'_>, call: &mut Call) -> Step {
        if self.is_at_argument() && self.begin_positional(cx, call) == Step::Reject {
            return Step::Reject;
        }
        self.key.clear();
        self.begin(call);
        call.arguments.push('[');
        self.frames.push(Frame::List { closer: '}', items: 0 });
        self.state = State::Value;
        match self.replay(source.strip_prefix('{').unwrap_or(source), cx, call) {
            Step::Read => Step::Again,
            step => step,
        }
    }

    /// A key that is longer than any is a source, or has no value; so is white space that would be kept for one.
    pub(super) fn bound_key(&mut self, cx: &Context<'_>, call: &mut Call) {
        let length = match (&self.state, self.frames.last()) {
            (State::Text(_), _) => self.key.len(),
            (State::Source(_), _) if !self.is_value() => self.word.len(),
            (State::Value | State::AfterValue, Some(frame)) => frame.held(),
            _ => return,
        };
        if length < cx.limits.value_bytes_max || call.mode(cx) == Mode::Strict {
            return;
        }
        match self.frames.pop() {
            Some(Frame::Dict { members: 0, source, .. }) => {
                self.key.clear();
                self.word = source;
                call.malformed = true;
                self.state = State::Source(1);
            }
            Some(Frame::Dict { members, source, .. }) => {
                match self.state {
                    State::Text(_) => self.key.push('"'),
                    _ => write_string(std::mem::take(&mut self.word).trim(), &mut self.key),
                }
                self.write_key_alone(call);
                self.frames.push(Frame::Dict { place: Place::Member, members, source });
                self.state = State::AfterValue;
            }
            frame => self.frames.extend(frame),
        }
    }

    /// Keeps what may turn out to be a set.
    pub(super) fn note_source(&mut self, text: &str) {
        if let Some(Frame::Dict { members: 0, source, .. }) = self.frames.last_mut() {
            source.push_str(text);
        }
    }
}
