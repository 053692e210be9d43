//! Answers of MCP servers to calls: the parts that they consist of, as the one text that a model reads.
//! Reads no protocol; `mcp` hands the parts in.

use serde_json::Value;

use super::outcome::Outcome;

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerAnswer {
    pub parts: Vec<AnswerPart>,
    /// The same once more, for programs.
    pub structured: Option<Value>,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerPart {
    Text(String),
    /// What a model that reads text cannot use, in base64.
    Media {
        kind: MediaKind,
        mime_type: String,
        base64: String,
    },
    /// Something that is elsewhere, by its URI.
    Resource(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    Image,
    Audio,
}

impl ServerAnswer {
    /// What the model reads of it.
    pub fn outcome(&self) -> Outcome {
        let mut parts: Vec<String> = self.parts.iter().map(AnswerPart::shown).collect();
        let has_text = self.parts.iter().any(|part| matches!(part, AnswerPart::Text(_)));
        parts.extend(self.structured.as_ref().filter(|_| !has_text).map(Value::to_string));
        let text = if parts.is_empty() { "(no output)".to_owned() } else { parts.join("\n\n") };
        if self.is_error { Outcome::failed(format!("Error: {text}")) } else { Outcome::done(text) }
    }
}

impl AnswerPart {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Media { kind, mime_type, base64 } => {
                let kind = match kind {
                    MediaKind::Image => "image",
                    MediaKind::Audio => "audio",
                };
                format!("[{kind} {mime_type}, {} bytes]", decoded_bytes(base64))
            }
            Self::Resource(uri) => format!("[resource {uri}]"),
        }
    }
}

/// How many bytes base64 stands for.
fn decoded_bytes(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tooling::RESULT_BYTES_MAX;

    fn text(text: &str) -> AnswerPart {
        AnswerPart::Text(text.to_owned())
    }

    fn media(kind: MediaKind, mime_type: &str, base64: &str) -> AnswerPart {
        AnswerPart::Media { kind, mime_type: mime_type.to_owned(), base64: base64.to_owned() }
    }

    #[test]
    fn parts_become_one_text() {
        let resource = || AnswerPart::Resource("file:///a".to_owned());
        let structured = || Some(json!({"n": 1}));
        for (parts, structured, expected) in [
            (vec![text("a"), text("b\nc")], structured(), "a\n\nb\nc"),
            (vec![text("")], structured(), ""),
            (vec![], structured(), "{\"n\":1}"),
            (vec![resource()], structured(), "[resource file:///a]\n\n{\"n\":1}"),
            (
                vec![text("a"), media(MediaKind::Image, "image/png", "AAEC"), resource()],
                None,
                "a\n\n[image image/png, 3 bytes]\n\n[resource file:///a]",
            ),
            (vec![media(MediaKind::Audio, "audio/wav", "AAECAw==")], None, "[audio audio/wav, 4 bytes]"),
            (vec![], None, "(no output)"),
        ] {
            let answer = ServerAnswer { parts, structured, is_error: false };
            assert_eq!(answer.outcome(), Outcome { text: expected.to_owned(), is_error: false });
        }
    }

    #[test]
    fn a_tool_that_failed_says_so_first() {
        let answer = ServerAnswer { parts: vec![text("no such page")], is_error: true, ..ServerAnswer::default() };
        assert_eq!(answer.outcome(), Outcome { text: "Error: no such page".to_owned(), is_error: true });
    }

    #[test]
    fn an_answer_is_no_longer_than_any_result() {
        for is_error in [false, true] {
            let parts = vec![text(&"line\n".repeat(RESULT_BYTES_MAX))];
            let outcome = ServerAnswer { parts, structured: None, is_error }.outcome();
            assert!(outcome.text.ends_with("line\n\n[Result truncated at 65536 bytes]"));
            assert!(outcome.text.len() <= RESULT_BYTES_MAX + 40);
        }
    }
}
