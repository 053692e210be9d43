//! Kinds of blocks, and what each says in text and images. Who may say it, and where that goes, decide the turns.

use super::blocks::{Block, Piece, Reading, push};
use super::mistake::Mistake;
use super::text::{compact, escaped};
use super::{documents, images};

/// Adds what a block says, whoever says it.
pub(super) fn say<'a>(block: &Block<'a>, reading: &mut Reading<'_>, out: &mut Vec<Piece<'a>>) -> Result<(), Mistake> {
    match block.kind.as_ref() {
        "text" => {
            if block.object.present("citations").is_some_and(|written| written != "[]") {
                reading.ignored.add("citations");
            }
            push(block.text("text")?.into(), out);
        }
        "image" => images::say(block, reading, out)?,
        "document" => documents::say(block, reading, out)?,
        "search_result" => push(documents::search_result(block, reading)?.into(), out),
        "tool_reference" => push(format!("Tool {} is available.", block.text("tool_name")?).into(), out),
        // Nobody but Anthropic can read it.
        "redacted_thinking" => {}
        // Calls that Anthropic's servers have made, and their results: no tool of this name is offered here.
        "server_tool_use" | "mcp_tool_use" => {
            let name = block.some_text("name").unwrap_or("a tool");
            let input = compact(block.object.present("input").unwrap_or("{}"), None);
            push(format!("[{name} was called with {}]", escaped(&input)).into(), out);
        }
        kind if kind.ends_with("_tool_result") => {
            let content = compact(block.object.get("content").unwrap_or("null"), Some("encrypted_"));
            push(format!("[its result: {}]", escaped(&content)).into(), out);
        }
        "container_upload" => block.cannot_be("files in containers cannot be read by this server", out)?,
        _ => block.cannot_be("blocks of this type cannot be read by this server", out)?,
    }
    Ok(())
}
