//! Documents and what a search has found, as text. Reads no file formats.

use super::blocks::{Block, Content, Piece, Reading, Source, push};
use super::images;
use super::mistake::Mistake;
use super::text::escaped;
use crate::json::{Object, elements, inside};

/// Adds what a document says.
pub(super) fn say<'a>(block: &Block<'a>, reading: &mut Reading<'_>, out: &mut Vec<Piece<'a>>) -> Result<(), Mistake> {
    note_citations(block, reading);
    let mut head = lines(block, [("Title: ", "title"), ("Context: ", "context")]);
    let source = block.source()?;
    match source.kind.as_ref() {
        "text" => {
            head.push(source.text("data")?.to_owned());
            push(head.join("\\n").into(), out);
        }
        "content" => {
            push(head.join("\\n").into(), out);
            say_content(block, &source, reading, out)?;
        }
        "base64" | "url" => block.cannot_be("PDF files cannot be read by this server", out)?,
        "file" => block.cannot_be("uploaded files cannot be read by this server", out)?,
        _ => block.cannot_be("sources of this type cannot be read by this server", out)?,
    }
    Ok(())
}

/// What a search has found, as it stands within quotes.
pub(super) fn search_result(block: &Block<'_>, reading: &mut Reading<'_>) -> Result<String, Mistake> {
    note_citations(block, reading);
    let mut found = lines(block, [("Title: ", "title"), ("Source: ", "source")]);
    let path = format!("{}.content", block.place);
    let written = block.object.present("content").ok_or_else(|| Mistake::required(&path))?;
    let list = elements(written).ok_or_else(|| Mistake::at(&path, "must be a list of text blocks"))?;
    for (at, text) in list.into_iter().enumerate() {
        let text = Object::part(text).and_then(|text| text.get("text")).and_then(inside);
        found.push(text.ok_or_else(|| Mistake::at(format_args!("{path}.{at}"), "must be a text block"))?.to_owned());
    }
    Ok(found.join("\\n"))
}

/// The blocks that a document is made of. It holds texts and images; what else stands in one cannot be read.
fn say_content<'a>(
    block: &Block<'a>,
    source: &Source<'a>,
    reading: &mut Reading<'_>,
    out: &mut Vec<Piece<'a>>,
) -> Result<(), Mistake> {
    let path = format!("{}.content", source.path);
    let written = source.object.present("content").ok_or_else(|| Mistake::required(&path))?;
    match Content::read(written, block.place)? {
        Content::Text(text) => push(text.into(), out),
        Content::Blocks(blocks) => {
            for part in blocks {
                match part.kind.as_ref() {
                    "text" => push(part.text("text")?.into(), out),
                    "image" => images::say(&part, reading, out)?,
                    _ => part.cannot_be("documents hold texts and images alone", out)?,
                }
            }
        }
    }
    Ok(())
}

/// Members that are texts, a line each.
fn lines(block: &Block<'_>, members: [(&str, &str); 2]) -> Vec<String> {
    let line = |(name, key): (&str, &str)| {
        let text = block.some_text(key).filter(|text| !text.is_empty())?;
        Some([escaped(name).as_str(), text].concat())
    };
    members.into_iter().filter_map(line).collect()
}

/// Whoever asks for citations gets none.
fn note_citations(block: &Block<'_>, reading: &mut Reading<'_>) {
    let citations = block.object.present("citations").and_then(Object::part);
    if citations.is_some_and(|citations| citations.get("enabled") == Some("true")) {
        reading.ignored.add("citations");
    }
}
