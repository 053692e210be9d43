//! The elements of a call that are open, and the JSON that they make.
//! Does not know tags; the reader does.

use super::{TAG_BYTES_MAX, blank};
use crate::decode::call::{Call, Context};
use crate::decode::payload::members::{Begun, Members};
use crate::decode::payload::tagged::{Outcome, Value};
use crate::json::Kinds;
use crate::schema::{Node, Tool};

/// Elements that are open, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Tree {
    open: Vec<Element>,
    /// The arguments.
    members: Members,
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
    /// The same, of a list that has items already.
    More(String),
    Leaf(Box<Value>),
    Object(Members),
    /// So many items.
    List(usize),
}

impl Content {
    /// An element begins in what is of these kinds; it may be called as items are.
    fn nest(&mut self, is_item: bool, kinds: Kinds) {
        *self = match self {
            Self::Object(_) | Self::List(_) => return,
            Self::More(_) => Self::List(1),
            _ if kinds.contains(Kinds::ARRAY) || (is_item && kinds.is_empty()) => Self::List(0),
            Self::Nothing(_) | Self::Leaf(_) => Self::Object(Members::default()),
        };
    }
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
            Content::Nothing(before) | Content::More(before) => {
                let (more, rest) = blank(text, TAG_BYTES_MAX.saturating_sub(before.len()));
                before.push_str(more);
                if !rest.is_empty() {
                    let before = std::mem::take(before);
                    let items = call.tool(cx).map_or(Kinds::NONE, |tool| tool.kinds(tool.item(*node)));
                    let mut value = Box::new(match content {
                        Content::More(_) => Value::item(items, call),
                        _ => Value::new(kinds(*node, cx, call)).listing(items),
                    });
                    value.push(&before, cx, call);
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
            Content::Nothing(_) | Content::More(_) => {
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
        let root = tool.map_or(Node::ANY, Tool::root);
        let parent = self.open.last().map_or(root, |parent| parent.node);
        let property = tool.map_or(Node::ANY, |tool| tool.property(parent, name));
        call.ready = true;
        if let Some(Element { content, .. }) = self.open.last_mut() {
            content.nest(name == item, kinds(parent, cx, call));
        }
        let members = match self.open.last_mut().map(|parent| &mut parent.content) {
            Some(Content::List(items)) => {
                call.arguments.push(if *items == 0 { '[' } else { ',' });
                *items += 1;
                let node = tool.map_or(Node::ANY, |tool| tool.item(parent));
                return self.begin(name, node, Content::Nothing(String::new()));
            }
            Some(Content::Object(members)) => members,
            _ => &mut self.members,
        };
        let content = match members.begin(name, call) {
            Begun::Member => Content::Nothing(String::new()),
            Begun::Item => Content::More(String::new()),
        };
        self.begin(name, property, content);
    }

    fn begin(&mut self, name: &str, node: Node, content: Content) {
        self.open.push(Element { name: name.into(), node, content });
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
                    if value.end(cx, call) == Outcome::Item {
                        self.end_list(call);
                    }
                }
                Content::More(_) | Content::List(_) => self.end_list(call),
                Content::Object(mut members) => members.end(call),
            }
        }
    }

    /// A list ends, unless it goes on as the next member.
    fn end_list(&mut self, call: &mut Call) {
        match self.open.last_mut().map(|parent| &mut parent.content) {
            None => self.members.leave_list_open(),
            Some(Content::Object(members)) => members.leave_list_open(),
            Some(_) => call.arguments.push(']'),
        }
    }

    /// Closes everything, the arguments too.
    pub fn end(&mut self, cx: &Context<'_>, call: &mut Call) {
        self.close_down_to(0, cx, call);
        self.members.end(call);
    }

    /// Bytes that are kept.
    pub fn held(&self) -> usize {
        match self.open.last().map(|element| &element.content) {
            Some(Content::Leaf(value)) => value.held(),
            Some(Content::Nothing(blank) | Content::More(blank)) => blank.len(),
            _ => 0,
        }
    }
}

fn kinds(node: Node, cx: &Context<'_>, call: &Call) -> Kinds {
    call.tool(cx).map_or(Kinds::NONE, |tool| tool.kinds(node))
}
