//! Record of a request: the one list of what is known of it, noted as it is learnt.
//! The access log and the metrics are made from it when the request is over, and from nothing else; it shows nothing
//! itself, and knows no sockets and no servers.
//!
//! A fact is a field. Whoever adds one shows it: `metrics::tests::facts` goes over all of them.

pub mod access_log;
mod pace;
mod terms;

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

pub use pace::{GAPS, Pace, WORK};
pub use terms::{Blame, Operation, Phase, Reading, Retry};

use crate::answer::Summary;
use crate::api::Tokens;
use crate::balance::Why;

/// One request, and what became of it.
#[derive(Debug)]
pub struct Record {
    pub began: Instant,
    /// `X-Request-Id`.
    pub id: String,
    /// Who connected, whomever it speaks for; absent where clients have no address.
    pub client: Option<IpAddr>,
    pub method: String,
    /// Without the query.
    pub path: String,
    pub operation: Operation,
    /// The model that it names, where its body was read; behind an alias, the one that it stands for.
    pub model: Option<String>,
    pub pool: Option<String>,
    /// The kind of the pool's servers.
    pub engine: Option<&'static str>,
    /// Its place among those that wait: lower goes first.
    pub priority: u8,
    /// The URL of the last server that had it.
    pub peer: Option<String>,
    /// Why that one.
    pub why: Option<Why>,
    /// What its answer is read as, if it is read for calls.
    pub dialect: Option<String>,
    /// How an answer is brought about that has to call something, if this one has to.
    pub required_call: Option<&'static str>,
    /// How long its body was waited for before a server was chosen.
    pub upload: Duration,
    /// Whether the last of its body has come.
    pub is_uploaded: bool,
    /// Since when it waits for a place.
    pub queued_since: Option<Instant>,
    /// How long it waited for one, if it did.
    pub queue_wait: Option<Duration>,
    /// What the gateway itself took before a server was asked.
    pub overhead: Option<Duration>,
    /// How often it went to a server again.
    pub retries: u32,
    /// From its head to the head of the first answer.
    pub first_byte_after: Option<Duration>,
    /// How its answer comes, once it has begun.
    pub transfer: Option<Transfer>,
    pub reading: Option<Reading>,
    pub pace: Pace,
    /// What was found in an answer that was read.
    pub summary: Option<Summary>,
    /// Answers that were asked of servers for it, where tools run here; else none.
    pub rounds: u32,
    /// Calls that ran here, in the order in which they ended.
    pub tool_runs: Vec<ToolRun>,
    /// Whether its conversation had answers of which more was known than its client sent.
    pub recalled: bool,
    /// The status that the client got, or would have got.
    pub status: Option<u16>,
    /// Bytes of its body, and of its answer's.
    pub request_bytes: u64,
    pub answer_bytes: u64,
    pub failure: Option<Failure>,
    pub took: Duration,
    pub ended: SystemTime,
}

/// How an answer comes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    Streamed,
    Whole,
}

/// A call that ran here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolRun {
    /// By the name that the configuration gives it.
    pub tool: String,
    pub failed: bool,
    pub took: Duration,
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub blame: Blame,
    /// The error's code, as clients get it.
    pub code: &'static str,
    /// For a page and for no log: it may hold what a client chose.
    pub message: String,
}

impl Default for Record {
    /// Of a request that begins now.
    fn default() -> Self {
        Self {
            began: Instant::now(),
            id: String::new(),
            client: None,
            method: String::new(),
            path: String::new(),
            operation: Operation::Other,
            model: None,
            pool: None,
            engine: None,
            priority: 0,
            peer: None,
            why: None,
            dialect: None,
            required_call: None,
            upload: Duration::ZERO,
            is_uploaded: false,
            queued_since: None,
            queue_wait: None,
            overhead: None,
            retries: 0,
            first_byte_after: None,
            transfer: None,
            reading: None,
            pace: Pace::default(),
            summary: None,
            rounds: 0,
            tool_runs: Vec::new(),
            recalled: false,
            status: None,
            request_bytes: 0,
            answer_bytes: 0,
            failure: None,
            took: Duration::ZERO,
            ended: SystemTime::UNIX_EPOCH,
        }
    }
}

impl Record {
    /// What became of a call that was required, where the answer was read: how it was brought about, or `unmet`.
    pub fn required_call_outcome(&self) -> Option<&'static str> {
        let (required, summary) = (self.required_call?, self.summary.as_ref()?);
        Some(if summary.calls > 0 { required } else { "unmet" })
    }
}

/// What happens to a request, in the order in which it does.
impl Record {
    /// An attempt begins. What answered before, if anything did, was not the answer.
    pub fn attempted(&mut self) {
        self.transfer = None;
    }

    /// It begins to wait for a place.
    pub fn enqueued(&mut self) {
        self.queued_since = Some(Instant::now());
    }

    /// It waits no longer.
    pub fn dequeued(&mut self) {
        if let Some(since) = self.queued_since.take() {
            *self.queue_wait.get_or_insert_default() += since.elapsed();
        }
    }

    /// A server was chosen, perhaps not the first.
    pub fn chosen(&mut self, peer: &str, why: Option<Why>) {
        (self.peer, self.why) = (Some(peer.to_owned()), why);
    }

    /// That server is about to be asked. The client took `upload` to send its body.
    pub fn asked(&mut self, upload: Duration) {
        self.upload = upload;
        let waited = upload + self.queue_wait.unwrap_or_default();
        self.overhead.get_or_insert_with(|| self.began.elapsed().saturating_sub(waited));
    }

    /// It goes to a server again.
    pub fn retried(&mut self) {
        self.retries += 1;
    }

    /// The head of an answer has come, perhaps not the first; an informational one does not say how the answer comes.
    pub fn answered(&mut self, transfer: Option<Transfer>) {
        self.first_byte_after.get_or_insert_with(|| self.began.elapsed());
        self.transfer = transfer.or(self.transfer);
    }

    /// A piece that came at `from` has been read, and brought the answer to so many events with words in them, of which
    /// so many bytes are held back.
    pub fn read(&mut self, spoken: u64, held: usize, from: Instant) {
        self.pace.note(spoken, held, from, Instant::now());
    }

    /// A piece has come that was not read. Of a stream it is known by that that it speaks.
    pub fn passed(&mut self) {
        if self.transfer == Some(Transfer::Streamed) {
            self.pace.begin(Instant::now);
        }
    }

    /// The answer has ended, and this was found in it, if it was read.
    pub fn summed_up(&mut self, summary: Option<Summary>) {
        if let Some(summary) = &summary {
            let reading = if summary.bailed_out { Some(Reading::BailedOut) } else { None };
            self.reading = reading.or(summary.salvaged.then_some(Reading::Salvaged)).or(self.reading);
        }
        self.summary = match (summary, self.summary.take()) {
            (Some(summary), Some(before)) if self.rounds > 1 => Some(before.with_round(summary)),
            (summary, before) => summary.or(before),
        };
    }

    /// Another answer is asked of a server for it: what its tools took is no server's time.
    pub fn begin_round(&mut self) {
        self.rounds += 1;
        if self.rounds > 1 {
            self.pace.pause();
        }
    }

    /// It is over.
    pub fn end(&mut self) {
        // A client that left while it waited has waited.
        if let Some(since) = self.queued_since {
            *self.queue_wait.get_or_insert_default() += since.elapsed();
        }
        self.pace.settle();
        (self.took, self.ended) = (self.began.elapsed(), SystemTime::now());
    }
}

/// What follows from the facts.
impl Record {
    /// Empty where it never came so far as to have a pool.
    pub fn pool_name(&self) -> &str {
        self.pool.as_deref().unwrap_or_default()
    }

    /// Empty where it never came so far as to have a server.
    pub fn peer_url(&self) -> &str {
        self.peer.as_deref().unwrap_or_default()
    }

    /// What the server said last of its tokens.
    pub fn tokens(&self) -> Tokens {
        self.summary.as_ref().and_then(|summary| summary.tokens).unwrap_or_default()
    }

    /// Whether the first words of a stream have come.
    pub fn has_spoken(&self) -> bool {
        self.pace.has_begun()
    }

    /// From its head to the first word of its answer.
    pub fn first_token_after(&self) -> Option<Duration> {
        self.pace.first_after(self.began)
    }

    /// What was going on when the client left, if it did.
    pub fn left_while(&self) -> Option<Phase> {
        let has_left = self.failure.as_ref().is_some_and(|failure| failure.blame == Blame::Left);
        has_left.then(|| match self.transfer {
            Some(Transfer::Streamed) => Phase::Streaming,
            Some(Transfer::Whole) => Phase::Whole,
            // It is put together for a client that sees nothing of it yet.
            None if self.pace.spoken() > 0 => Phase::Whole,
            None if self.queued_since.is_some() => Phase::Queued,
            None if self.is_uploaded => Phase::Waiting,
            None => Phase::Uploading,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_others_are_not_the_gateway_s_own_time() {
        let seconds = Duration::from_secs;
        let began = Instant::now().checked_sub(seconds(60)).unwrap();
        let mut record = Record { began, queue_wait: Some(seconds(30)), ..Record::default() };
        record.asked(seconds(20));
        let overhead = record.overhead;
        assert!((seconds(10)..seconds(20)).contains(&overhead.unwrap()), "{overhead:?}");
        // Another server is asked, after more waits.
        record.queue_wait = Some(seconds(40));
        record.asked(seconds(20));
        assert_eq!(record.overhead, overhead);
    }

    #[test]
    fn a_client_leaves_in_the_phase_that_it_waits_in() {
        let failure = Some(Failure { blame: Blame::Left, code: "client_left", message: String::new() });
        let mut record = Record { failure, ..Record::default() };
        let mut phase = |happens: fn(&mut Record)| {
            happens(&mut record);
            record.left_while().unwrap()
        };
        assert_eq!(phase(|_| {}), Phase::Uploading);
        assert_eq!(phase(Record::enqueued), Phase::Queued);
        assert_eq!(phase(Record::dequeued), Phase::Uploading);
        assert_eq!(phase(|record| record.is_uploaded = true), Phase::Waiting);
        assert_eq!(phase(|record| record.answered(None)), Phase::Waiting);
        assert_eq!(phase(|record| record.answered(Some(Transfer::Streamed))), Phase::Streaming);
        assert_eq!(phase(Record::attempted), Phase::Waiting);
        assert_eq!(phase(|record| record.answered(Some(Transfer::Whole))), Phase::Whole);
        assert_eq!(phase(Record::attempted), Phase::Waiting);
        assert_eq!(phase(|record| record.read(1, 0, Instant::now())), Phase::Whole);
        record.failure = None;
        assert_eq!(record.left_while(), None);
    }
}
