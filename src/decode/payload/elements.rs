//! A call in elements, each tag behind a prefix: `P<invoke name="f">P<key>text P</key>P</invoke>`. Objects nest, lists
//! repeat an element for each item, and what a leaf is the tool's schema says, as for tagged values.
//! Markup that has no place inside a leaf is data.

use std::sync::Arc;

use super::tagged::Value;
use crate::decode::call::{Call, Context, Named, Verdict};
use crate::dialect::Elements;
use crate::json::repair::{Completion, Ended};
use crate::json::{Kinds, write_string};
use crate::scan::Cursor;
use crate::schema::{Node, Tool};

/// One call, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    form: Arc<Elements>,
    cursor: Cursor,
    /// A tag that is being read, behind its prefix.
    tag: Option<String>,
    open: Vec<Element>,
    place: Place,
    /// Members that the arguments have.
    members: usize,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// What stands before the name.
    Before,
    /// The elements of the call.
    Inside,
}

/// An element that is open.
#[derive(Debug)]
struct Element {
    name: String,
    node: Node,
    content: Content,
}

/// What an element holds.
#[derive(Debug)]
enum Content {
    /// Nothing yet but whitespace.
    Nothing(String),
    Leaf(Box<Value>),
    /// So many members.
    Object(usize),
    /// So many items.
    List(usize),
}

/// A longer tag is none.
const TAG_BYTES_MAX: usize = 256;

impl Reader {
    /// A reader of a call. One that has a name already begins behind it.
    pub(super) fn new(form: Arc<Elements>, call: &Call) -> Self {
        let place = if call.has_name() == Named::Tool { Place::Inside } else { Place::Before };
        let cursor = form.prefix.start();
        Self { form, cursor, tag: None, open: Vec::new(), place, members: 0 }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, verdict) = if self.tag.is_some() { self.tag(rest, cx, call) } else { self.text(rest, cx, call) };
            call.examined += read;
            at += read;
            match verdict {
                Verdict::More => {}
                Verdict::Complete(_) => return Verdict::Complete(at),
                Verdict::Reject(_) => return Verdict::Reject(at),
            }
        }
        Verdict::More
    }

    /// Reads text up to the next tag.
    fn text(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Verdict) {
        let form = Arc::clone(&self.form);
        let step = form.prefix.step(&mut self.cursor, text);
        let read = text.len() - step.rest.len();
        for piece in [step.released, step.text] {
            if self.data(piece, cx, call) == Named::Nothing {
                return (read, Verdict::Reject(read));
            }
        }
        if step.found.is_some() {
            self.tag = Some(String::new());
        }
        (read, Verdict::More)
    }

    /// Text that is no tag: a leaf's, or whitespace between tags. Anything else before the name is no call.
    fn data(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Named {
        let is_blank = text.trim_ascii().is_empty();
        let kinds = |node| call.tool(cx).map_or(Kinds::NONE, |tool| tool.kinds(node));
        match self.open.last_mut() {
            _ if text.is_empty() => {}
            None if is_blank => {}
            None if self.place == Place::Before => return Named::Nothing,
            None => call.leave(text),
            Some(Element { content: Content::Leaf(value), .. }) => value.push(text, cx, call),
            Some(Element { content: Content::Nothing(blank), .. }) if is_blank && blank.len() < TAG_BYTES_MAX => {
                blank.push_str(text);
            }
            Some(Element { content: content @ Content::Nothing(_), node, .. }) => {
                let mut value = Box::new(Value::new(kinds(*node)));
                if let Content::Nothing(blank) = content {
                    value.push(blank, cx, call);
                }
                value.push(text, cx, call);
                *content = Content::Leaf(value);
            }
            Some(_) if is_blank => {}
            Some(_) => call.malformed = true,
        }
        Named::Tool
    }

    /// Reads a tag to its end.
    fn tag(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Verdict) {
        let Some(tag) = &mut self.tag else { return (0, Verdict::More) };
        let end = text.find('>').map_or(text.len(), |at| at + 1);
        let (piece, _) = text.split_at_checked(end).unwrap_or((text, ""));
        tag.push_str(piece);
        let is_tag = tag.starts_with('<') && tag.len() <= TAG_BYTES_MAX;
        if is_tag && !tag.ends_with('>') {
            return (end, Verdict::More);
        }
        let tag = self.tag.take().unwrap_or_default();
        if !is_tag {
            let all = format!("{}{tag}", self.form.spec.prefix);
            let named = self.data(&all, cx, call);
            return (end, if named == Named::Nothing { Verdict::Reject(end) } else { Verdict::More });
        }
        (end, self.whole_tag(&tag, cx, call))
    }

    fn whole_tag(&mut self, tag: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let form = Arc::clone(&self.form);
        let inside = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix('>')).unwrap_or_default().trim();
        let name = form.spec.name_in(tag);
        if self.place == Place::Before {
            if name.is_none_or(|name| call.named(name, cx) == Named::Nothing) {
                return Verdict::Reject(0);
            }
            self.place = Place::Inside;
            return Verdict::More;
        }
        let marked = || format!("{}{tag}", form.spec.prefix);
        if form.spec.close.texts().any(|close| close == tag) {
            return self.end_call(cx, call);
        }
        let is_next = name.is_some_and(|name| cx.tools.resolve(name).is_some()) && self.open.is_empty();
        if is_next || form.closers.iter().any(|closer| *closer == marked()) {
            call.repaired = true;
            call.again.push_str(&marked());
            return self.end_call(cx, call);
        }
        if let Some(closed) = inside.strip_prefix('/') {
            match self.open.iter().rposition(|element| element.name == closed) {
                Some(at) => {
                    call.repaired |= at + 1 < self.open.len();
                    self.close_down_to(at, cx, call);
                }
                None => {
                    self.data(&marked(), cx, call);
                }
            }
        } else if self.is_leaf(cx, call) || name.is_some() {
            self.data(&marked(), cx, call);
        } else {
            self.begin(inside, cx, call);
        }
        Verdict::More
    }

    /// Whether the innermost element is a leaf, as what it holds tells, or its kind.
    fn is_leaf(&self, cx: &Context<'_>, call: &Call) -> bool {
        self.open.last().is_some_and(|element| match &element.content {
            Content::Leaf(_) => true,
            Content::Nothing(_) => {
                let kinds = call.tool(cx).map_or(Kinds::NONE, |tool| tool.kinds(element.node));
                !kinds.is_empty() && !kinds.intersects(Kinds::OBJECT.union(Kinds::ARRAY))
            }
            Content::Object(_) | Content::List(_) => false,
        })
    }

    /// An element begins: an argument, a member, or an item.
    fn begin(&mut self, name: &str, cx: &Context<'_>, call: &mut Call) {
        let tool = call.tool(cx);
        let root = tool.map_or(Node::ANY, Tool::root);
        let property = |node| tool.map_or(Node::ANY, |tool| tool.property(node, name));
        let kinds = |node| tool.map_or(Kinds::NONE, |tool| tool.kinds(node));
        let node = match self.open.last_mut() {
            None => {
                call.arguments.push(if self.members == 0 { '{' } else { ',' });
                self.members += 1;
                write_string(name, &mut call.arguments);
                call.arguments.push(':');
                property(root)
            }
            Some(Element { content, node, .. }) => {
                if matches!(content, Content::Nothing(_)) {
                    let kinds = kinds(*node);
                    let is_list = kinds.contains(Kinds::ARRAY) || (name == self.form.spec.item && kinds.is_empty());
                    *content = if is_list { Content::List(0) } else { Content::Object(0) };
                }
                match content {
                    Content::List(items) => {
                        call.arguments.push(if *items == 0 { '[' } else { ',' });
                        *items += 1;
                        tool.map_or(Node::ANY, |tool| tool.item(*node))
                    }
                    Content::Object(members) => {
                        call.arguments.push(if *members == 0 { '{' } else { ',' });
                        *members += 1;
                        write_string(name, &mut call.arguments);
                        call.arguments.push(':');
                        property(*node)
                    }
                    Content::Nothing(_) | Content::Leaf(_) => return,
                }
            }
        };
        call.ready = true;
        self.open.push(Element { name: name.into(), node, content: Content::Nothing(String::new()) });
    }

    /// Closes all elements from the one at this place on.
    fn close_down_to(&mut self, at: usize, cx: &Context<'_>, call: &mut Call) {
        while self.open.len() > at
            && let Some(element) = self.open.pop()
        {
            let kinds = call.tool(cx).map_or(Kinds::NONE, |tool| tool.kinds(element.node));
            match element.content {
                Content::Nothing(_) if kinds == Kinds::ARRAY => call.arguments.push_str("[]"),
                Content::Nothing(_) if kinds == Kinds::OBJECT => call.arguments.push_str("{}"),
                Content::Nothing(blank) => {
                    let mut value = Value::new(kinds);
                    value.push(&blank, cx, call);
                    value.end(cx, call);
                }
                Content::Leaf(value) => {
                    value.end(cx, call);
                }
                Content::Object(_) => call.arguments.push('}'),
                Content::List(_) => call.arguments.push(']'),
            }
        }
    }

    fn end_call(&mut self, cx: &Context<'_>, call: &mut Call) -> Verdict {
        call.repaired |= !self.open.is_empty();
        self.close(cx, call);
        Verdict::Complete(0)
    }

    /// The call ends here, whatever is open.
    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        self.close_down_to(0, cx, call);
        call.arguments.push_str(if self.members == 0 { "{}" } else { "}" });
        call.ready = true;
    }

    /// Generation ended: whether the arguments are whole.
    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        let is_open =
            self.open.last().is_some_and(|element| !matches!(element.content, Content::Object(_) | Content::List(_)));
        if is_open || !call.ready || ended == Ended::Cut {
            return Completion::Cut;
        }
        call.repaired = true;
        self.close(cx, call);
        Completion::Complete
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        let value = match self.open.last().map(|element| &element.content) {
            Some(Content::Leaf(value)) => value.held(),
            Some(Content::Nothing(blank)) => blank.len(),
            _ => 0,
        };
        let tag = self.tag.as_ref().map_or(0, |tag| self.form.spec.prefix.len() + tag.len());
        value + tag + self.form.prefix.held(self.cursor).len()
    }
}
