//! Results of calls, as messages of tools.

use std::borrow::Cow;

use super::blocks::{Block, Content, Piece, Place, Reading, Unreadable, push, write_content};
use super::ids;
use super::kinds;
use super::mistake::Mistake;
use super::text::said;
use crate::api::anthropic::answer::SERVER_CALL_ID;
use crate::engine::ResultImages;
use crate::json::write_string;

/// A result.
#[derive(Debug)]
pub(super) struct ToolResult<'a> {
    /// Of its call.
    id: Cow<'a, str>,
    pub(super) pieces: Vec<Piece<'a>>,
}

impl<'a> ToolResult<'a> {
    /// Reads a result. Images for which there is no place in it are added to `shown`.
    pub(super) fn read(
        block: &Block<'a>,
        reading: &mut Reading<'_>,
        shown: &mut Vec<Piece<'a>>,
    ) -> Result<Self, Mistake> {
        let id = said(block.text("tool_use_id")?);
        let mut pieces = vec![];
        let place = Place { unreadable: Unreadable::Told, ..block.place };
        match block.object.present("content").map(|written| Content::read(written, place)).transpose()? {
            None => {}
            Some(Content::Text(text)) => push(text.into(), &mut pieces),
            Some(Content::Blocks(blocks)) => {
                for part in blocks {
                    kinds::say(&part, reading, &mut pieces)?;
                }
            }
        }
        if reading.server.takes.result_images == ResultImages::Behind {
            move_images(&mut pieces, shown);
        }
        if block.object.get("is_error") == Some("true") {
            say_failed(&mut pieces);
        }
        Ok(Self { id, pieces })
    }

    /// The same of a call that ran here, by the id that its model knows.
    pub(super) fn of_own(self) -> Self {
        let id = self.id.strip_prefix(SERVER_CALL_ID).map(str::to_owned);
        Self { id: id.map_or(self.id, Cow::Owned), ..self }
    }

    /// Whether it is of the call of this id.
    pub(super) fn is_of(&self, id: &str) -> bool {
        self.id == id
    }

    /// Appends the message.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str("{\"role\":\"tool\",\"tool_call_id\":");
        write_string(&ids::own(&self.id), out);
        out.push_str(",\"content\":");
        write_content(&self.pieces, out);
        out.push('}');
    }
}

/// Takes the images out, and says where they are.
fn move_images<'a>(pieces: &mut [Piece<'a>], shown: &mut Vec<Piece<'a>>) {
    for piece in pieces {
        if let Piece::Image(_) = piece {
            let here = Piece::Text("[image: it follows the results]".into());
            shown.push(std::mem::replace(piece, here));
        }
    }
}

/// Has the text say that the call failed, unless it does.
fn say_failed(pieces: &mut Vec<Piece<'_>>) {
    let text = pieces.iter_mut().find_map(|piece| match piece {
        Piece::Text(text) => Some(text),
        Piece::Image(_) => None,
    });
    match text {
        Some(text) if says_failed(text) => {}
        Some(text) => *text = ["Error: ", text].concat().into(),
        None => pieces.insert(0, Piece::Text("Error: ".into())),
    }
}

fn says_failed(inside: &str) -> bool {
    let text = said(inside);
    let begins = text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("error"));
    begins || text.starts_with("<tool_use_error>")
}
