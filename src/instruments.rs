//! Instruments: counters and histograms that many threads add to without waiting for each other.
//! Knows no names and no labels.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds so many. Never waits; other threads may see it a moment later.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a histogram measures, and where its buckets end.
#[derive(Debug)]
pub struct Scale {
    pub unit: Unit,
    /// Upper bounds, ascending, in nanoseconds for durations. Above the last there is one bucket more.
    pub bounds: &'static [u64],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Kept in nanoseconds, shown in seconds.
    Seconds,
    /// A count of things.
    Number,
}

impl Scale {
    fn bucket(&self, value: u64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }
}

impl Unit {
    /// A value of this unit as it is shown.
    pub fn show(self, value: u64) -> Shown {
        Shown { unit: self, value }
    }
}

/// A number in the unit that readers expect, exactly.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    unit: Unit,
    value: u64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Number => write!(f, "{}", self.value),
            Unit::Seconds => {
                let (whole, part) = (self.value / NANOS, self.value % NANOS);
                let part = format!("{part:09}");
                match part.trim_end_matches('0') {
                    "" => write!(f, "{whole}"),
                    part => write!(f, "{whole}.{part}"),
                }
            }
        }
    }
}

/// How often a value fell into each bucket.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Empty, with all the buckets of the scale.
    pub fn new(scale: &'static Scale) -> Self {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, counts, sum: AtomicU64::new(0) }
    }

    /// Counts one value, in the unit that the scale keeps: nanoseconds for durations.
    pub fn observe(&self, value: u64) {
        if let Some(count) = self.counts.get(self.scale.bucket(value)) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// Counts one duration; the scale must be one of seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(nanos(duration));
    }

    /// Takes over what one exchange has tallied for itself.
    pub fn absorb(&self, tally: &Tally) {
        for (count, more) in self.counts.iter().zip(&tally.counts) {
            count.fetch_add(*more, Ordering::Relaxed);
        }
        self.sum.fetch_add(tally.sum, Ordering::Relaxed);
    }

    /// The sum of all values, in the unit that the scale keeps: nanoseconds for durations.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// What its values are to be shown in.
    pub fn unit(&self) -> Unit {
        self.scale.unit
    }

    /// Each bucket's upper bound (the last has none), with how many values lie at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = self.scale.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(&self.counts).scan(0, |total, (bound, count)| {
            *total += count.load(Ordering::Relaxed);
            Some((bound, *total))
        })
    }
}

/// A histogram of one exchange's own, which costs no shared memory while it goes on.
#[derive(Debug)]
pub struct Tally {
    scale: &'static Scale,
    counts: Vec<u64>,
    sum: u64,
}

impl Tally {
    /// Empty; it takes memory only when the first value is counted.
    pub fn new(scale: &'static Scale) -> Self {
        Self { scale, counts: Vec::new(), sum: 0 }
    }

    /// Counts so many values that have taken `duration` together.
    pub fn observe_shared(&mut self, duration: Duration, times: u64) {
        // Most exchanges have nothing to count.
        self.counts.resize(self.scale.bounds.len() + 1, 0);
        let value = nanos(duration) / times.max(1);
        if let Some(count) = self.counts.get_mut(self.scale.bucket(value)) {
            *count += times;
            self.sum = self.sum.saturating_add(value.saturating_mul(times));
        }
    }
}

/// Five hundred years at most.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const NANOS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale { unit: Unit::Seconds, bounds: &[10_000_000, 1_000_000_000] };

    #[test]
    fn values_fall_at_or_below_their_bound() {
        let histogram = Histogram::new(&SCALE);
        for value in [0, 10_000_000, 10_000_001, 1_000_000_000, 3_000_000_000] {
            histogram.observe(value);
        }
        let counts: Vec<_> = histogram.cumulative().collect();
        assert_eq!(counts, [(Some(10_000_000), 2), (Some(1_000_000_000), 4), (None, 5)]);
        assert_eq!(histogram.sum(), 4_020_000_001);
    }

    #[test]
    fn a_tally_counts_like_a_histogram() {
        let (direct, absorbed) = (Histogram::new(&SCALE), Histogram::new(&SCALE));
        let mut tally = Tally::new(&SCALE);
        absorbed.absorb(&tally);
        for (millis, times) in [(5, 3), (10, 1), (500, 2), (5_000, 1)] {
            tally.observe_shared(Duration::from_millis(millis * times), times);
            (0..times).for_each(|_| direct.observe_duration(Duration::from_millis(millis)));
        }
        absorbed.absorb(&tally);
        assert!(absorbed.cumulative().eq(direct.cumulative()));
        assert_eq!(absorbed.sum(), direct.sum());
    }

    #[test]
    fn seconds_are_shown_exactly() {
        let table = [
            (0, "0"),
            (1, "0.000000001"),
            (25_000_000, "0.025"),
            (10_240_000_000, "10.24"),
            (655_360_000_000, "655.36"),
            (2_000_000_000, "2"),
        ];
        for (nanos, expected) in table {
            assert_eq!(Unit::Seconds.show(nanos).to_string(), expected);
        }
        assert_eq!(Unit::Number.show(67_108_864).to_string(), "67108864");
    }
}
