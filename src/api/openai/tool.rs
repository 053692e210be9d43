//! Tools of a request: OpenAI's functions, each read and as it was written.
//! Reads no description and no schema.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use crate::chat;
use crate::json::{Object, elements, string};

/// One tool, read and as it was written.
#[derive(Debug)]
pub struct Offered<'a> {
    pub written: &'a str,
    pub tool: chat::Tool,
    /// Whether its calls are to be held to its schema (`strict`).
    pub is_strict: bool,
}

/// The tools, if every one of them is a function.
pub(super) fn read(written: &str) -> Option<Vec<Offered<'_>>> {
    elements(written)?
        .into_iter()
        .map(|written| {
            let (tool, is_strict) = tool(&Object::part(written)?)?;
            Some(Offered { written, tool, is_strict })
        })
        .collect()
}

/// A list of tools, as a request has them.
#[derive(Debug, Default)]
pub struct Tools(pub Vec<chat::Tool>);

impl<'de> Deserialize<'de> for Tools {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Box::<RawValue>::deserialize(deserializer)?;
        let tools = read(written.get()).ok_or_else(|| D::Error::custom("not a list of functions"))?;
        Ok(Self(tools.into_iter().map(|offered| offered.tool).collect()))
    }
}

/// One tool, read as servers read it: of what occurs twice the last counts, and its description is not looked at.
fn tool(tool: &Object<'_>) -> Option<(chat::Tool, bool)> {
    let kind = tool.present("type").map_or(Some("function".into()), string)?;
    let function = Object::part(tool.get("function")?)?;
    let parameters = function.present("parameters").map(Into::into);
    let is_strict = function.present("strict") == Some("true");
    let tool = chat::Tool { name: function.string("name")?.into_owned(), parameters };
    (kind == "function").then_some((tool, is_strict))
}
