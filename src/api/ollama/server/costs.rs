//! What an answer cost, as its last line counts it: as OpenAI's `usage`, and as llama.cpp's `timings`.
//! Counts nothing itself.

use std::fmt::Write;
use std::time::Duration;

use crate::api::Tokens;
use crate::json::Object;

/// Tokens, and nanoseconds. What is not said was nothing, or is not known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Costs {
    /// What was in the cache included.
    prompt: Option<u64>,
    cached: Option<u64>,
    prompt_time: Option<u64>,
    /// Thoughts included.
    answer: Option<u64>,
    answer_time: Option<u64>,
}

impl Costs {
    /// What a line says of them.
    pub(super) fn of(line: &Object<'_>) -> Self {
        let number = |key| line.get(key).and_then(|written| written.parse().ok());
        Self {
            prompt: number("prompt_eval_count"),
            cached: number("prompt_eval_cached_count"),
            prompt_time: number("prompt_eval_duration"),
            answer: number("eval_count"),
            answer_time: number("eval_duration"),
        }
    }

    /// The same for whoever counts.
    pub(super) fn tokens(&self) -> Tokens {
        let prompt_time = self.prompt_time.map(Duration::from_nanos);
        Tokens { input: self.prompt, cached: self.cached, output: self.answer, prompt_time }
    }

    /// The value of `usage`.
    pub(super) fn usage(&self) -> String {
        let (prompt, answer) = (self.prompt.unwrap_or(0), self.answer.unwrap_or(0));
        let total = prompt.saturating_add(answer);
        let mut usage = format!("{{\"prompt_tokens\":{prompt},\"completion_tokens\":{answer},\"total_tokens\":{total}");
        if let Some(cached) = self.cached {
            // Writing to a string does not fail.
            let _ = write!(usage, ",\"prompt_tokens_details\":{{\"cached_tokens\":{cached}}}");
        }
        usage.push('}');
        usage
    }

    /// The member `timings`, behind a comma; empty where nothing is known. In its `prompt_n` the cache does not count.
    pub(super) fn timings(&self) -> String {
        let fresh = self.prompt.map(|prompt| prompt.saturating_sub(self.cached.unwrap_or(0)));
        let mut timings = String::new();
        for (key, value) in [
            ("cache_n", self.cached.map(|tokens| tokens.to_string())),
            ("prompt_n", fresh.map(|tokens| tokens.to_string())),
            ("prompt_ms", self.prompt_time.map(milliseconds)),
            ("predicted_n", self.answer.map(|tokens| tokens.to_string())),
            ("predicted_ms", self.answer_time.map(milliseconds)),
        ] {
            if let Some(value) = value {
                timings.push_str(if timings.is_empty() { ",\"timings\":{" } else { "," });
                let _ = write!(timings, "\"{key}\":{value}");
            }
        }
        timings.push_str(if timings.is_empty() { "" } else { "}" });
        timings
    }
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{}.{:06}", nanoseconds / 1_000_000, nanoseconds % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_cost_is_told_in_both_ways() {
        for (line, usage, timings) in [
            (
                r#"{"prompt_eval_count":26,"prompt_eval_duration":325953000,"eval_count":5,"eval_duration":290000001,"prompt_eval_cached_count":20}"#,
                r#"{"prompt_tokens":26,"completion_tokens":5,"total_tokens":31,"prompt_tokens_details":{"cached_tokens":20}}"#,
                r#","timings":{"cache_n":20,"prompt_n":6,"prompt_ms":325.953000,"predicted_n":5,"predicted_ms":290.000001}"#,
            ),
            (
                r#"{"eval_count":3}"#,
                r#"{"prompt_tokens":0,"completion_tokens":3,"total_tokens":3}"#,
                r#","timings":{"predicted_n":3}"#,
            ),
            (
                r#"{"prompt_eval_count":-1,"eval_count":"3","eval_duration":1.5}"#,
                r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#,
                "",
            ),
            (
                r#"{"prompt_eval_count":18446744073709551615,"eval_count":2}"#,
                r#"{"prompt_tokens":18446744073709551615,"completion_tokens":2,"total_tokens":18446744073709551615}"#,
                r#","timings":{"prompt_n":18446744073709551615,"predicted_n":2}"#,
            ),
        ] {
            let costs = Costs::of(&Object::parse(line).unwrap());
            assert_eq!((costs.usage().as_str(), costs.timings().as_str()), (usage, timings), "{line}");
        }
    }
}
