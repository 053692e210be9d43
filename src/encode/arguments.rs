//! Arguments of a call, JSON in pieces, to the form in which a dialect writes them.
//! A value goes out as it comes, a key once it is whole. What is no object goes out as it is.

use std::borrow::Cow;

use super::elements::Elements;
use super::indented::Indented;
use super::literal;
use super::members::Members;
use super::python::Python;
use super::style::CallStyle;
use crate::dialect::ArgumentsForm;
use crate::json::{Lexer, Part, unescape_into};

/// Writes the arguments of one call.
#[derive(Debug)]
pub(super) struct Arguments {
    lexer: Lexer,
    writer: Writer,
    /// Whether anything has come but white space.
    has_begun: bool,
}

#[derive(Debug)]
enum Writer {
    AsTheyAre,
    Indented(Indented),
    Members(Members),
    Literal,
    Python(Python),
    Elements(Elements),
}

impl Arguments {
    pub(super) fn new(form: &ArgumentsForm) -> Self {
        let writer = match form {
            ArgumentsForm::Json => Writer::AsTheyAre,
            ArgumentsForm::Indented(spec) => Writer::Indented(Indented::new(*spec)),
            ArgumentsForm::Members(_) => Writer::Members(Members::default()),
            ArgumentsForm::Literal => Writer::Literal,
            ArgumentsForm::Python => Writer::Python(Python::of_function()),
            ArgumentsForm::Fields => Writer::Python(Python::of_class()),
            ArgumentsForm::Elements => Writer::Elements(Elements::default()),
        };
        Self { lexer: Lexer::default(), writer, has_begun: false }
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, style: &CallStyle, piece: &str, out: &mut String) {
        let piece = if self.has_begun { piece } else { piece.trim_ascii_start() };
        if piece.is_empty() {
            return;
        }
        if !self.has_begun && !piece.starts_with('{') {
            self.writer = Writer::AsTheyAre;
        }
        self.has_begun = true;
        let Self { lexer, writer, .. } = self;
        match writer {
            Writer::AsTheyAre => out.push_str(piece),
            writer => lexer.push(piece, &mut |part| writer.take(style, part, out)),
        }
    }

    /// All of them have come. None at all are an empty object.
    pub(super) fn end(&mut self, style: &CallStyle, out: &mut String) {
        if !self.has_begun {
            self.push(style, "{}", out);
        }
        let Self { lexer, writer, .. } = self;
        lexer.finish(&mut |part| writer.take(style, part, out));
    }
}

impl Writer {
    fn take(&mut self, style: &CallStyle, part: Part<'_>, out: &mut String) {
        match self {
            Self::AsTheyAre => write_json(part, out),
            Self::Indented(indented) => indented.take(part, out),
            Self::Members(members) => members.take(style, part, out),
            Self::Literal => literal::write(&style.quote, part, out),
            Self::Python(python) => python.take(part, out),
            Self::Elements(elements) => elements.take(style, part, out),
        }
    }
}

/// A part as it came.
pub(super) fn write_json(part: Part<'_>, out: &mut String) {
    match part {
        Part::Open(bracket) | Part::Close(bracket) => out.push(bracket),
        Part::Colon => out.push(':'),
        Part::Comma => out.push(','),
        Part::Key(key) => out.extend(["\"", key, "\""]),
        Part::Quote | Part::Unquote => out.push('"'),
        Part::Space(text) | Part::Scalar(text) | Part::Inside(text) => out.push_str(text),
    }
}

/// What stands between the quotes of a JSON string, as the text that it stands for.
pub(super) fn unescaped(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    match unescape_into(inside, &mut text) {
        Some(()) => Cow::Owned(text),
        None => Cow::Borrowed(inside),
    }
}
