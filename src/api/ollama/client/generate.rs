//! Request of `/api/generate`: a prompt, which is a chat of one message, or a text to go on with.

use super::messages::write_plain;
use super::mistake::Mistake;
use super::request::{Asked, Request};
use super::{images, options};
use crate::json::{Object, inside};

/// What such a request becomes. An error is the client's.
pub(super) fn request(asked: Asked<'_>) -> Result<Request, Mistake> {
    for key in ["template", "context"] {
        if asked.object.present(key).is_some_and(|value| value != "\"\"" && !is_empty_list(value)) {
            return Err(Mistake::new(format!("{key} is not supported here; send the conversation to /api/chat")));
        }
    }
    let prompt = text(&asked.object, "prompt")?;
    if prompt == NOTHING {
        return Ok(asked.into_load());
    }
    let suffix = text(&asked.object, "suffix")?;
    let is_raw = match asked.object.present("raw") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Mistake::new("raw must be true or false")),
    };
    if is_raw || suffix != NOTHING { completion(asked, prompt, suffix) } else { chat(asked, prompt) }
}

fn chat(asked: Asked<'_>, prompt: &str) -> Result<Request, Mistake> {
    let mut messages = String::from("[");
    let system = text(&asked.object, "system")?;
    if system != NOTHING {
        write_plain("system", system, &[], &mut messages);
        messages.push(',');
    }
    write_plain("user", prompt, &images::read(&asked.object)?, &mut messages);
    messages.push(']');
    asked.into_chat(&messages)
}

/// No template is applied: the text goes on as it is, before another if there is one.
fn completion(asked: Asked<'_>, prompt: &str, suffix: &str) -> Result<Request, Mistake> {
    for (key, is_there) in
        [("system", text(&asked.object, "system")? != NOTHING), ("images", !images::read(&asked.object)?.is_empty())]
    {
        if is_there {
            return Err(Mistake::new(format!("{key} cannot stand beside raw or suffix")));
        }
    }
    let mut body = asked.body();
    body.set("prompt", prompt);
    if suffix != NOTHING {
        body.set("suffix", suffix);
    }
    asked.write_stream(&mut body);
    options::write_format(&asked.object, &mut body)?;
    options::write_named(&asked.object, &asked.takes, &mut body)?;
    Ok(Request::Completion { body: body.finish().into(), told: asked.told })
}

/// An empty string, as it is written.
const NOTHING: &str = "\"\"";

/// A string, as it was written; empty where there is none.
fn text<'a>(object: &Object<'a>, key: &str) -> Result<&'a str, Mistake> {
    match object.present(key) {
        None => Ok(NOTHING),
        Some(value) if inside(value).is_some() => Ok(value),
        Some(_) => Err(Mistake::new(format!("{key} must be a string"))),
    }
}

fn is_empty_list(value: &str) -> bool {
    crate::json::elements(value).is_some_and(|elements| elements.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::request::request;
    use super::super::{Page, Request};
    use crate::engine::Engine;

    fn generate(more: &str) -> Result<(&'static str, String), String> {
        let body = format!(r#"{{"model":"m","stream":false{more}}}"#);
        let request = request(Page::Generate, body.as_bytes(), &Engine::LlamaCpp.row().options);
        let text = |body: bytes::Bytes| String::from_utf8(body.to_vec()).unwrap();
        match request.map_err(|mistake| mistake.message.into_owned())? {
            Request::Chat { body, .. } => Ok(("chat", text(body))),
            Request::Completion { body, .. } => Ok(("completion", text(body))),
            Request::Load { .. } => Ok(("load", String::new())),
            Request::Unload { .. } => Ok(("unload", String::new())),
        }
    }

    #[test]
    fn a_prompt_is_a_chat_unless_it_is_raw_or_has_a_suffix() {
        for (more, kind, body) in [
            ("", "load", ""),
            (r#","prompt":"","keep_alive":0"#, "unload", ""),
            (
                r#","prompt":"p\n","context":[ ],"template":"","raw":false,"think":false"#,
                "chat",
                r#"{"model":"m","messages":[{"role":"user","content":"p\n"}],"stream":false,"chat_template_kwargs":{"enable_thinking":false}}"#,
            ),
            (
                r#","prompt":"p","system":"s","format":"json""#,
                "chat",
                r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"p"}],"stream":false,"response_format":{"type":"json_object"}}"#,
            ),
            (
                r#","prompt":"p","raw":true,"suffix":"q","options":{"stop":["x"],"top_k":3}"#,
                "completion",
                r#"{"model":"m","prompt":"p","suffix":"q","stream":false,"stop":["x"],"top_k":3}"#,
            ),
        ] {
            assert_eq!(generate(more), Ok((kind, body.to_owned())), "{more}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        for (more, expected) in [
            (r#","prompt":7"#, "prompt must be a string"),
            (r#","prompt":"p","raw":1"#, "raw must be true or false"),
            (r#","prompt":"p","system":[]"#, "system must be a string"),
            (r#","prompt":"p","raw":true,"system":"s""#, "system cannot stand beside raw or suffix"),
            (r#","prompt":"p","suffix":"q","images":["iVBO"]"#, "images cannot stand beside raw or suffix"),
            (r#","prompt":"p","template":"t""#, "template is not supported here; send the conversation to /api/chat"),
        ] {
            assert_eq!(generate(more), Err(expected.to_owned()), "{more}");
        }
    }
}
