//! Tags of a tagged call: its name, a parameter's key, and what the text says of its value.
//! Does not read values.

use crate::decode::call::{Call, Context, Named};
use crate::decode::expect::Expected;
use crate::decode::payload::means_arguments;
use crate::decode::payload::members::Begun;
use crate::dialect::{KeyMark, Tagged};
use crate::json::Kinds;
use crate::schema::{Node, Tool};

use super::value::Value;
use super::{Ahead, Ends, Open, Reader, State, Step};

/// What the text says of a value's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stated {
    #[default]
    Nothing,
    Text,
    Json,
}

/// How far a name was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'w> {
    More,
    /// It is whole; what stands behind it is markup of its own.
    Whole(&'w str, &'w str),
    /// It is none.
    Broken,
}

/// A longer name, type or tag is none.
const WORD_BYTES_MAX: usize = 256;

impl Reader {
    /// What stands before the name.
    pub(super) fn header(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        match self.expect.push(c, self.form.spec.name.0.texts()) {
            Expected::More => Step::Read,
            Expected::Found(_) => {
                self.state = State::Name;
                Step::Read
            }
            Expected::Other if self.form.spec.name.0.may_lack() => {
                self.state = State::Name;
                let read = self.expect.take();
                self.replay(&read, cx, call)
            }
            Expected::Other => Step::Reject,
        }
    }

    pub(super) fn name(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        self.word.push(c);
        let word = std::mem::take(&mut self.word);
        match name(&word, &self.form) {
            Word::More => {
                self.word = word;
                Step::Read
            }
            Word::Broken => Step::Reject,
            Word::Whole(name, behind) => {
                if call.named(&unescaped(name, &self.form), cx) == Named::Nothing {
                    return Step::Reject;
                }
                self.state = if self.form.spec.name.2.is_some() { State::Tag } else { State::Between };
                self.replay(behind, cx, call)
            }
        }
    }

    /// Attributes behind the name, which mean nothing.
    pub(super) fn tag(&mut self, c: char) -> Step {
        self.word.push(c);
        let end = self.form.spec.name.2.as_deref().unwrap_or_default();
        if self.word.ends_with(end) {
            self.word.clear();
            self.state = State::Between;
        }
        if self.word.len() > WORD_BYTES_MAX { Step::Reject } else { Step::Read }
    }

    pub(super) fn key(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        self.word.push(c);
        let key = match self.form.spec.key.1.texts().find_map(|close| self.word.strip_suffix(close)) {
            Some(key) => unescaped(key.trim(), &self.form),
            // A key that never ends is one, and what follows is its value.
            None if self.word.len() > cx.limits.pending_bytes_max => self.word.clone(),
            None => return Step::Read,
        };
        self.word.clear();
        self.key = key;
        self.end_key(cx, call)
    }

    /// A key is whole.
    pub(super) fn end_key(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        self.stated = Stated::Nothing;
        self.await_value(cx, call)
    }

    /// What stands between a key and its value.
    pub(super) fn behind_key(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let marks =
            self.form.behind_key.iter().filter(|(_, mark)| self.stated == Stated::Nothing || *mark == KeyMark::Value);
        let marks: Vec<_> = marks.collect();
        match self.expect.push(c, marks.iter().map(|(text, _)| text.as_str())) {
            Expected::More => Step::Read,
            Expected::Found(found) => match marks.get(found).map(|(_, mark)| *mark) {
                Some(KeyMark::Type) => {
                    self.state = State::Type;
                    Step::Read
                }
                Some(KeyMark::Untyped) if self.form.spec.value.0.texts().next().is_some() => Step::Read,
                Some(KeyMark::Untyped | KeyMark::Value) | None => self.begin_value(cx, call),
            },
            // What opens a value was forgotten.
            Expected::Other => {
                let read = self.expect.take();
                call.repaired = true;
                match self.begin_value(cx, call) {
                    Step::Read => self.replay(&read, cx, call),
                    step => step,
                }
            }
        }
    }

    /// The type that the text states.
    pub(super) fn stated(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        self.word.push(c);
        let Some(spec) = &self.form.spec.stated else { return Step::Reject };
        let is_over = |word: &str| self.form.spec.value.1.texts().any(|close| word.ends_with(close));
        let (stated, rest) = match self.word.strip_suffix(spec.close.as_str()) {
            Some(word) => (word, ""),
            // It lacks its end: what it says is a word, and behind that stands the value.
            None if is_over(&self.word) || self.word.len() > WORD_BYTES_MAX => {
                call.repaired = true;
                let at = self.word.find(|c: char| !c.is_alphanumeric()).unwrap_or(self.word.len());
                let (word, rest) = self.word.split_at_checked(at).unwrap_or_default();
                (word, rest.trim_start_matches(|c| spec.close.contains(c)))
            }
            None => return Step::Read,
        };
        let is_text = spec.text.iter().any(|text| text == stated.trim());
        self.stated = if is_text { Stated::Text } else { Stated::Json };
        let rest = rest.to_owned();
        self.word.clear();
        match self.await_value(cx, call) {
            Step::Read => self.replay(&rest, cx, call),
            step => step,
        }
    }

    /// All is read that stands before what opens the value.
    fn await_value(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        let is_awaited =
            self.form.behind_key.iter().any(|(_, mark)| self.stated == Stated::Nothing || *mark == KeyMark::Value);
        if is_awaited {
            self.state = State::BehindKey;
            return Step::Read;
        }
        self.begin_value(cx, call)
    }

    fn begin_value(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        if self.form.spec.cdata.is_some() {
            self.state = State::Cdata;
        } else {
            let open = self.open(cx, call);
            self.state = State::Value(open);
        }
        Step::Read
    }

    /// What may open a value that is all data.
    pub(super) fn cdata(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let opener = self.form.spec.cdata.iter().map(|[open, _]| open.as_str());
        match self.expect.push(c, opener) {
            Expected::More => Step::Read,
            Expected::Found(_) => {
                let open = self.open(cx, call);
                self.state = State::Data(open, self.form.cdata_close.start());
                Step::Read
            }
            Expected::Other => {
                let open = self.open(cx, call);
                self.state = State::Value(open);
                let read = self.expect.take();
                self.replay(&read, cx, call)
            }
        }
    }

    /// Reads a value that is all data, up to what closes it; behind that it is read like any other.
    pub(super) fn data(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
        let State::Data(open, cursor) = &mut self.state else { return (0, Step::Read) };
        let step = self.form.cdata_close.step(cursor, text);
        open.value.push(step.released, cx, call);
        open.value.push(step.text, cx, call);
        let read = text.len() - step.rest.len();
        if step.found.is_some()
            && let State::Data(open, _) = std::mem::take(&mut self.state)
        {
            self.state = State::Value(open);
        }
        (read, Step::Read)
    }

    /// The current parameter's value, which begins now.
    fn open(&mut self, cx: &Context<'_>, call: &mut Call) -> Box<Open> {
        let key = std::mem::take(&mut self.key);
        let tool = call.tool(cx);
        let root = tool.map_or(Node::ANY, Tool::root);
        let declared = tool.is_some_and(|tool| tool.declares(root, &key));
        if declared {
            self.given.insert(key.clone());
        }
        // Of a tool that names no properties only this word says it.
        let names_properties = tool.is_some_and(|tool| tool.nth(0).is_some());
        let may_be_all = key == "arguments" || (names_properties && means_arguments(&key));
        let value = if self.members.is_empty() && may_be_all && !declared {
            self.key = key;
            Value::whole()
        } else {
            let node = tool.map_or(Node::ANY, |tool| tool.property(root, &key));
            let kinds_at = |node| tool.map_or(Kinds::NONE, |tool| tool.kinds(node));
            let items = tool.map_or(Kinds::NONE, |tool| tool.kinds(tool.item(node)));
            // A parameter that is declared without a type may be anything.
            let kinds = if declared && kinds_at(node).is_empty() { Kinds::EVERY } else { kinds_at(node) };
            let begun = self.members.begin(&key, call);
            call.ready = true;
            match begun {
                Begun::Member if self.stated == Stated::Json => Value::json(kinds),
                Begun::Member => Value::new(kinds).listing(items),
                Begun::Item => Value::item(items, call),
            }
        };
        Box::new(Open { value, ends: Ends::new(self.form.value.markers.start()), ahead: Ahead::default() })
    }
}

/// The name that `word` is the beginning of.
pub(super) fn name<'w>(word: &'w str, form: &Tagged) -> Word<'w> {
    let spec = &form.spec.name;
    for close in spec.1.texts() {
        match word.strip_suffix(close).map(str::trim) {
            // A newline that ends a name may stand before it, too.
            Some("") if close.trim().is_empty() => return Word::More,
            Some(name) => return Word::Whole(name, ""),
            None => {}
        }
    }
    if word.len() > WORD_BYTES_MAX {
        return Word::Broken;
    }
    if !spec.1.may_lack() {
        let is_own = |c: char| spec.1.iter().any(|close| close.contains(c));
        let is_broken = word.trim_start().ends_with(|c| matches!(c, '\n' | '<') && !is_own(c));
        return if is_broken { Word::Broken } else { Word::More };
    }
    let ends = || form.name_ends.iter().map(String::as_str).chain(spec.1.texts());
    let begins_end = |c: char| c.is_whitespace() || ends().any(|end| end.starts_with(c));
    let begun = word.trim_start();
    let Some((name, behind)) = begun.find(begins_end).and_then(|at| begun.split_at_checked(at)) else {
        return Word::More;
    };
    let markup = behind.trim_start();
    if ends().any(|end| end == markup) {
        Word::Whole(name, behind)
    } else if ends().any(|end| end.starts_with(markup)) {
        Word::More
    } else {
        Word::Broken
    }
}

/// A name or key with what its escapes stand for.
pub(super) fn unescaped(text: &str, form: &Tagged) -> String {
    form.spec.escapes.iter().fold(text.to_string(), |text, [escape, meaning]| text.replace(escape, meaning))
}
