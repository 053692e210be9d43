//! Why an answer stopped, in Anthropic's words.

use super::told::Told;
use super::usage::Usage;
use crate::api::openai::chunk::Choice;
use crate::api::openai::finish::{PAUSED, STOP, is_cut};
use crate::json::inside;

/// What is known of the server that answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Tokens that its context holds, prompt and answer together.
    pub context: Option<u64>,
    /// Whether the whole answer was assembled from a stream.
    pub is_assembled: bool,
}

/// What bounds an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    max_tokens: u64,
    fills_cache: bool,
    context: Option<u64>,
}

/// What is known of an answer's end.
#[derive(Debug, Default)]
pub(super) struct Stop {
    is_refused: bool,
    is_cut: bool,
    /// Its client may have it go on.
    is_paused: bool,
    /// The string that ended it, as the inside of one.
    sequence: Option<String>,
}

impl Bounds {
    pub(super) fn new(told: &Told, facts: Facts) -> Self {
        Self { max_tokens: told.max_tokens, fills_cache: told.fills_cache, context: facts.context }
    }

    /// Whether nothing of the answer is to be said.
    pub(super) fn fills_cache(self) -> bool {
        self.fills_cache
    }

    /// Whether the context was full, and not what was asked for.
    fn is_context_full(self, usage: &Usage) -> bool {
        let (Some(context), Some(total)) = (self.context, usage.total()) else { return false };
        usage.output().is_some_and(|output| output < self.max_tokens) && total.saturating_add(SPARE) >= context
    }
}

impl Stop {
    /// Takes the words of a refusal.
    pub(super) fn refuse(&mut self) {
        self.is_refused = true;
    }

    /// Takes a choice that has this finish reason.
    pub(super) fn take(&mut self, reason: &str, choice: &Choice<'_>) {
        self.is_cut = is_cut(reason);
        self.is_refused |= reason == FILTERED;
        self.is_paused = reason == PAUSED;
        // A token that ends it is a number, which is nobody's business.
        let sequence = choice.stopped_by.and_then(inside).filter(|_| reason == STOP);
        self.sequence = sequence.map(str::to_owned);
    }

    /// Appends both members that say so.
    pub(super) fn write(&self, bounds: Bounds, calls: Calls, usage: &Usage, out: &mut String) {
        let mut sequence = None;
        let reason = match calls {
            _ if bounds.fills_cache => MAX_TOKENS,
            _ if self.is_cut && bounds.is_context_full(usage) => "model_context_window_exceeded",
            _ if self.is_cut => MAX_TOKENS,
            _ if self.is_refused => "refusal",
            _ if self.is_paused => PAUSED,
            Calls::Some => "tool_use",
            Calls::None => {
                sequence = self.sequence.as_deref();
                if sequence.is_some() { "stop_sequence" } else { "end_turn" }
            }
        };
        out.extend(["\"stop_reason\":\"", reason, "\",\"stop_sequence\":"]);
        match sequence {
            Some(sequence) => out.extend(["\"", sequence, "\""]),
            None => out.push_str("null"),
        }
    }
}

/// Whether an answer calls anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calls {
    None,
    Some,
}

const FILTERED: &str = "content_filter";
const MAX_TOKENS: &str = "max_tokens";
/// A context is full with a token or two to spare.
const SPARE: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openai::chunk::{self, Chunk};

    fn stopped(choice: &str, calls: Calls, context: Option<u64>, fills_cache: bool) -> String {
        let chunk = format!(r#"{{"choices":[{choice}],"usage":{{"prompt_tokens":90,"completion_tokens":37}}}}"#);
        let object = chunk::object(chunk.as_bytes()).unwrap();
        let chunk = Chunk::of(&object).unwrap();
        let mut usage = Usage::default();
        usage.take(&chunk);
        let mut stop = Stop::default();
        if chunk.choices[0].message.refusal.is_some() {
            stop.refuse();
        }
        stop.take(chunk.choices[0].finished().unwrap(), &chunk.choices[0]);
        let mut out = String::new();
        stop.write(Bounds { max_tokens: 100, fills_cache, context }, calls, &usage, &mut out);
        out.replace("\"stop_reason\":", "").replace(",\"stop_sequence\":", " ")
    }

    #[test]
    fn a_reason_is_said_in_anthropics_words() {
        for (choice, calls, context, expected) in [
            (r#"{"finish_reason":"stop"}"#, Calls::None, None, r#""end_turn" null"#),
            (r#"{"finish_reason":"stop"}"#, Calls::Some, None, r#""tool_use" null"#),
            (r#"{"finish_reason":"tool_calls"}"#, Calls::None, None, r#""end_turn" null"#),
            (r#"{"finish_reason":"length"}"#, Calls::Some, None, r#""max_tokens" null"#),
            (r#"{"finish_reason":"length"}"#, Calls::None, Some(130), r#""max_tokens" null"#),
            (r#"{"finish_reason":"length"}"#, Calls::None, Some(129), r#""model_context_window_exceeded" null"#),
            (r#"{"finish_reason":"content_filter"}"#, Calls::Some, None, r#""refusal" null"#),
            (r#"{"finish_reason":"stop","message":{"refusal":"no"}}"#, Calls::None, None, r#""refusal" null"#),
            (r#"{"finish_reason":"stop","stop_reason":"a\"b"}"#, Calls::None, None, r#""stop_sequence" "a\"b""#),
            (r#"{"finish_reason":"stop","matched_stop":"END"}"#, Calls::None, None, r#""stop_sequence" "END""#),
            (
                r#"{"finish_reason":"stop","stop_reason":null,"matched_stop":7}"#,
                Calls::None,
                None,
                r#""end_turn" null"#,
            ),
            (r#"{"finish_reason":"stop","stop_reason":"END"}"#, Calls::Some, None, r#""tool_use" null"#),
            (r#"{"finish_reason":"length","stop_reason":"END"}"#, Calls::None, None, r#""max_tokens" null"#),
            (r#"{"finish_reason":"abort"}"#, Calls::None, None, r#""end_turn" null"#),
        ] {
            assert_eq!(stopped(choice, calls, context, false), expected, "{choice}");
        }
        assert_eq!(stopped(r#"{"finish_reason":"stop"}"#, Calls::None, None, true), r#""max_tokens" null"#);
    }

    #[test]
    fn what_was_asked_for_is_not_the_contexts_end() {
        let bounds = |max_tokens| Bounds { max_tokens, fills_cache: false, context: Some(100) };
        let object = chunk::object(br#"{"usage":{"prompt_tokens":90,"completion_tokens":37}}"#).unwrap();
        let mut usage = Usage::default();
        usage.take(&Chunk::of(&object).unwrap());
        assert!(bounds(38).is_context_full(&usage) && !bounds(37).is_context_full(&usage));
        assert!(!bounds(38).is_context_full(&Usage::default()), "nobody knows");
    }
}
