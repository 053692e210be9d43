//! Content of a whole message: its blocks as the elements of a list.

use super::blocks::{Block, Kind, Sink};
use super::cut;
use super::frames::SIGNATURE;
use crate::json::unescape_into;

/// The list as far as it is written.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Elements with commas between them.
    pub(super) elements: String,
    open: Open,
    /// Those of the open call, the inside of a string.
    arguments: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Text,
    Thinking,
    Call,
}

impl Sink for Content {
    fn begin(&mut self, block: Block<'_>) {
        let out = &mut self.elements;
        out.push_str(if out.is_empty() { "" } else { "," });
        self.open = match block {
            Block::Words(Kind::Text) => {
                out.push_str("{\"type\":\"text\",\"text\":\"");
                Open::Text
            }
            Block::Words(Kind::Thinking) => {
                out.push_str("{\"type\":\"thinking\",\"thinking\":\"");
                Open::Thinking
            }
            Block::Call { id, name } => {
                out.extend(["{\"type\":\"tool_use\",\"id\":\"", id, "\",\"name\":\"", name, "\",\"input\":"]);
                Open::Call
            }
        };
    }

    fn piece(&mut self, inside: &str) {
        let text = if self.open == Open::Call { &mut self.arguments } else { &mut self.elements };
        text.push_str(inside);
    }

    fn end(&mut self) {
        match self.open {
            Open::Text => self.elements.push_str("\"}"),
            Open::Thinking => self.elements.extend(["\",\"signature\":\"", SIGNATURE, "\"}"]),
            Open::Call => {
                let mut text = String::with_capacity(self.arguments.len());
                // Of what is no string, what was read of it is the beginning.
                let _ = unescape_into(&self.arguments, &mut text);
                self.elements.extend([&cut::object(&text), "}"]);
                self.arguments.clear();
            }
        }
    }
}
