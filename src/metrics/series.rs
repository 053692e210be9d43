//! Request metrics: what is measured of the requests that share pool, peer, model and kind.
//! Decides nothing about labels.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::instruments::{Counter, Histogram, Scale, Unit};
use crate::record::{Blame, GAPS, Operation, Record};

use super::page::{Labels, Page};

/// Requests with the same labels.
#[derive(Debug)]
pub struct Series {
    pub pool: String,
    pub peer: String,
    /// The same as the page's labels, under the names of OpenTelemetry's conventions; absent for requests that those
    /// are not about.
    gen_ai: Option<Labels>,
    /// Requests by the status that the client got.
    codes: Mutex<BTreeMap<u16, u64>>,
    pub failed: Counter,
    first_byte: Histogram,
    duration: Histogram,
    first_token: Histogram,
    per_token: Histogram,
    inter_token: Histogram,
    pub input: Histogram,
    pub output: Histogram,
    cached: Counter,
}

impl Series {
    /// For requests like this one: they share its pool, engine and operation, and the names that are given for `peer`
    /// and `model`.
    pub fn new(record: &Record, peer: &str, model: &str) -> Self {
        let gen_ai = record.operation.gen_ai_name().map(|operation| {
            Labels::of(&[
                ("gen_ai_operation_name", operation),
                ("gen_ai_provider_name", record.engine.unwrap_or_default()),
                ("gen_ai_request_model", model),
                ("pool", record.pool_name()),
                ("peer", peer),
            ])
        });
        Self {
            pool: record.pool_name().to_owned(),
            peer: peer.to_owned(),
            gen_ai,
            codes: Mutex::default(),
            failed: Counter::default(),
            first_byte: Histogram::new(&DURATIONS),
            duration: Histogram::new(&DURATIONS),
            first_token: Histogram::new(&DURATIONS),
            per_token: Histogram::new(&PER_TOKEN),
            inter_token: Histogram::new(&GAPS),
            input: Histogram::new(&TOKENS),
            output: Histogram::new(&TOKENS),
            cached: Counter::default(),
        }
    }

    /// Counts a request that is over. Duration and tokens are measured only of those that let a model speak.
    pub fn count(&self, record: &Record) {
        let code = super::code(record);
        *self.codes.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
        // A stream that broke off had its 200 before, and not every 500 is a server's.
        let has_failed = match &record.failure {
            Some(failure) => failure.blame == Blame::Upstream,
            None => code >= 500,
        };
        if has_failed {
            self.failed.increment();
        }
        if let Some(after) = record.first_byte_after {
            self.first_byte.observe_duration(after);
        }
        if record.operation == Operation::Other {
            return;
        }
        self.duration.observe_duration(record.took);
        let (pace, tokens) = (&record.pace, record.tokens());
        self.inter_token.absorb(pace.gaps());
        if let Some(after) = record.first_token_after() {
            self.first_token.observe_duration(after);
        }
        if let Some(input) = tokens.input {
            self.input.observe(input);
        }
        if let Some(output) = tokens.output {
            self.output.observe(output);
        }
        self.cached.add(tokens.cached.unwrap_or(0));
        if let Some(per_token) = pace.per_token(tokens.output.unwrap_or(pace.spoken())) {
            self.per_token.observe_duration(per_token);
        }
    }

    /// Requests by their status.
    pub fn codes(&self) -> BTreeMap<u16, u64> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writes every metric that has these series.
pub fn write(all: &[(Labels, impl AsRef<Series>)], page: &mut Page) {
    let own = || all.iter().map(|(labels, series)| (labels, series.as_ref()));
    let gen_ai = || own().filter_map(|(_, series)| Some((series.gen_ai.as_ref()?, series)));

    let mut metric = page.counter("toolgate_requests_total", "Requests that are over, by the status the client got.");
    for (labels, series) in own() {
        for (code, count) in series.codes() {
            metric.sample(&labels.and("code", &code.to_string()), count);
        }
    }
    let mut metric = page
        .histogram("toolgate_time_to_first_byte_seconds", "From a request's head to the head of the server's answer.");
    own().for_each(|(labels, series)| metric.distribution(labels, &series.first_byte));
    let mut metric =
        page.histogram("toolgate_inter_token_seconds", "Between two pieces of a streamed answer that was read.");
    own().for_each(|(labels, series)| metric.distribution(labels, &series.inter_token));
    let mut metric =
        page.counter("toolgate_cached_tokens_total", "Tokens of prompts that servers had in their caches.");
    for (labels, series) in own().filter(|(_, series)| series.cached.value() > 0) {
        metric.sample(labels, series.cached.value());
    }

    let mut metric =
        page.histogram("gen_ai_server_request_duration_seconds", "From a request's head to the end of its answer.");
    gen_ai().for_each(|(labels, series)| metric.distribution(labels, &series.duration));
    let mut metric = page.histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "From a request's head to the first text, reasoning or call of a streamed answer, or to its first bytes where it \
         was not read.",
    );
    gen_ai().for_each(|(labels, series)| metric.distribution(labels, &series.first_token));
    let mut metric = page.histogram(
        "gen_ai_server_time_per_output_token_seconds",
        "Mean time of the tokens after the first, of each streamed answer that was read.",
    );
    gen_ai().for_each(|(labels, series)| metric.distribution(labels, &series.per_token));
    let mut metric = page.histogram(
        "gen_ai_client_token_usage",
        "Tokens of each request, as its server counted them, where the answer was read.",
    );
    for (labels, series) in gen_ai() {
        metric.distribution(&labels.and("gen_ai_token_type", "input"), &series.input);
        metric.distribution(&labels.and("gen_ai_token_type", "output"), &series.output);
    }
}

/// OpenTelemetry's, and three more: a long prompt on one's own hardware takes minutes.
pub const DURATIONS: Scale = Scale {
    unit: Unit::Seconds,
    bounds: &[
        10_000_000,
        20_000_000,
        40_000_000,
        80_000_000,
        160_000_000,
        320_000_000,
        640_000_000,
        1_280_000_000,
        2_560_000_000,
        5_120_000_000,
        10_240_000_000,
        20_480_000_000,
        40_960_000_000,
        81_920_000_000,
        163_840_000_000,
        327_680_000_000,
        655_360_000_000,
    ],
};

/// OpenTelemetry's.
const PER_TOKEN: Scale = Scale {
    unit: Unit::Seconds,
    bounds: &[
        10_000_000,
        25_000_000,
        50_000_000,
        75_000_000,
        100_000_000,
        150_000_000,
        200_000_000,
        300_000_000,
        400_000_000,
        500_000_000,
        750_000_000,
        1_000_000_000,
        2_500_000_000,
    ],
};

/// OpenTelemetry's.
const TOKENS: Scale = Scale {
    unit: Unit::Number,
    bounds: &[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864],
};
