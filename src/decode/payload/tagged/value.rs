//! A tagged value: raw text, and what the schema makes of it.
//! A string streams as it comes; a value whose type decides its spelling waits, bounded, for its end.

use std::ops::Range;

use crate::json::repair::{Behind, Completion, Ended, Mode, Progress, Repair, Syntax, Untyped, number};
use crate::json::{Kinds, escape_into, write_string};
use crate::scan::FirstBytes;

use super::tags::Stated;
use crate::decode::call::{Call, Context, json_syntax};

/// One value, being read.
#[derive(Debug)]
pub(in crate::decode::payload) struct Value {
    kinds: Kinds,
    /// What its items are, if it can only be a list and may be given them one by one.
    items: Option<Kinds>,
    form: Form,
    outcome: Outcome,
    /// What the text says of it.
    stated: Stated,
    /// What was read and not written.
    text: String,
    /// Where in `text` its first character that is not whitespace stands, and where the whitespace at its end does.
    trimmed: Range<usize>,
    /// Whether `text` has only characters that numbers have.
    is_numeric: bool,
}

#[derive(Debug)]
enum Form {
    /// Its first characters decide.
    Open,
    /// It is a string, and its opening quote is written.
    String,
    /// It is an object or a list, or a string in quotes, which nothing else can be here.
    Nested(Box<Repair<()>>),
    /// It may be all of the arguments.
    Whole,
}

/// What a value is that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decode::payload) enum Outcome {
    #[default]
    Value,
    /// An item of a list, which may go on.
    Item,
    /// It may be all of the arguments.
    Whole(String),
}

impl Value {
    /// A value of these kinds.
    pub fn new(kinds: Kinds) -> Self {
        Self::of(kinds, Form::Open)
    }

    /// A value of these kinds that the text says to be JSON.
    pub fn json(kinds: Kinds) -> Self {
        let kinds = if kinds.is_empty() { NOT_TEXT } else { kinds };
        Self { stated: Stated::Json, ..Self::of(kinds, Form::Open) }
    }

    /// The same. If it can only be a list, these are the kinds of its items, and what is no list is one of them.
    #[must_use]
    pub fn listing(self, items: Kinds) -> Self {
        let is_list = self.kinds.contains(Kinds::ARRAY) && Kinds::ARRAY.union(Kinds::NULL).contains(self.kinds);
        Self { items: is_list.then_some(items), ..self }
    }

    /// One more item of a list, of these kinds.
    pub fn item(kinds: Kinds, call: &mut Call) -> Self {
        call.arguments.push(',');
        Self { outcome: Outcome::Item, ..Self::new(kinds) }
    }

    /// The value of a parameter that may hold all arguments.
    pub fn whole() -> Self {
        Self::of(Kinds::NONE, Form::Whole)
    }

    fn of(kinds: Kinds, form: Form) -> Self {
        let (items, outcome) = (None, Outcome::Value);
        Self {
            kinds,
            items,
            form,
            outcome,
            stated: Stated::Nothing,
            text: String::new(),
            trimmed: 0..0,
            is_numeric: true,
        }
    }

    /// More of its text.
    pub fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) {
        if text.is_empty() {
            return;
        }
        call.examined += text.len();
        match &mut self.form {
            Form::String => escape_into(text, &mut call.arguments),
            Form::Nested(repair) => nested(repair, text, cx, call),
            Form::Open => {
                for c in text.split_inclusive(|_| true) {
                    self.open(c, cx, call);
                }
            }
            Form::Whole => self.text.push_str(text),
        }
    }

    /// One character of a value that is undecided.
    fn open(&mut self, c: &str, cx: &Context<'_>, call: &mut Call) {
        if !matches!(self.form, Form::Open) {
            return self.push(c, cx, call);
        }
        self.keep(c);
        let nested_only = match self.trimmed() {
            "{" => self.kinds.contains(Kinds::OBJECT) && !self.kinds.contains(Kinds::STRING),
            "[" => self.kinds.contains(Kinds::ARRAY) && !self.kinds.contains(Kinds::STRING),
            "\"" => self.stated == Stated::Json,
            _ => false,
        };
        if nested_only {
            let mut repair = Box::new(Repair::new(()));
            nested(&mut repair, self.trimmed(), cx, call);
            self.text.clear();
            self.form = Form::Nested(repair);
        } else if !self.may_be_other_than_string() || self.text.len() > cx.limits.value_bytes_max {
            match self.items {
                Some(kinds) => self.begin_list(kinds, cx, call),
                None => self.begin_string(call),
            }
        }
    }

    fn begin_string(&mut self, call: &mut Call) {
        self.form = Form::String;
        call.arguments.push('"');
        call.examined += self.text.len();
        escape_into(&std::mem::take(&mut self.text), &mut call.arguments);
    }

    /// What was read is the first item of a list.
    fn begin_list(&mut self, kinds: Kinds, cx: &Context<'_>, call: &mut Call) {
        let text = std::mem::take(&mut self.text);
        call.arguments.push('[');
        call.repaired = true;
        *self = Self { outcome: Outcome::Item, ..Self::new(kinds) };
        self.push(&text, cx, call);
    }

    /// Keeps one more character. What is known of the text grows with it, since looking at all of it each time would
    /// be quadratic.
    fn keep(&mut self, c: &str) {
        let end = self.text.len();
        self.text.push_str(c);
        if c.chars().all(char::is_whitespace) {
            return;
        }
        let begins = self.trimmed.is_empty();
        let follows = begins || self.trimmed.end == end;
        self.is_numeric &= follows && c.bytes().all(|b| b.is_ascii_digit() || b"+-._eE".contains(&b));
        let start = if begins { end } else { self.trimmed.start };
        self.trimmed = start..self.text.len();
    }

    fn trimmed(&self) -> &str {
        self.text.get(self.trimmed.clone()).unwrap_or_default()
    }

    /// Whether the text so far can still be a value of another allowed type.
    fn may_be_other_than_string(&self) -> bool {
        let text = self.trimmed();
        let begins = |words: &[&str]| words.iter().any(|w| w.starts_with(text));
        let kinds = self.kinds;
        let with_string = kinds.contains(Kinds::STRING);
        if kinds.is_empty() {
            return false;
        }
        if text.is_empty() {
            return kinds != Kinds::STRING;
        }
        (kinds.contains(Kinds::NULL) && begins(&["null", "None"]))
            || (kinds.contains(Kinds::OBJECT) && text.starts_with('{'))
            || (kinds.contains(Kinds::ARRAY) && text.starts_with('['))
            || (!with_string
                && ((kinds.contains(Kinds::BOOLEAN) && begins(&["true", "false", "True", "False"]))
                    || (kinds.intersects(Kinds::NUMBER) && self.is_numeric)))
    }

    /// The value is over.
    pub fn end(mut self, cx: &Context<'_>, call: &mut Call) -> Outcome {
        if let Some(kinds) = self.items.filter(|_| matches!(self.form, Form::Open) && !is_null(self.trimmed())) {
            self.begin_list(kinds, cx, call);
        }
        match &mut self.form {
            Form::Whole => return Outcome::Whole(self.text),
            Form::String => call.arguments.push('"'),
            Form::Nested(repair) => {
                repair.close(&plain(cx), &mut call.arguments);
                call.note(repair);
            }
            Form::Open => self.typed(call),
        }
        self.outcome
    }

    /// Writes a short value by its type; what fits none is a string.
    fn typed(&self, call: &mut Call) {
        let (text, kinds) = (self.trimmed(), self.kinds);
        call.examined += self.text.len();
        let literal = match text {
            text if is_null(text) && kinds.contains(Kinds::NULL) => Some("null".to_string()),
            "true" | "True" if kinds.contains(Kinds::BOOLEAN) => Some("true".to_string()),
            "false" | "False" if kinds.contains(Kinds::BOOLEAN) => Some("false".to_string()),
            _ if kinds.contains(Kinds::STRING) => container(text),
            _ => number(text).filter(|n| {
                let integer = !n.contains(['.', 'e', 'E']);
                kinds.contains(Kinds::NUMBER) || (integer && kinds.contains(Kinds::INTEGER))
            }),
        };
        match literal {
            Some(json) => {
                call.repaired |= json != text;
                call.arguments.push_str(&json);
            }
            None => write_string(&self.text, &mut call.arguments),
        }
    }

    /// Whether it is a string whose beginning is written.
    pub fn is_string(&self) -> bool {
        matches!(self.form, Form::String)
    }

    /// Whether a string inside its JSON is being read.
    pub fn is_in_string(&self) -> bool {
        matches!(&self.form, Form::Nested(repair) if repair.is_in_inner_string())
    }

    /// Whether it may be all of the arguments.
    pub fn is_whole(&self) -> bool {
        matches!(self.form, Form::Whole)
    }

    /// Hands back what was kept; what follows is a string that somebody else opened.
    pub fn become_string(&mut self) -> String {
        self.form = Form::String;
        std::mem::take(&mut self.text)
    }

    /// Bytes that are kept.
    pub fn held(&self) -> usize {
        self.text.len()
    }
}

/// What a value can be that is JSON and no string.
const NOT_TEXT: Kinds = Kinds::EVERY.without(Kinds::STRING);

/// Reads an object or a list; what follows it inside its tags has no place in it.
fn nested(repair: &mut Repair<()>, text: &str, cx: &Context<'_>, call: &mut Call) {
    if let Progress::Done(read) = repair.push(text, &plain(cx), &mut call.arguments) {
        call.leave(&repair.take_rest());
        call.leave(text.get(read..).unwrap_or_default());
    }
    call.note(repair);
}

/// JSON with nothing around it.
fn plain<'a>(cx: &Context<'a>) -> Syntax<'a, Untyped> {
    Syntax {
        closers: &[],
        first_bytes: &FirstBytes::NONE,
        behind: Behind::nothing(),
        ..json_syntax(&Untyped, Mode::Total, cx)
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "null" | "None")
}

/// `text` where it is JSON's object or list to the letter.
fn container(text: &str) -> Option<String> {
    serde_json::from_str::<&serde_json::value::RawValue>(text).ok().map(|raw| raw.get().to_string())
}

/// `text` as an object, mended where that loses nothing.
pub(super) fn object(text: &str, cx: &Context<'_>) -> Option<String> {
    let text = text.trim();
    let syntax = Syntax { mode: Mode::Strict, ..plain(cx) };
    let (mut repair, mut out, mut at) = (Repair::new(()), String::new(), 0);
    if !text.starts_with('{') {
        return None;
    }
    loop {
        match repair.push(text.get(at..).unwrap_or_default(), &syntax, &mut out) {
            Progress::Decided(read) => at += read,
            Progress::Done(read) => return (at + read == text.len()).then_some(out),
            Progress::More => {
                let whole = repair.finish(Ended::Cut, &syntax, &mut out) == Completion::Complete;
                return (whole && repair.take_rest().is_empty()).then_some(out);
            }
            Progress::Closed(_) | Progress::Unreadable(_) => return None,
        }
    }
}
