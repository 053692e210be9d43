//! Request of a client: what it asks of `/api/chat` or `/api/generate`, as OpenAI's API asks it.

use bytes::Bytes;

use super::asked::{Page, Told};
use super::mistake::Mistake;
use super::options::{self, Body};
use super::{generate, messages};
use crate::engine::Options;
use crate::json::{Edit, Object, elements, inside, string};

/// What a request becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A chat: the body for `/v1/chat/completions`.
    Chat { body: Bytes, told: Told },
    /// A text to go on with: the body for `/v1/completions`.
    Completion { body: Bytes, told: Told },
    /// No server is asked: the client wants its model in memory. It gets one object, whether it streams or not.
    Load { told: Told },
    /// The same, and out of memory.
    Unload { told: Told },
}

/// Reads a request. `options` are those of the row of the engine that will answer. An error is the client's, and nothing
/// goes up for it.
pub fn request(page: Page, body: &[u8], options: &Options) -> Result<Request, Mistake> {
    let asked = Asked::read(page, body, options)?;
    match page {
        Page::Chat => chat(asked),
        Page::Generate => generate::request(asked),
    }
}

/// A request of either page.
pub(super) struct Asked<'a> {
    pub(super) object: Object<'a>,
    pub(super) told: Told,
    pub(super) takes: Options,
}

impl<'a> Asked<'a> {
    fn read(page: Page, body: &'a [u8], takes: &Options) -> Result<Self, Mistake> {
        let object = Object::of_body(body).ok_or_else(|| Mistake::new("the body must be a JSON object"))?;
        let model = model(&object)?;
        let is_streamed = match object.present("stream") {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(Mistake::new("stream must be true or false")),
        };
        Ok(Self { told: Told { page, model, is_streamed }, object, takes: *takes })
    }

    /// The beginning of the body that goes up.
    pub(super) fn body(&self) -> Body {
        let mut body = Body::new();
        body.set("model", self.object.get("model").unwrap_or_default());
        body
    }

    /// Adds how the answer is to come.
    pub(super) fn write_stream(&self, body: &mut Body) {
        body.set("stream", if self.told.is_streamed { "true" } else { "false" });
        if self.told.is_streamed {
            body.set("stream_options", r#"{"include_usage":true}"#);
        }
    }

    /// The chat of these messages, given as JSON.
    pub(super) fn into_chat(self, messages: &str) -> Result<Request, Mistake> {
        let mut body = self.body();
        body.set("messages", messages);
        if let Some(tools) = tools(&self.object)? {
            body.set("tools", &tools);
        }
        self.write_stream(&mut body);
        match self.takes {
            Options::AsWritten => options::write_own(&self.object, &mut body),
            Options::Named { .. } => {
                options::write_format(&self.object, &mut body)?;
                options::write_think(&self.object, &self.takes, &mut body)?;
                options::write_named(&self.object, &self.takes, &mut body)?;
            }
        }
        for key in ["logprobs", "top_logprobs"] {
            if let Some(value) = self.object.present(key) {
                body.set(key, value);
            }
        }
        Ok(Request::Chat { body: body.finish().into(), told: self.told })
    }

    /// Nothing is asked but that the model be there, or gone.
    pub(super) fn into_load(self) -> Request {
        match self.object.present("keep_alive") {
            Some(time) if is_zero(time) => Request::Unload { told: self.told },
            _ => Request::Load { told: self.told },
        }
    }
}

/// The model that a request names. An error is the client's.
pub(super) fn model(object: &Object<'_>) -> Result<String, Mistake> {
    let required = || Mistake::new("model is required");
    let written = object.present("model").ok_or_else(required)?;
    let model = string(written).ok_or_else(|| Mistake::new("model must be a string"))?;
    if model.is_empty() { Err(required()) } else { Ok(model.into_owned()) }
}

fn chat(asked: Asked<'_>) -> Result<Request, Mistake> {
    let written = asked.object.present("messages").unwrap_or("[]");
    let written = elements(written).ok_or_else(|| Mistake::new("messages must be a list"))?;
    if written.is_empty() {
        return Ok(asked.into_load());
    }
    let messages = messages::translate(&written)?;
    asked.into_chat(&messages)
}

/// The tools, whole; the kind that they are may be left out.
fn tools(object: &Object<'_>) -> Result<Option<String>, Mistake> {
    let mistake = || Mistake::new("tools must be a list of objects");
    let Some(written) = object.present("tools") else { return Ok(None) };
    let mut list = String::from("[");
    for tool in elements(written).ok_or_else(mistake)? {
        let tool = Object::part(tool).ok_or_else(mistake)?;
        list.push_str(if list.len() > 1 { "," } else { "" });
        match tool.present("type") {
            None | Some("\"\"") => list.push_str(&tool.edited(&[("type", Edit::Set("\"function\"".into()))])),
            Some(_) => list.push_str(tool.text()),
        }
    }
    list.push(']');
    Ok(Some(list))
}

/// Whether a duration, seconds or a text such as `"0s"`, is none.
fn is_zero(time: &str) -> bool {
    let text = inside(time).unwrap_or(time);
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    digits.contains('0') && !digits.contains(|c: char| matches!(c, '1'..='9'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn chat(engine: Engine, body: &str) -> Result<String, String> {
        match request(Page::Chat, body.as_bytes(), &engine.row().options) {
            Ok(Request::Chat { body, .. }) => Ok(String::from_utf8(body.to_vec()).unwrap()),
            Ok(Request::Load { .. }) => Ok("load".to_owned()),
            Ok(Request::Unload { .. }) => Ok("unload".to_owned()),
            Ok(Request::Completion { .. }) => Ok("completion".to_owned()),
            Err(mistake) => Err(mistake.message.into_owned()),
        }
    }

    #[test]
    fn a_server_of_the_same_api_gets_all_that_its_clients_write() {
        let own = [
            (r#""options":{"num_ctx":8192,"temperature":"odd","foo":[1]}"#),
            (r#""keep_alive":"10m""#),
            (r#""think":"extreme""#),
            (r#""format":{"type":"object"}"#),
            (r#""truncate":false"#),
            (r#""shift":true"#),
        ];
        let tools = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"x":1}}}]"#;
        let logprobs = r#""logprobs":true,"top_logprobs":2"#;
        let messages = r#""messages":[{"role":"user","content":"hi","images":["iVBORw0K"]},{"role":"assistant","thinking":"t","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":12345678901234567890}}}]},{"role":"tool","tool_call_id":"c","content":"r"}]"#;
        let body = format!(r#"{{"model":"m","stream":false,{},{tools},{logprobs},{messages}}}"#, own.join(","));
        let up = chat(Engine::Ollama, &body).unwrap();
        for part in own.iter().chain([&tools]) {
            assert!(up.contains(part), "{part}\n{up}");
        }
        for part in [
            r#""logprobs":true"#,
            r#""top_logprobs":2"#,
            r#""model":"m""#,
            r#""stream":false"#,
            r#""url":"data:image/png;base64,iVBORw0K""#,
            r#"{"role":"assistant","content":null,"reasoning_content":"t","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":12345678901234567890}"}}]}"#,
            r#"{"role":"tool","tool_call_id":"c","content":"r"}"#,
        ] {
            assert!(up.contains(part), "{part}\n{up}");
        }
        assert!(!up.contains("max_tokens") && !up.contains("response_format"), "nothing is said twice: {up}");
        assert!(serde_json::from_str::<serde_json::Value>(&up).is_ok());
    }

    #[test]
    fn nothing_to_say_loads_the_model_or_unloads_it() {
        for (more, expected) in [
            ("", "load"),
            (r#","messages":null"#, "load"),
            (r#","messages":[],"keep_alive":-1"#, "load"),
            (r#","messages":[],"keep_alive":"10m""#, "load"),
            (r#","messages":[],"keep_alive":1e0"#, "load"),
            (r#","messages":[ ],"keep_alive":0.0"#, "unload"),
            (r#","keep_alive":"0""#, "unload"),
            (r#","keep_alive":"0h0m0s""#, "unload"),
            (r#","keep_alive":0e5"#, "unload"),
        ] {
            assert_eq!(chat(Engine::LlamaCpp, &format!(r#"{{"model":"m"{more}}}"#)).as_deref(), Ok(expected), "{more}");
        }
    }

    #[test]
    fn a_request_of_a_wrong_shape_is_told() {
        for (body, expected) in [
            ("", "the body must be a JSON object"),
            ("[]", "the body must be a JSON object"),
            (r#"{"model":""}"#, "model is required"),
            (r#"{"model":null}"#, "model is required"),
            (r#"{"model":7}"#, "model must be a string"),
            (r#"{"model":"m","stream":"yes"}"#, "stream must be true or false"),
            (r#"{"model":"m","messages":{}}"#, "messages must be a list"),
            (r#"{"model":"m","messages":[{"role":"user"}],"tools":{}}"#, "tools must be a list of objects"),
            (r#"{"model":"m","messages":[{"role":"user"}],"tools":["f"]}"#, "tools must be a list of objects"),
            (
                r#"{"model":"m","messages":[{"role":"user"}],"think":1}"#,
                "invalid think value: 1 (must be \"high\", \"medium\", \"low\", \"max\", true, or false)",
            ),
        ] {
            assert_eq!(chat(Engine::LlamaCpp, body), Err(expected.to_owned()), "{body}");
        }
    }
}
