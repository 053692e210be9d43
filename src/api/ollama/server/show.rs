//! Description of a model, as Ollama tells it when its name is posted to `/api/show`.
//! Judges nothing: what is done with tools by it is others' to say.

use std::sync::Arc;

use crate::json::{Object, elements, string, write_string};

/// What a model can do, and what it is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Whether tools may be offered to it; a server refuses a request that does where it may not.
    pub takes_tools: bool,
    /// Whether it may be told to think.
    pub thinks: bool,
    pub sees: bool,
    pub hears: bool,
    /// It turns texts into vectors, and writes none.
    pub embeds: bool,
    /// Tokens that one conversation may have at most; its server may give it fewer.
    pub context: Option<u64>,
    /// The reader that its server has for what it writes, whatever is asked.
    pub parser: Option<String>,
    /// Its chat template, in Jinja or as Go's templates are written.
    pub template: String,
    /// What is put before a conversation that has no system message of its own.
    pub system: Option<Arc<str>>,
}

/// The body by which a model is asked for.
pub fn question(model: &str) -> String {
    let mut body = String::from("{\"model\":");
    write_string(model, &mut body);
    body.push('}');
    body
}

impl Description {
    /// Reads an answer. `None` when it is none.
    pub fn read(body: &[u8]) -> Option<Self> {
        let told = Object::of_body(body)?;
        let capabilities = told.get("capabilities").and_then(elements);
        let capabilities: Vec<_> = capabilities.unwrap_or_default().into_iter().filter_map(string).collect();
        let can = |what: &str| capabilities.iter().any(|capability| capability == what);
        let text = |key| told.string(key).unwrap_or_default().into_owned();
        Some(Self {
            takes_tools: can("tools"),
            thinks: can("thinking"),
            sees: can("vision"),
            hears: can("audio"),
            embeds: can("embedding") && !can("completion"),
            context: told.get("model_info").and_then(Object::part).and_then(|info| context(&info)),
            parser: parser(&text("modelfile")),
            template: text("template"),
            system: Some(text("system")).filter(|system| !system.trim().is_empty()).map(Into::into),
        })
    }
}

/// It goes by the name of the model's architecture.
fn context(info: &Object<'_>) -> Option<u64> {
    let (_, tokens) = info.members().find(|(key, _)| key.ends_with(".context_length"))?;
    tokens.parse().ok()
}

/// The one of the model's file, which has an instruction a line, in letters of any case.
fn parser(modelfile: &str) -> Option<String> {
    modelfile.lines().find_map(|line| {
        let (instruction, name) = line.trim().split_once(char::is_whitespace)?;
        let name = name.trim().trim_matches('"');
        (instruction.eq_ignore_ascii_case("PARSER") && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read() {
        let table = [
            (r#"{}"#, Some(Description::default())),
            (
                r#"{"capabilities":["completion","tools",7,"thinking"],"template":"{{ .Prompt }}","system":"Be brief.",
                "modelfile":"FROM x\n# PARSER no\nparser  \"family-3\"\nPARAMETER stop PARSER"}"#,
                Some(Description {
                    takes_tools: true,
                    thinks: true,
                    parser: Some("family-3".to_owned()),
                    template: "{{ .Prompt }}".to_owned(),
                    system: Some("Be brief.".into()),
                    ..Description::default()
                }),
            ),
            (
                r#"{"capabilities":["embedding"],"model_info":{"general.architecture":"a","a.context_length":2048}}"#,
                Some(Description { embeds: true, context: Some(2048), ..Description::default() }),
            ),
            (
                r#"{"capabilities":["completion","embedding","vision","audio"],"model_info":{"a.context_length":"x"}}"#,
                Some(Description { sees: true, hears: true, ..Description::default() }),
            ),
            (r#"{"capabilities":null,"system":" ","modelfile":"PARSER"}"#, Some(Description::default())),
            ("[]", None),
        ];
        for (body, expected) in table {
            assert_eq!(Description::read(body.as_bytes()), expected, "{body}");
        }
        assert_eq!(question("a\"b"), r#"{"model":"a\"b"}"#);
    }
}
