//! Request of a client: what it asks of `/v1/messages`, as OpenAI's API asks it.
//!
//! The chat is new: nothing goes up but what is said here. What is not understood is refused, has words in brackets in its
//! place, or is named in [`Asked::ignored`].

use bytes::Bytes;

use super::blocks::Reading;
use super::body::Body;
use super::ignored::Ignored;
use super::messages;
use super::mistake::Mistake;
use super::server::Server;
use super::thinking::{self, Start, Thinking};
use super::told::Told;
use super::tools::Tools;
use crate::engine::Others;
use crate::json::{Object, elements, inside};

/// What a request becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The body for `/v1/chat/completions`.
    pub body: Bytes,
    pub told: Told,
    /// What had no effect and could be missed. Each name can stand in a header as it is.
    pub ignored: Vec<String>,
}

/// Reads a request. An error is the client's, and nothing goes up for it.
pub fn request(body: &[u8], server: &Server) -> Result<Asked, Mistake> {
    translate(body, server, Purpose::Answer)
}

/// The same for one that wants its tokens counted: the body has no limit of an answer, and asks for no stream.
pub fn count_request(body: &[u8], server: &Server) -> Result<Asked, Mistake> {
    translate(body, server, Purpose::Count)
}

/// The model that a request names, whatever else is in it. An error is the client's.
pub fn model(body: &[u8]) -> Result<String, Mistake> {
    named(&read(body)?)
}

/// The id of the conversation that a request belongs to, which some clients give. `None` where there is none that could
/// be one.
pub fn session(body: &[u8]) -> Option<String> {
    let request = Object::of_body(body)?;
    let metadata = request.get("metadata").and_then(Object::part)?;
    // JSON in a string, beside ids that are nobody's business.
    let user = metadata.string("user_id")?;
    let session = Object::parse(&user)?.string("session_id")?;
    (1..=SESSION_BYTES_MAX).contains(&session.len()).then(|| session.into_owned())
}

/// What a request is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Answer,
    Count,
}

fn read(body: &[u8]) -> Result<Object<'_>, Mistake> {
    Object::of_body(body).ok_or_else(|| Mistake::new("the body must be a JSON object"))
}

fn named(request: &Object<'_>) -> Result<String, Mistake> {
    let written = request.present("model").ok_or_else(|| Mistake::required("model"))?;
    let model = crate::json::string(written).filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| Mistake::at("model", "must be a string that is not empty"))?;
    Ok(model.into_owned())
}

fn translate(body: &[u8], server: &Server, purpose: Purpose) -> Result<Asked, Mistake> {
    let request = read(body)?;
    let mut told =
        Told { model: named(&request)?, is_streamed: false, max_tokens: 0, fills_cache: false, prefill: None };
    refuse(&request, server)?;
    let mut reading = Reading { server, ignored: Ignored::default() };
    let conversation = messages::translate(&request, &mut reading)?;
    let mut ignored = reading.ignored;
    let start = if conversation.prefill.is_some() { Start::Continued } else { Start::Fresh };
    told.prefill = conversation.prefill.filter(|_| server.takes.repeats_prefill);
    let mut body = Body::default();
    body.set("model", request.get("model").unwrap_or_default());
    body.set("messages", conversation.messages);
    Tools::read(&request, server, &mut ignored)?.write(&request, &mut body)?;
    if purpose == Purpose::Answer {
        write_answer(&request, &mut told, &mut body)?;
    }
    write_sampling(&request, server, &mut body, &mut ignored)?;
    write_format(&request, &mut body, &mut ignored)?;
    if start == Start::Continued {
        server.takes.prefill.iter().for_each(|member| body.set(member.key, member.value));
    }
    let mut arguments = Body::default();
    Thinking::read(&request, start)?.write(server, &mut body, &mut arguments, &mut ignored);
    let template = arguments_of(&request, server)?;
    for (key, value) in template.members() {
        arguments.set_other(key, value);
        if matches!(server.takes.others, Others::Named(_)) && key != thinking::SWITCH {
            ignored.add(ARGUMENTS);
        }
    }
    if !arguments.is_empty() {
        body.set(ARGUMENTS, arguments.finish());
    }
    write_others(&request, server, &mut body, &mut ignored);
    Ok(Asked { body: body.finish().into(), told, ignored: ignored.into_names() })
}

/// What runs on Anthropic's side alone.
fn refuse(request: &Object<'_>, server: &Server) -> Result<(), Mistake> {
    let servers = request.present("mcp_servers");
    // One that is here by its label; where its client thinks that it is, nobody goes.
    let is_here = |written: &str| {
        let label = Object::part(written).and_then(|object| object.string("name"));
        label.is_some_and(|label| server.runs.iter().any(|own| own.server == label))
    };
    if servers.is_some_and(|servers| elements(servers).is_none_or(|servers| !servers.into_iter().all(is_here))) {
        return Err(Mistake::at("mcp_servers", "MCP servers cannot be reached from here"));
    }
    if request.present("container").is_some() {
        return Err(Mistake::at("container", "containers run on Anthropic's servers and cannot be used here"));
    }
    Ok(())
}

/// Adds how long the answer may be and how it is to come.
fn write_answer<'a>(request: &Object<'a>, told: &mut Told, body: &mut Body<'a>) -> Result<(), Mistake> {
    let path = "max_tokens";
    let written = request.present(path).ok_or_else(|| Mistake::required(path))?;
    told.max_tokens = written.parse().map_err(|_| Mistake::at(path, "must be an integer that is not negative"))?;
    told.fills_cache = told.max_tokens == 0;
    body.set(path, if told.fills_cache { "1" } else { written });
    told.is_streamed = match request.present("stream") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Mistake::at("stream", "must be true or false")),
    };
    if told.is_streamed {
        body.set("stream", "true");
        body.set("stream_options", r#"{"include_usage":true}"#);
    }
    Ok(())
}

/// Adds how the answer is made, and where it ends.
fn write_sampling<'a>(
    request: &Object<'a>,
    server: &Server,
    body: &mut Body<'a>,
    ignored: &mut Ignored,
) -> Result<(), Mistake> {
    for key in ["temperature", "top_p", "top_k"] {
        let Some(value) = request.present(key) else { continue };
        if !value.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(Mistake::at(key, "must be a number"));
        }
        // OpenAI's API does not have it.
        match key == "top_k" && server.takes.others == Others::Refused {
            true => ignored.add(key),
            false => body.set(key, value),
        }
    }
    let path = "stop_sequences";
    let Some(written) = request.present(path) else { return Ok(()) };
    let texts = elements(written).filter(|texts| texts.iter().all(|text| inside(text).is_some()));
    if !texts.ok_or_else(|| Mistake::at(path, "must be a list of strings"))?.is_empty() {
        body.set("stop", written);
    }
    Ok(())
}

/// Adds the format of the answer, which has two places.
fn write_format(request: &Object<'_>, body: &mut Body<'_>, ignored: &mut Ignored) -> Result<(), Mistake> {
    let path = "output_config";
    let config = request.present(path).unwrap_or("{}");
    let config = Object::part(config).ok_or_else(|| Mistake::at(path, "must be an object"))?;
    for (key, value) in config.members() {
        if !matches!(key, "effort" | "format") && value != "null" {
            ignored.add(&format!("{path}.{key}"));
        }
    }
    let (path, written) = match (config.present("format"), request.present("output_format")) {
        (Some(format), _) => ("output_config.format", format),
        (None, Some(format)) => ("output_format", format),
        (None, None) => return Ok(()),
    };
    let format = Object::part(written).ok_or_else(|| Mistake::at(path, "must be an object"))?;
    if format.string("type").as_deref() != Some("json_schema") {
        return Err(Mistake::at(format_args!("{path}.type"), "must be json_schema"));
    }
    let schema = format.present("schema").ok_or_else(|| Mistake::required(format_args!("{path}.schema")))?;
    let head = r#"{"type":"json_schema","json_schema":{"name":"output","schema":"#;
    body.set("response_format", [head, schema, ",\"strict\":true}}"].concat());
    Ok(())
}

/// What the client itself has to say to the chat template.
fn arguments_of<'a>(request: &Object<'a>, server: &Server) -> Result<Object<'a>, Mistake> {
    match request.present(ARGUMENTS).filter(|_| server.takes.others != Others::Refused) {
        None => Ok(Object::empty()),
        Some(written) => Object::part(written).ok_or_else(|| Mistake::at(ARGUMENTS, "must be an object")),
    }
}

/// Adds what is not Anthropic's, as it was written.
fn write_others<'a>(request: &'a Object<'_>, server: &Server, body: &mut Body<'a>, ignored: &mut Ignored) {
    for (key, value) in request.members() {
        match key {
            key if READ.contains(&key) => {}
            key if WITHOUT_EFFECT.contains(&key) || value == "null" => {}
            key if OURS.contains(&key) || key == "context_management" => ignored.add(key),
            ARGUMENTS if server.takes.others != Others::Refused => {}
            key => match server.takes.others {
                Others::Taken => body.set_other(key, value),
                Others::Named(known) => {
                    body.set_other(key, value);
                    if !known.contains(&key) {
                        ignored.add(key);
                    }
                }
                Others::Refused => ignored.add(key),
            },
        }
    }
}

/// The object that goes to the chat template, of ours and of the client's members.
const ARGUMENTS: &str = "chat_template_kwargs";

const READ: [&str; 17] = [
    "model",
    "max_tokens",
    "system",
    "messages",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "stream",
    "metadata",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "mcp_servers",
    "container",
];

/// Anthropic's own, by which no answer differs here.
const WITHOUT_EFFECT: [&str; 11] = [
    "cache_control",
    "service_tier",
    "inference_geo",
    "speed",
    "diagnostics",
    "user_profile_id",
    "workspace_id",
    "betas",
    "fallbacks",
    "anthropic_version",
    "anthropic_beta",
];

/// OpenAI's own, with which an answer could not be told.
const OURS: [&str; 4] = ["n", "stream_options", "functions", "function_call"];

/// Longer than any id that a client gives.
const SESSION_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests;
