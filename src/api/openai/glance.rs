//! Glance at an event's data: a few bytes tell of most that nothing of it need be read. Parses nothing.

use memchr::memmem::Finder;

/// Where the bytes are looked for.
#[derive(Debug)]
pub struct Glance {
    signs: [Finder<'static>; 2],
}

/// What a glance tells of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glanced {
    /// It is an error and nothing else.
    Error,
    /// The server makes a call in it, or ends a choice.
    CallOrEnd,
    Other,
}

impl Default for Glance {
    fn default() -> Self {
        Self { signs: SIGNS.map(Finder::new) }
    }
}

impl Glance {
    /// Glances at an event.
    pub fn at(&self, data: &[u8]) -> Glanced {
        match data {
            _ if data.starts_with(ERROR) => Glanced::Error,
            _ if self.signs.iter().any(|sign| sign.find(data).is_some()) => Glanced::CallOrEnd,
            _ => Glanced::Other,
        }
    }
}

/// How llama.cpp and Ollama begin an error in a stream.
const ERROR: &[u8] = b"{\"error\":";
/// In a model's text the quotes would be escaped.
const SIGNS: [&[u8]; 2] = [b"\"tool_calls\"", b"\"finish_reason\":\""];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_tell_an_event_apart() {
        let glance = Glance::default();
        for (data, expected) in [
            (r#"{"error":{"code":500}}"#, Glanced::Error),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, Glanced::CallOrEnd),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, Glanced::CallOrEnd),
            (r#"{"choices":[{"delta":{"content":"\"tool_calls\""},"finish_reason":null}]}"#, Glanced::Other),
            (r#"{"choices":[{"delta":{"content":"{\"error\":1}"}}]}"#, Glanced::Other),
            ("[DONE]", Glanced::Other),
        ] {
            assert_eq!(glance.at(data.as_bytes()), expected, "{data}");
        }
    }
}
