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
            parser: parser(&text("modelfile")),
            template: text("template"),
            system: Some(text("system")).filter(|system| !system.trim().is_empty()).map(Into::into),
        })
    }
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
                }),
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
