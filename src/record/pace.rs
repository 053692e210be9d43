//! Pace of one streamed answer: when its words came, and what the gateway's own work on them took.
//! Reads no clock, and touches shared memory at most a few times a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::instruments::{Counter, Scale, Tally, Unit};

/// How often a stream says how far it is. Often enough for whoever watches, and next to nothing beside a stream's work.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// The pace of one answer.
#[derive(Debug)]
pub struct Pace {
    /// Events in which the model said something, since the last pause and before it.
    spoken: u64,
    before: u64,
    first: Option<Instant>,
    /// The first since the last pause, and how long it spoke before that.
    resumed: Option<Instant>,
    speaking: Duration,
    last: Option<Instant>,
    gaps: Tally,
    work: Tally,
    held_max: usize,
    /// Where all streams of a server say how far they are; how much this one has said, and when.
    live: Option<Arc<Counter>>,
    told: u64,
    told_at: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            spoken: 0,
            before: 0,
            first: None,
            resumed: None,
            speaking: Duration::ZERO,
            last: None,
            gaps: Tally::new(&GAPS),
            work: Tally::new(&WORK),
            held_max: 0,
            live: None,
            told: 0,
            told_at: None,
        }
    }
}

impl Pace {
    /// From here on the stream says there, a few times a second, how many events with words it has brought.
    pub fn tell(&mut self, live: Arc<Counter>) {
        self.live = Some(live);
    }

    /// Something of a stream has come that is not read.
    pub fn begin(&mut self, clock: impl FnOnce() -> Instant) {
        self.first.get_or_insert_with(clock);
    }

    /// Of a piece of a stream that came at `from` and was read by `now`: by it the stream has come to its `spoken`th
    /// event with words in it, and holds back so many bytes. Several events at once share the times.
    pub fn note(&mut self, spoken: u64, held: usize, from: Instant, now: Instant) {
        self.held_max = self.held_max.max(held);
        let new = spoken.saturating_sub(self.spoken);
        if new == 0 {
            return;
        }
        self.work.observe_shared(now.saturating_duration_since(from), new);
        match self.last {
            Some(last) => self.gaps.observe_shared(now.saturating_duration_since(last), new),
            // There is no gap before the first.
            None if new > 1 => self.gaps.observe_shared(Duration::ZERO, new - 1),
            None => {}
        }
        self.first.get_or_insert(now);
        self.resumed.get_or_insert(now);
        self.last = Some(now);
        self.spoken = spoken;
        if self.told_at.is_none_or(|told_at| now.saturating_duration_since(told_at) >= TELL_EVERY) {
            self.told_at = Some(now);
            self.settle();
        }
    }

    /// Nothing comes for a while, which is nobody's gap. What follows counts anew.
    pub fn pause(&mut self) {
        self.settle();
        self.speaking += self.span();
        (self.resumed, self.last, self.before) = (None, None, self.before + self.spoken);
        (self.spoken, self.told) = (0, 0);
    }

    /// How long it has spoken since the last pause.
    fn span(&self) -> Duration {
        let span = self.last.zip(self.resumed).map(|(last, first)| last.saturating_duration_since(first));
        span.unwrap_or_default()
    }

    /// Says what was not said yet.
    pub fn settle(&mut self) {
        if let Some(live) = &self.live {
            live.add(self.spoken - self.told);
            self.told = self.spoken;
        }
    }

    /// Whether the first words have come; of a stream that is not read, its first bytes.
    pub fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// How long after `began` the first words came; of a stream that is not read, its first bytes. `None` while nothing
    /// has.
    pub fn first_after(&self, began: Instant) -> Option<Duration> {
        self.first.map(|first| first.saturating_duration_since(began))
    }

    /// The mean time that a token took after the first, of so many.
    pub fn per_token(&self, tokens: u64) -> Option<Duration> {
        self.first?;
        let took = self.speaking + self.span();
        if took.is_zero() && self.last.is_none() {
            return None;
        }
        let after_first = u32::try_from(tokens.saturating_sub(1)).ok()?;
        took.checked_div(after_first)
    }

    /// Events so far in which the model said something.
    pub fn spoken(&self) -> u64 {
        self.before + self.spoken
    }

    /// The times between two events with words in them.
    pub fn gaps(&self) -> &Tally {
        &self.gaps
    }

    /// What the gateway's own work took, for each event with words in it.
    pub fn work(&self) -> &Tally {
        &self.work
    }

    /// The most bytes that were held back at a time.
    pub fn held_max(&self) -> usize {
        self.held_max
    }
}

/// From a model that writes a thousand tokens a second to one that stalls.
pub const GAPS: Scale = Scale {
    unit: Unit::Seconds,
    bounds: &[
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        10_000_000_000,
        30_000_000_000,
    ],
};

/// Microseconds, and what is left of a second when a large argument is read at once.
pub const WORK: Scale = Scale {
    unit: Unit::Seconds,
    bounds: &[1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000, 100_000_000],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::Histogram;

    #[test]
    fn words_are_timed_and_told_now_and_then() {
        let began = Instant::now();
        let live = Arc::new(Counter::default());
        let mut pace = Pace::default();
        pace.tell(Arc::clone(&live));
        pace.note(0, 3, began, began + Duration::from_micros(2));
        // Milliseconds, words so far, bytes held, and what is told by then.
        let table = [(100, 1, 0, 1), (120, 2, 9, 1), (180, 5, 0, 1), (350, 6, 0, 6), (400, 8, 0, 6)];
        for (millis, spoken, held, told) in table {
            let now = began + Duration::from_millis(millis);
            pace.note(spoken, held, now - Duration::from_micros(9), now);
            assert_eq!(live.value(), told, "at {millis}");
        }
        pace.settle();
        assert_eq!(live.value(), 8);
        assert_eq!(pace.first_after(began), Some(Duration::from_millis(100)));
        assert_eq!(pace.held_max(), 9);
        assert_eq!(pace.per_token(4), Some(Duration::from_millis(100)));
        assert_eq!((pace.per_token(1), pace.per_token(0), Pace::default().per_token(4)), (None, None, None));
        let counts = |scale, tally| -> Vec<u64> {
            let histogram = Histogram::new(scale);
            histogram.absorb(tally);
            histogram.cumulative().map(|(_, count)| count).collect()
        };
        // 20, three of 20, 170, two of 25.
        assert_eq!(counts(&GAPS, pace.gaps()), [0, 0, 0, 0, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7]);
        // 9 for each piece: three of 3 and two of 4.5 among them.
        assert_eq!(counts(&WORK, pace.work()), [0, 0, 5, 8, 8, 8, 8, 8, 8, 8, 8, 8]);
    }

    #[test]
    fn what_is_not_read_has_a_beginning() {
        let began = Instant::now();
        let mut pace = Pace::default();
        for millis in [30, 40] {
            pace.begin(|| began + Duration::from_millis(millis));
        }
        assert_eq!((pace.first_after(began), pace.spoken()), (Some(Duration::from_millis(30)), 0));
        assert_eq!(pace.per_token(4), None);
    }

    #[test]
    fn what_tools_took_between_two_rounds_is_no_token_s_time() {
        let began = Instant::now();
        let at = |second: u64| began + Duration::from_secs(second);
        let mut pace = Pace::default();
        (1..=3).for_each(|n| pace.note(n, 0, at(n), at(n)));
        pace.pause();
        (1..=3).for_each(|n| pace.note(n, 0, at(100 + n), at(100 + n)));
        assert_eq!((pace.spoken(), pace.first_after(began)), (6, Some(Duration::from_secs(1))));
        assert_eq!(pace.per_token(5), Some(Duration::from_secs(1)));
        let mut all = Tally::new(&GAPS);
        (0..4).for_each(|_| all.observe_shared(Duration::from_secs(1), 1));
        assert_eq!(format!("{:?}", pace.gaps()), format!("{all:?}"));
    }
}
