//! Arguments of a call in Python code, behind its parenthesis: keywords, positional ones by the schema's order, the
//! constructor of a model, a dict, dicts that are spread. What may be any text is let go as it is read; every other value
//! is read when its source is whole, and made what the schema says.

use super::extent::{Extent, Part};
use super::object::{Argument, Object, field};
use super::pieces::{Pieces, Read};
use crate::decode::call::{Call, Context};
use crate::json::escape_into;
use crate::json::repair::{Completion, Ended};
use crate::python::{self, Variables};

/// The arguments of one call, being read.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// The source of the argument that is being read, without its keyword and without comments.
    source: String,
    /// What becomes of a value that is too long to be kept.
    long: Option<Long>,
    extent: Extent,
    /// A value that is let go as it is read.
    text: Option<Pieces>,
    keyword: Option<String>,
    model: Model,
    /// A value was read to its end: a comma or a closer follows.
    is_behind: bool,
    object: Object,
}

/// The constructor that may stand around all arguments.
#[derive(Debug, Default, PartialEq, Eq)]
enum Model {
    #[default]
    None,
    /// One of this class was opened, and the first keyword in it tells whether it is all of them or a value.
    Begun {
        class: String,
        keyword: Option<String>,
    },
    Open,
    Closed,
}

/// A value that is let go as it is read, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Long {
    /// As a text of its source.
    Written,
    /// The tool knows no such argument, or has it already.
    Dropped,
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Read,
    /// It is to be looked at again.
    Again,
    /// The call is complete with it.
    Complete,
    /// The call ends before it, and lacks its closer.
    Unclosed,
    /// The call ends with the fence around it, whose closer was read.
    Broken,
    /// This is no call of literals.
    Reject,
}

impl Arguments {
    /// How many bytes of `text` are more of a text, which are written.
    pub(super) fn run(&mut self, text: &str, call: &mut Call) -> usize {
        let run = self.text.as_ref().map_or(0, |pieces| pieces.run(text));
        escape_into(text.get(..run).unwrap_or_default(), &mut call.arguments);
        run
    }

    /// Takes one character.
    pub(super) fn push(&mut self, c: char, variables: &mut Variables, cx: &Context<'_>, call: &mut Call) -> Step {
        if let Some(pieces) = &mut self.text {
            return match pieces.push(c, &mut call.arguments) {
                Read::More => Step::Read,
                Read::Ended => {
                    self.text = None;
                    self.is_behind = true;
                    Step::Again
                }
                Read::Other | Read::Unclosed if !call.ready => Step::Reject,
                Read::Other => {
                    // What follows has no place in it.
                    call.malformed = true;
                    call.arguments.push('"');
                    self.text = None;
                    self.is_behind = true;
                    Step::Again
                }
                Read::Unclosed => {
                    call.repaired = true;
                    call.arguments.push_str("\"}");
                    Step::Broken
                }
            };
        }
        self.source_character(c, variables, cx, call)
    }

    fn source_character(&mut self, c: char, variables: &mut Variables, cx: &Context<'_>, call: &mut Call) -> Step {
        if self.extent.is_outside() && !self.is_behind {
            let is_separator = matches!(c, ',' | ')');
            match c {
                '=' if self.keyword.is_none() && python::is_word(self.source.trim()) => return self.keyword(cx, call),
                // It compares.
                '=' if self.keyword.is_some() && self.source.is_empty() => return unsound(call),
                '(' if self.begins_model(cx, call) => {
                    let class = std::mem::take(&mut self.source);
                    self.model = Model::Begun { class, keyword: self.keyword.take() };
                    return Step::Read;
                }
                '\'' | '"' if self.begins_text(c, cx, call) => return Step::Read,
                // By its place: what has none in a value of a class is an argument.
                _ if is_separator && self.is_positional_in_model() => self.model = Model::Open,
                _ => {}
            }
        }
        match self.extent.push(c) {
            Part::Closer if c == '`' => return self.end_with_fence(variables, cx, call),
            Part::Closer if c != ')' => return unsound(call),
            Part::Closer => return self.close(variables, cx, call),
            Part::Outside if c == ',' => return self.end_argument(variables, cx, call),
            Part::Outside | Part::Inside if self.extent.is_comment() => {}
            Part::Outside | Part::Inside if self.is_behind => {
                if !c.is_ascii_whitespace() {
                    return unsound(call);
                }
            }
            Part::Outside | Part::Inside if self.long == Some(Long::Dropped) => {}
            Part::Outside | Part::Inside if self.long == Some(Long::Written) => {
                escape_into(c.encode_utf8(&mut [0; 4]), &mut call.arguments);
            }
            Part::Outside | Part::Inside => {
                self.source.push(c);
                if self.source.len() > cx.limits.value_bytes_max {
                    self.begin_long(cx, call);
                }
            }
        }
        Step::Read
    }

    /// The fence is closed in the arguments. A value that is not whole is a text of its source.
    fn end_with_fence(&mut self, variables: &mut Variables, cx: &Context<'_>, call: &mut Call) -> Step {
        match self.finish(Ended::ByItself, variables, cx, call) {
            Completion::Complete => Step::Unclosed,
            Completion::Cut if !call.ready => unsound(call),
            Completion::Cut => {
                call.repaired = true;
                self.end_argument(variables, cx, call);
                self.object.end(cx, call);
                Step::Unclosed
            }
        }
    }

    /// The name before an equals sign is a keyword. In a constructor that is not known to be all of the arguments, it
    /// tells.
    fn keyword(&mut self, cx: &Context<'_>, call: &Call) -> Step {
        let name = std::mem::take(&mut self.source).trim().to_string();
        if matches!(self.model, Model::Begun { .. }) {
            if field(&name, cx, call).is_none() {
                self.take_model_as_value(&(name + "="));
                return Step::Read;
            }
            self.model = Model::Open;
        }
        self.keyword = Some(name);
        Step::Read
    }

    /// Whether what ends here has no keyword, in a constructor that is not known to be all of the arguments.
    fn is_positional_in_model(&self) -> bool {
        let source = self.source.trim();
        matches!(self.model, Model::Begun { .. }) && !source.is_empty() && !source.starts_with("**")
    }

    /// The constructor that was opened is a value: its source is what was read, and what is read next.
    fn take_model_as_value(&mut self, next: &str) {
        let Model::Begun { class, keyword } = std::mem::replace(&mut self.model, Model::Closed) else { return };
        self.keyword = keyword;
        self.source = class + "(" + &self.source + next;
        self.extent = Extent::default();
        for c in self.source.chars() {
            self.extent.push(c);
        }
    }

    /// Whether a parenthesis here opens a constructor that may stand around all arguments.
    fn begins_model(&self, cx: &Context<'_>, call: &Call) -> bool {
        let is_first = self.model == Model::None && self.object.is_first();
        let is_declared = self.keyword.as_deref().is_some_and(|name| field(name, cx, call).is_some());
        is_first && !is_declared && python::is_class(self.source.trim())
    }

    /// Whether a quote here opens a text that can be let go as it is read.
    fn begins_text(&mut self, quote: char, cx: &Context<'_>, call: &mut Call) -> bool {
        let Some(tool) = call.tool(cx) else { return false };
        let key = self.object.key(self.keyword.as_deref(), cx, call);
        let is_text = |key: &String| tool.is_plain_text(tool.property(tool.root(), key)) && !self.object.has(key);
        let Some(key) = key.filter(is_text) else { return false };
        let mut out = String::new();
        let Some(pieces) = Pieces::open(self.source.trim(), quote, &mut out) else { return false };
        self.text = Some(pieces);
        if matches!(self.model, Model::Begun { .. }) {
            self.model = Model::Open;
        }
        self.object.write_key(&key, call);
        call.arguments.push_str(&out);
        if self.keyword.take().is_none() {
            self.object.take_place();
        }
        self.source.clear();
        true
    }

    /// A value is longer than any that is kept: a text of its source.
    fn begin_long(&mut self, cx: &Context<'_>, call: &mut Call) {
        let (source, keyword) = (std::mem::take(&mut self.source), self.keyword.take());
        let key = self.object.key(keyword.as_deref(), cx, call).filter(|key| !self.object.has(key));
        if keyword.is_none() {
            self.object.take_place();
        }
        call.malformed = true;
        self.long = Some(if key.is_some() { Long::Written } else { Long::Dropped });
        if let Some(key) = key {
            self.object.write_key(&key, call);
            call.arguments.push('"');
            escape_into(source.trim_ascii_start(), &mut call.arguments);
        }
    }

    /// A parenthesis closes the constructor, or the call.
    fn close(&mut self, variables: &mut Variables, cx: &Context<'_>, call: &mut Call) -> Step {
        let step = self.end_argument(variables, cx, call);
        if step != Step::Read {
            return step;
        }
        match self.model {
            Model::Begun { .. } | Model::Open => {
                self.model = Model::Closed;
                self.is_behind = true;
                Step::Read
            }
            Model::None | Model::Closed => self.object.end(cx, call),
        }
    }

    /// An argument is over: its source says what it is.
    fn end_argument(&mut self, variables: &mut Variables, cx: &Context<'_>, call: &mut Call) -> Step {
        let (source, keyword) = (std::mem::take(&mut self.source), self.keyword.take());
        self.extent = Extent::default();
        if std::mem::take(&mut self.is_behind) {
            return Step::Read;
        }
        if let Some(long) = self.long.take() {
            call.arguments.push_str(if long == Long::Written { "\"" } else { "" });
            return Step::Read;
        }
        let source = source.trim();
        if source.is_empty() {
            return if keyword.is_some() { unsound(call) } else { Step::Read };
        }
        let dict = source.strip_prefix("**");
        if dict.is_some() && matches!(self.model, Model::Begun { .. }) {
            self.model = Model::Open;
        }
        let argument = Argument { source: dict.unwrap_or(source), is_spread: dict.is_some(), keyword };
        match self.object.take(&argument, variables, cx, call) {
            Some(()) => Step::Read,
            None if call.ready => {
                self.object.write_source(&argument, cx, call);
                Step::Read
            }
            None => Step::Reject,
        }
    }

    /// The answer ended: whether the arguments are whole, as far as can be mended.
    pub(super) fn finish(
        &mut self,
        ended: Ended,
        variables: &mut Variables,
        cx: &Context<'_>,
        call: &mut Call,
    ) -> Completion {
        let is_between = match &self.text {
            Some(pieces) => pieces.is_whole(),
            None => {
                self.extent.is_outside() && self.long.is_none() && (self.is_behind || !self.source.trim().is_empty())
            }
        };
        if ended == Ended::Cut || !is_between {
            return Completion::Cut;
        }
        if self.text.take().is_some() {
            call.arguments.push('"');
            self.is_behind = true;
        }
        call.repaired = true;
        let is_whole =
            self.end_argument(variables, cx, call) == Step::Read && self.object.end(cx, call) == Step::Complete;
        if is_whole { Completion::Complete } else { Completion::Cut }
    }

    /// Whether there is something of the arguments to show.
    pub(super) fn is_begun(&self) -> bool {
        self.object.members() > 0
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.source.len()
    }
}

/// What has no place here: no call before the commit point, and passed over behind it.
fn unsound(call: &mut Call) -> Step {
    call.malformed = true;
    if call.ready { Step::Read } else { Step::Reject }
}
