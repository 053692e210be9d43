//! Options of a request: `options` and what else says how an answer is to be made, in the server's words.
//! What is set while a model is loaded reaches nobody, nor what no server knows.

use super::mistake::Mistake;
use super::text::write_compact;
use crate::engine::Options;
use crate::json::{Object, elements, inside, write_string};

/// A body in the making.
#[derive(Debug)]
pub(super) struct Body(String);

impl Body {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a member, given as JSON.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.0.push_str(if self.0.len() > 1 { "," } else { "" });
        write_string(key, &mut self.0);
        self.0.push(':');
        self.0.push_str(value);
    }

    /// The whole body.
    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Adds the options by the names that all servers know, and by those of this one.
pub(super) fn write_named(request: &Object<'_>, takes: &Options, body: &mut Body) -> Result<(), Mistake> {
    let Some(written) = request.present("options") else { return Ok(()) };
    let options = Object::part(written).ok_or_else(|| Mistake::new("options must be an object"))?;
    let own = match takes {
        Options::Named { options, .. } => *options,
        Options::AsWritten => &[],
    };
    let names = EVERYWHERE.iter().copied().chain(own.iter().map(|name| (name.asked, name.sent)));
    for (asked, sent) in names {
        let Some(value) = options.present(asked) else { continue };
        if let Some(value) = checked(asked, value)? {
            body.set(sent, &value);
        }
    }
    Ok(())
}

/// Adds what only Ollama's API has, as it was written.
pub(super) fn write_own(request: &Object<'_>, body: &mut Body) {
    for key in OWN {
        if let Some(value) = request.present(key).filter(|value| *value != "\"\"") {
            body.set(key, value);
        }
    }
}

/// Adds the format of the answer.
pub(super) fn write_format(request: &Object<'_>, body: &mut Body) -> Result<(), Mistake> {
    match request.present("format") {
        None | Some("\"\"") => {}
        Some("\"json\"") => body.set("response_format", r#"{"type":"json_object"}"#),
        Some(schema) if schema.starts_with('{') => {
            let format = [r#"{"type":"json_schema","json_schema":{"name":"schema","schema":"#, schema, "}}"];
            body.set("response_format", &format.concat());
        }
        Some(other) => {
            let message = format!("invalid format: {other}; expected \"json\" or a JSON schema");
            return Err(Mistake::new(message));
        }
    }
    Ok(())
}

/// Adds whether the model is to think, and how much. Servers read it in one place or the other, so it stands in both.
pub(super) fn write_think(request: &Object<'_>, takes: &Options, body: &mut Body) -> Result<(), Mistake> {
    let (enabled, effort) = match request.present("think") {
        None => return Ok(()),
        Some(yes_or_no @ ("true" | "false")) => (yes_or_no, None),
        Some(level @ ("\"low\"" | "\"medium\"" | "\"high\"")) => ("true", Some(level)),
        Some("\"max\"") => ("true", Some("\"high\"")),
        Some(other) => {
            let allowed = "must be \"high\", \"medium\", \"low\", \"max\", true, or false";
            return Err(Mistake::new(format!("invalid think value: {other} ({allowed})")));
        }
    };
    if let Some(effort) = effort {
        body.set("reasoning_effort", effort);
    }
    if let Options::Named { template_arguments: Some(key), .. } = takes {
        let mut arguments = Body::new();
        arguments.set("enable_thinking", enabled);
        if let Some(effort) = effort {
            arguments.set("reasoning_effort", effort);
        }
        body.set(key, &arguments.finish());
    }
    Ok(())
}

/// An option's value for the server; none where it says nothing. Of a wrong kind it is a mistake, in Ollama's words.
fn checked(name: &str, value: &str) -> Result<Option<String>, Mistake> {
    let kind = match name {
        "stop" => Kind::Texts,
        _ if INTEGERS.contains(&name) => Kind::Integer,
        _ => Kind::Number,
    };
    let mistake = |what: &str| Mistake::new(format!("option \"{name}\" must be of type {what}"));
    let is_number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match kind {
        Kind::Texts => {
            let texts = elements(value).ok_or_else(|| mistake("array"))?;
            if texts.iter().any(|text| inside(text).is_none()) {
                return Err(Mistake::new(format!("option \"{name}\" must be of an array of strings")));
            }
            Ok((!texts.is_empty()).then(|| {
                let mut list = String::new();
                write_compact(value, &mut list);
                list
            }))
        }
        Kind::Integer => {
            let integer = integer(value).ok_or_else(|| mistake("integer"))?;
            // No number below one is a limit: -1 stands for none, -2 for what the context holds.
            let says = name != LENGTH || !integer.starts_with('-') && integer != "0";
            Ok(says.then_some(integer))
        }
        Kind::Number if is_number => Ok(Some(value.to_owned())),
        Kind::Number => Err(mistake("float32")),
    }
}

enum Kind {
    Number,
    Integer,
    Texts,
}

/// A number without what stands behind its point: Ollama takes any for an integer, other servers do not.
fn integer(value: &str) -> Option<String> {
    if let Ok(integer) = value.parse::<i64>() {
        return Some(integer.to_string());
    }
    let number = value.parse::<f64>().ok().filter(|number| number.abs() < EXACT_MAX)?;
    // Whatever lies between -1 and 1 is 0.
    Some(format!("{:.0}", number.trunc() + 0.0))
}

/// Up to here each integer is a 64-bit float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

const LENGTH: &str = "num_predict";

/// OpenAI's own, and how clients of Ollama's API call them.
const EVERYWHERE: [(&str, &str); 7] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("seed", "seed"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("stop", "stop"),
    (LENGTH, "max_tokens"),
];

const INTEGERS: [&str; 6] = [LENGTH, "seed", "top_k", "repeat_last_n", "num_keep", "mirostat"];

/// Beside the messages and OpenAI's own.
const OWN: [&str; 6] = ["options", "keep_alive", "think", "format", "truncate", "shift"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    /// What comes of a request's options, at the server that takes most.
    fn named(options: &str) -> Result<String, String> {
        let request = format!(r#"{{"options":{options}}}"#);
        let mut body = Body::new();
        let written = write_named(&Object::parse(&request).unwrap(), &Engine::LlamaCpp.row().options, &mut body);
        written.map(|()| body.finish()).map_err(|mistake| mistake.message.into_owned())
    }

    #[test]
    fn options_have_the_kind_that_servers_take() {
        for (options, expected) in [
            ("null", Ok("{}")),
            ("{}", Ok("{}")),
            (r#"{"temperature":0.70,"seed":null,"num_ctx":8192,"x":1}"#, Ok(r#"{"temperature":0.70}"#)),
            (r#"{"top_k":40.0,"seed":-7.9,"num_keep":0.5}"#, Ok(r#"{"seed":-7,"top_k":40,"n_keep":0}"#)),
            (r#"{"repeat_last_n":-0.5}"#, Ok(r#"{"repeat_last_n":0}"#)),
            (r#"{"stop":[ "a" , "\n" ],"num_predict":1e2}"#, Ok(r#"{"stop":["a","\n"],"max_tokens":100}"#)),
            (r#"{"stop":[],"num_predict":-1}"#, Ok("{}")),
            (r#"{"num_predict":0}"#, Ok("{}")),
            (r#"{"num_predict":-2.5}"#, Ok("{}")),
            ("[]", Err("options must be an object")),
            (r#"{"top_p":"x"}"#, Err("option \"top_p\" must be of type float32")),
            (r#"{"min_p":true}"#, Err("option \"min_p\" must be of type float32")),
            (r#"{"seed":"1"}"#, Err("option \"seed\" must be of type integer")),
            (r#"{"seed":1e300}"#, Err("option \"seed\" must be of type integer")),
            (r#"{"stop":"x"}"#, Err("option \"stop\" must be of type array")),
            (r#"{"stop":[1]}"#, Err("option \"stop\" must be of an array of strings")),
        ] {
            assert_eq!(named(options), expected.map(str::to_owned).map_err(str::to_owned), "{options}");
        }
    }

    #[test]
    fn thinking_is_said_where_a_server_takes_it() {
        let arguments = r#""chat_template_kwargs":{"enable_thinking":true,"reasoning_effort":"low"}"#;
        let low = format!(r#"{{"reasoning_effort":"low",{arguments}}}"#);
        for (engine, think, expected) in [
            (Engine::LlamaCpp, "false", r#"{"chat_template_kwargs":{"enable_thinking":false}}"#),
            (Engine::Vllm, "\"low\"", low.as_str()),
            (Engine::OpenAi, "\"low\"", r#"{"reasoning_effort":"low"}"#),
            (Engine::OpenAi, "false", "{}"),
            (Engine::Sglang, "null", "{}"),
        ] {
            let request = format!(r#"{{"think":{think}}}"#);
            let mut body = Body::new();
            write_think(&Object::parse(&request).unwrap(), &engine.row().options, &mut body).unwrap();
            assert_eq!(body.finish(), expected, "{} {think}", engine.name());
        }
    }
}
