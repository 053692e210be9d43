//! Overflow: what a server says of a conversation that is longer than its context, in whichever words.
//! Decides nothing about the conversation.

use super::server_error::ServerError;
use crate::json::Object;

/// The numbers of such a complaint, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    pub prompt: u64,
    /// What was asked for beside it, where it is told.
    pub output: Option<u64>,
    pub context: u64,
}

impl Overflow {
    /// Reads an error. `None` when it is of something else, or tells no numbers.
    pub fn of(error: ServerError<'_>) -> Option<Self> {
        let (ServerError::Member(value) | ServerError::Data(value)) = error;
        let object = Object::parse(value);
        let number = |key| object.as_ref()?.get(key)?.parse().ok();
        if let (Some(prompt), Some(context)) = (number("n_prompt_tokens"), number("n_ctx")) {
            return Some(Self { prompt, output: None, context });
        }
        Self::of_words(&error.words())
    }

    fn of_words(words: &str) -> Option<Self> {
        let told = |patterns: &[(&str, &str)]| {
            let fits = |(before, behind): &(&str, &str)| {
                patterns.iter().any(|(b, a)| before.ends_with(b) && behind.starts_with(a))
            };
            numbers(words).find(|(before, _, behind)| fits(&(before, behind))).map(|(_, number, _)| number)
        };
        Some(Self { prompt: told(PROMPT)?, output: told(OUTPUT), context: told(CONTEXT)? })
    }
}

/// The numbers in a text, each with what stands before it and behind it.
fn numbers(text: &str) -> impl Iterator<Item = (&str, u64, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text.get(at..)?.find(|c: char| c.is_ascii_digit())?;
            let (before, rest) = text.split_at_checked(start)?;
            let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, behind) = rest.split_at_checked(length)?;
            at = start + length;
            if let Ok(number) = digits.parse() {
                return Some((before, number, behind));
            }
        }
    })
}

/// What stands right before a number and right behind it: in the sentences of llama.cpp (`tools/server`), vLLM
/// (`entrypoints/openai`, `renderers`), SGLang (`managers/tokenizer_manager.py`) and OpenAI.
const CONTEXT: &[(&str, &str)] = &[
    ("maximum context length is ", " tokens"),
    ("maximum context length of ", " tokens"),
    ("maximum model length of ", ""),
    ("context length (", " tokens"),
    ("context size (", " tokens"),
];
const PROMPT: &[(&str, &str)] = &[
    ("", " in the messages"),
    ("", " input tokens"),
    ("", " tokens from the input"),
    ("request (", " tokens) exceeds"),
    ("The input (", " tokens)"),
    ("resulted in ", " tokens"),
    ("prompt (length ", ")"),
];
const OUTPUT: &[(&str, &str)] = &[
    ("", " in the completion"),
    ("", " tokens for the completion"),
    ("requested ", " output tokens"),
    ("is too large: ", "."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_read_whichever_way_it_is_told() {
        let of = |prompt, output, context| Some(Overflow { prompt, output, context });
        for (error, expected) in [
            (r#"{"message":"x","n_prompt_tokens":5021,"n_ctx":4096}"#, of(5021, None, 4096)),
            (
                r#""request (1500013 tokens) exceeds the available context size (262144 tokens), try increasing it""#,
                of(1_500_013, None, 262_144),
            ),
            (
                r#"{"message":"This model's maximum context length is 40960 tokens. However, you requested 52000 tokens (20000 in the messages, 32000 in the completion). Please reduce the length of the messages or completion."}"#,
                of(20_000, Some(32_000), 40_960),
            ),
            (
                r#"{"message":"This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens."}"#,
                of(5_000, None, 4_096),
            ),
            (
                r#"{"message":"'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 40960 tokens and your request has 20000 input tokens (32000 > 40960 - 20000)."}"#,
                of(20_000, Some(32_000), 40_960),
            ),
            (
                r#"{"message":"This model's maximum context length is 8192 tokens. However, you requested 100 output tokens and your prompt contains at least 8093 input tokens, for a total of at least 8193 tokens."}"#,
                of(8_093, Some(100), 8_192),
            ),
            (
                r#"{"message":"The decoder prompt (length 5000) is longer than the maximum model length of 4096."}"#,
                of(5_000, None, 4_096),
            ),
            (
                r#"{"message":"Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 40000 tokens: 8000 tokens from the input messages and 32000 tokens for the completion."}"#,
                of(8_000, Some(32_000), 32_768),
            ),
            (
                r#"{"message":"The input (40000 tokens) is longer than the model's context length (32768 tokens)."}"#,
                of(40_000, None, 32_768),
            ),
            (
                r#"{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."}"#,
                of(9_000, None, 8_192),
            ),
            (r#"{"message":"This model's maximum context length is 8192 tokens."}"#, None),
            (r#"{"message":"99999999999999999999 input tokens"}"#, None),
            (r#"{"message":"é1é"}"#, None),
            ("{}", None),
            ("[", None),
        ] {
            assert_eq!(Overflow::of(ServerError::Member(error)), expected, "{error}");
        }
    }
}
