//! Metrics: what the gateway counts and measures, and the names under which it is read.
//! Serves nothing, and parses nothing: what a reply says comes from `answer`'s summary.
//!
//! A request is counted once, when it is over. While it streams it costs a look at the clock for each piece with words
//! in it; see [`Pace`](crate::record::Pace). Labels come from the configuration and from closed sets, but for models, which [`Models`] bounds.

mod family;
mod models;
mod names;
mod now;
mod page;
mod process;
mod recent;
mod reloads;
mod series;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use models::Models;
pub use now::{Now, PeerNow, PoolNow};
pub use page::CONTENT_TYPE;
pub use process::{count_dropped_lines, descriptors_max, resident_bytes};
pub use recent::{Incident, Recent, Whose};
pub use reloads::Reloads;

use crate::answer::Summary;
use crate::balance::{Change, ChangeKind};
use crate::instruments::{Counter, Histogram, Scale, Unit};
use crate::record::{Blame, Record, Retry, WORK};

use family::Family;
use names::{Names, OTHER};
use page::{Labels, Page};
use series::{DURATIONS, Series};

/// Pools, peers and models make series by multiplying. Past so many a request's model is `other`: the page must stay
/// one that can be read every few seconds.
const SERIES_MAX: usize = 1_000;
/// Servers come and go where a name server or a file says who there is. Past so many in all, new ones are `other`.
const PEERS_MAX: usize = 1_000;

/// Servers of tools may change their lists as they like. Past so many in all, new ones are `other`.
const TOOLS_MAX: usize = 1_000;

/// What the gateway has done since it started.
#[derive(Debug)]
pub struct Metrics {
    started: SystemTime,
    pub models: Models,
    peers: Names,
    requests: Family<Series>,
    /// Pieces of text that streams have brought so far, for each peer.
    generated: Family<Counter>,
    calls: Family<Counter>,
    required_calls: Family<Counter>,
    answers: Family<Counter>,
    held: Family<Histogram>,
    overhead: Family<Histogram>,
    event_overhead: Family<Histogram>,
    queue_wait: Family<Histogram>,
    retries: Family<Counter>,
    cancellations: Family<Counter>,
    failures: Family<Counter>,
    loads: Family<Counter>,
    load_time: Family<Histogram>,
    evictions: Family<Counter>,
    tools: Names,
    tool_calls: Family<Counter>,
    tool_time: Family<Histogram>,
    rounds: Family<Histogram>,
    memory_hits: Family<Counter>,
    pub recent: Recent,
    pub reloads: Reloads,
}

/// What one peer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: u64,
    /// Those of them that were answered with 500 or above, or broke off.
    pub failed: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Metrics {
    /// Nothing is counted yet, and the process's uptime begins.
    pub fn new() -> Self {
        Self {
            started: SystemTime::now(),
            models: Models::default(),
            peers: Names::default(),
            requests: Family::default(),
            generated: Family::default(),
            calls: Family::default(),
            required_calls: Family::default(),
            answers: Family::default(),
            held: Family::default(),
            overhead: Family::default(),
            event_overhead: Family::default(),
            queue_wait: Family::default(),
            retries: Family::default(),
            cancellations: Family::default(),
            failures: Family::default(),
            loads: Family::default(),
            load_time: Family::default(),
            evictions: Family::default(),
            tools: Names::default(),
            tool_calls: Family::default(),
            tool_time: Family::default(),
            rounds: Family::default(),
            memory_hits: Family::default(),
            recent: Recent::default(),
            reloads: Reloads::default(),
        }
    }

    /// Counts a request that is over.
    pub fn finished(&self, record: &Record) {
        self.series(record).count(record);
        let pool = Labels::of(&[("pool", record.pool_name())]);
        if let Some(overhead) = record.overhead {
            self.overhead.at(pool.clone(), || Histogram::new(&OVERHEAD)).observe_duration(overhead);
        }
        if record.pace.spoken() > 0 {
            self.event_overhead.at(pool.clone(), || Histogram::new(&WORK)).absorb(record.pace.work());
        }
        if let Some(queue_wait) = record.queue_wait {
            let labels = pool.and("priority", &record.priority.to_string());
            self.queue_wait.at(labels, || Histogram::new(&DURATIONS)).observe_duration(queue_wait);
        }
        if let Some(phase) = record.left_while() {
            count(&self.cancellations, pool.and("phase", phase.name()));
        }
        if let Some(failure) = &record.failure {
            count(&self.failures, pool.and("fault", failure.blame.whose()).and("error", failure.code));
        }
        if let Some(reading) = record.reading {
            count(&self.answers, pool.and("reading", reading.name()));
        }
        if let (Some(dialect), Some(summary)) = (&record.dialect, &record.summary) {
            self.count_calls(dialect, summary);
            if let Some(outcome) = record.required_call_outcome() {
                count(&self.required_calls, Labels::of(&[("dialect", dialect), ("outcome", outcome)]));
            }
            let held = u64::try_from(record.pace.held_max()).unwrap_or(u64::MAX);
            self.held.at(Labels::of(&[("dialect", dialect)]), || Histogram::new(&HELD)).observe(held);
        }
        self.count_turn(record, &pool);
        self.remember(record);
    }

    /// A request goes to a server again.
    pub fn retried(&self, record: &Record, why: Retry) {
        count(&self.retries, Labels::of(&[("pool", record.pool_name()), ("reason", why.name())]));
    }

    /// A model has come, or has gone, or did not come.
    pub fn model_changed(&self, pool: &str, change: &Change) {
        let labels = Labels::of(&[("pool", pool), ("model", &self.models.listed(&change.name))]);
        match &change.kind {
            ChangeKind::Loaded { took, .. } => {
                count(&self.loads, labels.and("result", "loaded"));
                if let Some(took) = took {
                    self.load_time.at(labels, || Histogram::new(&DURATIONS)).observe_duration(*took);
                }
            }
            ChangeKind::Failed => count(&self.loads, labels.and("result", "failed")),
            ChangeKind::Unloaded { why, .. } => count(&self.evictions, labels.and("reason", why.name())),
        }
    }

    /// Where the streams of a peer say how far they are.
    pub fn generated(&self, pool: &str, peer: &str) -> Arc<Counter> {
        self.generated.at(Labels::of(&[("pool", pool), ("peer", self.peers.label(peer, PEERS_MAX))]), Counter::default)
    }

    /// How long ago this was made, by the system's clock; zero if that was set back behind it.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed().unwrap_or_default()
    }

    /// What each peer has done, by pool and URL. Requests that reached none have an empty URL.
    pub fn totals(&self) -> BTreeMap<(String, String), Totals> {
        let mut totals: BTreeMap<_, Totals> = BTreeMap::new();
        for (_, series) in self.requests.all() {
            let key = (series.pool.clone(), series.peer.clone());
            let total = totals.entry(key).or_default();
            total.requests += series.codes().values().sum::<u64>();
            total.failed += series.failed.value();
            total.input_tokens += series.input.sum();
            total.output_tokens += series.output.sum();
        }
        totals
    }

    /// Everything, in Prometheus' text format.
    pub fn page(&self, now: &Now<'_>) -> String {
        let mut page = Page::default();
        let none = Labels::default();
        let version = Labels::of(&[("version", env!("CARGO_PKG_VERSION"))]);
        page.gauge("toolgate_build_info", "The version that runs.").sample(&version, 1);
        let started = self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        page.gauge("process_start_time_seconds", "When it was started.").sample(&none, started.as_secs());
        self.reloads.write(&mut page);
        process::write(&mut page);
        now.write(&self.models, &mut page);
        series::write(&self.requests.all(), &mut page);
        self.write_families(&mut page);
        page.finish()
    }

    /// Remembers what went wrong with a request, if anything did but that its client left.
    fn remember(&self, record: &Record) {
        let code = code(record);
        match &record.failure {
            Some(failure) if failure.blame != Blame::Left => {
                self.recent.add(Incident::of(record, Some(code), &failure.message));
            }
            None if code >= 500 => {
                self.recent.add(Incident::of(record, Some(code), &format!("the server answered {code}")));
            }
            _ => {}
        }
    }

    fn series(&self, record: &Record) -> Arc<Series> {
        let peer = self.peers.label(record.peer_url(), PEERS_MAX);
        let labels = |model: &str| {
            let operation = record.operation.name();
            Labels::of(&[("pool", record.pool_name()), ("peer", peer), ("model", model), ("operation", operation)])
        };
        let model = record.model.as_ref().map_or(Cow::Borrowed(""), |model| self.models.label(model, code(record)));
        let own = labels(&model);
        if let Some(known) = self.requests.known(&own) {
            return known;
        }
        let model = if self.requests.len() < SERIES_MAX || model.is_empty() { &model } else { OTHER };
        self.requests.at(labels(model), || Series::new(record, peer, model))
    }

    fn count_calls(&self, dialect: &str, summary: &Summary) {
        let unsound = summary.repaired + summary.malformed + summary.truncated;
        let outcomes = [
            ("complete", summary.calls.saturating_sub(unsound)),
            ("repaired", summary.repaired),
            ("malformed", summary.malformed),
            ("truncated", summary.truncated),
            ("text", summary.rejected),
        ];
        for (outcome, calls) in outcomes {
            if calls > 0 {
                let labels = Labels::of(&[("dialect", dialect), ("outcome", outcome)]);
                self.calls.at(labels, Counter::default).add(u64::from(calls));
            }
        }
    }

    /// Counts what ran here for a request.
    fn count_turn(&self, record: &Record, pool: &Labels) {
        if record.rounds > 0 {
            self.rounds.at(pool.clone(), || Histogram::new(&ROUNDS)).observe(u64::from(record.rounds));
        }
        if record.recalled {
            count(&self.memory_hits, pool.clone());
        }
        for run in &record.tool_runs {
            let labels = Labels::of(&[("tool", self.tools.label(&run.tool, TOOLS_MAX))]);
            let outcome = if run.failed { "failed" } else { "done" };
            count(&self.tool_calls, labels.and("outcome", outcome));
            self.tool_time.at(labels, || Histogram::new(&DURATIONS)).observe_duration(run.took);
        }
    }

    fn write_families(&self, page: &mut Page) {
        let counters = [
            (
                "toolgate_generated_pieces_total",
                "Pieces of text, reasoning and calls in streams that are read, counted as they come.",
                &self.generated,
            ),
            (
                "toolgate_calls_total",
                "Tool calls found in answers, by dialect and what became of them; `text` was none after all.",
                &self.calls,
            ),
            (
                "toolgate_required_call_answers_total",
                "Answers that had to call something and did, as they were forced or prompted to, or did not: `unmet`.",
                &self.required_calls,
            ),
            (
                "toolgate_answers_total",
                "Answers to requests with tools, by whether they were read for calls.",
                &self.answers,
            ),
            ("toolgate_retries_total", "Requests that went to a server again, by why.", &self.retries),
            (
                "toolgate_cancellations_total",
                "Clients that left before their answer was complete, by when.",
                &self.cancellations,
            ),
            ("toolgate_failures_total", "Requests that failed, by whose fault it was.", &self.failures),
            ("toolgate_model_loads_total", "Loads of models, by what came of them.", &self.loads),
            ("toolgate_evictions_total", "Models that were unloaded, by why.", &self.evictions),
            ("toolgate_tool_calls_total", "Calls of tools that ran here, by what became of them.", &self.tool_calls),
            (
                "toolgate_memory_hits_total",
                "Requests in whose conversation more was known than their clients sent.",
                &self.memory_hits,
            ),
        ];
        for (name, help, family) in counters {
            let mut metric = page.counter(name, help);
            family.all().iter().for_each(|(labels, counter)| metric.sample(labels, counter.value()));
        }
        let histograms = [
            ("toolgate_held_bytes", "The most bytes of an answer that were held back at a time.", &self.held),
            (
                "toolgate_overhead_seconds",
                "What the gateway itself took before a server was asked: waits for the client's body and for a place are \
                 not in it.",
                &self.overhead,
            ),
            (
                "toolgate_event_overhead_seconds",
                "What reading and rewriting took for each event with words in it, in streams that are read.",
                &self.event_overhead,
            ),
            (
                "toolgate_queue_wait_seconds",
                "How long requests waited for a place that could not have one at once, by priority.",
                &self.queue_wait,
            ),
            ("toolgate_model_load_seconds", "How long models took to load.", &self.load_time),
            ("toolgate_tool_seconds", "How long calls of tools ran here.", &self.tool_time),
            ("toolgate_turn_rounds", "Answers of servers to a request whose tools run here.", &self.rounds),
        ];
        for (name, help, family) in histograms {
            let mut metric = page.histogram(name, help);
            family.all().iter().for_each(|(labels, histogram)| metric.distribution(labels, histogram));
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The status that the client got; 0 is none.
fn code(record: &Record) -> u16 {
    record.status.unwrap_or(0)
}

fn count(family: &Family<Counter>, labels: Labels) {
    family.at(labels, Counter::default).increment();
}

/// Microseconds, and the probe's two seconds.
const OVERHEAD: Scale = Scale {
    unit: Unit::Seconds,
    bounds: &[
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        100_000_000,
        500_000_000,
        2_500_000_000,
    ],
};

/// To the limit that there is by default, and beyond.
const ROUNDS: Scale = Scale { unit: Unit::Number, bounds: &[1, 2, 3, 4, 6, 8, 11, 16, 32, 64] };

/// From nothing to the limit on what may be taken back, and beyond.
const HELD: Scale = Scale { unit: Unit::Number, bounds: &[0, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576] };
