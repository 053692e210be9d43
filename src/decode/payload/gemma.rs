//! `call:NAME{key:<|"|>text<|"|>,n:1}`: a header, a name, and an object whose keys need no quotes and whose
//! strings stand between a delimiter of their own.
//! Reads the object through the JSON repair, which knows all of that; this file knows the header.

use crate::dialect::{Dialect, GemmaSpec, Payload};
use crate::json::repair::{Completion, Ended, Progress, Repair, Syntax, Words};
use crate::schema::Node;

use crate::decode::call::{Call, Context, Named, Schema, Verdict, behind};
use crate::decode::expect::{Expect, Expected};

#[derive(Debug)]
pub(in crate::decode) struct Reader {
    state: State,
    expect: Expect,
    name: String,
}

#[derive(Debug)]
enum State {
    /// What stands before the name.
    Header,
    Name,
    /// The arguments.
    Body(Box<Repair<Node>>),
}

impl Default for Reader {
    fn default() -> Self {
        Self { state: State::Header, expect: Expect::default(), name: String::new() }
    }
}

impl Reader {
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let Payload::Gemma(spec) = &cx.dialect.spec().payload else { return Verdict::Reject(0) };
        let mut at = 0;
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let sound = match &mut self.state {
                State::Header => self.header(c, spec),
                State::Name => self.name(c, cx, call),
                State::Body(repair) => {
                    let rest = text.get(at..).unwrap_or_default();
                    return body(repair, rest, at, spec, cx, call);
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

    pub(super) fn is_plain(&self, text: &str, dialect: &Dialect) -> bool {
        match (&self.state, &dialect.spec().payload) {
            (State::Body(repair), Payload::Gemma(spec)) => repair.is_plain(text, Some(&spec.quote), behind(dialect)),
            _ => false,
        }
    }

    fn header(&mut self, c: char, spec: &GemmaSpec) -> Named {
        match self.expect.push(c, spec.header.iter().map(String::as_str)) {
            Expected::More => return Named::Tool,
            Expected::Other => return Named::Nothing,
            Expected::Found(_) => self.state = State::Name,
        }
        Named::Tool
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
            '}' | ')' | '[' | ']' | '"' | '\'' | '<' | '>' => return Named::Nothing,
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

    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        let (State::Body(repair), Payload::Gemma(spec)) = (&mut self.state, &cx.dialect.spec().payload) else {
            return Completion::Cut;
        };
        let types = Schema(call.tool(cx));
        let syntax = syntax(&types, spec, cx, call);
        let completion = repair.finish(ended, &syntax, &mut call.arguments);
        call.ready |= repair.is_decided();
        call.again.push_str(&repair.take_rest());
        call.note(repair);
        completion
    }

    pub(super) fn held(&self) -> usize {
        match &self.state {
            State::Body(repair) => repair.held(),
            State::Header | State::Name => self.expect.held() + self.name.len(),
        }
    }
}

fn body(
    repair: &mut Repair<Node>,
    text: &str,
    before: usize,
    spec: &GemmaSpec,
    cx: &Context<'_>,
    call: &mut Call,
) -> Verdict {
    let types = Schema(call.tool(cx));
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

fn syntax<'a>(types: &'a Schema<'a>, spec: &'a GemmaSpec, cx: &Context<'a>, call: &Call) -> Syntax<'a, Schema<'a>> {
    Syntax {
        types,
        closers: &cx.dialect.spec().call.close,
        quote: Some(&spec.quote),
        end_tokens: &cx.dialect.spec().call.end_tokens,
        first_bytes: &cx.dialect.tables().arguments,
        behind: behind(cx.dialect),
        outer: 0,
        calls: None,
        words: Words::Strings,
        mode: call.mode(cx),
        depth_max: cx.limits.depth_max,
        word_max: cx.limits.value_bytes_max,
    }
}
