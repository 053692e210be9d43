//! Tools and past calls, written as text that the model understands.
//! Knows nothing of messages and roles; `request` puts these texts in their places.
//!
//! The forms are closed and stand in code, one a file; which one a dialect uses, and the words around it, are data.

mod declaration;
mod signature;
mod xml;

use crate::dialect::prompt::{ArgumentsForm, CallSpec, Hole, ToolsForm};
use crate::dialect::{Dialect, Payload};
use crate::json::{Object, Spacing, string, write_spaced};

/// What the client wants of the next answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    Auto,
    Required,
    Named(&'a str),
}

/// How many calls an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Any,
    One,
}

/// A tool above this is written on one line where others are indented: indentation multiplies deep JSON.
const INDENTED_BYTES_MAX: usize = 256 << 10;

/// The text that offers these tools, each given as its JSON.
/// `None` when it would be longer than `bytes_max`.
pub fn tools<'a>(
    dialect: &Dialect,
    tools: impl Iterator<Item = &'a str>,
    choice: Choice<'_>,
    count: Count,
    bytes_max: usize,
) -> Option<String> {
    let prompt = &dialect.spec().prompt;
    let mut listed = String::new();
    for tool in tools {
        let mut one = String::new();
        write_tool(dialect, tool, &mut one);
        prompt.tools.each.write(&mut listed, |_, out| out.push_str(&one));
        (listed.len() <= bytes_max).then_some(())?;
    }
    let mut out = String::with_capacity(listed.len());
    prompt.text.write(&mut out, |_, out| out.push_str(&listed));
    let (sentence, name) = match choice {
        Choice::Auto => (&prompt.choice.auto, ""),
        Choice::Required => (&prompt.choice.required, ""),
        Choice::Named(name) => (&prompt.choice.named, name),
    };
    let single = (count == Count::One).then_some(&prompt.choice.single);
    for sentence in [Some(sentence), single].into_iter().flatten().filter(|s| !s.pieces().is_empty()) {
        out.push_str(&prompt.gap);
        sentence.write(&mut out, |_, out| out.push_str(name));
    }
    (out.len() <= bytes_max).then_some(out)
}

fn write_tool(dialect: &Dialect, tool: &str, out: &mut String) {
    let form = dialect.spec().prompt.tools.form;
    let function = || Object::parse(tool)?.get("function").and_then(Object::parse);
    match (form, function()) {
        (ToolsForm::JsonPretty, _) if tool.len() <= INDENTED_BYTES_MAX => write_spaced(tool, Spacing::Indented, out),
        (ToolsForm::Json | ToolsForm::JsonPretty, _) | (_, None) => write_spaced(tool, Spacing::Line, out),
        (ToolsForm::Xml, Some(function)) => xml::write(&function, out),
        (ToolsForm::Declaration, Some(function)) => declaration::write(&function, quote(dialect), out),
        (ToolsForm::Signature, Some(function)) => signature::write(&function, out),
    }
}

/// Appends a past call. `arguments` is what the client sent, which need not be JSON.
pub fn write_call(dialect: &Dialect, spec: &CallSpec, name: &str, arguments: &str, out: &mut String) {
    let arguments = if arguments.trim_ascii().is_empty() { "{}" } else { arguments };
    spec.text.write(out, |hole, out| match hole {
        Hole::Name => out.push_str(name),
        _ => write_arguments(dialect, &spec.arguments, arguments, out),
    });
}

fn write_arguments(dialect: &Dialect, form: &ArgumentsForm, arguments: &str, out: &mut String) {
    match (form, Object::parse(arguments)) {
        (ArgumentsForm::Json, _) | (_, None) => out.push_str(arguments),
        (ArgumentsForm::Literal, Some(_)) => declaration::write_literal(arguments, quote(dialect), out),
        (ArgumentsForm::Members(text), Some(object)) => {
            for (key, value) in object.members() {
                text.write(out, |hole, out| match hole {
                    Hole::Name => out.push_str(key),
                    _ => out.push_str(&string(value).unwrap_or(value.into())),
                });
            }
        }
    }
}

/// The delimiter of strings in the dialect's literal.
fn quote(dialect: &Dialect) -> &str {
    match &dialect.spec().payload {
        Payload::Gemma(literal) => &literal.quote,
        Payload::Json(_) | Payload::Tagged(_) => "\"",
    }
}

#[cfg(test)]
mod tests;
