//! Usage: what an answer took, in Anthropic's numbers, of which those of the prompt are disjoint: clients add them up.
//! What no server tells is estimated, and is said to be.

use std::fmt::Write;

use crate::api::Tokens;
use crate::api::openai::chunk::Chunk;

/// What is known so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    tokens: Tokens,
    thinking: Option<u64>,
    /// Tokens that the answer seems to have.
    estimate: u64,
}

impl Usage {
    /// Takes what a chunk tells; whether it tells anything.
    pub(super) fn take(&mut self, chunk: &Chunk<'_>) -> bool {
        let Some(tokens) = chunk.tokens(ONE_CHOICE) else { return false };
        self.tokens = tokens.or(self.tokens);
        self.thinking = chunk.thinking_tokens().or(self.thinking);
        true
    }

    /// So much was said: a piece of a stream is about a token.
    pub(super) fn count_piece(&mut self) {
        self.estimate = self.estimate.saturating_add(1);
    }

    /// So much was said at once.
    pub(super) fn count_bytes(&mut self, bytes: usize) {
        let tokens = u64::try_from(bytes.div_ceil(BYTES_A_TOKEN)).unwrap_or(u64::MAX);
        self.estimate = self.estimate.saturating_add(tokens);
    }

    /// Prompt and answer together, where both are told.
    pub(super) fn total(&self) -> Option<u64> {
        Some(self.tokens.input?.saturating_add(self.tokens.output?))
    }

    /// Tokens of the answer, where they are told.
    pub(super) fn output(&self) -> Option<u64> {
        self.tokens.output
    }

    /// Appends what is known, before the answer is over.
    pub(super) fn write_known(&self, out: &mut String) {
        self.write_counts(self.tokens.output.unwrap_or(0), out);
        out.push('}');
    }

    /// Appends what it was in the end.
    pub(super) fn write(&self, out: &mut String) {
        self.write_counts(self.tokens.output.unwrap_or(self.estimate), out);
        if let Some(thinking) = self.thinking {
            // Writing to a string does not fail.
            let _ = write!(out, ",\"output_tokens_details\":{{\"thinking_tokens\":{thinking}}}");
        }
        out.push_str(if self.total().is_none() { ",\"estimated\":true}" } else { "}" });
    }

    fn write_counts(&self, output: u64, out: &mut String) {
        let cached = self.tokens.cached.unwrap_or(0);
        let fresh = self.tokens.input.unwrap_or(0).saturating_sub(cached);
        let _ = write!(
            out,
            "{{\"input_tokens\":{fresh},\"cache_creation_input_tokens\":0,\
             \"cache_read_input_tokens\":{cached},\"output_tokens\":{output}"
        );
    }
}

/// Anthropic's API knows no more.
const ONE_CHOICE: usize = 1;
const BYTES_A_TOKEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openai::chunk;

    #[test]
    fn what_is_not_told_is_estimated() {
        let written = |input: u64, cached: u64, output: u64, more: &str| {
            format!(
                r#"{{"input_tokens":{input},"cache_creation_input_tokens":0,"cache_read_input_tokens":{cached},"output_tokens":{output}{more}}}"#
            )
        };
        let estimated = r#","estimated":true"#;
        for (told, known, expected) in [
            ("{}", written(0, 0, 0, ""), written(0, 0, 3, estimated)),
            (
                r#"{"usage":{"prompt_tokens":20,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":12},"completion_tokens_details":{"reasoning_tokens":2}}}"#,
                written(8, 12, 7, ""),
                written(8, 12, 7, r#","output_tokens_details":{"thinking_tokens":2}"#),
            ),
            (
                r#"{"usage":{"prompt_tokens":2,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":12}}}"#,
                written(0, 12, 0, ""),
                written(0, 12, 0, ""),
            ),
            (
                r#"{"timings":{"cache_n":14,"prompt_n":1,"predicted_n":5}}"#,
                written(1, 14, 5, ""),
                written(1, 14, 5, ""),
            ),
            (r#"{"usage":{"prompt_tokens":20}}"#, written(20, 0, 0, ""), written(20, 0, 3, estimated)),
        ] {
            let object = chunk::object(told.as_bytes()).unwrap();
            let mut usage = Usage::default();
            assert_eq!(usage.take(&Chunk::of(&object).unwrap()), told != "{}");
            usage.count_piece();
            usage.count_bytes(5);
            let (mut first, mut last) = (String::new(), String::new());
            usage.write_known(&mut first);
            usage.write(&mut last);
            assert_eq!((first, last), (known, expected), "{told}");
        }
    }
}
