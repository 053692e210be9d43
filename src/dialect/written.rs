//! How a family's models write calls, to the letter: so past calls are written as text, and so a grammar makes a model
//! write new ones. Only says it; `encode` and `grammar` do it. How calls are read is the payload's to say, which takes
//! more than this.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::prompt::{Hole, Piece, Text, TextError};

/// One spelling of calls.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct WrittenSpec {
    /// A thought before the calls, where it is a message of its own; the hole is `{thought}`.
    #[serde(default, deserialize_with = "around_thought")]
    pub thought: Text,
    /// Around all calls of a turn; the hole is `{calls}`.
    #[serde(default, deserialize_with = "around_calls")]
    pub calls: Text,
    /// Its holes are `{arguments}` and `{name}`, or `{id}` where that says the name, and perhaps its number in the turn,
    /// from 0 (`{n}`) or from 1 (`{nth}`). In Python's words the name is `{function}`, and `{model}` the arguments' class.
    #[serde(deserialize_with = "around_arguments")]
    pub call: Text,
    #[serde(default)]
    pub arguments: ArgumentsForm,
    /// What stands between two calls of a turn.
    #[serde(default = "new_line")]
    pub between: String,
}

/// How the arguments of a call are written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ArgumentsForm {
    /// As JSON.
    #[default]
    Json,
    /// Each member in a text of its own, whose holes are `{name}` and `{arguments}`, its key and its value, and perhaps
    /// the JSON type of that (`{type}`), or whether it is a string (`{string}`).
    Members(#[serde(deserialize_with = "around_value")] Text),
    /// In the literal of the payload.
    Literal,
    /// As keyword arguments in Python: `city='Rome', days=2`.
    Python,
    /// The same for a class, which takes keywords alone: what can be none is spread, `**{"a b": 1}`.
    Fields,
    /// As the payload's elements, which nest.
    Elements,
    /// As JSON, a member a line.
    Indented(Indentation),
}

/// How far lines of JSON stand from the margin.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Indentation {
    /// Blanks for each bracket that is open.
    pub by: usize,
    /// Brackets that are open around the arguments.
    #[serde(default)]
    pub depth: usize,
}

fn new_line() -> String {
    "\n".into()
}

fn read<'de, D: Deserializer<'de>>(from: D, needed: &[Hole], allowed: &[Hole]) -> Result<Text, D::Error> {
    Text::parse(&String::deserialize(from)?, needed, allowed).map_err(D::Error::custom)
}

fn around_thought<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[Hole::Thought], &[])
}

fn around_calls<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[Hole::Calls], &[])
}

fn around_arguments<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    let others = [Hole::Name, Hole::Function, Hole::Model, Hole::Id, Hole::Number, Hole::Nth];
    let text = read(from, &[Hole::Arguments], &others)?;
    // An id may say the name.
    let says = |hole| text.pieces().contains(&Piece::Hole(hole));
    if says(Hole::Name) || says(Hole::Function) || says(Hole::Id) {
        Ok(text)
    } else {
        Err(D::Error::custom(TextError::Lacking("name")))
    }
}

fn around_value<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[Hole::Name, Hole::Arguments], &[Hole::Type, Hole::IsString])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_says_its_name_or_an_id_that_does() {
        for (yaml, error) in [
            ("call: '{name}{arguments}'", None),
            ("call: '{id}{arguments}'", None),
            ("call: '{function}({model}({arguments}))'", None),
            ("call: '{model}({arguments})'", Some("lacks its hole `{name}`")),
            ("{ thought: 't{thought}', calls: '[{calls}]', call: '{n}{nth}{name}{arguments}', between: '' }", None),
            ("{ call: '{name}{arguments}', arguments: { members: '{name}{type}{string}{arguments}' } }", None),
            ("call: '{arguments}'", Some("lacks its hole `{name}`")),
            ("call: '{name}'", Some("lacks its hole `{arguments}`")),
            ("{ call: '{name}{arguments}', calls: '[]' }", Some("lacks its hole `{calls}`")),
            (
                "{ call: '{name}{arguments}', arguments: { members: '{name}{id}{arguments}' } }",
                Some("`{id}` is no hole"),
            ),
        ] {
            let read = serde_saphyr::from_str::<WrittenSpec>(yaml).err().map(|error| error.to_string());
            assert_eq!(read.is_some(), error.is_some(), "{yaml}: {read:?}");
            assert!(read.unwrap_or_default().contains(error.unwrap_or_default()), "{yaml}");
        }
    }
}
