//! Rehearsal: a conversation that a server is to write as its model would read it, to be searched for what was said in
//! it. Sends nothing, and decides nothing about what is missing.

use serde::Deserialize;

use crate::json::write_string;

/// What is said in such a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// One tool is offered.
    Tool,
}

impl Scene {
    /// The request for it, with these members beside its own, each value as JSON. `model` chooses one of several.
    pub fn request<'m>(self, model: Option<&str>, members: impl Iterator<Item = (&'m str, &'m str)>) -> String {
        let mut body = String::from("{");
        if let Some(model) = model {
            body.push_str(r#""model":"#);
            write_string(model, &mut body);
            body.push(',');
        }
        body.push_str(&format!(r#""messages":{},"tools":{TOOLS}"#, self.messages()));
        for (key, value) in members {
            body.push(',');
            write_string(key, &mut body);
            body.push(':');
            body.push_str(value);
        }
        body.push('}');
        body
    }

    /// Whether all of it stands in the prompt.
    pub fn is_in(self, prompt: &str) -> bool {
        self.signs().iter().all(|sign| prompt.contains(sign))
    }

    fn messages(self) -> &'static str {
        match self {
            Self::Tool => r#"[{"role":"user","content":"What time is it?"}]"#,
        }
    }

    /// What no prompt holds unless it was said.
    fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Tool => &["rehearsed_clock"],
        }
    }
}

const TOOLS: &str = r#"[{"type":"function","function":{"name":"rehearsed_clock","description":"Tells the time.","parameters":{"type":"object","properties":{"city":{"type":"string","description":"A city."}},"required":["city"]}}}]"#;

/// The prompt that a server wrote. `None` when its page tells of none.
pub fn prompt(page: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Page {
        prompt: String,
    }
    serde_json::from_slice(page).ok().map(|Page { prompt }| prompt)
}
