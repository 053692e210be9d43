//! Blocks of a message's content, and the pieces of text and images that are said by them. Knows no kind of block.

use std::borrow::Cow;
use std::fmt;

use super::ignored::Ignored;
use super::mistake::Mistake;
use super::server::Server;
use super::text::{escaped, said};
use crate::api::openai::write_text_part;
use crate::json::{Object, elements, inside};

/// What blocks are read with.
#[derive(Debug)]
pub(super) struct Reading<'s> {
    pub(super) server: &'s Server,
    pub(super) ignored: Ignored,
}

/// Where a block stands, as the path that errors begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) message: usize,
    /// In the message's content, unless that is a string.
    pub(super) block: Option<usize>,
    /// In the content of that block.
    pub(super) inner: Option<usize>,
    pub(super) unreadable: Unreadable,
}

/// What becomes of what cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The request is refused: who said it can say it in another way.
    Refused,
    /// The same words stand in its place. It is of an earlier message, and a refusal would end the conversation for good;
    /// or a call has brought it, and a refusal would end the work of an agent whose model can try another call.
    Told,
}

/// A block.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) place: Place,
    pub(super) kind: Cow<'a, str>,
    pub(super) object: Object<'a>,
}

/// Something that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A text as it stands within quotes; it is not empty.
    Text(Cow<'a, str>),
    /// An image's address, as it stands within quotes.
    Image(String),
}

/// What a message's content is.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// A string, as it stands within quotes.
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

impl<'a> Content<'a> {
    /// Reads the content that stands at a place: in a message, or in a block of one.
    pub(super) fn read(written: &'a str, place: Place) -> Result<Self, Mistake> {
        if let Some(text) = inside(written) {
            return Ok(Self::Text(text));
        }
        let path = format_args!("{place}.content");
        let list = elements(written).ok_or_else(|| Mistake::at(path, "must be a string or a list of blocks"))?;
        let blocks = list.into_iter().enumerate().map(|(at, block)| Block::read(block, place.within(at)));
        Ok(Self::Blocks(blocks.collect::<Result<_, _>>()?))
    }
}

impl Place {
    pub(super) fn of_message(message: usize) -> Self {
        Self { message, block: None, inner: None, unreadable: Unreadable::Refused }
    }

    fn within(self, at: usize) -> Self {
        match self.block {
            None => Self { block: Some(at), ..self },
            Some(_) => Self { inner: Some(at), ..self },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages.{}", self.message)?;
        for at in [self.block, self.inner].into_iter().flatten() {
            write!(f, ".content.{at}")?;
        }
        Ok(())
    }
}

impl<'a> Block<'a> {
    pub(super) fn read(written: &'a str, place: Place) -> Result<Self, Mistake> {
        let object = Object::part(written).ok_or_else(|| Mistake::at(place, "must be an object"))?;
        let kind = object.present("type").ok_or_else(|| Mistake::required(format_args!("{place}.type")))?;
        let kind = inside(kind).ok_or_else(|| Mistake::at(format_args!("{place}.type"), "must be a string"))?;
        Ok(Self { place, kind: said(kind), object })
    }

    /// A member that is a string, as it stands within quotes.
    pub(super) fn text(&self, key: &str) -> Result<&'a str, Mistake> {
        let path = format_args!("{}.{key}", self.place);
        let written = self.object.present(key).ok_or_else(|| Mistake::required(path))?;
        inside(written).ok_or_else(|| Mistake::at(format_args!("{}.{key}", self.place), "must be a string"))
    }

    /// The same, where it may be missing.
    pub(super) fn some_text(&self, key: &str) -> Option<&'a str> {
        self.object.present(key).and_then(inside)
    }

    /// What cannot be read, and why: a mistake, or the same words in its place.
    pub(super) fn cannot_be(&self, why: &str, out: &mut Vec<Piece<'a>>) -> Result<(), Mistake> {
        let kind: String = self.kind.chars().take(KIND_CHARS_MAX).collect();
        let why = format!("{kind}: {why}");
        match self.place.unreadable {
            Unreadable::Refused => return Err(Mistake::at(self.place, why)),
            Unreadable::Told => push(format!("[{}]", escaped(&why)).into(), out),
        }
        Ok(())
    }

    /// Where an image or a document comes from.
    pub(super) fn source(&self) -> Result<Source<'a>, Mistake> {
        let path = format!("{}.source", self.place);
        let written = self.object.present("source").ok_or_else(|| Mistake::required(&path))?;
        let object = Object::part(written).ok_or_else(|| Mistake::at(&path, "must be an object"))?;
        let mut source = Source { path, kind: Cow::Borrowed(""), object };
        source.kind = said(source.text("type")?);
        Ok(source)
    }
}

/// Where an image or a document comes from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) path: String,
    pub(super) kind: Cow<'a, str>,
    pub(super) object: Object<'a>,
}

impl<'a> Source<'a> {
    /// A member that is a string, as it stands within quotes.
    pub(super) fn text(&self, key: &str) -> Result<&'a str, Mistake> {
        let path = || format!("{}.{key}", self.path);
        let written = self.object.present(key).ok_or_else(|| Mistake::required(path()))?;
        inside(written).ok_or_else(|| Mistake::at(path(), "must be a string"))
    }
}

/// Adds a text, if there is any.
pub(super) fn push<'a>(text: Cow<'a, str>, out: &mut Vec<Piece<'a>>) {
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
}

/// Appends pieces as a message's content: a string of lines, or with an image a list.
pub(super) fn write_content(pieces: &[Piece<'_>], out: &mut String) {
    if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
        out.push('"');
        for (at, piece) in pieces.iter().enumerate() {
            let Piece::Text(text) = piece else { continue };
            out.extend([if at == 0 { "" } else { "\\n" }, text]);
        }
        out.push('"');
        return;
    }
    for (at, piece) in pieces.iter().enumerate() {
        out.push(if at == 0 { '[' } else { ',' });
        match piece {
            Piece::Text(text) => write_text_part(out, |out| out.extend(["\"", text, "\""])),
            Piece::Image(url) => out.extend([r#"{"type":"image_url","image_url":{"url":""#, url, "\"}}"]),
        }
    }
    out.push(']');
}

/// A longer name of a type says no more to anybody.
const KIND_CHARS_MAX: usize = 64;
