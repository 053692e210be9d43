//! What an answer took: times and tokens, for its last line.
//! Measures nothing: times are told by whoever hands the answer on, or by the server, whose word counts for more.

use std::fmt::Write;
use std::time::Duration;

use crate::api::Tokens;
use crate::api::openai::chunk::Chunk;

/// When something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Since 1970 began, in UTC.
    pub unix: Duration,
    /// Since the request came.
    pub since: Duration,
    /// How much of that it waited for a place at a server.
    pub waited: Duration,
}

/// What is known of it so far.
#[derive(Debug, Default)]
pub(super) struct Cost {
    tokens: Tokens,
    output_time: Option<Duration>,
    /// When the model said something first, since the request came.
    first_word: Option<Duration>,
}

impl Cost {
    /// Takes what a chunk tells; whether it tells anything.
    pub(super) fn take(&mut self, chunk: &Chunk<'_>) -> bool {
        let Some(tokens) = chunk.tokens(ONE_CHOICE) else { return false };
        self.tokens = tokens.or(self.tokens);
        self.output_time = chunk.output_time().or(self.output_time);
        true
    }

    /// The model says something.
    pub(super) fn speak(&mut self, now: Moment) {
        self.first_word.get_or_insert(now.since);
    }

    /// Appends the members, each behind a comma. Where nobody knows when the first word came, reading and writing are
    /// both as long as the server had. No duration is 0, since clients divide by them.
    pub(super) fn write(&self, now: Moment, out: &mut String) {
        let served = now.since.saturating_sub(now.waited);
        let (reading, writing) = match self.first_word {
            Some(first) => (first.saturating_sub(now.waited), now.since.saturating_sub(first)),
            None => (served, served),
        };
        write_duration("total_duration", now.since, out);
        write_duration("load_duration", now.waited, out);
        write_count("prompt_eval_count", self.tokens.input, out);
        write_count("prompt_eval_cached_count", self.tokens.cached, out);
        write_duration("prompt_eval_duration", self.tokens.prompt_time.unwrap_or(reading), out);
        write_count("eval_count", self.tokens.output, out);
        write_duration("eval_duration", self.output_time.unwrap_or(writing), out);
    }
}

fn write_duration(key: &str, duration: Duration, out: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(out, ",\"{key}\":{}", duration.as_nanos().max(1));
}

fn write_count(key: &str, count: Option<u64>, out: &mut String) {
    if let Some(count) = count {
        let _ = write!(out, ",\"{key}\":{count}");
    }
}

/// Ollama's API knows no more.
const ONE_CHOICE: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openai::chunk;

    fn at(since: u64, waited: u64) -> Moment {
        let seconds = Duration::from_secs;
        Moment { unix: Duration::ZERO, since: seconds(since), waited: seconds(waited) }
    }

    #[test]
    fn the_servers_times_count_for_more_than_ours() {
        let ours = r#","total_duration":9000000000,"load_duration":2000000000,"prompt_eval_duration":3000000000,"eval_duration":4000000000"#;
        let timings =
            r#"{"timings":{"cache_n":20,"prompt_n":6,"prompt_ms":12.5,"predicted_n":5,"predicted_ms":100.0}}"#;
        let theirs = r#","total_duration":9000000000,"load_duration":2000000000,"prompt_eval_count":26,"prompt_eval_cached_count":20,"prompt_eval_duration":12500000,"eval_count":5,"eval_duration":100000000"#;
        let usage = r#"{"usage":{"prompt_tokens":7,"completion_tokens":1}}"#;
        let both = theirs.replace(":26", ":7").replace("count\":5", "count\":1");
        for (chunks, expected) in [(vec![], ours), (vec![timings], theirs), (vec![timings, usage], &both)] {
            let mut cost = Cost::default();
            cost.speak(at(5, 2));
            cost.speak(at(6, 2));
            for text in chunks {
                let object = chunk::object(text.as_bytes()).unwrap();
                assert!(cost.take(&Chunk::of(&object).unwrap()));
            }
            let mut out = String::new();
            cost.write(at(9, 2), &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn no_duration_is_zero() {
        let mut out = String::new();
        Cost::default().write(Moment::default(), &mut out);
        assert_eq!(out, r#","total_duration":1,"load_duration":1,"prompt_eval_duration":1,"eval_duration":1"#);
        let mut out = String::new();
        Cost::default().write(at(5, 2), &mut out);
        assert!(out.contains(r#""prompt_eval_duration":3000000000,"eval_duration":3000000000"#), "{out}");
    }
}
