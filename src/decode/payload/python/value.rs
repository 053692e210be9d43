//! Values of a Python call: literals, lists, tuples and dicts, and what JSON cannot say.

use crate::decode::call::{Call, Context};
use crate::json::repair::{Mode, number};
use crate::json::{escape_into, write_string};

use super::text::Text;
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
        self.note_source(c);
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
                let source = String::from(c);
                self.frames.push(Frame::Dict { place: Place::Key, members: 0, source });
            }
            ']' | ')' | '}' => {
                if matches!(self.frames.last(), Some(Frame::Dict { place: Place::Member, .. })) {
                    call.malformed = true;
                    call.arguments.push_str("null");
                }
                if self.closes(c) {
                    return self.end_container(call);
                }
                return self.unsound(c, cx, call);
            }
            _ => {
                self.state = State::Word;
                self.unnote_source();
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

    fn end_container(&mut self, call: &mut Call) -> Step {
        self.close_frame(call);
        self.state = State::AfterValue;
        Step::Read
    }

    /// Closes the innermost container.
    pub(super) fn close_frame(&mut self, call: &mut Call) {
        let Some(frame) = self.frames.pop() else { return };
        match frame {
            Frame::List { .. } => call.arguments.push(']'),
            Frame::Dict { members, .. } => {
                if members == 0 {
                    // What stood in it had no value.
                    call.malformed |= !self.key.is_empty();
                    self.begin(call);
                    call.arguments.push('{');
                }
                self.key.clear();
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
                self.note_source(c);
                self.begin(call);
                self.out(call).push('"');
                self.state = State::Opening(if raw { Text::raw(c) } else { Text::new(c) });
            }
            c if c.is_ascii_whitespace() || matches!(c, ',' | ')' | ']' | '}' | ':' | '=' | '<') => {
                return self.end_word(cx, call);
            }
            '(' | '[' | '{' | '\'' | '"' => return self.begin_source(cx, call),
            _ => {
                self.note_source(c);
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

    /// What JSON cannot say begins with the word that was read.
    fn begin_source(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
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

    /// More of it, up to what separates it from the next value.
    pub(super) fn source(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
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
        if self.word.len() > cx.limits.value_bytes_max {
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

    /// Behind a value: another, or the end of what it stands in.
    pub(super) fn after_value(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        if c.is_ascii_whitespace() {
            self.note_source(c);
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
                self.state = if self.frames.is_empty() { State::Argument } else { State::Value };
                if self.frames.is_empty() && self.given == Given::Named {
                    self.given = Given::Unnamed;
                }
                if let Some(Frame::Dict { place, .. }) = self.frames.last_mut() {
                    *place = Place::Key;
                }
                Step::Read
            }
            c if self.closes(c) => self.end_container(call),
            ')' if self.frames.is_empty() => self.end_call(call),
            _ if self.is_before_closer(c, cx) => self.end_early(call),
            _ => self.unsound(c, cx, call),
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

    /// A key without a value: a set, or a slip.
    fn no_dict(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match self.frames.pop() {
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
                call.malformed = true;
                call.arguments.push(',');
                call.arguments.push_str(&std::mem::take(&mut self.key));
                call.arguments.push_str(":null");
                self.frames.push(Frame::Dict { place: Place::Member, members, source });
                if matches!(c, ',' | '}') { Step::Again } else { Step::Read }
            }
            _ => Step::Reject,
        }
    }

    /// What has no place here: no call before the commit point, and passed over behind it.
    fn unsound(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
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

    /// Keeps what may turn out to be a set.
    pub(super) fn note_source(&mut self, c: char) {
        if let Some(Frame::Dict { source, .. }) = self.frames.last_mut()
            && !source.is_empty()
        {
            source.push(c);
        }
    }

    fn unnote_source(&mut self) {
        if let Some(Frame::Dict { source, .. }) = self.frames.last_mut()
            && !source.is_empty()
        {
            source.pop();
        }
    }
}

/// A longer word is no literal.
const WORD_BYTES_MAX: usize = 256;

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
