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
    /// When it was seen last.
    seen: Duration,
    /// Prompts that it is reading.
    unread: Vec<Unread>,
    read_by: Duration,
    begun: u64,
}

/// A prompt that a peer has still to read.
#[derive(Clone, Copy, Debug)]
struct Unread {
    number: u64,
    takes: Duration,
    /// When it should be read. After that it counts for nothing: not every answer says when its first token comes.
    due: Duration,
}

/// A prompt that a peer reads, as it was estimated when it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    number: u64,
    began: Duration,
    /// How long the prompts before it take.
    backlog: Duration,
    /// Blocks of it that were never sent there.
    fresh: u64,
    first_token: Option<(Duration, Sight)>,
}

/// What was seen of an answer's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Word,
    /// Something of it, which need not be a word: it is not read.
    Bytes,
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
/// So long what was seen of a peer holds against it; after that it is tried again.
const HOLDS_FOR: Duration = Duration::from_secs(60);
/// How far one answer can move what is believed of a peer's speed, in times of it.
const STEP_MAX: u32 = 4;

impl Pace {
    /// How long a block takes to read; `None` when it was not seen reading yet. `mean` is that of all peers.
    pub fn block(&self, mean: Option<Duration>, now: Duration) -> Option<Duration> {
        self.forgiven(self.block, mean, now)
    }

    /// How long a request keeps its place; `None` when none has ended yet.
    pub fn stay(&self, mean: Option<Duration>, now: Duration) -> Option<Duration> {
        self.forgiven(self.stay, mean, now)
    }

    /// What was seen last, though it be long ago: how long a block takes to read, and how long a request stays.
    pub fn seen(&self) -> (Option<Duration>, Option<Duration>) {
        (self.block, self.stay)
    }

    fn forgiven(&self, own: Option<Duration>, mean: Option<Duration>, now: Duration) -> Option<Duration> {
        let is_old = now.saturating_sub(self.seen) > HOLDS_FOR;
        own.map(|own| if is_old { own.min(mean.unwrap_or(own)) } else { own })
    }

    /// How long a prompt that is sent now waits until it is read, beyond what its own blocks take.
    pub fn delay(&self, now: Duration) -> Duration {
        let is_old = now.saturating_sub(self.seen) > HOLDS_FOR;
        let lateness = if is_old { Duration::ZERO } else { self.lateness };
        self.backlog(now).saturating_add(lateness)
    }

    fn backlog(&self, now: Duration) -> Duration {
        self.read_by.saturating_sub(now)
    }

    /// A prompt is sent that was never sent there but for its beginning: so many blocks, each of which takes so long.
    pub fn begin(&mut self, fresh: u64, block: Duration, now: Duration) -> Reading {
        let (backlog, takes) = (self.backlog(now), times(block, fresh));
        self.begun += 1;
        self.read_by = now.saturating_add(backlog).saturating_add(takes);
        self.unread.push(Unread { number: self.begun, takes, due: self.read_by });
        Reading { number: self.begun, began: now, backlog, fresh, first_token: None }
    }

    /// The first token of an answer has come: its prompt is read. Only the first word on it counts.
    pub fn first_token(&mut self, reading: &mut Reading, sight: Sight, now: Duration) {
        if reading.first_token.is_some() {
            return;
        }
        reading.first_token = Some((now, sight));
        self.unread.retain(|unread| unread.number != reading.number && unread.due > now);
        let unread = self.unread.iter().fold(Duration::ZERO, |sum, unread| sum.saturating_add(unread.takes));
        self.read_by = now.saturating_add(unread);
    }

    /// A request has left, served or not, and told something of its prompt or nothing. Returns how long it stayed.
    pub fn end(&mut self, mut reading: Reading, told: Option<Told>, served: Served, now: Duration) -> Duration {
        let word = reading.first_token.filter(|(_, sight)| *sight == Sight::Word);
        let waited = word.map(|(first_token, _)| first_token.saturating_sub(reading.began));
        // Whoever left without a first token does not read any more.
        self.first_token(&mut reading, Sight::Bytes, now);
        let stayed = now.saturating_sub(reading.began);
        if served == Served::No {
            return stayed;
        }
        self.seen = now;
        self.stay = Some(self.stay.map_or(stayed, |stay| stay.saturating_mul(7).saturating_add(stayed) / 8));
        let fresh = told.map_or(reading.fresh, |told| told.fresh);
        let alone = waited.filter(|_| reading.backlog.is_zero());
        // Nobody reads for longer than it had.
        let took = told.and_then(|told| told.took).map(|took| took.min(stayed)).or(alone);
        if let Some(took) = took.filter(|_| fresh >= FRESH_BLOCKS_MIN) {
            let took = took / u32::try_from(fresh).unwrap_or(u32::MAX);
            self.block = Some(self.block.map_or(took, |block| {
                let took = took.clamp(block / STEP_MAX, block.saturating_mul(STEP_MAX));
                block.saturating_mul(3).saturating_add(took) / 4
            }));
        }
        if let Some(waited) = waited.filter(|_| told.is_none_or(|told| told.took.is_none())) {
            let expected = reading.backlog.saturating_add(times(self.block.unwrap_or_default(), fresh));
            let late = waited.saturating_sub(expected) / LATENESS_OF;
            let early = expected.saturating_sub(waited) / LATENESS_OF;
            self.lateness =
                (self.lateness / LATENESS_OF * (LATENESS_OF - 1)).saturating_add(late).saturating_sub(early);
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

/// The mean of some times; `None` when there are none.
pub fn mean(times: impl Iterator<Item = Duration>) -> Option<Duration> {
    let (sum, count) = times.fold((Duration::ZERO, 0), |(sum, count), time| (time.saturating_add(sum), count + 1));
    sum.checked_div(count)
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
        pace.first_token(&mut first, Sight::Word, ms(600));
        assert_eq!(pace.delay(ms(600)), ms(2000));
        pace.first_token(&mut second, Sight::Word, ms(700));
        pace.first_token(&mut second, Sight::Word, ms(9000));
        assert_eq!(pace.delay(ms(700)), ms(0));
    }

    #[test]
    fn a_prompt_that_left_unread_is_no_backlog() {
        let mut pace = Pace::default();
        let reading = pace.begin(50, ms(100), ms(0));
        pace.end(reading, None, Served::No, ms(1000));
        assert_eq!((pace.delay(ms(1000)), pace.seen()), (ms(0), (None, None)));
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
            pace.first_token(&mut reading, Sight::Word, ms(1000));
            pace.end(reading, told, Served::Yes, ms(4000));
            assert_eq!(pace.seen(), (expected, Some(ms(4000))), "{told:?}");
        }
    }

    #[test]
    fn behind_another_prompt_no_speed_is_seen() {
        let mut pace = Pace::default();
        let _first = pace.begin(10, ms(100), ms(0));
        let mut second = pace.begin(10, ms(100), ms(0));
        pace.first_token(&mut second, Sight::Word, ms(2000));
        pace.end(second, None, Served::Yes, ms(2000));
        assert_eq!(pace.seen().0, None);
    }

    #[test]
    fn who_says_cached_and_is_slow_is_late() {
        let mut pace = Pace::default();
        let mut now = ms(0);
        let mut answer = |pace: &mut Pace, waits: u64| {
            let mut reading = pace.begin(0, ms(100), now);
            now += ms(waits);
            pace.first_token(&mut reading, Sight::Word, now);
            pace.end(reading, Some(Told { fresh: 0, took: None }), Served::Yes, now);
            pace.delay(now)
        };
        let late = (0..30).map(|_| answer(&mut pace, 8000)).last();
        assert!(late > Some(ms(7000)), "{late:?}");
        let late = (0..30).map(|_| answer(&mut pace, 0)).last();
        assert!(late < Some(ms(200)), "{late:?}");
    }

    #[test]
    fn bytes_that_are_no_words_tell_no_speed() {
        let mut pace = Pace::default();
        let mut reading = pace.begin(80, ms(100), ms(0));
        pace.first_token(&mut reading, Sight::Bytes, ms(20));
        assert_eq!(pace.delay(ms(20)), ms(0));
        pace.end(reading, None, Served::Yes, ms(9000));
        assert_eq!(pace.seen(), (None, Some(ms(9000))));
    }

    #[test]
    fn an_answer_without_a_first_token_is_no_backlog_for_ever() {
        let mut pace = Pace::default();
        let _unstreamed = pace.begin(400, ms(100), ms(0));
        assert_eq!(pace.delay(ms(0)), ms(40_000));
        let mut short = pace.begin(1, ms(100), ms(100_000));
        pace.first_token(&mut short, Sight::Word, ms(100_100));
        assert_eq!(pace.delay(ms(100_100)), ms(0));
    }

    #[test]
    fn one_slow_answer_does_not_hold_against_a_server_for_ever() {
        let mut pace = Pace::default();
        for (at, took) in [(0, 1000), (1000, 60_000)] {
            let reading = pace.begin(10, ms(100), ms(at));
            pace.end(reading, Some(Told { fresh: 10, took: Some(ms(took)) }), Served::Yes, ms(at + took));
        }
        let (mean, ended) = (Some(ms(100)), 61_000);
        assert_eq!(pace.block(mean, ms(ended)), Some(ms(175)));
        assert_eq!(pace.block(mean, ms(ended + 61_000)), mean);
        assert_eq!(pace.stay(mean, ms(ended + 61_000)), mean);
    }

    #[test]
    fn no_time_that_a_server_tells_is_too_long() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            let reading = pace.begin(u64::MAX, Duration::MAX, Duration::ZERO);
            let told = Told { fresh: 2, took: Some(Duration::MAX) };
            pace.end(reading, Some(told), Served::Yes, Duration::MAX);
        }
        assert_eq!(pace.seen().1, Some(Duration::MAX / 8));
    }
}
