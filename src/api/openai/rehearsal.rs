//! Rehearsal: a conversation that a server is to write as its model would read it, to be searched for what was said in
//! it. Sends nothing, and decides nothing about what is missing.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::write_string;

/// What is said in such a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// One tool is offered.
    Tool,
    /// It was called twice in one turn, and both calls were answered.
    Calls,
    /// The same, with a turn for each call, before its answer.
    CallATurn,
}

impl Scene {
    /// The request for it, with these members beside its own, each value as JSON. `model` chooses one of several.
    pub fn request<'m>(self, model: Option<&str>, members: impl Iterator<Item = (&'m str, &'m str)>) -> String {
        let mut body = String::from("{");
        write_model(model, &mut body);
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

    fn messages(self) -> String {
        match self {
            Self::Tool => format!("[{USER}]"),
            Self::Calls => {
                let turn = format!(r#"{{{CALLER},"tool_calls":[{FIRST_CALL},{SECOND_CALL}]}}"#);
                format!("[{USER},{turn},{FIRST_RESULT},{SECOND_RESULT}]")
            }
            Self::CallATurn => {
                let turn = |call: &str| format!(r#"{{{CALLER},"tool_calls":[{call}]}}"#);
                format!("[{USER},{},{FIRST_RESULT},{},{SECOND_RESULT}]", turn(FIRST_CALL), turn(SECOND_CALL))
            }
        }
    }

    /// What no prompt holds unless it was said.
    fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Tool => &["rehearsed_clock"],
            Self::Calls | Self::CallATurn => {
                &["Firstville", "Innerzone", "Secondville", "half past one", "half past two"]
            }
        }
    }
}

fn write_model(model: Option<&str>, body: &mut String) {
    if let Some(model) = model {
        body.push_str(r#""model":"#);
        write_string(model, body);
        body.push(',');
    }
}

const TOOLS: &str = r#"[{"type":"function","function":{"name":"rehearsed_clock","description":"Tells the time.","parameters":{"type":"object","properties":{"city":{"type":"string","description":"A city."},"zone":{"type":"object","description":"Its zone.","properties":{"name":{"type":"string"}}}},"required":["city"]}}}]"#;
const USER: &str = r#"{"role":"user","content":"What time is it?"}"#;
const CALLER: &str = r#""role":"assistant","content":"Let me look.""#;
/// The ids are of the one kind that every template takes. An object among the arguments is more than some write.
const FIRST_CALL: &str = r#"{"id":"rehearse1","type":"function","function":{"name":"rehearsed_clock","arguments":"{\"city\":\"Firstville\",\"zone\":{\"name\":\"Innerzone\"}}"}}"#;
const SECOND_CALL: &str = r#"{"id":"rehearse2","type":"function","function":{"name":"rehearsed_clock","arguments":"{\"city\":\"Secondville\"}"}}"#;
const FIRST_RESULT: &str =
    r#"{"role":"tool","tool_call_id":"rehearse1","name":"rehearsed_clock","content":"half past one"}"#;
const SECOND_RESULT: &str =
    r#"{"role":"tool","tool_call_id":"rehearse2","name":"rehearsed_clock","content":"half past two"}"#;

/// What a model answered, whole. `None` when the page is no answer.
pub fn answer(page: &[u8]) -> Option<String> {
    serde_json::from_slice::<Value>(page).ok()?.pointer("/choices/0/message/content")?.as_str().map(str::to_owned)
}

/// The tokens of a prompt, as JSON. `None` when the page tells of none.
pub fn tokens(page: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Page {
        token_ids: Box<RawValue>,
    }
    serde_json::from_slice(page).ok().map(|Page { token_ids }| token_ids.get().to_owned())
}

/// The request to have tokens spelled, which are JSON.
pub fn spelled(model: Option<&str>, tokens: &str) -> String {
    let mut body = String::from("{");
    write_model(model, &mut body);
    body.extend(["\"tokens\":", tokens, "}"]);
    body
}

/// The prompt that a server wrote. `None` when its page tells of none.
pub fn prompt(page: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Page {
        prompt: String,
    }
    serde_json::from_slice(page).ok().map(|Page { prompt }| prompt)
}
