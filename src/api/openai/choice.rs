//! Choice of a tool: `tool_choice` in the forms in which clients and gateways write it.
//! Knows the tools' names only where one stands for itself; whether what is chosen is offered is `plan`'s to judge.

use std::borrow::Cow;

use super::tool::Offered;
use crate::chat::{Calls, Choice};
use crate::json::{Object, elements, string};

/// A `tool_choice` that was understood. With nothing said, anything may be called.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ToolChoice<'a> {
    pub choice: Choice,
    /// The tools that may be called, where not all may.
    pub allowed: Vec<Cow<'a, str>>,
    pub calls: Calls,
}

impl<'a> ToolChoice<'a> {
    /// Reads it: OpenAI's chat completions (`"auto"`, `{"type": "function", "function": {"name": …}}`,
    /// `{"type": "allowed_tools", …}`) and responses (the same, flat), Anthropic's (`{"type": "any"}`,
    /// `{"type": "tool", "name": …}`, `disable_parallel_tool_use`), Bedrock's (`{"any": {}}`), and what lies between.
    /// A tool's name may stand in the place of a word that says how. `None` when it is not understood.
    pub(super) fn read(written: &'a str, tools: &[Offered<'_>]) -> Option<Self> {
        Self::of_form(written).or_else(|| {
            let name = string(written)?;
            tools.iter().any(|offered| offered.tool.name == name).then(|| Self::named(name))
        })
    }

    /// No more than one call.
    pub(super) fn of_one_call(self) -> Self {
        Self { calls: Calls::First, ..self }
    }

    fn of_form(written: &'a str) -> Option<Self> {
        if let Some(word) = string(written) {
            return mode(&word).map(Self::of);
        }
        let choice = Object::part(written)?;
        let read = match choice.present("type").or_else(|| choice.present("mode")).map(string) {
            Some(kind) => Self::of_kind(&kind?, &choice),
            None => Self::untyped(&choice),
        }?;
        let is_single = choice.get("disable_parallel_tool_use") == Some("true");
        Some(Self { calls: if is_single { Calls::First } else { Calls::All }, ..read })
    }

    /// The choice without a list of tools.
    fn of(choice: Choice) -> Self {
        Self { choice, ..Self::default() }
    }

    fn named(name: Cow<'a, str>) -> Self {
        Self { allowed: vec![name.clone()], ..Self::of(Choice::Named(name.into_owned())) }
    }

    fn of_kind(kind: &str, choice: &Object<'a>) -> Option<Self> {
        match kind {
            "function" | "tool" => named(choice),
            "allowed_tools" => allowed(choice),
            word => mode(word).map(Self::of),
        }
    }

    /// `{}` says nothing; an object may name a function, or have the kind as its one key.
    fn untyped(choice: &Object<'a>) -> Option<Self> {
        if name(choice).is_some() {
            return named(choice);
        }
        let mut members = choice.members();
        match (members.next(), members.next()) {
            (None, _) => Some(Self::of(Choice::Auto)),
            (Some(("tool", inner)), None) => named(&Object::part(inner)?),
            (Some((word, _)), None) => mode(word).map(Self::of),
            _ => None,
        }
    }
}

/// `auto`, `none`, `required`, and `any`, which other APIs call it; some write it in capitals.
fn mode(word: &str) -> Option<Choice> {
    match word.to_ascii_lowercase().as_str() {
        "auto" => Some(Choice::Auto),
        "none" => Some(Choice::None),
        "required" | "any" => Some(Choice::Required),
        _ => None,
    }
}

fn named<'a>(choice: &Object<'a>) -> Option<ToolChoice<'a>> {
    Some(ToolChoice::named(name(choice)?))
}

/// `allowed_tools`: a mode and a list, which stand in an object of their own or not.
fn allowed<'a>(choice: &Object<'a>) -> Option<ToolChoice<'a>> {
    let inner = choice.get("allowed_tools").and_then(Object::part);
    let list = inner.as_ref().unwrap_or(choice);
    let names =
        elements(list.get("tools")?)?.into_iter().map(|tool| string(tool).or_else(|| name(&Object::part(tool)?)));
    let allowed: Vec<_> = names.collect::<Option<_>>()?;
    let choice = list.string("mode").map_or(Some(Choice::Auto), |word| mode(&word))?;
    (!allowed.is_empty()).then_some(ToolChoice { allowed, ..ToolChoice::of(choice) })
}

/// The name of a tool, as it was written.
pub fn function_name(tool: &str) -> Option<Cow<'_, str>> {
    name(&Object::part(tool)?)
}

/// The function that an object names: as chat completions write it, or as others do.
fn name<'a>(object: &Object<'a>) -> Option<Cow<'a, str>> {
    object.get("function").and_then(Object::part).map_or_else(|| object.string("name"), |f| f.string("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Option<(Choice, Vec<Cow<'_, str>>, Calls)> {
        ToolChoice::read(written, &[]).map(|read| (read.choice, read.allowed, read.calls))
    }

    #[test]
    fn every_way_of_saying_it_is_understood() {
        let named = || Choice::Named("f".to_owned());
        let table = [
            (
                Choice::Auto,
                vec![r#""auto""#, r#""AUTO""#, "{}", r#"{"type":"auto"}"#, r#"{"auto":{}}"#, r#"{"mode":"auto"}"#],
            ),
            (Choice::None, vec![r#""none""#, r#"{"type":"none"}"#, r#"{"ty\u0070e":"n\u006fne"}"#]),
            (
                Choice::Required,
                vec![
                    r#""required""#,
                    r#""any""#,
                    r#"{"type":"any"}"#,
                    r#"{"type":"required"}"#,
                    r#"{"any":{}}"#,
                    r#"{"mode":"ANY"}"#,
                ],
            ),
            (
                named(),
                vec![
                    r#"{"type":"function","function":{"name":"f"}}"#,
                    r#"{"type":"function","name":"f"}"#,
                    r#"{"function":{"name":"f"}}"#,
                    r#"{"name":"f"}"#,
                    r#"{"type":"tool","name":"f"}"#,
                    r#"{"type":null,"name":"f"}"#,
                    r#"{"tool":{"name":"f"}}"#,
                    r#"{"type":"x","type":"tool","name":"f"}"#,
                ],
            ),
        ];
        for (expected, ways) in table {
            for written in ways {
                let (choice, allowed, calls) = read(written).unwrap_or_else(|| panic!("{written}"));
                assert_eq!((&choice, calls), (&expected, Calls::All), "{written}");
                assert_eq!(allowed, if choice == named() { vec!["f"] } else { vec![] }, "{written}");
            }
        }
        let single = read(r#"{"type":"any","disable_parallel_tool_use":true}"#);
        assert_eq!(single, Some((Choice::Required, vec![], Calls::First)));
    }

    #[test]
    fn some_tools_may_be_allowed() {
        let table = [
            (
                r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"function":{"name":"f"}}]}}"#,
                Choice::Required,
            ),
            (r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}"#, Choice::Auto),
            (r#"{"type":"allowed_tools","tools":["f"]}"#, Choice::Auto),
        ];
        for (written, expected) in table {
            assert_eq!(read(written), Some((expected, vec!["f".into()], Calls::All)), "{written}");
        }
    }

    #[test]
    fn what_is_not_understood() {
        for written in [
            r#""""#,
            r#""whatever""#,
            "true",
            "7",
            "[]",
            r#"["auto"]"#,
            r#"{"type":7}"#,
            r#"{"type":"function"}"#,
            r#"{"type":"tool"}"#,
            r#"{"type":"custom","custom":{"name":"f"}}"#,
            r#"{"type":"web_search_preview"}"#,
            r#"{"type":"allowed_tools"}"#,
            r#"{"type":"allowed_tools","mode":"auto","tools":[]}"#,
            r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"x"}]}"#,
            r#"{"auto":{},"any":{}}"#,
            r#"{"x":1}"#,
        ] {
            assert_eq!(read(written), None, "{written}");
        }
    }
}
