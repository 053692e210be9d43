//! Request of a chat: OpenAI's body as a body for Ollama's chat.
//! Judges only what cannot be said there: what is of a wrong shape is otherwise the server's to refuse.
//!
//! Nothing is invented. What a client writes in Ollama's own words beside OpenAI's goes up as it is, and wins.

use std::borrow::Cow;

use bytes::Bytes;

use super::messages::messages;
use super::sampling::options;
use super::tools::tools;
use crate::api::openai::Request;
use crate::json::{Edit, Object, write_string};

/// What a pool wants of each of its chats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Tokens of context. One number for all: another one makes the server load its model again.
    pub num_ctx: Option<u64>,
    /// How long a model stays, as JSON.
    pub keep_alive: Option<String>,
    /// Whether a prompt that is too long is cut, unseen, rather than refused.
    pub truncate: Option<bool>,
    /// More options, each as JSON.
    pub options: Vec<(String, String)>,
}

impl Defaults {
    /// What a model is loaded with, and how long it stays: the same whatever is asked of it, or it is loaded again.
    pub fn of_load(&self) -> Self {
        Self { truncate: None, ..self.clone() }
    }
}

/// How a model takes what is said of its thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thinking {
    /// As levels, or on and off; what is not known is taken for this.
    #[default]
    Levels,
    /// On and off alone.
    Switch,
    /// It takes nothing.
    None,
}

/// Why a request cannot be served there, which is the client's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unservable {
    /// The member that is to blame; none where it is the whole body.
    pub param: Option<String>,
    pub message: String,
}

/// The body that asks for a chat what this one asks of OpenAI's API, or why that cannot be asked. It asks for a stream,
/// whatever the client wants.
pub fn request(chat: &[u8], defaults: &Defaults, thinking: Thinking) -> Result<Bytes, Unservable> {
    let chat = Object::of_body(chat)
        .ok_or_else(|| Unservable { param: None, message: "the body of a chat is a JSON object".to_owned() })?;
    refuse(&chat)?;
    let mut body = Members::default();
    body.put_some("model", chat.present("model"));
    body.put("messages", &messages(chat.present("messages"))?);
    body.put("stream", "true");
    body.put_some("tools", tools(&chat)?.as_deref());
    body.put_some("options", options(&chat, defaults)?.as_deref());
    body.put_some("format", format(&chat).as_deref());
    body.put_some("think", think(&chat, thinking)?);
    let truncate = defaults.truncate.map(|truncate| truncate.to_string());
    for (key, default) in [
        ("logprobs", None),
        ("top_logprobs", None),
        ("keep_alive", defaults.keep_alive.as_deref()),
        ("truncate", truncate.as_deref()),
        ("shift", None),
    ] {
        body.put_some(key, chat.present(key).or(default));
    }
    Ok(body.end().into())
}

/// Whether a chat says how its model is to think: only then it matters what the model takes.
pub fn is_about_thinking(chat: &Request<'_>) -> bool {
    ["think", "reasoning_effort", "chat_template_kwargs"].iter().any(|key| chat.asks_for(key))
}

/// A chat that its client writes in Ollama's own words, with what a pool wants of each. `None` where that changes nothing.
pub fn with_defaults(chat: &[u8], defaults: &Defaults) -> Option<Bytes> {
    let chat = Object::of_body(chat)?;
    let own = chat.present("options").map_or_else(|| Some(Object::empty()), Object::part)?;
    let num_ctx = defaults.num_ctx.map(|tokens| tokens.to_string());
    let wanted = num_ctx.as_deref().map(|tokens| ("num_ctx", tokens)).into_iter();
    let wanted = wanted.chain(defaults.options.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let options: Vec<_> =
        wanted.filter(|(key, _)| own.get(key).is_none()).map(|(key, value)| (key, Edit::Set(value.into()))).collect();
    let mut edits = Vec::new();
    if !options.is_empty() {
        edits.push(("options", Edit::Set(own.edited(&options).into())));
    }
    let truncate = defaults.truncate.map(|truncate| truncate.to_string());
    for (key, value) in [("keep_alive", defaults.keep_alive.clone()), ("truncate", truncate)] {
        let value = value.filter(|_| chat.present(key).is_none());
        edits.extend(value.map(|value| (key, Edit::Set(value.into()))));
    }
    (!edits.is_empty()).then(|| chat.edited(&edits).into())
}

impl Unservable {
    /// For a member, by its path in the body.
    pub(super) fn of(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), message: message.into() }
    }
}

/// What asks for an answer that there is none of.
fn refuse(chat: &Object<'_>) -> Result<(), Unservable> {
    let choices: Option<f64> = chat.present("n").and_then(|written| written.parse().ok());
    if choices.is_some_and(|choices| choices > 1.0) {
        return Err(Unservable::of("n", "n is 1 for this model: its server gives one choice"));
    }
    if chat.present("functions").is_some() {
        return Err(Unservable::of("functions", "functions are not served for this model: offer them as tools"));
    }
    Ok(())
}

/// What the answer may be.
fn format<'a>(chat: &Object<'a>) -> Option<Cow<'a, str>> {
    const ANY: &str = "\"json\"";
    if let Some(own) = chat.present("format") {
        return Some(own.into());
    }
    let asked = Object::part(chat.present("response_format")?)?;
    match asked.string("type").as_deref() {
        Some("json_object") => Some(ANY.into()),
        Some("json_schema") => {
            let schema = asked.get("json_schema").and_then(Object::part).and_then(|schema| schema.present("schema"));
            Some(schema.unwrap_or(ANY).into())
        }
        _ => None,
    }
}

/// Whether the model is to think, and how much.
fn think<'a>(chat: &Object<'a>, thinking: Thinking) -> Result<Option<&'a str>, Unservable> {
    let switch = || {
        let template = Object::part(chat.present("chat_template_kwargs")?)?;
        template.get("enable_thinking").filter(|written| matches!(*written, "true" | "false"))
    };
    let asked = match (chat.present("think"), chat.present("reasoning_effort")) {
        (Some(own), _) => Some(own),
        (None, Some(effort)) => Some(level(chat.string("reasoning_effort").as_deref().unwrap_or(effort))?),
        (None, None) => switch(),
    };
    Ok(match (thinking, asked) {
        (Thinking::None, _) | (_, None) => None,
        (Thinking::Levels, asked) => asked,
        (Thinking::Switch, Some("false")) => Some("false"),
        (Thinking::Switch, Some(_)) => Some("true"),
    })
}

fn level(effort: &str) -> Result<&'static str, Unservable> {
    Ok(match effort {
        "none" => "false",
        "minimal" | "low" => "\"low\"",
        "medium" => "\"medium\"",
        "high" => "\"high\"",
        "xhigh" | "max" => "\"max\"",
        _ => {
            let message = "reasoning_effort is none, minimal, low, medium, high, xhigh or max";
            return Err(Unservable::of("reasoning_effort", message));
        }
    })
}

/// An object that is written member by member.
#[derive(Debug, Default)]
pub(super) struct Members(String);

impl Members {
    /// Appends a member, its value given as JSON.
    pub(super) fn put(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        write_string(key, &mut self.0);
        self.0.push(':');
        self.0.push_str(value);
    }

    /// The same, if there is a value.
    pub(super) fn put_some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// The object, as JSON.
    pub(super) fn end(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

/// Elements, given as JSON, as a list.
pub(super) fn list(elements: &[String]) -> String {
    format!("[{}]", elements.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members behind the messages of a chat's translation.
    fn rest(more: &str, defaults: &Defaults, thinking: Thinking) -> Result<String, String> {
        let body = format!(r#"{{"model":"m","messages":[]{more}}}"#);
        let body = request(body.as_bytes(), defaults, thinking);
        let body = body.map_err(|unservable| unservable.param.unwrap_or_default())?;
        let body = String::from_utf8(body.to_vec()).unwrap();
        Ok(body.strip_prefix(r#"{"model":"m","messages":[],"stream":true"#).unwrap().to_owned())
    }

    #[test]
    fn members_of_a_chat_become_those_of_the_server() {
        for (more, expected) in [
            ("", Ok("}")),
            (r#","stream":false,"user":"u","logit_bias":{"1":2},"n":1,"store":true"#, Ok("}")),
            (r#","n":2"#, Err("n")),
            (r#","n":null,"functions":null"#, Ok("}")),
            (r#","functions":[]"#, Err("functions")),
            (r#","response_format":{"type":"json_object"}"#, Ok(r#","format":"json"}"#)),
            (
                r#","response_format":{"type":"json_schema","json_schema":{"schema":{"b":1.0, "a":2}}}"#,
                Ok(r#","format":{"b":1.0, "a":2}}"#),
            ),
            (r#","response_format":{"type":"json_schema"}"#, Ok(r#","format":"json"}"#)),
            (r#","response_format":{"type":"text"}"#, Ok("}")),
            (r#","response_format":{"type":"text"},"format":{"x":1}"#, Ok(r#","format":{"x":1}}"#)),
            (
                r#","logprobs":true,"top_logprobs":2,"keep_alive":-1,"truncate":true,"shift":false"#,
                Ok(r#","logprobs":true,"top_logprobs":2,"keep_alive":-1,"truncate":true,"shift":false}"#),
            ),
        ] {
            let found = rest(more, &Defaults::default(), Thinking::Levels);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{more}");
        }
    }

    #[test]
    fn a_pools_wishes_stand_behind_the_clients() {
        let options = vec![("top_k".to_owned(), "20".to_owned()), ("num_thread".to_owned(), "4".to_owned())];
        let (keep_alive, truncate) = (Some("\"30m\"".to_owned()), Some(false));
        let defaults = Defaults { num_ctx: Some(8192), keep_alive, truncate, options };
        for (more, expected) in [
            ("", r#","options":{"num_ctx":8192,"num_thread":4,"top_k":20},"keep_alive":"30m","truncate":false}"#),
            (
                r#","keep_alive":0,"top_k":1,"num_ctx":1,"options":{"num_ctx":2,"num_thread":null}"#,
                r#","options":{"num_ctx":2,"num_thread":4,"top_k":1},"keep_alive":0,"truncate":false}"#,
            ),
        ] {
            assert_eq!(rest(more, &defaults, Thinking::Levels).as_deref(), Ok(expected), "{more}");
        }
    }

    #[test]
    fn a_chat_in_the_servers_own_words_gets_the_pools_wishes_and_nothing_else() {
        let options = vec![("top_k".to_owned(), "20".to_owned())];
        let all = Defaults { num_ctx: Some(8192), keep_alive: Some("-1".to_owned()), truncate: Some(false), options };
        let cut = Defaults { truncate: Some(false), ..Defaults::default() };
        for (chat, defaults, expected) in [
            (r#"{"model": "m"}"#, &Defaults::default(), None),
            (r#"{"model": "m", "x": 1.0}"#, &cut, Some(r#"{"model": "m", "x": 1.0,"truncate":false}"#)),
            (r#"{"truncate":true}"#, &cut, None),
            (
                r#"{"options":{"num_ctx": 1,"seed":7},"keep_alive":"5m"}"#,
                &all,
                Some(r#"{"options":{"num_ctx": 1,"seed":7,"top_k":20},"keep_alive":"5m","truncate":false}"#),
            ),
            (
                r#"{"options":null}"#,
                &all,
                Some(r#"{"options":{"num_ctx":8192,"top_k":20},"keep_alive":-1,"truncate":false}"#),
            ),
            // What is no chat is the server's to refuse.
            (r#"{"options":7}"#, &all, None),
            ("[]", &all, None),
            ("", &all, None),
        ] {
            let found = with_defaults(chat.as_bytes(), defaults);
            let found = found.as_ref().map(|chat| std::str::from_utf8(chat).unwrap());
            assert_eq!(found, expected, "{chat}");
        }
    }

    #[test]
    fn thinking_is_asked_for_as_the_model_takes_it() {
        for (more, [levels, switch]) in [
            (r#""reasoning_effort":"none""#, ["false", "false"]),
            (r#""reasoning_effort":"minimal""#, [r#""low""#, "true"]),
            (r#""reasoning_effort":"l\u006fw""#, [r#""low""#, "true"]),
            (r#""reasoning_effort":"medium""#, [r#""medium""#, "true"]),
            (r#""reasoning_effort":"high""#, [r#""high""#, "true"]),
            (r#""reasoning_effort":"max""#, [r#""max""#, "true"]),
            (r#""chat_template_kwargs":{"enable_thinking":true}"#, ["true", "true"]),
            (r#""chat_template_kwargs":{"enable_thinking":false}"#, ["false", "false"]),
            (r#""think":"low","reasoning_effort":"high""#, [r#""low""#, "true"]),
            (r#""think":false"#, ["false", "false"]),
        ] {
            let rest = |thinking| rest(&format!(",{more}"), &Defaults::default(), thinking).unwrap();
            assert_eq!(rest(Thinking::Levels), format!(r#","think":{levels}}}"#), "{more}");
            assert_eq!(rest(Thinking::Switch), format!(r#","think":{switch}}}"#), "{more}");
            assert_eq!(rest(Thinking::None), "}", "{more}");
        }
        for more in [r#","reasoning_effort":"huge""#, r#","reasoning_effort":7"#] {
            assert_eq!(rest(more, &Defaults::default(), Thinking::Levels), Err("reasoning_effort".into()));
        }
        let unsaid = r#","reasoning_effort":null,"chat_template_kwargs":{"enable_thinking":"x"}"#;
        assert_eq!(rest(unsaid, &Defaults::default(), Thinking::Levels).as_deref(), Ok("}"));
    }

    #[test]
    fn what_is_no_chat_is_refused() {
        for (body, param) in
            [("", None), ("[]", None), ("{}", Some("messages")), (r#"{"messages":7}"#, Some("messages"))]
        {
            let refused = request(body.as_bytes(), &Defaults::default(), Thinking::Levels).unwrap_err();
            assert_eq!(refused.param.as_deref(), param, "{body}");
        }
    }
}
