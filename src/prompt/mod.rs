//! Tools, written as text that the model understands.
//! Knows nothing of messages and roles; `plan` puts these texts in their places.
//!
//! The forms are closed and stand in code, one a file; which one a dialect uses, and the words around it, are data.

mod declaration;
mod models;
mod python;
mod signature;
mod typescript;
mod xml;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::chat::{Calls, Choice};
use crate::dialect::prompt::{Hole, ToolsForm, ToolsSpec};
use crate::dialect::{Dialect, Payload};
use crate::json::{Object, Spacing, write_spaced};
use models::Stubs;

/// What the client wants of the next answer.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    pub choice: &'a Choice,
    /// The only tools that may be called; all may when it is empty.
    pub among: &'a [Cow<'a, str>],
    pub calls: Calls,
}

/// A tool above this is written on one line where others are indented: indentation multiplies deep JSON.
const INDENTED_BYTES_MAX: usize = 256 << 10;

/// The text that offers these tools, each given as its JSON. It is the same whatever is wanted of the next answer.
/// `None` when it would be longer than `bytes_max`.
pub fn tools<'a>(dialect: &Dialect, tools: impl Iterator<Item = &'a str>, bytes_max: usize) -> Option<String> {
    let Listed { tools, examples } = listed(dialect, tools, bytes_max)?;
    let mut out = String::with_capacity(tools.len());
    dialect.spec().prompt.text.write(&mut out, |hole, out| match hole {
        Hole::Example => out.push_str(&examples),
        _ => out.push_str(&tools),
    });
    (out.len() <= bytes_max).then_some(out)
}

/// The classes as which the arguments of these tools are shown, by the tools' names. None where they are not shown so.
pub fn model_names<'a>(dialect: &Dialect, tools: impl Iterator<Item = &'a str>) -> HashMap<String, String> {
    match dialect.spec().prompt.tools.form {
        ToolsForm::Models => Stubs::new(tools).model_names().collect(),
        _ => HashMap::new(),
    }
}

/// What is to be said of the next answer, for the end of the last turn. Nothing, as a rule.
pub fn wish(dialect: &Dialect, wish: Wish<'_>) -> String {
    let sentences = &dialect.spec().prompt.choice;
    let among = (!wish.among.is_empty()).then_some(&sentences.among);
    let single = (wish.calls == Calls::First).then_some(&sentences.single);
    let (said, name) = match wish.choice {
        Choice::None => ([Some(&sentences.none), None, None], String::new()),
        Choice::Auto => ([among, None, single], wish.among.join(", ")),
        Choice::Required => ([among, Some(&sentences.required), single], wish.among.join(", ")),
        Choice::Named(name) => ([Some(&sentences.named), None, single], name.clone()),
    };
    let mut out = String::new();
    for sentence in said.into_iter().flatten().filter(|sentence| !sentence.pieces().is_empty()) {
        out.push_str(if out.is_empty() { "" } else { BETWEEN_SENTENCES });
        sentence.write(&mut out, |_, out| out.push_str(&name));
    }
    out
}

/// What stands before such a sentence, within a turn.
pub const BETWEEN_SENTENCES: &str = "\n\n";

/// Tools as they stand in the text around them.
struct Listed {
    tools: String,
    /// Calls of some, where the form has examples.
    examples: String,
}

fn listed<'a>(dialect: &Dialect, tools: impl Iterator<Item = &'a str>, bytes_max: usize) -> Option<Listed> {
    let spec = &dialect.spec().prompt.tools;
    let write: &dyn Fn(&Object<'_>, &mut String) = match spec.form {
        ToolsForm::Models => return together(spec, &Stubs::new(tools), bytes_max),
        ToolsForm::Json => return each_alone(spec, tools, &write_line, bytes_max),
        ToolsForm::JsonPretty => return each_alone(spec, tools, &write_indented, bytes_max),
        ToolsForm::Xml => &xml::write,
        ToolsForm::Declaration => &|function, out| declaration::write(function, quote(dialect), out),
        ToolsForm::Signature => &signature::write,
        ToolsForm::Function => &|function, out| write_line(function.text(), out),
        ToolsForm::Typescript => &typescript::write,
        ToolsForm::Python => &python::write,
    };
    let write = |tool: &str, out: &mut String| match function(tool) {
        Some(function) => write(&function, out),
        None => write_line(tool, out),
    };
    each_alone(spec, tools, &write, bytes_max)
}

/// Tools as one module.
fn together(spec: &ToolsSpec, stubs: &Stubs<'_>, bytes_max: usize) -> Option<Listed> {
    let (module, mut tools) = (stubs.write(bytes_max)?, String::new());
    spec.each.write(&mut tools, |_, out| out.push_str(&module));
    Some(Listed { tools, examples: stubs.examples() })
}

/// Tools one after the other, each in a text of its own.
fn each_alone<'a>(
    spec: &ToolsSpec,
    tools: impl Iterator<Item = &'a str>,
    write: &dyn Fn(&str, &mut String),
    bytes_max: usize,
) -> Option<Listed> {
    let mut listed = String::new();
    for (at, tool) in tools.enumerate() {
        let mut one = String::new();
        listed.push_str(if at == 0 { "" } else { &spec.between });
        write(tool, &mut one);
        spec.each.write(&mut listed, |_, out| out.push_str(&one));
        (listed.len() <= bytes_max).then_some(())?;
    }
    Some(Listed { tools: listed, examples: String::new() })
}

fn write_line(json: &str, out: &mut String) {
    write_spaced(json, Spacing::Line, out);
}

fn write_indented(json: &str, out: &mut String) {
    write_spaced(json, if json.len() <= INDENTED_BYTES_MAX { Spacing::Indented } else { Spacing::Line }, out);
}

/// The function of a tool.
fn function(tool: &str) -> Option<Object<'_>> {
    Object::part(Object::part(tool)?.get("function")?)
}

/// The delimiter of strings in the dialect's literal.
fn quote(dialect: &Dialect) -> &str {
    let mut quotes = dialect.spec().payload.iter().filter_map(|payload| match payload {
        Payload::Literal(literal) => Some(literal.quote.as_str()),
        _ => None,
    });
    quotes.next().unwrap_or("\"")
}

#[cfg(test)]
mod tests;
