//! Values of a Python call: literals, lists, tuples and dicts, and what JSON cannot say.

use crate::decode::call::{Call, Context};
use crate::json::repair::{Mode, number};
use crate::json::write_string;
use crate::python::Text;

use super::{Given, Reader, State, Step, begins_name};

/// A container that is open.
#[derive(Debug)]
pub(super) enum Frame {
    List {
        closer: char,
        items: usize,
    },
    /// `source` is all of it until it is known to be one: a set begins alike.
    Dict {
        place: Place,
        members: usize,
        source: String,
    },
}

/// What a dict awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Key,
    Member,
}

impl Frame {
    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        if let Self::Dict { source, .. } = self { source.len() } else { 0 }
    }
}

impl Reader {
    /// Whether what is read is a value, and no key of a dict.
    pub(super) fn is_value(&self) -> bool {
        !matches!(self.frames.last(), Some(Frame::Dict { place: Place::Key, .. }))
    }

    /// Whether an argument begins here that has no key yet.
    pub(super) fn is_at_argument(&self) -> bool {
        self.frames.is_empty() && matches!(self.given, Given::Unnamed | Given::Perhaps)
    }

    /// Where what is read is written to.
    pub(super) fn out<'o>(&'o mut self, call: &'o mut Call) -> &'o mut String {
        if self.is_value() { &mut call.arguments } else { &mut self.key }
    }

    /// A value, or the closer of an empty container.
    pub(super) fn value(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match c {
            c if c.is_ascii_whitespace() => return Step::Read,
            '\'' | '"' => {
                self.begin(call);
                self.out(call).push('"');
                self.state = State::Opening(Text::new(c));
                return Step::Read;
            }
            '[' | '(' if self.is_value() => {
                self.begin(call);
                call.arguments.push('[');
                self.frames.push(Frame::List { closer: if c == '[' { ']' } else { ')' }, items: 0 });
            }
            '{' if self.is_value() => {
                self.frames.push(Frame::Dict { place: Place::Key, members: 0, source: String::new() });
            }
            ']' | '}' if self.frames.is_empty() => return self.unsound(c, cx, call),
            ')' if self.frames.is_empty() && call.mode(cx) == Mode::Total => {
                self.write_null(call);
                return self.end_call(call);
            }
            ']' | ')' | '}' => {
                self.write_null(call);
                if self.closes(c) {
                    return self.end_container(call);
                }
                return self.unsound(c, cx, call);
            }
            ':' | '=' => return self.unsound(c, cx, call),
            _ => {
                self.state = State::Word;
                return Step::Again;
            }
        }
        let is_deep = self.frames.len() > cx.limits.depth_max;
        if is_deep && call.mode(cx) == Mode::Strict { Step::Reject } else { Step::Read }
    }

    /// A value begins: what separates it from the one before it is written.
    pub(super) fn begin(&mut self, call: &mut Call) {
        if let Some(Frame::List { items, .. }) = self.frames.last_mut() {
            if *items > 0 {
                call.arguments.push(',');
            }
            *items += 1;
        }
        call.ready |= self.is_value();
    }

    fn closes(&self, c: char) -> bool {
        match self.frames.last() {
            Some(Frame::List { closer, .. }) => *closer == c,
            Some(Frame::Dict { .. }) => c == '}',
            None => false,
        }
    }

    pub(super) fn end_container(&mut self, call: &mut Call) -> Step {
        self.close_frame(call);
        self.state = State::AfterValue;
        Step::Read
    }

    /// Closes the innermost container.
    pub(super) fn close_frame(&mut self, call: &mut Call) {
        let Some(frame) = self.frames.pop() else { return };
        match frame {
            Frame::List { .. } => call.arguments.push(']'),
            Frame::Dict { members: 0, source, .. } => {
                self.begin(call);
                let is_empty = source.strip_prefix('{').is_none_or(|inside| inside.trim_ascii().is_empty());
                if is_empty {
                    call.arguments.push_str("{}");
                } else {
                    // What stands in it has no value.
                    call.malformed = true;
                    write_string(&source, &mut call.arguments);
                }
                self.key.clear();
            }
            Frame::Dict { .. } => {
                self.write_key_alone(call);
                call.arguments.push('}');
            }
        }
    }

    /// More of a word: a keyword, a literal, or what is neither.
    pub(super) fn word(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let at_argument = self.is_at_argument();
        match c {
            '=' if at_argument => self.keyword(call),
            c if at_argument && c.is_ascii_whitespace() => self.state = State::Gap,
            '\'' | '"' if is_text_prefix(&self.word) => {
                let raw = self.word.contains(['r', 'R']);
                self.word.clear();
                if at_argument {
                    return self.positional_text(c, raw, cx, call);
                }
                self.begin(call);
                self.out(call).push('"');
                self.state = State::Opening(if raw { Text::raw(c) } else { Text::new(c) });
            }
            c if c.is_ascii_whitespace() || matches!(c, ',' | ')' | ']' | '}' | ':' | '=' | '<') => {
                return self.end_word(cx, call);
            }
            '(' | '[' | '{' | '\'' | '"' => return self.begin_source(cx, call),
            _ => {
                self.word.push(c);
                if self.word.len() > cx.limits.value_bytes_max.min(WORD_BYTES_MAX) {
                    return self.begin_source(cx, call);
                }
            }
        }
        Step::Read
    }

    fn positional_text(&mut self, c: char, raw: bool, cx: &Context<'_>, call: &mut Call) -> Step {
        if self.begin_positional(cx, call) == Step::Reject {
            return Step::Reject;
        }
        self.begin(call);
        call.arguments.push('"');
        self.state = State::Opening(if raw { Text::raw(c) } else { Text::new(c) });
        Step::Read
    }

    /// A word is over; what ended it is looked at again.
    pub(super) fn end_word(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        let word = std::mem::take(&mut self.word);
        let Some(json) = literal(&word, self) else {
            self.word = word;
            return self.begin_source(cx, call);
        };
        let at_argument = self.is_at_argument();
        if at_argument && self.begin_positional(cx, call) == Step::Reject {
            return Step::Reject;
        }
        self.begin(call);
        self.out(call).push_str(&json);
        self.state = State::AfterValue;
        Step::Again
    }

    /// Behind a value: another, or the end of what it stands in.
    pub(super) fn after_value(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        if c.is_ascii_whitespace() {
            return Step::Read;
        }
        if let Some(Frame::Dict { place: place @ Place::Key, members, source }) = self.frames.last_mut() {
            if c != ':' {
                return self.no_dict(c, cx, call);
            }
            *place = Place::Member;
            let is_first = *members == 0;
            *members += 1;
            source.clear();
            if is_first {
                self.open_dict(cx, call);
            } else {
                call.arguments.push(',');
            }
            call.arguments.push_str(&self.key);
            call.arguments.push(':');
            self.key.clear();
            self.state = State::Value;
            return Step::Read;
        }
        match c {
            ',' => {
                self.separate();
                Step::Read
            }
            c if self.closes(c) => self.end_container(call),
            ')' if self.frames.is_empty() => self.end_call(call),
            _ if self.is_before_closer(c, call, cx) => self.end_early(call),
            c if begins_value(c) && call.mode(cx) == Mode::Total => {
                // A comma lacks.
                call.repaired = true;
                self.separate();
                Step::Again
            }
            _ => self.unsound(c, cx, call),
        }
    }

    /// Another value follows, or an argument or a member with its key.
    fn separate(&mut self) {
        self.state = if self.frames.is_empty() { State::Argument } else { State::Value };
        if self.frames.is_empty() && self.given == Given::Named {
            self.given = Given::Unnamed;
        }
        if let Some(Frame::Dict { place, .. }) = self.frames.last_mut() {
            *place = Place::Key;
        }
    }

    /// A dict's first key is known to be one.
    fn open_dict(&mut self, cx: &Context<'_>, call: &mut Call) {
        let frame = self.frames.pop();
        if self.frames.is_empty() {
            self.decide_whole(cx, call);
        }
        self.begin(call);
        call.arguments.push('{');
        self.frames.extend(frame);
    }

    /// A dict's key that has no value, if one was read.
    pub(super) fn write_key_alone(&mut self, call: &mut Call) {
        let key = std::mem::take(&mut self.key);
        if !key.is_empty() {
            call.malformed = true;
            call.arguments.push(',');
            call.arguments.push_str(&key);
            call.arguments.push_str(":null");
        }
    }

    /// What has no place here: no call before the commit point, and passed over behind it.
    pub(super) fn unsound(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        if call.mode(cx) == Mode::Strict {
            return Step::Reject;
        }
        call.malformed = true;
        if matches!(c, ')' | ']' | '}') && !self.frames.is_empty() {
            // The wrong closer, or one that lacks.
            return self.end_container(call);
        }
        Step::Read
    }

    /// A value lacks where its key stands already.
    pub(super) fn write_null(&mut self, call: &mut Call) {
        let has_key = match self.frames.last() {
            Some(Frame::Dict { place, .. }) => *place == Place::Member,
            Some(Frame::List { .. }) => false,
            None => self.given == Given::Named,
        };
        if has_key {
            call.malformed = true;
            call.arguments.push_str("null");
        }
    }
}

/// A longer word is no literal.
const WORD_BYTES_MAX: usize = 256;

fn begins_value(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || matches!(c, '\'' | '"' | '(' | '[' | '{' | '-')
}

fn is_text_prefix(word: &str) -> bool {
    matches!(word, "r" | "R" | "u" | "U" | "f" | "F")
}

/// What a word means in JSON. Where a dict's key stands, a string.
fn literal(word: &str, reader: &Reader) -> Option<String> {
    let json = match word {
        "True" | "true" => "true".to_string(),
        "False" | "false" => "false".to_string(),
        "None" | "null" => "null".to_string(),
        _ => match number(word) {
            Some(number) => number,
            // A number that JSON has not, or a key without quotes.
            None if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => quoted(word),
            None if !reader.is_value() && word.starts_with(begins_name) => quoted(word),
            None => return None,
        },
    };
    Some(if reader.is_value() || json.starts_with('"') { json } else { quoted(&json) })
}

fn quoted(word: &str) -> String {
    let mut json = String::new();
    write_string(word, &mut json);
    json
}
