//! What the gateway counts and measures, and the names under which it is read.
//! Serves nothing, and parses nothing: what a reply says comes from `response`'s summary.
//!
//! A request is counted once, when it is over. While it streams it costs a look at the clock for each piece with words
//! in it; see [`Pace`]. Labels come from the configuration and from closed sets, but for models, which [`Models`] bounds.

mod family;
mod finished;
mod instruments;
mod models;
mod pace;
mod page;
mod process;
mod recent;
mod series;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use finished::{Finished, Operation, Phase, Reading, Retry};
pub use instruments::Counter;
pub use models::Models;
pub use pace::Pace;
pub use page::CONTENT_TYPE;
pub use process::resident_bytes;
pub use recent::{Failure, Recent};

use crate::balance::Standing;
use crate::response::Summary;

use family::Family;
use instruments::{Histogram, Scale, Unit};
use page::{Labels, Page};
use series::{DURATIONS, Series};

/// Pools, peers and models make series by multiplying. Past so many a request's model is `other`: the page must stay
/// one that can be read every few seconds.
const SERIES_MAX: usize = 1_000;

/// What the gateway has done since it started.
#[derive(Debug)]
pub struct Metrics {
    started: SystemTime,
    models: Models,
    requests: Family<Series>,
    /// Pieces of text that streams have brought so far, for each peer.
    generated: Family<Counter>,
    calls: Family<Counter>,
    answers: Family<Counter>,
    held: Family<Histogram>,
    overhead: Family<Histogram>,
    queue_wait: Family<Histogram>,
    retries: Family<Counter>,
    cancellations: Family<Counter>,
    failures: Family<Counter>,
    pub recent: Recent,
}

/// What is so now, and is therefore not counted: whoever knows it hands it in.
#[derive(Debug, Default)]
pub struct Now<'a> {
    /// Requests in the house.
    pub in_flight: usize,
    pub pools: Vec<PoolNow<'a>>,
    pub peers: Vec<PeerNow<'a>>,
}

/// A pool as it is now.
#[derive(Debug)]
pub struct PoolNow<'a> {
    pub pool: &'a str,
    /// Requests that wait for a place, by priority.
    pub waiting: BTreeMap<u8, usize>,
}

/// A peer as it is now.
#[derive(Debug)]
pub struct PeerNow<'a> {
    pub pool: &'a str,
    pub url: String,
    pub in_flight: u32,
    /// Requests of others, when it was last asked.
    pub elsewhere: u32,
    /// Requests that it may have at once, where that is known.
    pub slots: Option<u32>,
    pub standing: Standing,
    /// It gets no more requests, and ends with its last.
    pub is_leaving: bool,
}

/// What one peer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: u64,
    /// Those of them that were answered with 500 or above.
    pub failed: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Metrics {
    pub fn new(models: Models) -> Self {
        Self {
            started: SystemTime::now(),
            models,
            requests: Family::default(),
            generated: Family::default(),
            calls: Family::default(),
            answers: Family::default(),
            held: Family::default(),
            overhead: Family::default(),
            queue_wait: Family::default(),
            retries: Family::default(),
            cancellations: Family::default(),
            failures: Family::default(),
            recent: Recent::default(),
        }
    }

    /// Counts a request that is over.
    pub fn finished(&self, request: &Finished<'_>) {
        self.series(request).count(request);
        let pool = Labels::of(&[("pool", request.pool)]);
        if let Some(overhead) = request.overhead {
            self.overhead.at(pool.clone(), || Histogram::new(&OVERHEAD)).observe_duration(overhead);
        }
        if let Some(queued) = request.queued {
            let labels = pool.and("priority", &request.priority.to_string());
            self.queue_wait.at(labels, || Histogram::new(&DURATIONS)).observe_duration(queued);
        }
        if let Some(phase) = request.left_while {
            count(&self.cancellations, pool.and("phase", phase.name()));
        }
        if let Some((fault, error)) = request.failure {
            count(&self.failures, pool.and("fault", fault).and("error", error));
        }
        if let Some(reading) = request.reading {
            count(&self.answers, pool.and("reading", reading.name()));
        }
        if let (Some(dialect), Some(summary)) = (request.dialect, request.summary) {
            self.count_calls(dialect, summary);
            let held = u64::try_from(request.pace.held_max()).unwrap_or(u64::MAX);
            self.held.at(Labels::of(&[("dialect", dialect)]), || Histogram::new(&HELD)).observe(held);
        }
    }

    /// A request goes to a server again.
    pub fn retried(&self, pool: &str, why: Retry) {
        count(&self.retries, Labels::of(&[("pool", pool), ("reason", why.name())]));
    }

    /// Where the streams of a peer say how far they are.
    pub fn generated(&self, pool: &str, peer: &str) -> Arc<Counter> {
        self.generated.at(Labels::of(&[("pool", pool), ("peer", peer)]), Counter::default)
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed().unwrap_or_default()
    }

    /// What each peer has done, by pool and URL. Requests that reached none have an empty URL.
    pub fn totals(&self) -> BTreeMap<(String, String), Totals> {
        let mut totals: BTreeMap<_, Totals> = BTreeMap::new();
        for (_, series) in self.requests.all() {
            let key = (series.pool.clone(), series.peer.clone());
            let total = totals.entry(key).or_default();
            for (code, count) in series.codes() {
                total.requests += count;
                total.failed += if code >= 500 { count } else { 0 };
            }
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
        process::write(&mut page);
        write_now(now, &mut page);
        series::write(&self.requests.all(), &mut page);
        self.write_families(&mut page);
        page.finish()
    }

    fn series(&self, request: &Finished<'_>) -> Arc<Series> {
        let labels = |model: &str| {
            let operation = request.operation.name();
            Labels::of(&[("pool", request.pool), ("peer", request.peer), ("model", model), ("operation", operation)])
        };
        let model = request.model.map_or("", |model| self.models.label(model, request.code));
        let own = labels(model);
        if let Some(known) = self.requests.known(&own) {
            return known;
        }
        let model = if self.requests.len() < SERIES_MAX || model.is_empty() { model } else { models::OTHER };
        self.requests.at(labels(model), || Series::new(request, model))
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
                "toolgate_queue_wait_seconds",
                "How long requests waited for a place that could not have one at once, by priority.",
                &self.queue_wait,
            ),
        ];
        for (name, help, family) in histograms {
            let mut metric = page.histogram(name, help);
            family.all().iter().for_each(|(labels, histogram)| metric.distribution(labels, histogram));
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Models::default())
    }
}

fn write_now(now: &Now<'_>, page: &mut Page) {
    let mut metric = page.gauge("toolgate_requests_in_flight", "Requests in the gateway.");
    metric.sample(&Labels::default(), now.in_flight);
    let mut metric =
        page.gauge("toolgate_queue_requests", "Requests that wait for a place, by priority; 0 goes first.");
    for pool in &now.pools {
        for (priority, waiting) in &pool.waiting {
            metric.sample(&Labels::of(&[("pool", pool.pool), ("priority", &priority.to_string())]), waiting);
        }
    }
    let labels = |peer: &PeerNow<'_>| Labels::of(&[("pool", peer.pool), ("peer", &peer.url)]);
    let mut metric = page.gauge("toolgate_peer_requests_in_flight", "Requests at a server.");
    now.peers.iter().for_each(|peer| metric.sample(&labels(peer), peer.in_flight));
    let mut metric = page.gauge("toolgate_peer_slots", "Requests that a server may have at once, where that is known.");
    for (peer, slots) in now.peers.iter().filter_map(|peer| Some((peer, peer.slots?))) {
        metric.sample(&labels(peer), slots);
    }
    let mut metric =
        page.gauge("toolgate_peer_requests_elsewhere", "Others' requests at a server, when it was last asked.");
    now.peers.iter().for_each(|peer| metric.sample(&labels(peer), peer.elsewhere));
    let mut metric = page.gauge("toolgate_peer_up", "Whether a server takes connections, as far as is known.");
    now.peers.iter().for_each(|peer| metric.sample(&labels(peer), u8::from(!peer.standing.is_down())));
    let mut metric = page.gauge("toolgate_peer_state", "1 for the state that a server is in, 0 for every other.");
    for peer in &now.peers {
        for state in Standing::NAMES {
            metric.sample(&labels(peer).and("state", state), u8::from(state == peer.standing.name()));
        }
    }
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

/// From nothing to the limit on what may be taken back, and beyond.
const HELD: Scale = Scale { unit: Unit::Number, bounds: &[0, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 1_048_576] };
