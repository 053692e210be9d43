//! The object's keys, and what the value behind each of them is.
//! Models write the arguments under many keys, and the name under some.

use crate::dialect::{JsonName, JsonSpec};
use crate::json::repair::{Mode, Repair};

use super::members::Place;
use super::next::NextCall;
use super::{Arguments, Escaped, Meaning, Next, Reader, State, syntax};
use crate::decode::call::{Call, Context, Named};
use crate::decode::payload::means_arguments;
use crate::decode::unescape::Unescape;

impl Reader {
    /// The beginning of a key, or the closer of an object.
    pub(super) fn key(&mut self, c: char) -> Next {
        self.word.clear();
        self.since.clear();
        match c {
            c if c.is_ascii_whitespace() => Next::Read,
            '}' => self.close_object(),
            '"' | '\'' => self.begin_key(c, c),
            '\u{201c}' => self.begin_key(c, '\u{201d}'),
            c if c == '_' || c.is_alphabetic() => {
                self.state = State::KeyWord;
                Next::Again
            }
            _ => Next::Reject,
        }
    }

    fn begin_key(&mut self, c: char, quote: char) -> Next {
        self.since.push(c);
        self.state = State::KeyText { quote, escaped: Escaped::No };
        Next::Read
    }

    /// One more character of a key between quotes.
    pub(super) fn key_text(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Next {
        if self.is_no_key() {
            return self.no_key(cx, call);
        }
        let State::KeyText { quote, escaped } = &mut self.state else { return Next::Reject };
        self.since.push(c);
        if *escaped == Escaped::No && c == *quote {
            self.state = State::Colon;
            return Next::Read;
        }
        *escaped = if c == '\\' && *escaped == Escaped::No { Escaped::Yes } else { Escaped::No };
        self.word.push(c);
        Next::Read
    }

    /// One more character of a key without quotes.
    pub(super) fn key_word(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Next {
        if self.is_no_key() {
            return self.no_key(cx, call);
        }
        if c == '_' || c == '-' || c.is_alphanumeric() {
            self.since.push(c);
            self.word.push(c);
            return Next::Read;
        }
        self.state = State::Colon;
        // Its closing quote, without the other.
        if c != '"' {
            return Next::Again;
        }
        self.since.push(c);
        Next::Read
    }

    /// Whether what is read behind the arguments is too long for a key.
    fn is_no_key(&self) -> bool {
        self.is_whole() && self.since.len() > SINCE_BYTES_MAX
    }

    /// The colon behind a key, whose meaning is known then.
    pub(super) fn colon(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Next {
        if c.is_ascii_whitespace() && !self.is_no_key() {
            self.since.push(c);
            return Next::Read;
        }
        if c == ':' {
            self.since.clear();
            // Under a key that may be the name's, the value tells.
            let is_itself = !is_name(&self.word, &self.spec) && self.is_name_itself(cx, call);
            self.meaning = if is_itself { Meaning::Arguments } else { self.meaning(cx, call) };
            self.state = State::Value;
            return Next::Read;
        }
        if let Some((key, rest)) = lacks_quote(&self.word) {
            // Its closing quote was forgotten; the one that was found belongs to its value.
            call.repaired = true;
            let written = self.since.trim_ascii_end();
            let quote = written.char_indices().next_back().map_or(0, |(at, _)| at);
            self.again = format!("{rest}{}{c}", self.since.get(quote..).unwrap_or_default());
            self.since.clear();
            self.word = key.to_string();
            return Next::Read;
        }
        if self.is_whole() { self.no_key(cx, call) } else { Next::Reject }
    }

    /// What looked like a key behind the arguments is text.
    fn no_key(&mut self, cx: &Context<'_>, call: &mut Call) -> Next {
        let since = std::mem::take(&mut self.since);
        self.word.clear();
        self.state = State::AfterValue;
        let markup = &cx.dialect.reads().call;
        let next_call = markup.open.iter().chain(&markup.close).any(|marker| since.contains(marker.as_str()));
        if next_call || since.contains('{') || since.len() > SINCE_BYTES_MAX {
            call.again.push_str(&since);
            return Next::CompleteBefore;
        }
        call.malformed = true;
        call.leftover.push_str(&since);
        Next::Again
    }

    /// The call ends in what looked like a key: that is text.
    pub(super) fn leave_key(&mut self, call: &mut Call) {
        call.malformed |= !self.since.is_empty();
        call.leftover.push_str(&std::mem::take(&mut self.since));
    }

    /// Whether the key names the tool, whose arguments its value is.
    fn is_name_itself(&mut self, cx: &Context<'_>, call: &mut Call) -> bool {
        let may_be = !self.has_name && self.spec.name == JsonName::Key;
        self.has_name |= may_be && call.named(&self.word, cx) == Named::Tool;
        may_be && self.has_name
    }

    /// What the value of the current key may be.
    fn meaning(&self, cx: &Context<'_>, call: &Call) -> Meaning {
        let (spec, key) = (self.spec.as_ref(), self.word.as_str());
        let absent = self.arguments == Arguments::Absent;
        if !self.has_name && is_name(key, spec) {
            Meaning::Name
        } else if call.id.is_none() && !call.ready && spec.id.iter().any(|k| k == key) {
            Meaning::Id
        } else if absent && spec.arguments.iter().any(|k| k == key) {
            Meaning::Arguments
        } else if !self.has_name && is_wrapper(key, spec) {
            Meaning::Wrapper
        } else if absent && is_arguments(key, spec) && !declares(key, cx, call) {
            Meaning::Alias
        } else {
            Meaning::Other
        }
    }

    /// The first character of a value: what is read depends on its key.
    pub(super) fn value(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Next {
        let quoted = matches!(c, '"' | '\'' | '\u{201c}');
        let quote = if c == '\u{201c}' { '\u{201d}' } else { c };
        let meaning = self.meaning;
        match meaning {
            _ if c.is_ascii_whitespace() => return Next::Read,
            Meaning::Name | Meaning::Id if quoted => {
                self.word.clear();
                self.state = State::Name { quote, unescape: Unescape::default() };
                return Next::Read;
            }
            Meaning::Name | Meaning::Wrapper if c == '{' && is_wrapper(&self.word, &self.spec) => {
                self.depth += 1;
                self.state = State::FirstKey;
                return Next::Read;
            }
            Meaning::Name if c == '{' && self.is_name_itself(cx, call) => {
                self.arguments = Arguments::Begun;
                self.state = State::Arguments(Box::new(Repair::new(())));
            }
            Meaning::Arguments | Meaning::Alias if quoted => {
                self.arguments = Arguments::Begun;
                self.state = State::TextStart { quote };
                return Next::Read;
            }
            Meaning::Arguments => {
                self.arguments = Arguments::Begun;
                self.state = State::Arguments(Box::new(Repair::new(())));
            }
            Meaning::Alias if c == '{' => {
                call.repaired = true;
                self.arguments = Arguments::Begun;
                self.state = State::Arguments(Box::new(Repair::new(())));
            }
            _ => self.begin_member(cx, call),
        }
        Next::Again
    }

    /// The first character of what may be arguments in a string.
    pub(super) fn text_start(&mut self, c: char, quote: char, cx: &Context<'_>, call: &mut Call) -> Next {
        let mut repair = Box::new(Repair::new(()));
        if c == '{' {
            let (unescape, inner) = (Unescape::default(), String::new());
            self.state = State::Text { quote, unescape, repair, inner };
            return Next::Again;
        }
        // A string that is no object stays one; read its quote again.
        let is_alias = self.meaning == Meaning::Alias;
        if is_alias {
            self.arguments = Arguments::Absent;
            self.begin_member(cx, call);
        }
        let next = NextCall { spec: &self.spec, cx };
        let syntax = syntax(&next, self.depth, Mode::Strict);
        let quote = quote.encode_utf8(&mut [0; 4]).to_string();
        if is_alias {
            if let State::Member { repair, place: Place::Kept } = &mut self.state {
                let value = self.kept.last_mut().map(|kept| &mut kept.value);
                repair.push(&quote, &syntax, value.unwrap_or(&mut String::new()));
            }
        } else {
            repair.push(&quote, &syntax, &mut call.arguments);
            self.state = State::Arguments(repair);
        }
        Next::Again
    }
}

/// A key that holds a colon behind a word: the key, and what stands from the colon on.
fn lacks_quote(word: &str) -> Option<(&str, &str)> {
    let end = word.find(|c: char| !(c == '_' || c == '-' || c.is_alphanumeric())).filter(|&at| at > 0)?;
    let (key, rest) = word.split_at_checked(end)?;
    let rest = rest.strip_prefix("\\\"").or_else(|| rest.strip_prefix('\'')).unwrap_or(rest).trim_start();
    rest.starts_with(':').then_some((key, rest))
}

/// Whether a key can be the name's.
pub(in crate::decode::payload) fn is_name(key: &str, spec: &JsonSpec) -> bool {
    spec.name.keys().iter().any(|name| name == key) || NAMES.iter().any(|name| name.eq_ignore_ascii_case(key))
}

/// Whether a key can be that of the object itself.
pub(super) fn is_wrapper(key: &str, spec: &JsonSpec) -> bool {
    spec.wrapper.iter().any(|wrapper| wrapper == key) || WRAPPERS.contains(&key)
}

/// Whether a key can be the arguments'.
pub(in crate::decode::payload) fn is_arguments(key: &str, spec: &JsonSpec) -> bool {
    spec.arguments.iter().any(|arguments| arguments == key) || means_arguments(key)
}

/// Whether the tool names this property.
pub(super) fn declares(key: &str, cx: &Context<'_>, call: &Call) -> bool {
    call.tool(cx).is_some_and(|tool| tool.declares(tool.root(), key))
}

/// Other keys under which models write the name, in any case.
const NAMES: [&str; 3] = ["name", "tool_name", "function_name"];
/// Other keys around the object: OpenAI's own form, and what is made of it.
const WRAPPERS: [&str; 3] = ["function", "function_call", "tool_call"];
/// What looks like a key behind the arguments and is longer is none.
const SINCE_BYTES_MAX: usize = 1024;
