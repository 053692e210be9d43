//! Every fact of a request is shown: by the access log, by a metric, or by the status page's list of what went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Instant;

use super::*;
use crate::balance::Why;
use crate::record::{Reading, ToolRun, Transfer, access_log};

/// What has the labels of a request, and the same in OpenTelemetry's words.
const SERIES: &str = "toolgate_requests_total toolgate_time_to_first_byte_seconds toolgate_cached_tokens_total";
const GEN_AI: &str = "gen_ai_server_request_duration_seconds gen_ai_server_time_to_first_token_seconds \
                      gen_ai_client_token_usage";
/// What has only its pool's.
const POOL: &str = "toolgate_answers_total toolgate_failures_total toolgate_cancellations_total \
                    toolgate_overhead_seconds toolgate_queue_wait_seconds";
/// What a stream is measured by whose words are read.
const PACE: &str = "toolgate_inter_token_seconds toolgate_event_overhead_seconds \
                    gen_ai_server_time_per_output_token_seconds";

/// A fact by its field, how it becomes another, and what is then shown differently: members of the line, metrics, and
/// `recent`.
type Row = (&'static str, fn(&mut Record), &'static [&'static str]);

const FACTS: [Row; 41] = [
    ("began", |record| record.began -= SECOND, &["first_token_ms", "gen_ai_server_time_to_first_token_seconds"]),
    ("id", |record| record.id = other(), &["id"]),
    ("client", |record| record.client = None, &["client"]),
    ("method", |record| record.method = other(), &["method"]),
    ("path", |record| record.path = other(), &["path"]),
    ("operation", |record| record.operation = Operation::Embeddings, &[SERIES, GEN_AI]),
    ("model", |record| record.model = Some(other()), &["model", SERIES, GEN_AI]),
    ("pool", |record| record.pool = Some(other()), &["pool", SERIES, GEN_AI, POOL]),
    ("engine", |record| record.engine = Some("other"), &["engine", GEN_AI]),
    ("priority", |record| record.priority = 7, &["toolgate_queue_wait_seconds"]),
    ("peer", |record| record.peer = Some(other()), &["peer", SERIES, GEN_AI]),
    ("why", |record| record.why = Some(Why::Hash), &["why"]),
    ("dialect", |record| record.dialect = Some(other()), &["dialect", "toolgate_calls_total", "toolgate_held_bytes"]),
    (
        "required_call",
        |record| record.required_call = Some("forced"),
        &["required_call", "toolgate_required_call_answers_total"],
    ),
    ("is_uploaded", |record| record.is_uploaded = true, &["toolgate_cancellations_total"]),
    ("queued_since", |record| record.queued_since = Some(record.began), &["toolgate_cancellations_total"]),
    ("queue_wait", |record| record.queue_wait = Some(SECOND), &["queue_ms", "toolgate_queue_wait_seconds"]),
    ("overhead", |record| record.overhead = Some(SECOND), &["toolgate_overhead_seconds"]),
    ("retries", |record| record.retries = 1, &["retries"]),
    (
        "first_byte_after",
        |record| record.first_byte_after = Some(SECOND),
        &["first_byte_ms", "toolgate_time_to_first_byte_seconds"],
    ),
    ("transfer", |record| record.transfer = Some(Transfer::Streamed), &["toolgate_cancellations_total"]),
    ("reading", |record| record.reading = Some(Reading::Unread), &["toolgate_answers_total"]),
    (
        "pace",
        |record| speak(&mut record.pace, record.began),
        &[PACE, "toolgate_held_bytes", "toolgate_cancellations_total"],
    ),
    ("calls", |record| summary(record).calls = 5, &["calls", "toolgate_calls_total"]),
    ("repaired", |record| summary(record).repaired = 1, &["toolgate_calls_total"]),
    ("malformed", |record| summary(record).malformed = 1, &["toolgate_calls_total"]),
    ("rejected", |record| summary(record).rejected = 1, &["toolgate_calls_total"]),
    ("truncated", |record| summary(record).truncated = 1, &["toolgate_calls_total"]),
    ("finish_reason", |record| summary(record).finish_reason = Some(other()), &["finish"]),
    (
        "tokens",
        |record| {
            summary(record).tokens =
                Some(Tokens { input: Some(8), cached: Some(8), output: Some(8), prompt_time: None })
        },
        &[
            "input_tokens",
            "cached_tokens",
            "output_tokens",
            "toolgate_cached_tokens_total",
            "gen_ai_client_token_usage",
        ],
    ),
    ("salvaged", salvage, &["toolgate_answers_total"]),
    ("bailed_out", bail_out, &["toolgate_answers_total"]),
    ("rounds", |record| record.rounds = 2, &["rounds", "tool_runs", "toolgate_turn_rounds"]),
    ("tool_runs", run_tool, &["toolgate_tool_calls_total", "toolgate_tool_seconds"]),
    ("recalled", |record| record.recalled = true, &["toolgate_memory_hits_total"]),
    ("status", |record| record.status = Some(201), &["status", "toolgate_requests_total"]),
    ("request_bytes", |record| record.request_bytes = 7, &["request_bytes"]),
    ("answer_bytes", |record| record.answer_bytes = 7, &["bytes"]),
    (
        "failure",
        |record| record.failure = failed(Blame::Upstream, "other"),
        &["outcome", "fault", "error", "toolgate_failures_total", "toolgate_cancellations_total", "recent"],
    ),
    ("took", |record| record.took = SECOND, &["duration_ms", "gen_ai_server_request_duration_seconds"]),
    ("ended", |record| record.ended += SECOND, &["time"]),
];

/// What is shown by another fact alone, and how.
const WITHIN_OTHERS: [(&str, &str); 2] = [
    ("upload", "`overhead` leaves it out"),
    ("complete", "an answer that breaks off after its last word has no `failure`"),
];

const SECOND: Duration = Duration::from_secs(1);

/// A request whose client left while it sent its body: each of its facts is shown.
fn left(began: Instant) -> Record {
    let mut record = Record {
        began,
        client: Some([127, 0, 0, 1].into()),
        dialect: Some("d".to_owned()),
        why: Some(Why::Turn),
        queue_wait: Some(Duration::ZERO),
        overhead: Some(Duration::ZERO),
        first_byte_after: Some(Duration::ZERO),
        reading: Some(Reading::Read),
        failure: failed(Blame::Left, "client_left"),
        ..request("m", 200)
    };
    let tokens = Tokens { input: Some(3), cached: Some(1), output: Some(2), prompt_time: None };
    record.summed_up(Some(Summary { calls: 4, tokens: Some(tokens), ..Summary::default() }));
    record.pace.begin(|| began);
    record
}

fn other() -> String {
    "other-one".to_owned()
}

fn summary(record: &mut Record) -> &mut Summary {
    record.summary.as_mut().unwrap()
}

fn salvage(record: &mut Record) {
    let summary = Summary { salvaged: true, ..summary(record).clone() };
    record.summed_up(Some(summary));
}

fn bail_out(record: &mut Record) {
    let summary = Summary { bailed_out: true, ..summary(record).clone() };
    record.summed_up(Some(summary));
}

fn run_tool(record: &mut Record) {
    record.tool_runs.push(ToolRun { tool: "read_file".to_owned(), failed: false, took: SECOND });
}

fn speak(pace: &mut Pace, began: Instant) {
    for n in 1..=3 {
        let at = began + SECOND * n;
        pace.note(u64::from(n), 7, at, at + SECOND);
    }
}

/// The line's members, each metric's samples, and what went wrong last.
fn shown(record: &Record) -> BTreeMap<String, String> {
    let metrics = metrics();
    metrics.finished(record);
    let line: BTreeMap<String, serde_json::Value> = serde_json::from_str(&access_log::line(record)).unwrap();
    let mut shown: BTreeMap<_, _> = line.into_iter().map(|(name, value)| (name, value.to_string())).collect();
    let page = metrics.page(&Now::default());
    let blocks = page.split("# HELP ").filter_map(|block| block.split_once(' '));
    // Those of the process, and when it began, are no request's.
    let blocks = blocks.filter(|(name, _)| !name.starts_with("process_") && !name.ends_with("_time_seconds"));
    shown.extend(blocks.map(|(name, samples)| (name.to_owned(), samples.to_owned())));
    let recent = metrics.recent.failures().into_iter().map(|incident| incident.what);
    shown.insert("recent".to_owned(), format!("{:?}", recent.collect::<Vec<_>>()));
    shown
}

/// The names of a struct's fields.
fn fields(of: &impl Debug) -> BTreeSet<String> {
    let text = format!("{of:#?}");
    let names = text.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(':'));
    names.filter(|(name, _)| !name.contains(' ')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_fact_of_a_request_is_shown() {
    let began = Instant::now() - SECOND * 60;
    let before = shown(&left(began));
    for (field, change, expected) in FACTS {
        let mut record = left(began);
        change(&mut record);
        let after = shown(&record);
        let names = before.keys().chain(after.keys()).collect::<BTreeSet<_>>();
        let changed: Vec<_> = names.into_iter().filter(|name| before.get(*name) != after.get(*name)).collect();
        let mut expected: Vec<_> = expected.iter().flat_map(|names| names.split_whitespace()).collect();
        expected.sort_unstable();
        assert!(!expected.is_empty(), "{field} is not shown");
        assert_eq!(changed, expected, "{field}");
    }
}

#[test]
fn the_table_has_every_fact() {
    let record = left(Instant::now());
    let mut facts = fields(&record);
    assert!(facts.remove("summary"));
    facts.append(&mut fields(&record.summary.unwrap()));
    let shown = FACTS.iter().map(|(field, ..)| *field).chain(WITHIN_OTHERS.map(|(field, _)| field));
    assert_eq!(facts, shown.map(str::to_owned).collect());
}
