//! Salvage of an answer that its server could not parse: what the model wrote stands in an error, and is read as its
//! text, or is the call that it was.
//! Finds no errors and writes nothing.

use crate::api::openai::Unparsed;
use crate::decode::Settings;
use crate::json::{Object, repair};
use crate::limits::Limits;

/// What an error tells of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Salvaged {
    /// Text, to be read as the model's other text.
    Text(String),
    Call {
        name: String,
        arguments: String,
    },
}

impl Salvaged {
    pub(super) fn of(unparsed: Unparsed, settings: &Settings, limits: &Limits) -> Self {
        match unparsed {
            Unparsed::Text(text) => Self::Text(text),
            Unparsed::Arguments(raw) => call(&raw, settings, limits).unwrap_or(Self::Text(raw)),
        }
    }
}

/// The call that arguments are of: they name it themselves, or fit one tool alone. Around them brackets may stand that
/// have no others.
fn call(raw: &str, settings: &Settings, limits: &Limits) -> Option<Salvaged> {
    let begun = raw.trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    // What does not end in a bracket was cut off, and half a value is none.
    (begun.starts_with('{') && begun.trim_end().ends_with(['}', ']'])).then_some(())?;
    let (mended, behind) = repair::first(begun, limits.depth_max);
    behind.chars().all(|c| matches!(c, ']' | '}') || c.is_whitespace()).then_some(())?;
    let object = Object::parse(&mended)?;
    let named = || {
        let tool = settings.tools.at(settings.tools.resolve(&object.string("name")?)?)?;
        let arguments = ["arguments", "parameters"].iter().find_map(|key| object.present(key))?;
        Some((tool, repair::object(arguments, limits.depth_max)))
    };
    let (tool, arguments) = named().or_else(|| Some((settings.tools.fitting(&object)?, mended.clone())))?;
    Some(Salvaged::Call { name: tool.name.clone(), arguments })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::openai;
    use crate::dialect::Dialects;
    use crate::schema::Tools;

    #[test]
    fn arguments_without_a_name_are_a_call_where_one_tool_fits() {
        let openai::Tools(tools) = serde_json::from_str(
            r#"[{"type":"function","function":{"name":"write","parameters":{"type":"object","properties":{"path":{},"text":{}},"required":["path","text"]}}},
                {"type":"function","function":{"name":"time","parameters":{"type":"object","properties":{"tz":{}},"required":["tz"]}}},
                {"type":"function","function":{"name":"see","parameters":{"type":"object","properties":{"city":{}}}}},
                {"type":"function","function":{"name":"find","parameters":{"type":"object","properties":{"city":{}}}}}]"#,
        )
        .unwrap();
        let dialect = Arc::clone(Dialects::builtin().get("hermes").unwrap());
        let settings = Settings::new(dialect, Tools::new(tools));
        for (raw, expected) in [
            (r#"{"path":"a.txt","text":"it's, done"}]"#, Some(("write", r#"{"path":"a.txt","text":"it's, done"}"#))),
            (r#"[{"tz":"UTC"}}"#, Some(("time", r#"{"tz":"UTC"}"#))),
            (r#"{"name":"time","parameters":{"tz":"UTC"}}}"#, Some(("time", r#"{"tz":"UTC"}"#))),
            (r#"{"name":"time","arguments":"{\"tz\":\"UTC\"}"}"#, Some(("time", r#"{"tz":"UTC"}"#))),
            (r#"{"tz":"UT"#, None),
            (r#"{"city":"A"}}"#, None),
            (r#"{"tz":"UTC"} is what I need."#, None),
            (r#"We need {"tz":"UTC"}"#, None),
            ("print(1)", None),
        ] {
            let salvaged = Salvaged::of(Unparsed::Arguments(raw.into()), &settings, &Limits::default());
            let expected = match expected {
                Some((name, arguments)) => Salvaged::Call { name: name.into(), arguments: arguments.into() },
                None => Salvaged::Text(raw.into()),
            };
            assert_eq!(salvaged, expected, "{raw}");
        }
    }
}
