//! Turn of the assistant: what it thought, said and called.

use std::borrow::Cow;

use super::blocks::{Block, Content, Piece, Place, Reading};
use super::ids;
use super::kinds;
use super::mistake::Mistake;
use super::text::said;
use crate::json::write_string;

/// A turn in the making.
#[derive(Debug, Default)]
pub(super) struct AssistantTurn<'a> {
    /// Texts as they stand within quotes: they are one text, which calls cut.
    said: Vec<Cow<'a, str>>,
    thoughts: Vec<&'a str>,
    calls: Vec<Call<'a>>,
}

#[derive(Debug)]
struct Call<'a> {
    place: Place,
    id: Cow<'a, str>,
    /// As it stands within quotes.
    name: &'a str,
    /// As it was written.
    input: &'a str,
}

impl<'a> AssistantTurn<'a> {
    /// Adds a message of the assistant's.
    pub(super) fn add(&mut self, content: Content<'a>, reading: &mut Reading<'_>) -> Result<(), Mistake> {
        match content {
            Content::Text(text) => self.said.push(text.into()),
            Content::Blocks(blocks) => {
                for block in &blocks {
                    self.add_block(block, reading)?;
                }
            }
        }
        Ok(())
    }

    fn add_block(&mut self, block: &Block<'a>, reading: &mut Reading<'_>) -> Result<(), Mistake> {
        let mut pieces = vec![];
        match block.kind.as_ref() {
            // Its signature is looked at by nobody: none could be checked.
            "thinking" => self.thoughts.push(block.text("thinking")?),
            "tool_use" => self.calls.push(Call::read(block)?),
            "tool_result" => return Err(Mistake::at(block.place, "tool_result blocks are the user's")),
            "image" => block.cannot_be("the assistant shows none", &mut pieces)?,
            _ => kinds::say(block, reading, &mut pieces)?,
        }
        self.said.extend(pieces.into_iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Image(_) => None,
        }));
        Ok(())
    }

    /// The text that the answer is to go on with, where this turn is the last. A call that is over cannot be gone on
    /// with, nor answered, as long as its result is not there.
    pub(super) fn prefill(&self) -> Result<String, Mistake> {
        match self.calls.last() {
            Some(call) => Err(Mistake::at(call.place, "a last tool_use block needs its tool_result behind it")),
            None => Ok(self.said.iter().map(|text| said(text)).collect()),
        }
    }

    /// Appends the message; `reasoning` is what the server calls past thoughts.
    pub(super) fn write(&self, reasoning: &str, out: &mut String) {
        // An empty text rather than null, which templates fail on, or print.
        out.push_str("{\"role\":\"assistant\",\"content\":\"");
        out.extend(self.said.iter().map(AsRef::as_ref));
        out.push('"');
        if self.thoughts.iter().any(|thought| !thought.is_empty()) {
            out.extend([",\"", reasoning, "\":\""]);
            out.extend(self.thoughts.iter().copied());
            out.push('"');
        }
        for (at, call) in self.calls.iter().enumerate() {
            out.push_str(if at == 0 { ",\"tool_calls\":[" } else { "," });
            call.write(out);
        }
        out.push_str(if self.calls.is_empty() { "}" } else { "]}" });
    }
}

impl<'a> Call<'a> {
    fn read(block: &Block<'a>) -> Result<Self, Mistake> {
        let input = block.object.present("input").unwrap_or("{}");
        if !input.starts_with('{') {
            return Err(Mistake::at(format_args!("{}.input", block.place), "must be an object"));
        }
        Ok(Self { place: block.place, id: said(block.text("id")?), name: block.text("name")?, input })
    }

    fn write(&self, out: &mut String) {
        out.push_str("{\"id\":");
        write_string(&ids::own(&self.id), out);
        out.extend([r#","type":"function","function":{"name":""#, self.name, r#"","arguments":"#]);
        // Its source, so that numbers keep their spelling.
        write_string(self.input, out);
        out.push_str("}}");
    }
}
