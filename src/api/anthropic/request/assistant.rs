//! Turn of the assistant: what it thought, said and called.

use std::borrow::Cow;

use super::blocks::{Block, Content, Piece, Place, Reading};
use super::ids;
use super::kinds;
use super::mistake::Mistake;
use super::results::ToolResult;
use super::text::said;
use crate::api::anthropic::answer::SERVER_CALL_ID;
use crate::api::openai::rounds::result_message;
use crate::json::{escape_into, write_string};

/// A turn in the making.
#[derive(Debug, Default)]
pub(super) struct AssistantTurn<'a> {
    /// Texts as they stand within quotes: they are one text, which calls cut.
    said: Vec<Cow<'a, str>>,
    thoughts: Vec<&'a str>,
    calls: Vec<Call<'a>>,
    /// Results of calls that ran here.
    results: Vec<ToolResult<'a>>,
    /// What came before another round of the same turn, as messages in JSON.
    before: Vec<String>,
}

#[derive(Debug)]
struct Call<'a> {
    place: Place,
    id: Cow<'a, str>,
    /// As it stands within quotes.
    name: Cow<'a, str>,
    /// As it was written.
    input: &'a str,
    /// Whether it runs here.
    is_own: bool,
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
        if block.kind != "mcp_tool_result" && !self.results.is_empty() && self.unanswered().next().is_none() {
            self.begin_round(reading);
        }
        match block.kind.as_ref() {
            "mcp_tool_use" if Call::of_own(block, reading).is_some() => {
                self.calls.extend(Call::of_own(block, reading));
            }
            "mcp_tool_result" if self.has_called(block) => {
                let result = ToolResult::read(block, reading, &mut vec![])?;
                self.results.push(result.of_own());
            }
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

    /// Whether a block is the result of a call of this round.
    fn has_called(&self, block: &Block<'a>) -> bool {
        let id = block.some_text("tool_use_id").and_then(|id| id.strip_prefix(SERVER_CALL_ID));
        id.is_some_and(|id| self.calls.iter().any(|call| call.id == id))
    }

    /// The calls that ran here and whose results are not there.
    fn unanswered(&self) -> impl Iterator<Item = &Call<'a>> {
        self.calls.iter().filter(|call| call.is_own && self.result_of(call).is_none())
    }

    fn result_of(&self, call: &Call<'a>) -> Option<&ToolResult<'a>> {
        self.results.iter().find(|result| result.is_of(&call.id))
    }

    /// What was said so far is a round of its own: its results stand behind it.
    fn begin_round(&mut self, reading: &Reading<'_>) {
        let mut written = String::new();
        self.write_round(reading.server.takes.reasoning, &mut written);
        let before = std::mem::take(&mut self.before).into_iter().chain([written]).collect();
        *self = Self { before, ..Self::default() };
    }

    /// The text that the answer is to go on with, where this turn is the last. A call that is over cannot be gone on
    /// with, nor answered, as long as its result is not there.
    pub(super) fn prefill(&self) -> Result<Option<String>, Mistake> {
        match self.calls.last() {
            // The model goes on by itself.
            Some(_) if self.calls.iter().all(|call| call.is_own) => Ok(None),
            Some(call) => Err(Mistake::at(call.place, "a last tool_use block needs its tool_result behind it")),
            None => Ok(Some(self.said.iter().map(|text| said(text)).collect())),
        }
    }

    /// Appends the messages; `reasoning` is what the server calls past thoughts.
    pub(super) fn write(&self, reasoning: &str, out: &mut String) {
        for round in &self.before {
            out.extend([round, ","]);
        }
        self.write_round(reasoning, out);
    }

    /// Appends one message, and the results of calls in it that ran here.
    fn write_round(&self, reasoning: &str, out: &mut String) {
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
        for call in self.calls.iter().filter(|call| call.is_own) {
            out.push(',');
            match self.result_of(call) {
                Some(result) => result.write(out),
                None => out.push_str(&result_message(&ids::own(&call.id), NOT_RUN)),
            }
        }
    }
}

/// The result of a call that ran here and was left by its client.
const NOT_RUN: &str = "Error: The call did not run to its end";

impl<'a> Call<'a> {
    /// A call that ran here. `None` for one that others ran.
    fn of_own(block: &Block<'a>, reading: &Reading<'_>) -> Option<Self> {
        let id = block.some_text("id")?.strip_prefix(SERVER_CALL_ID)?;
        let (server, name) = (said(block.some_text("server_name")?), said(block.some_text("name")?));
        let tool = reading.server.own(&server, &name)?;
        let input = block.object.present("input").filter(|input| input.starts_with('{')).unwrap_or("{}");
        let mut called = String::new();
        escape_into(&tool.called, &mut called);
        Some(Self { place: block.place, id: id.into(), name: called.into(), input, is_own: true })
    }

    fn read(block: &Block<'a>) -> Result<Self, Mistake> {
        let input = block.object.present("input").unwrap_or("{}");
        if !input.starts_with('{') {
            return Err(Mistake::at(format_args!("{}.input", block.place), "must be an object"));
        }
        Ok(Self {
            place: block.place,
            id: said(block.text("id")?),
            name: block.text("name")?.into(),
            input,
            is_own: false,
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str("{\"id\":");
        write_string(&ids::own(&self.id), out);
        out.extend([r#","type":"function","function":{"name":""#, &self.name, r#"","arguments":"#]);
        // Its source, so that numbers keep their spelling.
        write_string(self.input, out);
        out.push_str("}}");
    }
}
