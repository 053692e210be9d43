//! Access log: one line of JSON for each request, made from its record.
//! Never holds content: no text, no key, no query.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::Record;
use crate::api::time::written_millis;
use crate::json::write_string;

/// The log's target, so that it can be filtered and sent elsewhere.
pub const TARGET: &str = "access";
/// A client chooses path and model; a log line must not grow with them.
const TEXT_BYTES_MAX: usize = 256;
/// What most lines fit into.
const LINE_BYTES: usize = 768;

/// Writes the line of a request that is over.
pub fn write(record: &Record) {
    if log::log_enabled!(target: TARGET, log::Level::Info) {
        log::info!(target: TARGET, "{}", line(record));
    }
}

/// The line of a request that is over, without the newline.
pub fn line(record: &Record) -> String {
    let (summary, tokens) = (record.summary.as_ref(), record.tokens());
    let mut line = Line::new();
    line.text("time", Some(&utc(record.ended)));
    line.text("id", Some(&record.id));
    line.text("client", Some(&record.client.map_or_else(|| "unix".to_owned(), |client| client.to_string())));
    line.text("method", Some(&record.method));
    line.text("path", Some(&record.path));
    line.number("status", record.status.map(u64::from));
    line.text("model", record.model.as_deref());
    line.text("pool", record.pool.as_deref());
    line.text("peer", record.peer.as_deref());
    line.text("engine", record.engine);
    line.text("dialect", record.dialect.as_deref());
    line.text("required_call", record.required_call_outcome());
    line.number("request_bytes", Some(record.request_bytes));
    line.number("bytes", Some(record.answer_bytes));
    line.text("why", record.why.as_ref().map(ToString::to_string).as_deref());
    line.number("queue_ms", millis(record.queue_wait.unwrap_or_default()));
    line.number("retries", Some(u64::from(record.retries)));
    line.number("first_byte_ms", record.first_byte_after.and_then(millis));
    line.number("first_token_ms", record.first_token_after().and_then(millis));
    line.number("duration_ms", millis(record.took));
    line.number("input_tokens", tokens.input);
    line.number("cached_tokens", tokens.cached);
    line.number("output_tokens", tokens.output);
    line.number("calls", summary.map(|summary| u64::from(summary.calls)));
    line.number("rounds", Some(u64::from(record.rounds)).filter(|rounds| *rounds > 0));
    line.number("tool_runs", u64::try_from(record.tool_runs.len()).ok().filter(|_| record.rounds > 0));
    line.text("finish", summary.and_then(|summary| summary.finish_reason.as_deref()));
    line.text("outcome", Some(record.failure.as_ref().map_or("ok", |failure| failure.blame.outcome())));
    if let Some(failure) = &record.failure {
        line.text("fault", Some(failure.blame.whose()));
        line.text("error", Some(failure.code));
    }
    line.end()
}

/// RFC 3339, in UTC and to the millisecond: `2026-11-28T07:05:16.123Z`. What is before 1970 is 1970.
pub fn utc(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    written_millis(since)
}

fn millis(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok()
}

/// An object in the making.
struct Line(String);

impl Line {
    fn new() -> Self {
        Self(String::with_capacity(LINE_BYTES))
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => write_string(shortened(value), &mut self.0),
            None => self.0.push_str("null"),
        }
    }

    fn number(&mut self, name: &str, value: Option<u64>) {
        self.name(name);
        let _ = match value {
            Some(value) => write!(self.0, "{value}"),
            None => self.0.write_str("null"),
        };
    }

    fn name(&mut self, name: &str) {
        // The names are this file's own: there is nothing in them to escape.
        self.0.push_str(if self.0.is_empty() { "{\"" } else { ",\"" });
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn shortened(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= TEXT_BYTES_MAX).last().unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn a_line_is_json_and_short() {
        let mut line = Line::new();
        line.text("path", Some(&"\"é".repeat(1000)));
        line.text("model", None);
        line.number("status", Some(200));
        let value: serde_json::Value = serde_json::from_str(&line.end()).unwrap();
        assert!(value["path"].as_str().unwrap().len() <= TEXT_BYTES_MAX);
        assert_eq!((&value["model"], &value["status"]), (&serde_json::Value::Null, &serde_json::json!(200)));
    }
}
