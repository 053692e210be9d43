//! The content of a message that is put together of old and new pieces.
//! Old pieces are carried as they were written, so that nothing in them is decoded and encoded again.

use crate::api::openai::{self, write_text_part};
use crate::json::{escape_into, string};

/// Content in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Content<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Clone, Debug)]
enum Part<'a> {
    /// New text.
    Text(String),
    /// The inside of a JSON string.
    Written(&'a str),
    /// A whole content part.
    Whole(&'a str),
}

impl<'a> Content<'a> {
    /// Content that something is added to: its parts stay whole. `None` when it is of no shape that content has.
    pub(super) fn kept(written: Option<&'a str>) -> Option<Self> {
        let parts = match openai::Content::read(written)? {
            openai::Content::Text(text) => vec![Part::Written(text)],
            openai::Content::Parts(parts) => parts.into_iter().map(Part::Whole).collect(),
        };
        Some(Self { parts })
    }

    /// Content that goes into a text: its text parts, a line each, and behind them what is not text.
    pub(super) fn as_text(written: Option<&'a str>) -> Option<(Self, Self)> {
        let (mut text, mut others) = (Self::default(), Self::default());
        match openai::Content::read(written)? {
            openai::Content::Text(written) => text.parts.push(Part::Written(written)),
            openai::Content::Parts(parts) => {
                for part in parts {
                    match openai::Part::read(part)? {
                        openai::Part::Text(written) => {
                            text.push(if text.parts.is_empty() { "" } else { "\n" });
                            text.parts.push(Part::Written(written));
                        }
                        openai::Part::Other(part) => others.parts.push(Part::Whole(part)),
                    }
                }
            }
        }
        Some((text, others))
    }

    /// Whether it is nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Written("")))
    }

    /// Whether it ends in white space, or is empty.
    pub(super) fn ends_in_space(&self) -> bool {
        match self.parts.last() {
            None => true,
            Some(Part::Text(text)) => text.ends_with(char::is_whitespace),
            Some(Part::Written("")) => true,
            // Whether `\\n` at the end is a new line or a letter, only decoding tells.
            Some(Part::Written(text)) => {
                string(&format!("\"{text}\"")).is_some_and(|text| text.ends_with(char::is_whitespace))
            }
            Some(Part::Whole(_)) => false,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.into())),
        }
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.parts.append(&mut other.parts);
    }

    /// Its texts as one JSON string, for a text that has JSON in it.
    pub(super) fn as_json(&self) -> String {
        let mut out = String::new();
        write_string(&self.parts, &mut out);
        out
    }

    /// As JSON: a string, or a list of parts when it holds one that is not text.
    pub(super) fn written(&self) -> String {
        let mut out = String::new();
        if !self.parts.iter().any(|part| matches!(part, Part::Whole(_))) {
            write_string(&self.parts, &mut out);
            return out;
        }
        let is_whole = |part: &Part<'_>| matches!(part, Part::Whole(_));
        for (at, run) in self.parts.chunk_by(|a, b| !is_whole(a) && !is_whole(b)).enumerate() {
            out.push(if at == 0 { '[' } else { ',' });
            match run {
                [Part::Whole(part)] => out.push_str(part),
                texts => write_text_part(&mut out, |out| write_string(texts, out)),
            }
        }
        out.push(']');
        out
    }
}

impl From<String> for Content<'_> {
    fn from(text: String) -> Self {
        Self { parts: vec![Part::Text(text)] }
    }
}

fn write_string(parts: &[Part<'_>], out: &mut String) {
    out.push('"');
    for part in parts {
        match part {
            Part::Text(text) => escape_into(text, out),
            Part::Written(written) | Part::Whole(written) => out.push_str(written),
        }
    }
    out.push('"');
}
