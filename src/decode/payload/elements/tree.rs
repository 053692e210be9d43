//! The elements of a call that are open, and the JSON that they make.
//! Does not know tags; the reader does.

use super::{TAG_BYTES_MAX, blank};
use crate::decode::call::{Call, Context};
use crate::decode::payload::tagged::Value;
use crate::json::{Kinds, write_string};
use crate::schema::{Node, Tool};

/// Elements that are open, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Tree {
    open: Vec<Element>,
    /// Members that the arguments have.
    members: usize,
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

impl Tree {
    /// Text in the innermost element. Where it holds others, whitespace between them is markup.
    pub fn text(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) {
        let Some(Element { content, node, .. }) = self.open.last_mut().filter(|_| !text.is_empty()) else {
            return call.leave(text);
        };
        match content {
            Content::Leaf(value) => value.push(text, cx, call),
            Content::Object(_) | Content::List(_) => call.leave(text),
            Content::Nothing(before) => {
                let (more, rest) = blank(text, TAG_BYTES_MAX.saturating_sub(before.len()));
                before.push_str(more);
                if !rest.is_empty() {
                    let mut value = Box::new(Value::new(kinds(*node, cx, call)));
                    value.push(before, cx, call);
                    value.push(rest, cx, call);
                    *content = Content::Leaf(value);
                }
            }
        }
    }

    /// The place of the innermost element of this name.
    pub fn innermost(&self, name: &str) -> Option<usize> {
        self.open.iter().rposition(|element| element.name == name)
    }

    /// The place of the innermost element.
    pub fn last(&self) -> Option<usize> {
        self.open.len().checked_sub(1)
    }

    /// Whether a string is being read, whose beginning is written.
    pub fn is_string(&self) -> bool {
        matches!(self.open.last(), Some(Element { content: Content::Leaf(value), .. }) if value.is_string())
    }

    /// Whether the innermost element holds text and no others, as its content tells, or its kind, or its depth.
    pub fn is_text(&self, cx: &Context<'_>, call: &Call) -> bool {
        self.open.last().is_some_and(|element| match element.content {
            Content::Leaf(_) => true,
            Content::Nothing(_) => {
                let kinds = kinds(element.node, cx, call);
                let may_nest = kinds.is_empty() || kinds.intersects(Kinds::OBJECT.union(Kinds::ARRAY));
                !may_nest || self.open.len() >= cx.limits.depth_max
            }
            Content::Object(_) | Content::List(_) => false,
        })
    }

    /// Whether it may be a string, in which anything may stand.
    pub fn holds_text(&self, cx: &Context<'_>, call: &Call) -> bool {
        self.open.last().is_some_and(|element| {
            let kinds = kinds(element.node, cx, call);
            kinds.is_empty() || kinds.contains(Kinds::STRING) || self.is_string()
        })
    }

    /// Whether the tool knows an element of this name beside the one at a place.
    pub fn declares_beside(&self, at: usize, name: &str, cx: &Context<'_>, call: &Call) -> bool {
        let Some(tool) = call.tool(cx) else { return false };
        let parent = at.checked_sub(1).and_then(|parent| self.open.get(parent));
        tool.declares(parent.map_or_else(|| tool.root(), |parent| parent.node), name)
    }

    /// An element begins: an argument, a member, or an item.
    pub fn open(&mut self, name: &str, item: &str, cx: &Context<'_>, call: &mut Call) {
        let tool = call.tool(cx);
        let (root, members) = (tool.map_or(Node::ANY, Tool::root), &mut self.members);
        let (node, content) = match self.open.last_mut() {
            Some(Element { node, content, .. }) => (*node, Some(content)),
            None => (root, None),
        };
        if let Some(content @ (Content::Nothing(_) | Content::Leaf(_))) = content {
            let kinds = kinds(node, cx, call);
            let is_list = kinds.contains(Kinds::ARRAY) || (name == item && kinds.is_empty());
            *content = if is_list { Content::List(0) } else { Content::Object(0) };
        }
        let of = |node| tool.map_or(Node::ANY, |tool| tool.property(node, name));
        let node = match self.open.last_mut().map(|element| &mut element.content) {
            Some(Content::List(items)) => {
                call.arguments.push(if *items == 0 { '[' } else { ',' });
                *items += 1;
                tool.map_or(Node::ANY, |tool| tool.item(node))
            }
            Some(Content::Object(members)) => member(members, name, call, of(node)),
            _ => member(members, name, call, of(node)),
        };
        call.ready = true;
        self.open.push(Element { name: name.into(), node, content: Content::Nothing(String::new()) });
    }

    /// Closes all elements from the one at this place on.
    pub fn close_down_to(&mut self, at: usize, cx: &Context<'_>, call: &mut Call) {
        while self.open.len() > at
            && let Some(element) = self.open.pop()
        {
            let kinds = kinds(element.node, cx, call);
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

    /// Closes everything, the arguments too.
    pub fn end(&mut self, cx: &Context<'_>, call: &mut Call) {
        self.close_down_to(0, cx, call);
        call.arguments.push_str(if self.members == 0 { "{}" } else { "}" });
    }

    /// Bytes that are kept.
    pub fn held(&self) -> usize {
        match self.open.last().map(|element| &element.content) {
            Some(Content::Leaf(value)) => value.held(),
            Some(Content::Nothing(blank)) => blank.len(),
            _ => 0,
        }
    }
}

fn kinds(node: Node, cx: &Context<'_>, call: &Call) -> Kinds {
    call.tool(cx).map_or(Kinds::NONE, |tool| tool.kinds(node))
}

/// Writes the key of one member more, whose value is at `node`.
fn member(members: &mut usize, name: &str, call: &mut Call, node: Node) -> Node {
    call.arguments.push(if *members == 0 { '{' } else { ',' });
    *members += 1;
    write_string(name, &mut call.arguments);
    call.arguments.push(':');
    node
}
