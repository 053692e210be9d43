//! Messages of which an answer may consist: each begins with a header that says what its body is.

use serde::Deserialize;

use super::spec::Around;

/// The messages of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessagesSpec {
    /// What a header begins with.
    pub start: Vec<String>,
    /// What a header begins with that the prompt opened, and so the answer: `""` for a tool's name, or what a kind `has`.
    #[serde(default)]
    pub first: Vec<String>,
    /// What ends a header. The body follows.
    pub body: Vec<String>,
    /// What ends a body.
    pub end: Vec<String>,
    /// What a message can be. The first that fits its header says it.
    pub kinds: Vec<KindSpec>,
}

/// A kind of message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindSpec {
    pub is: Kind,
    /// Texts one of which its header has, none of them as a part of a longer word. Without any, every header fits.
    #[serde(default)]
    pub has: Vec<String>,
    /// Where the name of a tool stands in its header.
    #[serde(default)]
    pub name: Option<Around>,
}

/// What a message's body is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A payload.
    Call,
    /// Text in which calls may begin.
    Calls,
    Reasoning,
    /// Text in which none does.
    Text,
}

impl MessagesSpec {
    /// What a message is whose header, up to where its body begins, is this. Beside it the tool's name, where that must
    /// stand there.
    pub fn kind<'h>(&self, header: &'h str) -> Option<(Kind, Option<&'h str>)> {
        self.kinds.iter().find_map(|kind| {
            let has = kind.has.is_empty() || kind.has.iter().any(|text| has_word(header, text));
            let name = kind.name.as_ref().map(|around| around.part(header, self.body.iter().map(String::as_str)));
            match name {
                _ if !has => None,
                None => Some((kind.is, None)),
                Some(name) => Some((kind.is, Some(name?))),
            }
        })
    }

    /// All markers around headers and bodies.
    pub fn literals(&self) -> impl Iterator<Item = &String> {
        self.start.iter().chain(&self.first).chain(&self.body).chain(&self.end)
    }

    /// The words that tell kinds from each other.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().flat_map(|kind| &kind.has).map(String::as_str)
    }

    /// Whether a header that the prompt opened begins with no marker.
    pub fn begins_unmarked(&self) -> bool {
        self.first.iter().any(String::is_empty)
    }
}

/// Whether `text` stands in `header`, and no letter beside it goes on with its own.
fn has_word(header: &str, text: &str) -> bool {
    let is_letter = |c: char| c == '_' || c.is_alphanumeric();
    let begins = text.starts_with(is_letter);
    let ends = text.ends_with(is_letter);
    header.match_indices(text).any(|(at, _)| {
        let before = header.get(..at).unwrap_or_default();
        let behind = header.get(at + text.len()..).unwrap_or_default();
        let goes_on = (begins && before.ends_with(is_letter)) || (ends && behind.starts_with(is_letter));
        !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_kind_that_fits_says_it() {
        let yaml = r#"
start: ["<|start|>"]
body: ["<|message|>"]
end: ["<|end|>"]
kinds:
  - { is: text, has: ["to=user", "all\n"] }
  - { is: call, name: [["to=functions.", "to="], [" ", "<"]] }
  - { is: reasoning, has: ["<|channel|>analysis"] }
  - { is: calls, has: [""] }
"#;
        let messages: MessagesSpec = serde_saphyr::from_str(yaml).unwrap();
        for (header, expected) in [
            ("assistant to=user<|message|>", Some((Kind::Text, None))),
            ("assistant to=users <|message|>", Some((Kind::Call, Some("users")))),
            ("all\n", Some((Kind::Text, None))),
            ("install\n", Some((Kind::Calls, None))),
            (" to=functions.f<|channel|>commentary json<|message|>", Some((Kind::Call, Some("f")))),
            ("<|channel|>analysis to=f <|message|>", Some((Kind::Call, Some("f")))),
            ("<|channel|>analysis<|message|>", Some((Kind::Reasoning, None))),
            ("to=<|message|>", Some((Kind::Calls, None))),
            ("<|message|>", Some((Kind::Calls, None))),
        ] {
            assert_eq!(messages.kind(header), expected, "{header}");
        }
    }
}
