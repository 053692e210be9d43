//! A request for a chat as Ollama reads it: whatever its own reader refuses is refused, so that who writes one wrongly
//! notices.
//! Names the model and does not know whether there is one.

use serde_json::{Value, json};

use super::super::chat::Body;
use super::super::http::{Reply, Request};
use super::script::About;
use super::{error, shapes};

/// A chat that is asked for.
#[derive(Debug)]
pub(in super::super) struct Asked {
    /// The model as it is named, which the answer repeats.
    pub model: String,
    pub form: Form,
    pub body: Body,
    /// The request's body as it was sent.
    pub text: String,
    /// Tokens in the answer, at most; negative is as many as the context holds.
    pub limit: Option<i64>,
    /// Whether the model is to go once this is answered.
    pub is_farewell: bool,
    has_tools: bool,
    think: Value,
}

/// In which form the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Form {
    Lines,
    Whole,
}

impl Asked {
    /// Reads a request; what Ollama refuses of any model is a 400.
    pub fn read(request: &Request) -> Result<Self, Reply> {
        Self::parse(request).map_err(|message| error(400, &message))
    }

    fn parse(request: &Request) -> Result<Self, String> {
        if request.body.is_empty() {
            return Err("missing request body".to_owned());
        }
        let text = str::from_utf8(&request.body).map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        shapes::CHAT.check(&body, "ChatRequest")?;
        let at = |name: &str| body.get(name).unwrap_or(&Value::Null);
        check_images(at("messages"))?;
        check_think(at("think"))?;
        check_format(at("format"))?;
        let is_farewell = is_no_time(at("keep_alive"))?;
        if !(0..=20).contains(&at("top_logprobs").as_i64().unwrap_or(0)) {
            return Err("top_logprobs must be between 0 and 20".to_owned());
        }
        shapes::check_options(at("options"))?;
        let model = at("model").as_str().unwrap_or_default().to_owned();
        if model.is_empty() {
            return Err("model is required".to_owned());
        }
        let said = json!({ "messages": at("messages"), "tools": at("tools") });
        Ok(Self {
            model,
            form: if at("stream") == false { Form::Whole } else { Form::Lines },
            body: serde_json::from_value(said).map_err(|error| error.to_string())?,
            text: text.to_owned(),
            limit: at("options").get("num_predict").and_then(Value::as_i64),
            is_farewell,
            has_tools: at("tools").as_array().is_some_and(|tools| !tools.is_empty()),
            think: at("think").clone(),
        })
    }

    /// Whether the model is not to think; where nothing is said of it, it does.
    pub fn is_without_thoughts(&self) -> bool {
        self.think == false
    }

    /// Refuses what this model cannot do.
    pub fn check(&self, about: &About) -> Result<(), Reply> {
        let refused = |message: String| Err(error(400, &message));
        if self.has_tools && !about.can("tools") {
            return refused(format!("{} does not support tools", self.model));
        }
        let level = self.think.as_str().filter(|level| !level.is_empty());
        if (self.think == true || level.is_some()) && !about.can("thinking") {
            return refused(format!("{:?} does not support thinking", self.model));
        }
        match level.filter(|level| !about.think_levels.iter().any(|known| known == level)) {
            Some(level) => refused(format!("think value {level:?} is not supported for this model")),
            None => Ok(()),
        }
    }
}

fn check_images(messages: &Value) -> Result<(), String> {
    let messages = messages.as_array().into_iter().flatten();
    let mut images =
        messages.filter_map(|message| message.get("images")?.as_array()).flatten().filter_map(Value::as_str);
    let stray = |image: &str| {
        let bare = image.trim_end_matches('=');
        let stray = bare.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/' | '\n' | '\r'));
        stray.or_else(|| (!image.len().is_multiple_of(4) || image.len() - bare.len() > 2).then_some(bare.len()))
    };
    match images.find_map(stray) {
        Some(at) => Err(format!("illegal base64 data at input byte {at}")),
        None => Ok(()),
    }
}

fn check_think(think: &Value) -> Result<(), String> {
    match think {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::String(level) if matches!(level.as_str(), "" | "low" | "medium" | "high" | "max") => Ok(()),
        Value::String(level) => {
            Err(format!(r#"invalid think value: {level:?} (must be "high", "medium", "low", "max", true, or false)"#))
        }
        _ => Err(r#"think must be a boolean or string ("high", "medium", "low", "max", true, or false)"#.to_owned()),
    }
}

fn check_format(format: &Value) -> Result<(), String> {
    match format {
        Value::Null | Value::Object(_) => Ok(()),
        Value::String(word) if matches!(word.as_str(), "" | "json") => Ok(()),
        _ => Err(format!(r#"invalid format: {format}; expected "json" or a valid JSON Schema object"#)),
    }
}

/// Whether a model is to be kept for no time. A text is a duration as Go writes it, and needs a unit.
pub(in super::super) fn is_no_time(keep_alive: &Value) -> Result<bool, String> {
    let length = match keep_alive {
        Value::Null => return Ok(false),
        Value::Number(seconds) => seconds.as_f64(),
        Value::String(text) => duration(text),
        _ => None,
    };
    length.map(|length| length == 0.0).ok_or_else(|| format!("time: invalid duration {keep_alive}"))
}

/// The sum of a duration's numbers, of whatever units.
fn duration(text: &str) -> Option<f64> {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0.0);
    }
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut sum = None;
    while !rest.is_empty() {
        let (number, more) = rest.split_at(rest.find(|c| !is_digit(c))?);
        let (unit, more) = more.split_at(more.find(is_digit).unwrap_or(more.len()));
        let number: f64 = number.parse().ok().filter(|_| UNITS.contains(&unit))?;
        sum = Some(sum.unwrap_or(0.0) + number);
        rest = more;
    }
    sum
}

const UNITS: [&str; 7] = ["ns", "us", "µs", "ms", "s", "m", "h"];
