//! Pace of a peer: how fast it reads prompts, and how long a request keeps its place there, learnt from its answers.
//! Estimates times; who goes where is not its business.
//!
//! A server reads one prompt after the other, or several at once and each the slower: both end at the same time. So
//! what is still unread there is one backlog.

use std::time::Duration;

/// What was seen of one peer.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// How long it reads a block of a prompt.
    block: Option<Duration>,
    /// How long a request keeps its place, on average of the last few.
    stay: Option<Duration>,
    /// How much later than estimated its first tokens come, although it says that the prompt was cached.
    lateness: Duration,
    /// Prompts that it is reading, how long that takes in all, and when it will be through.
    prompts: u32,
    unread: Duration,
    read_by: Duration,
}

/// A prompt that a peer reads, as it was estimated when it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    began: Duration,
    /// How long the prompts before it take, and its own.
    backlog: Duration,
    own: Duration,
    /// Blocks of it that are not cached.
    fresh: u64,
    first_token: Option<Duration>,
}

impl Reading {
    /// Whether nobody has said that the prompt is read.
    pub fn awaits_first_token(&self) -> bool {
        self.first_token.is_none()
    }
}

/// What an answer told of the reading of its prompt.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Blocks of the prompt that were not cached.
    pub fresh: u64,
    /// How long it says that they took.
    pub took: Option<Duration>,
}

/// Fewer blocks say more about a server's overhead than about its speed.
const FRESH_BLOCKS_MIN: u64 = 2;

impl Pace {
    /// How long a block takes to read; `None` when it was not seen reading yet.
    pub fn block(&self) -> Option<Duration> {
        self.block
    }

    /// How long a request keeps its place; `None` when none has ended yet.
    pub fn stay(&self) -> Option<Duration> {
        self.stay
    }

    /// How long a prompt that is sent now waits until it is read, beyond what its own blocks take.
    pub fn delay(&self, now: Duration) -> Duration {
        self.backlog(now).saturating_add(self.lateness)
    }

    fn backlog(&self, now: Duration) -> Duration {
        self.read_by.saturating_sub(now)
    }

    /// A prompt is sent of which so many blocks have to be read, each in so long.
    pub fn begin(&mut self, fresh: u64, block: Duration, now: Duration) -> Reading {
        let (backlog, own) = (self.backlog(now), times(block, fresh));
        self.prompts += 1;
        self.unread = self.unread.saturating_add(own);
        self.read_by = now.saturating_add(backlog).saturating_add(own);
        Reading { began: now, backlog, own, fresh, first_token: None }
    }

    /// The first token of an answer has come: its prompt is read. Only the first word on it counts.
    pub fn first_token(&mut self, reading: &mut Reading, now: Duration) {
        if reading.first_token.is_some() {
            return;
        }
        reading.first_token = Some(now);
        self.prompts = self.prompts.saturating_sub(1);
        self.unread = if self.prompts == 0 { Duration::ZERO } else { self.unread.saturating_sub(reading.own) };
        self.read_by = now.saturating_add(self.unread);
    }

    /// A request has left, served or not, and told something of its prompt or nothing. Returns how long it stayed.
    pub fn end(&mut self, mut reading: Reading, told: Option<Told>, served: Served, now: Duration) -> Duration {
        let seen = reading.first_token.map(|first_token| first_token.saturating_sub(reading.began));
        // Whoever left without a first token does not read any more.
        self.first_token(&mut reading, now);
        let stayed = now.saturating_sub(reading.began);
        if served == Served::No {
            return stayed;
        }
        self.stay = Some(self.stay.map_or(stayed, |stay| (stay * 7).saturating_add(stayed) / 8));
        let fresh = told.map_or(reading.fresh, |told| told.fresh);
        let alone = seen.filter(|_| reading.backlog.is_zero());
        if let Some(took) = told.and_then(|told| told.took).or(alone).filter(|_| fresh >= FRESH_BLOCKS_MIN) {
            let took = took / u32::try_from(fresh).unwrap_or(u32::MAX);
            self.block = Some(self.block.map_or(took, |block| (block * 3).saturating_add(took) / 4));
        }
        if let Some(waited) = seen.filter(|_| told.is_none_or(|told| told.took.is_none())) {
            let expected = reading.backlog.saturating_add(times(self.block.unwrap_or_default(), fresh));
            let late = waited.saturating_sub(expected) / LATENESS_OF;
            let early = expected.saturating_sub(waited) / LATENESS_OF;
            self.lateness = (self.lateness / LATENESS_OF * (LATENESS_OF - 1) + late).saturating_sub(early);
        }
        stayed
    }
}

/// How many answers the lateness is an average of.
const LATENESS_OF: u32 = 8;

/// Whether an answer came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    Yes,
    No,
}

/// So many times as long.
pub fn times(duration: Duration, count: u64) -> Duration {
    duration.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn prompts_are_read_one_after_the_other() {
        let mut pace = Pace::default();
        let mut first = pace.begin(10, ms(100), ms(0));
        let mut second = pace.begin(20, ms(100), ms(500));
        assert_eq!(pace.delay(ms(500)), ms(2500));
        // The first is read sooner than was thought: the second begins sooner.
        pace.first_token(&mut first, ms(600));
        assert_eq!(pace.delay(ms(600)), ms(2000));
        pace.first_token(&mut second, ms(700));
        pace.first_token(&mut second, ms(9000));
        assert_eq!(pace.delay(ms(700)), ms(0));
    }

    #[test]
    fn a_prompt_that_left_unread_is_no_backlog() {
        let mut pace = Pace::default();
        let reading = pace.begin(50, ms(100), ms(0));
        pace.end(reading, None, Served::No, ms(1000));
        assert_eq!((pace.delay(ms(1000)), pace.block(), pace.stay()), (ms(0), None, None));
    }

    #[test]
    fn the_reading_speed_is_told_or_seen() {
        for (told, expected) in [
            (Some(Told { fresh: 5, took: Some(ms(100)) }), Some(ms(20))),
            (Some(Told { fresh: 5, took: None }), Some(ms(200))),
            (None, Some(ms(100))),
            (Some(Told { fresh: 1, took: Some(ms(100)) }), None),
            (Some(Told { fresh: 0, took: None }), None),
        ] {
            let mut pace = Pace::default();
            let mut reading = pace.begin(10, ms(50), ms(0));
            pace.first_token(&mut reading, ms(1000));
            pace.end(reading, told, Served::Yes, ms(4000));
            assert_eq!((pace.block(), pace.stay()), (expected, Some(ms(4000))), "{told:?}");
        }
    }

    #[test]
    fn behind_another_prompt_no_speed_is_seen() {
        let mut pace = Pace::default();
        let _first = pace.begin(10, ms(100), ms(0));
        let mut second = pace.begin(10, ms(100), ms(0));
        pace.first_token(&mut second, ms(2000));
        pace.end(second, None, Served::Yes, ms(2000));
        assert_eq!(pace.block(), None);
    }

    #[test]
    fn who_says_cached_and_is_slow_is_late() {
        let mut pace = Pace::default();
        let mut now = ms(0);
        let mut answer = |pace: &mut Pace, waits: u64| {
            let mut reading = pace.begin(0, ms(100), now);
            now += ms(waits);
            pace.first_token(&mut reading, now);
            pace.end(reading, Some(Told { fresh: 0, took: None }), Served::Yes, now);
            pace.delay(now)
        };
        let late = (0..30).map(|_| answer(&mut pace, 8000)).last();
        assert!(late > Some(ms(7000)), "{late:?}");
        let late = (0..30).map(|_| answer(&mut pace, 0)).last();
        assert!(late < Some(ms(200)), "{late:?}");
    }
}
