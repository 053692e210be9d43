//! Tools, written as text that the model understands.
//! Knows nothing of messages and roles; `plan` puts these texts in their places.
//!
//! The forms are closed and stand in code, one a file; which one a dialect uses, and the words around it, are data.

mod declaration;
mod python;
mod signature;
mod typescript;
mod xml;

use std::borrow::Cow;

use crate::chat::{Calls, Choice};
use crate::dialect::prompt::ToolsForm;
use crate::dialect::{Dialect, Payload};
use crate::json::{Object, Spacing, write_spaced};

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
    let prompt = &dialect.spec().prompt;
    let mut listed = String::new();
    for (at, tool) in tools.enumerate() {
        let mut one = String::new();
        listed.push_str(if at == 0 { "" } else { &prompt.tools.between });
        write_tool(dialect, tool, &mut one);
        prompt.tools.each.write(&mut listed, |_, out| out.push_str(&one));
        (listed.len() <= bytes_max).then_some(())?;
    }
    let mut out = String::with_capacity(listed.len());
    prompt.text.write(&mut out, |_, out| out.push_str(&listed));
    (out.len() <= bytes_max).then_some(out)
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

fn write_tool(dialect: &Dialect, tool: &str, out: &mut String) {
    let form = dialect.spec().prompt.tools.form;
    let function = match form {
        ToolsForm::Json | ToolsForm::JsonPretty => None,
        ToolsForm::Xml
        | ToolsForm::Declaration
        | ToolsForm::Signature
        | ToolsForm::Function
        | ToolsForm::Typescript
        | ToolsForm::Python => function(tool),
    };
    match (form, function) {
        (ToolsForm::JsonPretty, _) if tool.len() <= INDENTED_BYTES_MAX => write_spaced(tool, Spacing::Indented, out),
        (ToolsForm::Json | ToolsForm::JsonPretty, _) | (_, None) => write_spaced(tool, Spacing::Line, out),
        (ToolsForm::Xml, Some(function)) => xml::write(&function, out),
        (ToolsForm::Declaration, Some(function)) => declaration::write(&function, quote(dialect), out),
        (ToolsForm::Signature, Some(function)) => signature::write(&function, out),
        (ToolsForm::Function, Some(function)) => write_spaced(function.text(), Spacing::Line, out),
        (ToolsForm::Typescript, Some(function)) => typescript::write(&function, out),
        (ToolsForm::Python, Some(function)) => python::write(&function, out),
    }
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
