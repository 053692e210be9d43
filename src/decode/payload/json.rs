//! A JSON object that carries a name and arguments, in any order and among other keys, perhaps in a wrapper or
//! in a list.
//! Reads one object; what stands between two of them is the decoder's.
//!
//! ```text
//!   Start -> Key -> Colon -> Value -> (Name | Arguments | Text | Member) -> AfterValue -> Key … complete
//! ```
//!
//! The arguments' last brace waits until the object ends, since members may follow that belong to them.

mod closers;
mod ending;
mod keys;
mod members;
mod nested;
mod next;

use std::sync::Arc;

use crate::dialect::{Dialect, JsonSpec};
use crate::json::repair::{Comment, Commented, Mode, Repair, Skimmed, Syntax, Tail, Untyped};

use crate::decode::call::{Call, Context, Named, Verdict, json_syntax};
use crate::decode::unescape::Unescape;
use closers::Closers;
pub(super) use keys::{is_arguments, is_name};
use members::{Kept, Place};
use next::NextCall;

/// One object, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    spec: Arc<JsonSpec>,
    state: State,
    /// Objects that are open: the call's own, and its wrappers.
    depth: u32,
    /// The key or name being read, as it was written.
    word: String,
    /// All of a key as it was written, and what stands behind it: where it turns out to be none, it is text.
    since: String,
    /// What the current value is; known with its first character.
    meaning: Meaning,
    arguments: Arguments,
    has_name: bool,
    /// Members that are neither: the arguments themselves, if there are no others.
    kept: Vec<Kept>,
    /// What may be a closer.
    maybe: String,
    closers: Closers,
    /// What stands behind arguments given as a string, and shows that the string lacks its end.
    tail: Tail,
    /// What was read ahead: it comes before the rest of the text.
    again: String,
}

#[derive(Debug, Default)]
enum State {
    /// The object's opener, behind whitespace and a list's opener.
    #[default]
    Start,
    /// The opening fence of a block that holds the object.
    Fence,
    /// A key right behind an opener.
    FirstKey,
    /// A key, or the object's closer.
    Key,
    KeyText {
        quote: char,
        escaped: Escaped,
    },
    KeyWord,
    Colon,
    Value,
    /// The name, or the id.
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
    /// Another value.
    Member {
        repair: Box<Repair<()>>,
        place: Place,
    },
    AfterValue,
    /// A comment, which relaxed JSON has, and what is awaited behind it.
    Comment {
        comment: Comment,
        back: Box<State>,
    },
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
    Id,
    Arguments,
    /// Arguments under another key than the dialect's own, if they look like some.
    Alias,
    Wrapper,
}

/// How much of the arguments is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Arguments {
    #[default]
    Absent,
    Begun,
    /// They are no object, or were closed.
    Whole,
    /// All of an object without members but its last brace.
    OpenEmpty,
    /// All of an object but its last brace.
    Open,
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
    /// A reader of a call, which may have a name already.
    pub(super) fn new(spec: Arc<JsonSpec>, call: &Call) -> Self {
        Self {
            spec,
            state: State::default(),
            depth: 0,
            word: String::new(),
            since: String::new(),
            meaning: Meaning::default(),
            arguments: Arguments::default(),
            has_name: call.has_name() == Named::Tool,
            kept: Vec::new(),
            maybe: String::new(),
            closers: Closers::default(),
            tail: Tail::default(),
            again: String::new(),
        }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let mut at = 0;
        loop {
            if !self.again.is_empty() {
                match self.read_again(cx, call) {
                    Verdict::More => {}
                    Verdict::Reject(_) => return Verdict::Reject(at),
                    Verdict::Complete(_) => return Verdict::Complete(at),
                }
            }
            let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else { return Verdict::More };
            match self.bulk(rest, cx, call) {
                Some(Ok(read)) => {
                    at += read;
                    continue;
                }
                Some(Err(Verdict::Complete(read))) => return self.complete(at + read, cx, call),
                Some(Err(Verdict::Reject(read))) => return Verdict::Reject(at + read),
                Some(Err(Verdict::More)) => return Verdict::More,
                None => {}
            }
            let Some(c) = rest.chars().next() else { return Verdict::More };
            call.examined += c.len_utf8();
            match self.character(c, cx, call) {
                Next::Again => {}
                Next::Read => at += c.len_utf8(),
                Next::Complete => return self.complete(at + c.len_utf8(), cx, call),
                Next::CompleteBefore => return self.complete(at, cx, call),
                Next::Reject if call.mode(cx) == Mode::Total => {
                    // The arguments are there; what follows them is no markup.
                    self.leave_key(call);
                    self.maybe.pop();
                    call.leftover.push_str(&self.maybe);
                    return self.complete(at, cx, call);
                }
                Next::Reject => return Verdict::Reject(at + c.len_utf8()),
            }
        }
    }

    /// Reads `text` if nothing in it has to be decided.
    pub(super) fn skim(&mut self, text: &str, dialect: &Dialect, out: &mut String) -> Skimmed {
        match &mut self.state {
            _ if !self.again.is_empty() => Skimmed::No,
            State::Arguments(repair) => repair.skim(text, &dialect.tables().behind, out),
            State::Text { quote, unescape, repair, .. } if unescape.is_plain(text, *quote) => {
                repair.skim(text, &dialect.tables().behind, out)
            }
            _ => Skimmed::No,
        }
    }

    /// Reads what was read ahead. What the call does not take of it comes after the call.
    fn read_again(&mut self, cx: &Context<'_>, call: &mut Call) -> Verdict {
        if self.again.is_empty() {
            return Verdict::More;
        }
        let again = std::mem::take(&mut self.again);
        let verdict = self.push(&again, cx, call);
        if let Verdict::Complete(read) = verdict {
            call.again.push_str(again.get(read..).unwrap_or_default());
        }
        verdict
    }

    /// The object, or what can pass for it, is over: a call if it has a name.
    fn complete(&mut self, read: usize, cx: &Context<'_>, call: &mut Call) -> Verdict {
        if !self.has_name || (self.arguments == Arguments::Begun && !call.ready) {
            return Verdict::Reject(read);
        }
        let next = NextCall { spec: &self.spec, cx };
        let syntax = syntax(&next, self.depth, Mode::Total);
        if let State::Arguments(repair) = &mut self.state {
            repair.close(&syntax, &mut call.arguments);
            call.again.push_str(&repair.take_rest());
            call.note(repair);
        } else if let State::Text { repair, .. } = &mut self.state {
            repair.close(&json_syntax(&Untyped, Mode::Total, cx), &mut call.arguments);
            call.note(repair);
        }
        self.close_member(cx, call);
        self.leave_key(call);
        self.end_arguments(cx, call);
        call.ready = true;
        Verdict::Complete(read)
    }

    fn character(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Next {
        let closers = std::mem::take(&mut self.closers);
        if closers == Closers::Count
            && self.may_close()
            && let Some(next) = self.closer(c, cx)
        {
            return next;
        }
        match &mut self.state {
            State::FirstKey | State::Key | State::Colon | State::Value | State::AfterValue
                if matches!(c, '/' | '#') =>
            {
                let back = Box::new(std::mem::take(&mut self.state));
                self.state = State::Comment { comment: Comment::begin(c), back };
                Next::Read
            }
            State::Comment { .. } => self.comment(c, call),
            State::Start => self.start(c, call),
            State::Fence => self.fence(c, call),
            State::FirstKey if c == '{' => {
                self.depth += 1;
                call.repaired = true;
                Next::Read
            }
            State::FirstKey | State::Key => self.key(c),
            State::KeyText { .. } => self.key_text(c, cx, call),
            State::KeyWord => self.key_word(c, cx, call),
            State::Colon => self.colon(c, cx, call),
            State::Value => self.value(c, cx, call),
            State::TextStart { quote } => {
                let quote = *quote;
                self.text_start(c, quote, cx, call)
            }
            State::AfterValue => self.after_value(c, call),
            _ => Next::Reject,
        }
    }

    fn comment(&mut self, c: char, call: &mut Call) -> Next {
        let State::Comment { comment, back } = &mut self.state else { return Next::Reject };
        call.repaired = true;
        match comment.take(c) {
            Commented::Inside(inside) => {
                *comment = inside;
                return Next::Read;
            }
            Commented::Ended => self.state = std::mem::take(back.as_mut()),
            Commented::Not if call.ready => {
                call.leftover.push('/');
                return Next::CompleteBefore;
            }
            Commented::Not => return Next::Reject,
        }
        Next::Read
    }

    fn start(&mut self, c: char, call: &mut Call) -> Next {
        match c {
            '{' => {
                self.depth = 1;
                self.state = State::FirstKey;
                Next::Read
            }
            '[' if !call.listed => {
                call.listed = true;
                Next::Read
            }
            '`' if !call.listed && !call.fenced => {
                self.state = State::Fence;
                Next::Again
            }
            c if c.is_ascii_whitespace() => Next::Read,
            _ => Next::Reject,
        }
    }

    fn fence(&mut self, c: char, call: &mut Call) -> Next {
        if c.is_ascii_whitespace() && FENCES.contains(&self.word.as_str()) {
            call.fenced = true;
            self.word.clear();
            self.state = State::Start;
            return Next::Read;
        }
        self.word.push(c);
        if FENCES.iter().any(|fence| fence.starts_with(&self.word)) { Next::Read } else { Next::Reject }
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
            // The wrong letter for the closer.
            ']' | ')' | '[' | ':' | '<' | '>' | '=' | '|' | '\\' if call.ready => self.close_object(),
            _ if call.ready => Next::CompleteBefore,
            _ => Next::Reject,
        }
    }

    fn close_object(&mut self) -> Next {
        self.depth = self.depth.saturating_sub(1);
        self.state = State::AfterValue;
        if self.depth == 0 { Next::Complete } else { Next::Read }
    }

    /// The call ends here, whatever is open.
    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        self.complete(0, cx, call);
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        let brace = usize::from(matches!(self.arguments, Arguments::Open | Arguments::OpenEmpty));
        let value = match &self.state {
            State::Arguments(repair) | State::Text { repair, .. } => repair.held(),
            _ => self.word.len().max(self.since.len()),
        };
        value + brace
    }
}

/// The syntax of a value that stands so many objects deep.
fn syntax<'a>(next: &'a NextCall<'a>, depth: u32, mode: Mode) -> Syntax<'a, Untyped> {
    Syntax { outer: depth, calls: Some(next), ..json_syntax(&Untyped, mode, next.cx) }
}

/// What may open a block around the object.
const FENCES: [&str; 2] = ["```", "```json"];
