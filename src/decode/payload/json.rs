//! A JSON object that carries a name and arguments, in any order and among other keys, perhaps in a wrapper or
//! in a list.
//! Reads one object; what stands between two of them is the decoder's.
//!
//! ```text
//!   Start -> Key -> Colon -> Value -> (Name | Arguments | Text | Skip) -> AfterValue -> Key … complete
//! ```

mod nested;

use crate::dialect::JsonSpec;
use crate::json::repair::{Completion, Ended, Mode, Repair, Untyped};

use crate::decode::call::{Call, Context, Verdict, json_syntax};
use crate::decode::unescape::Unescape;

#[derive(Debug, Default)]
pub(in crate::decode) struct Reader {
    state: State,
    /// Objects that are open: the call's own, and its wrappers.
    depth: u32,
    /// The key or name being read, as it was written.
    word: String,
    meaning: Meaning,
    arguments: Arguments,
    has_name: bool,
    /// A closer that may be one.
    maybe: String,
    /// What a nested value read and gave back: it comes before the rest of the text.
    given_back: String,
}

#[derive(Debug, Default)]
enum State {
    /// The object's opener, behind whitespace and a list's opener.
    #[default]
    Start,
    /// A key, or the object's closer.
    Key,
    KeyText {
        quote: char,
        escaped: Escaped,
    },
    KeyWord,
    Colon,
    Value,
    Name {
        quote: char,
        unescape: Unescape,
    },
    /// The first character of arguments given as a string.
    TextStart {
        quote: char,
    },
    /// Arguments given as a string that holds JSON.
    Text {
        quote: char,
        unescape: Unescape,
        repair: Box<Repair<()>>,
        /// What one piece stands for; kept for its memory.
        inner: String,
    },
    Arguments(Box<Repair<()>>),
    /// A value that means nothing here.
    Skip(Box<Repair<()>>),
    AfterValue,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escaped {
    #[default]
    No,
    Yes,
}

/// What the current key's value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Meaning {
    #[default]
    Other,
    Name,
    Arguments,
    Wrapper,
}

/// How much of the arguments is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Arguments {
    #[default]
    Absent,
    Begun,
    Whole,
}

/// What one character led to.
enum Next {
    Read,
    /// The state changed; the character is to be looked at again.
    Again,
    Complete,
    /// The call is complete without the character.
    CompleteBefore,
    Reject,
}

impl Reader {
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let Some(spec) = cx.dialect.spec().json() else { return Verdict::Reject(0) };
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            match self.bulk(rest, cx, call) {
                Some(Ok(read)) => {
                    at += read;
                    match self.read_again(cx, call) {
                        Verdict::More => continue,
                        Verdict::Reject(_) => return Verdict::Reject(at),
                        Verdict::Complete(_) => return Verdict::Complete(at),
                    }
                }
                Some(Err(Verdict::Complete(read))) => return self.complete(at + read, cx, call),
                Some(Err(Verdict::Reject(read))) => return Verdict::Reject(at + read),
                Some(Err(Verdict::More)) => return Verdict::More,
                None => {}
            }
            let Some(c) = rest.chars().next() else { break };
            call.examined += c.len_utf8();
            match self.character(c, spec, cx, call) {
                Next::Again => {}
                Next::Read => at += c.len_utf8(),
                Next::Complete => return self.complete(at + c.len_utf8(), cx, call),
                Next::CompleteBefore => return self.complete(at, cx, call),
                Next::Reject if call.mode(cx) == Mode::Total => {
                    // The arguments are there; what follows them is no markup.
                    self.maybe.pop();
                    call.leftover.push_str(&self.maybe);
                    return self.complete(at, cx, call);
                }
                Next::Reject => return Verdict::Reject(at + c.len_utf8()),
            }
        }
        Verdict::More
    }

    pub(super) fn is_plain(&self, text: &str) -> bool {
        match &self.state {
            State::Arguments(repair) => repair.is_plain(text, None),
            State::Text { quote, unescape, repair, .. } => {
                unescape.is_plain(text, *quote) && repair.is_plain(text, None)
            }
            _ => false,
        }
    }

    /// Reads what a nested value gave back. What the call does not take of it comes after the call.
    fn read_again(&mut self, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let again = std::mem::take(&mut self.given_back);
        if again.is_empty() {
            return Verdict::More;
        }
        let verdict = self.push(&again, cx, call);
        if let Verdict::Complete(read) = verdict {
            call.leftover.push_str(again.get(read..).unwrap_or_default());
        }
        verdict
    }

    /// The object, or what can pass for it, is over: a call if it has a name.
    fn complete(&mut self, read: usize, cx: &Context<'_>, call: &mut Call) -> Verdict {
        if !self.has_name || (self.arguments == Arguments::Begun && !call.ready) {
            return Verdict::Reject(read);
        }
        if self.arguments == Arguments::Absent {
            call.arguments.push_str("{}");
        }
        if let State::Arguments(repair) | State::Text { repair, .. } = &mut self.state {
            repair.close(&json_syntax(&Untyped, Mode::Total, cx), &mut call.arguments);
            call.note(repair);
        }
        call.ready = true;
        Verdict::Complete(read)
    }

    fn character(&mut self, c: char, spec: &JsonSpec, cx: &Context<'_>, call: &mut Call) -> Next {
        if !matches!(self.state, State::KeyText { .. } | State::TextStart { .. }) {
            let closers = &cx.dialect.spec().call.close;
            if !self.maybe.is_empty() || closers.iter().any(|closer| closer.starts_with(c)) {
                self.maybe.push(c);
                if closers.contains(&self.maybe) {
                    return Next::Complete;
                }
                // Nothing outside a string begins as a closer does.
                let goes_on = closers.iter().any(|closer| closer.starts_with(self.maybe.as_str()));
                return if goes_on { Next::Read } else { Next::Reject };
            }
        }
        match &mut self.state {
            State::Start => self.start(c, call),
            State::Key => self.key(c),
            State::KeyText { quote, escaped } => {
                if *escaped == Escaped::No && c == *quote {
                    self.state = State::Colon;
                    return Next::Read;
                }
                *escaped = if c == '\\' && *escaped == Escaped::No { Escaped::Yes } else { Escaped::No };
                self.key_character(c);
                Next::Read
            }
            State::KeyWord if c == '_' || c == '-' || c.is_alphanumeric() => {
                self.key_character(c);
                Next::Read
            }
            State::KeyWord => {
                self.state = State::Colon;
                Next::Again
            }
            State::Colon if c.is_ascii_whitespace() => Next::Read,
            State::Colon => self.colon(c, spec),
            State::Value => self.value(c),
            State::TextStart { quote } => {
                let quote = *quote;
                let mut repair = Box::new(Repair::new(()));
                if c == '{' {
                    let (unescape, inner) = (Unescape::default(), String::new());
                    self.state = State::Text { quote, unescape, repair, inner };
                    return Next::Again;
                }
                // A string that is no object stays one; read its quote again.
                let syntax = json_syntax(&Untyped, Mode::Strict, cx);
                repair.push(quote.encode_utf8(&mut [0; 4]), &syntax, &mut call.arguments);
                self.state = State::Arguments(repair);
                Next::Again
            }
            State::AfterValue => self.after_value(c, call),
            _ => Next::Reject,
        }
    }

    fn key_character(&mut self, c: char) {
        if self.word.len() < KEY_BYTES_MAX {
            self.word.push(c);
        }
    }

    fn start(&mut self, c: char, call: &mut Call) -> Next {
        match c {
            '{' => {
                self.depth = 1;
                self.state = State::Key;
                Next::Read
            }
            '[' if !call.listed => {
                call.listed = true;
                Next::Read
            }
            c if c.is_ascii_whitespace() => Next::Read,
            _ => Next::Reject,
        }
    }

    fn key(&mut self, c: char) -> Next {
        self.word.clear();
        match c {
            c if c.is_ascii_whitespace() => Next::Read,
            '}' => self.close_object(),
            '"' | '\'' => {
                self.state = State::KeyText { quote: c, escaped: Escaped::No };
                Next::Read
            }
            '\u{201c}' => {
                self.state = State::KeyText { quote: '\u{201d}', escaped: Escaped::No };
                Next::Read
            }
            c if c == '_' || c.is_alphabetic() => {
                self.state = State::KeyWord;
                Next::Again
            }
            _ => Next::Reject,
        }
    }

    fn colon(&mut self, c: char, spec: &JsonSpec) -> Next {
        if c != ':' {
            return Next::Reject;
        }
        let is = |keys: &[String]| keys.contains(&self.word);
        self.meaning = if is(&spec.name) && !self.has_name {
            Meaning::Name
        } else if is(&spec.arguments) && self.arguments == Arguments::Absent {
            Meaning::Arguments
        } else if is(&spec.wrapper) {
            Meaning::Wrapper
        } else {
            Meaning::Other
        };
        self.word.clear();
        self.state = State::Value;
        Next::Read
    }

    fn value(&mut self, c: char) -> Next {
        let quoted = matches!(c, '"' | '\'' | '\u{201c}');
        let quote = if c == '\u{201c}' { '\u{201d}' } else { c };
        match self.meaning {
            _ if c.is_ascii_whitespace() => return Next::Read,
            Meaning::Name if quoted => {
                self.state = State::Name { quote, unescape: Unescape::default() };
                return Next::Read;
            }
            Meaning::Wrapper if c == '{' => {
                self.depth += 1;
                self.state = State::Key;
                return Next::Read;
            }
            Meaning::Arguments if quoted => {
                self.arguments = Arguments::Begun;
                self.state = State::TextStart { quote };
                return Next::Read;
            }
            Meaning::Arguments => {
                self.arguments = Arguments::Begun;
                self.state = State::Arguments(Box::new(Repair::new(())));
            }
            _ => self.state = State::Skip(Box::new(Repair::new(()))),
        }
        Next::Again
    }

    fn after_value(&mut self, c: char, call: &Call) -> Next {
        match c {
            c if c.is_ascii_whitespace() => Next::Read,
            ',' => {
                self.state = State::Key;
                Next::Read
            }
            '}' => self.close_object(),
            '"' => {
                self.state = State::Key;
                Next::Again
            }
            _ if call.ready => Next::CompleteBefore,
            _ => Next::Reject,
        }
    }

    fn close_object(&mut self) -> Next {
        self.depth = self.depth.saturating_sub(1);
        self.state = State::AfterValue;
        if self.depth == 0 { Next::Complete } else { Next::Read }
    }

    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        let syntax = json_syntax(&Untyped, call.mode(cx), cx);
        let completion = match &mut self.state {
            State::Arguments(repair) => {
                let completion = repair.finish(ended, &syntax, &mut call.arguments);
                call.leftover.push_str(&repair.take_rest());
                call.note(repair);
                call.ready |= self.has_name && repair.is_decided();
                completion
            }
            State::Text { .. } | State::TextStart { .. } => Completion::Cut,
            _ if self.arguments == Arguments::Whole && ended == Ended::ByItself => Completion::Complete,
            _ => Completion::Cut,
        };
        call.repaired |= completion == Completion::Complete;
        completion
    }

    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        self.complete(0, cx, call);
    }

    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Arguments(repair) | State::Text { repair, .. } => repair.held(),
            _ => self.word.len(),
        }
    }
}

/// A longer key is none that means something, and is not kept.
const KEY_BYTES_MAX: usize = 256;
