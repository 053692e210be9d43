//! Usage: how many tokens the server says it read and wrote.
//! Counts none itself.

use std::time::Duration;

use super::chunk::is_void;
use crate::api::Tokens;
use crate::json::Object;

/// OpenAI's `usage`.
pub(super) fn of_usage(raw: &str) -> Option<Tokens> {
    let usage = Object::parse(raw)?;
    let details = usage.get("prompt_tokens_details").filter(|value| !is_void(value)).and_then(Object::parse);
    Some(Tokens {
        input: number(&usage, "prompt_tokens"),
        cached: details.and_then(|details| number(&details, "cached_tokens")),
        output: number(&usage, "completion_tokens"),
        prompt_time: None,
    })
}

/// Those of OpenAI's `usage` that were thoughts.
pub(super) fn thinking(raw: &str) -> Option<u64> {
    let usage = Object::parse(raw)?;
    let details = usage.present("completion_tokens_details").and_then(Object::part)?;
    number(&details, "reasoning_tokens")
}

/// llama.cpp's `timings` (`tools/server/README.md`), which it sends with or without `usage`: `prompt_n` are the
/// tokens that were not in the cache.
pub(super) fn of_timings(raw: &str) -> Option<Tokens> {
    let timings = Object::parse(raw)?;
    let cached = number(&timings, "cache_n");
    let input = number(&timings, "prompt_n").map(|fresh| fresh.saturating_add(cached.unwrap_or(0)));
    let prompt_time = milliseconds(&timings, "prompt_ms");
    Some(Tokens { input, cached, output: number(&timings, "predicted_n"), prompt_time })
}

/// How long llama.cpp wrote, by its `timings`.
pub(super) fn output_time(raw: &str) -> Option<Duration> {
    milliseconds(&Object::parse(raw)?, "predicted_ms")
}

fn milliseconds(timings: &Object<'_>, key: &str) -> Option<Duration> {
    let ms: f64 = timings.get(key)?.parse().ok()?;
    Duration::try_from_secs_f64(ms / 1_000.0).ok()
}

fn number(object: &Object<'_>, key: &str) -> Option<u64> {
    object.get(key)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_understood() {
        let of = |input, cached, output| Some(Tokens { input, cached, output, prompt_time: None });
        let in_micros = |micros| Some(Duration::from_micros(micros));
        let usages = [
            (r#"{"prompt_tokens":28,"completion_tokens":41}"#, of(Some(28), None, Some(41))),
            (
                r#"{"prompt_tokens":28,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":27}}"#,
                of(Some(28), Some(27), Some(0)),
            ),
            (r#"{"prompt_tokens":28,"prompt_tokens_details":null}"#, of(Some(28), None, None)),
            (r#"{"prompt_tokens":-1,"completion_tokens":"x","prompt_tokens_details":[1]}"#, of(None, None, None)),
            ("3", None),
        ];
        for (raw, expected) in usages {
            assert_eq!(of_usage(raw), expected, "{raw}");
        }
        let thoughts = r#"{"completion_tokens_details":{"reasoning_tokens":3}}"#;
        assert_eq!((thinking(thoughts), thinking("{}"), thinking("[]")), (Some(3), None, None));
        let timings = [
            (
                r#"{"cache_n":27,"prompt_n":1,"prompt_ms":0.4,"predicted_n":41}"#,
                of(Some(28), Some(27), Some(41)).map(|tokens| Tokens { prompt_time: in_micros(400), ..tokens }),
            ),
            (r#"{"prompt_n":5,"prompt_ms":-1}"#, of(Some(5), None, None)),
            (r#"{"prompt_n":5,"predicted_n":2}"#, of(Some(5), None, Some(2))),
            (r#"{"prompt_n":18446744073709551615,"cache_n":9}"#, of(Some(u64::MAX), Some(9), None)),
            ("[]", None),
        ];
        for (raw, expected) in timings {
            assert_eq!(of_timings(raw), expected, "{raw}");
        }
    }
}
