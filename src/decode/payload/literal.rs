//! `call:NAME{key:<|"|>text<|"|>,n:1}`: a header, a name, and an object whose keys need no quotes and whose
//! strings stand between a delimiter of their own.
//! Reads the object through the JSON repair, which knows all of that; this file knows the header.

use std::sync::Arc;

use crate::dialect::{Dialect, LiteralSpec};
use crate::json::Kinds;
use crate::json::repair::{Begins, Completion, Ended, Progress, Repair, Skimmed, Syntax, Types, Words};
use crate::schema::Node;

use crate::decode::call::{Call, Context, Named, Patience, Schema, Verdict};
use crate::decode::expect::{Expect, Expected};

/// One call, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    spec: Arc<LiteralSpec>,
    state: State,
    expect: Expect,
    name: String,
}

#[derive(Debug)]
enum State {
    /// What stands before the name.
    Header,
    Name,
    /// The call's closer right behind the name.
    Closer(String),
    /// The arguments.
    Body(Box<Repair<Node>>),
}

impl Reader {
    /// A reader of a call. One that has a name already begins behind it.
    pub(super) fn new(spec: Arc<LiteralSpec>, call: &Call) -> Self {
        let state = if call.has_name() == Named::Tool { State::Name } else { State::Header };
        Self { spec, state, expect: Expect::default(), name: call.name.clone() }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let mut at = 0;
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let sound = match &mut self.state {
                State::Header => self.header(c, cx, call),
                State::Name => self.name(c, cx, call),
                State::Closer(read) => match closer(c, read, cx) {
                    Expected::More => Named::Tool,
                    Expected::Other => Named::Nothing,
                    Expected::Found(_) => return self.without_arguments(at + c.len_utf8(), cx, call),
                },
                State::Body(repair) => {
                    let rest = text.get(at..).unwrap_or_default();
                    return body(repair, rest, at, &self.spec, cx, call);
                }
            };
            at += c.len_utf8();
            call.examined += c.len_utf8();
            if sound == Named::Nothing {
                return Verdict::Reject(at);
            }
        }
        Verdict::More
    }

    /// Reads `text` if nothing in it has to be decided.
    pub(super) fn skim(&mut self, text: &str, dialect: &Dialect, out: &mut String) -> Skimmed {
        match &mut self.state {
            State::Body(repair) => repair.skim(text, &dialect.tables().behind, out),
            _ => Skimmed::No,
        }
    }

    /// The header, or the name right away.
    fn header(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Named {
        match self.expect.push(c, self.spec.header.iter().map(String::as_str)) {
            Expected::More => return Named::Tool,
            Expected::Found(_) => self.state = State::Name,
            Expected::Other => {
                self.state = State::Name;
                let read = self.expect.take();
                for c in read.trim_ascii_start().chars() {
                    if self.name(c, cx, call) == Named::Nothing {
                        return Named::Nothing;
                    }
                }
            }
        }
        Named::Tool
    }

    /// The call was closed right behind its name.
    fn without_arguments(&mut self, read: usize, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let sound_only = cx.patience == Patience::SoundOnly;
        if sound_only || call.named(self.name.trim_end(), cx) == Named::Nothing {
            return Verdict::Reject(read);
        }
        call.arguments.push_str("{}");
        (call.ready, call.repaired) = (true, true);
        Verdict::Complete(read)
    }

    /// A name ends at an opener; blanks may stand on both sides of it.
    fn name(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Named {
        let closer = match c {
            '{' => '}',
            '(' => ')',
            c if c.is_ascii_whitespace() => {
                if !self.name.is_empty() {
                    self.name.push(' ');
                }
                return Named::Tool;
            }
            // A closer that begins as a name goes on is looked for in none.
            c if !may_name(c) && !self.name.is_empty() && closer(c, &mut String::new(), cx) == Expected::More => {
                self.state = State::Closer(c.into());
                return Named::Tool;
            }
            c if !may_name(c) => return Named::Nothing,
            // A blank inside a name: it is none.
            _ if self.name.ends_with(' ') => return Named::Nothing,
            c => {
                self.name.push(c);
                return Named::Tool;
            }
        };
        let named = call.named(self.name.trim_end(), cx);
        let root = call.tool(cx).map_or(Node::ANY, crate::schema::Tool::root);
        self.state = State::Body(Box::new(Repair::inside_object(root, closer)));
        named
    }

    /// Generation ended: whether the arguments are whole.
    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        let State::Body(repair) = &mut self.state else { return Completion::Cut };
        let types = Around { schema: Schema(call.tool(cx)), spec: &self.spec, cx: *cx };
        let syntax = syntax(&types, &self.spec, cx, call);
        let completion = repair.finish(ended, &syntax, &mut call.arguments);
        call.ready |= repair.is_decided();
        call.again.push_str(&repair.take_rest());
        call.note(repair);
        completion
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Body(repair) => repair.held(),
            State::Header | State::Name | State::Closer(_) => self.expect.held() + self.name.len(),
        }
    }
}

fn body(
    repair: &mut Repair<Node>,
    text: &str,
    before: usize,
    spec: &LiteralSpec,
    cx: &Context<'_>,
    call: &mut Call,
) -> Verdict {
    let types = Around { schema: Schema(call.tool(cx)), spec, cx: *cx };
    let mut at = 0;
    loop {
        let syntax = syntax(&types, spec, cx, call);
        let rest = text.get(at..).unwrap_or_default();
        let progress = repair.push(rest, &syntax, &mut call.arguments);
        call.ready |= repair.is_decided();
        call.again.push_str(&repair.take_rest());
        call.note(repair);
        match progress {
            Progress::More => return Verdict::More,
            Progress::Decided(read) => at += read,
            Progress::Done(read) | Progress::Closed(read) => return Verdict::Complete(before + at + read),
            Progress::Unreadable(read) => return Verdict::Reject(before + at + read),
        }
    }
}

fn syntax<'a>(types: &'a Around<'a>, spec: &'a LiteralSpec, cx: &Context<'a>, call: &Call) -> Syntax<'a, Around<'a>> {
    Syntax {
        types,
        closers: &cx.dialect.tables().wrapper_closers,
        openers: &cx.dialect.reads().call.open,
        quote: Some(&spec.quote),
        end_tokens: &cx.dialect.reads().call.end_tokens,
        first_bytes: &cx.dialect.tables().arguments,
        behind: &cx.dialect.tables().behind,
        outer: 0,
        calls: None,
        words: Words::Strings,
        mode: call.mode(cx),
        depth_max: cx.limits.depth_max,
        word_max: cx.limits.value_bytes_max,
    }
}

/// What stands around the arguments: their schema, and what another call begins with.
#[derive(Clone, Copy, Debug)]
struct Around<'a> {
    schema: Schema<'a>,
    spec: &'a LiteralSpec,
    cx: Context<'a>,
}

impl Types for Around<'_> {
    type Place = Node;

    fn property(&self, at: Node, key: &str) -> Node {
        self.schema.property(at, key)
    }
    fn item(&self, at: Node) -> Node {
        self.schema.item(at)
    }
    fn kinds(&self, at: Node) -> Kinds {
        self.schema.kinds(at)
    }
    fn declares(&self, at: Node, key: &str) -> bool {
        self.schema.0.is_some_and(|tool| tool.declares(at, key))
    }

    /// An opener, a header and a declared name; the opener may lack where the dialect says so. Looks at all that
    /// stands before the name, and at the name when it is whole.
    fn begins_call(&self, text: &str) -> Begins {
        let call = &self.cx.dialect.reads().call;
        let opened = call.open.iter().find_map(|open| text.strip_prefix(open.as_str()));
        if opened.is_none() && call.open.iter().any(|open| open.starts_with(text)) {
            return Begins::Perhaps;
        }
        let inside = opened.unwrap_or(text).trim_ascii_start();
        let headers = || if opened.is_some() { &self.spec.header } else { &call.bare }.iter();
        let headed = headers().find_map(|header| inside.strip_prefix(header.as_str()));
        let Some(name) = headed.or(opened.map(|_| inside)) else {
            return if headers().any(|header| header.starts_with(inside)) { Begins::Perhaps } else { Begins::No };
        };
        match name.chars().next_back() {
            Some('{' | '(') => {
                let name = name.get(..name.len() - 1).unwrap_or_default().trim_ascii();
                if self.cx.tools.resolve(name).is_some() { Begins::Yes } else { Begins::No }
            }
            Some(c) if !may_name(c) => Begins::No,
            _ if name.len() > NAME_BYTES_MAX => Begins::No,
            _ => Begins::Perhaps,
        }
    }
}

/// Reads a call's closer on, behind what was read of it.
fn closer(c: char, read: &mut String, cx: &Context<'_>) -> Expected {
    read.push(c);
    let closers = &cx.dialect.tables().wrapper_closers;
    match closers.iter().position(|closer| closer == read) {
        Some(found) => Expected::Found(found),
        None if closers.iter().any(|closer| closer.starts_with(read.as_str())) => Expected::More,
        None => Expected::Other,
    }
}

fn may_name(c: char) -> bool {
    !matches!(c, '}' | ')' | '[' | ']' | '"' | '\'' | '<' | '>' | ',')
}

/// A longer name is not waited for.
const NAME_BYTES_MAX: usize = 256;
