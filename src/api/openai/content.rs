//! Content of a message: a string, or a list of parts of which some are text.

use crate::json::{Object, elements, inside};

/// The content of a message, as it was written.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// The inside of a string.
    Text(&'a str),
    Parts(Vec<&'a str>),
}

impl<'a> Content<'a> {
    /// Reads it; none and `null` are no parts. `None` when it is of no shape that content has.
    pub fn read(written: Option<&'a str>) -> Option<Self> {
        match written {
            None | Some("null") => Some(Self::Parts(vec![])),
            Some(written) => inside(written).map(Self::Text).or_else(|| elements(written).map(Self::Parts)),
        }
    }
}

/// A part of a message's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The inside of its string.
    Text(&'a str),
    /// An image, or whatever else; as it was written.
    Other(&'a str),
}

impl<'a> Part<'a> {
    /// `None` when it is no object.
    pub fn read(written: &'a str) -> Option<Self> {
        let object = Object::part(written)?;
        let is_text = object.string("type").as_deref() == Some("text");
        let text = object.get("text").and_then(inside).filter(|_| is_text);
        Some(text.map_or(Self::Other(written), Self::Text))
    }
}

/// Appends a part of text, whose string `write` appends.
pub fn write_text_part(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push_str(r#"{"type":"text","text":"#);
    write(out);
    out.push('}');
}
