//! Turn of the user: the results of calls, and what else is said.

use super::blocks::{Content, Piece, Reading, push, write_content};
use super::kinds;
use super::mistake::Mistake;
use super::results::ToolResult;

/// A turn in the making.
#[derive(Debug, Default)]
pub(super) struct UserTurn<'a> {
    results: Vec<ToolResult<'a>>,
    /// Images of results that are to stand behind them.
    shown: Vec<Piece<'a>>,
    said: Vec<Said<'a>>,
}

#[derive(Debug)]
enum Said<'a> {
    ByUser(Piece<'a>),
    BySystem(Piece<'a>),
}

impl<'a> UserTurn<'a> {
    /// Adds a message of the user's.
    pub(super) fn add(&mut self, content: Content<'a>, reading: &mut Reading<'_>) -> Result<(), Mistake> {
        let mut pieces = vec![];
        match content {
            Content::Text(text) => push(text.into(), &mut pieces),
            Content::Blocks(blocks) => {
                for block in blocks {
                    match block.kind.as_ref() {
                        "tool_result" => self.results.push(ToolResult::read(&block, reading, &mut self.shown)?),
                        "tool_use" => return Err(Mistake::at(block.place, "tool_use blocks are the assistant's")),
                        _ => kinds::say(&block, reading, &mut pieces)?,
                    }
                }
            }
        }
        self.said.extend(pieces.into_iter().map(Said::ByUser));
        Ok(())
    }

    /// Adds what is said in the voice of the system, as it stands within quotes.
    pub(super) fn remind(&mut self, reminder: String) {
        self.said.push(Said::BySystem(Piece::Text(reminder.into())));
    }

    /// Appends the messages: the results, right behind their calls whatever else came first, and then the rest.
    ///
    /// Where the user says nothing beside results, the system's words go into the last of these: a message of its own
    /// would be the newest question to templates that drop all thoughts before that.
    pub(super) fn write(mut self, out: &mut String) {
        let is_silent = !self.said.iter().any(|said| matches!(said, Said::ByUser(_)));
        let said = self.said.into_iter().map(|said| match said {
            Said::ByUser(piece) | Said::BySystem(piece) => piece,
        });
        let mut pieces = self.shown;
        match self.results.last_mut().filter(|_| is_silent) {
            Some(result) => result.pieces.extend(said),
            None => pieces.extend(said),
        }
        for (at, result) in self.results.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            result.write(out);
        }
        if !pieces.is_empty() || self.results.is_empty() {
            out.push_str(if self.results.is_empty() { "" } else { "," });
            out.push_str("{\"role\":\"user\",\"content\":");
            write_content(&pieces, out);
            out.push('}');
        }
    }
}
