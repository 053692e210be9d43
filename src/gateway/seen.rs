//! What is noted of a request on its way, and how it is counted when it is over.
//! Holds no content; the metrics' names are `metrics`'.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::answer::Pipeline;
use crate::instruments::Counter;
use crate::metrics::{Failure, Finished, Whose};
use crate::plan::Plan;
use crate::record::{Pace, Phase, Reading};
use crate::upstream::Listener;

use super::attempt::Tries;
use super::context::Context;
use super::fault::{Blame, Fault};
use super::reply::is_event_stream;
use super::shared::Gateway;

/// A failure's text stands on a page and in no log; it may hold a model's name, which a client chooses.
const FAILURE_CHARS_MAX: usize = 200;

/// Notes on one request.
#[derive(Debug, Default)]
pub struct Seen {
    /// Whether the last of it has come.
    pub is_uploaded: bool,
    /// What the gateway itself took before a server was asked.
    overhead: Option<Duration>,
    first_byte_after: Option<Duration>,
    framing: Option<Framing>,
    pub reading: Option<Reading>,
    pub pace: Pace,
    /// The pace of an answer that is put together in its connection.
    overheard: Option<Arc<Overheard>>,
}

/// Notes the pace of an answer that nobody sees before it is whole.
#[derive(Debug, Default)]
struct Overheard(Mutex<Pace>);

impl Listener for Overheard {
    fn spoke(&self, spoken: u64, from: Instant) {
        self.pace().note(spoken, 0, from, Instant::now());
    }
}

impl Overheard {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Events,
    Whole,
}

impl Seen {
    /// An attempt begins. What answered before, if anything did, was not the answer.
    pub fn begin_attempt(&mut self) {
        self.framing = None;
    }

    /// A server is about to be asked, perhaps not the first. `waited` was spent on others: the client's upload, the queue.
    pub fn asking(&mut self, began: Instant, waited: Duration) {
        self.overhead.get_or_insert_with(|| began.elapsed().saturating_sub(waited));
    }

    /// The head of an answer has come, perhaps not the first.
    pub fn answered(&mut self, began: Instant, response: &ResponseHeader) {
        self.first_byte_after.get_or_insert_with(|| began.elapsed());
        if !response.status.is_informational() {
            self.framing = Some(if is_event_stream(response) { Framing::Events } else { Framing::Whole });
        }
    }

    /// A piece of the answer has come and went through the pipeline, which began with it at `from`. Of a stream that is
    /// not read nothing is known but that it speaks.
    pub fn came(&mut self, answer: &Pipeline, piece: Option<&Bytes>, from: Option<Instant>) {
        match (answer.progress(), from) {
            (Some((spoken, held)), Some(from)) => self.pace.note(spoken, held, from, Instant::now()),
            _ if self.framing == Some(Framing::Events) && piece.is_some_and(|piece| !piece.is_empty()) => {
                self.pace.begin(Instant::now);
            }
            _ => {}
        }
    }

    /// Another try begins, whose answer is put together; it tells `live` how far it is.
    fn overhear(&mut self, live: Arc<Counter>) -> Arc<dyn Listener> {
        self.settle();
        self.pace.tell(live);
        let overheard = Arc::new(Overheard(Mutex::new(std::mem::take(&mut self.pace))));
        self.overheard = Some(Arc::clone(&overheard));
        overheard
    }

    /// Says of the pace what was not said yet.
    fn settle(&mut self) {
        if let Some(overheard) = self.overheard.take() {
            self.pace = std::mem::take(&mut overheard.pace());
        }
        self.pace.settle();
    }

    pub fn first_byte_after(&self) -> Option<Duration> {
        self.first_byte_after
    }

    fn phase(&self, plan: &Plan, tries: &Tries, session: &mut Session) -> Phase {
        match self.framing {
            Some(Framing::Events) if !plan.is_assembled() => Phase::Streaming,
            Some(_) => Phase::Whole,
            None if self.pace.spoken() > 0 => Phase::Whole,
            None if tries.is_queued => Phase::Queued,
            None if self.is_uploaded || session.is_body_empty() => Phase::Waiting,
            None => Phase::Uploading,
        }
    }
}

impl Context {
    /// The status that the client got, or would have got.
    pub fn status(&self, session: &Session) -> Option<u16> {
        let sent = session.response_written().map(|response| response.status.as_u16());
        sent.or(self.fault.as_ref().map(Fault::status))
    }

    fn pool_name(&self) -> &str {
        self.terms.pool.as_ref().map_or("", |pool| pool.name())
    }

    fn peer_url(&self) -> &str {
        self.attempt.receipt.peer_url.as_deref().unwrap_or_default()
    }

    fn failure(&self, code: Option<u16>, what: &str) -> Failure {
        let blame = self.fault.as_ref().map(Fault::blame);
        Failure {
            at: SystemTime::now(),
            id: self.id.clone(),
            whose: if blame == Some(Blame::Client) { Whose::Client } else { Whose::House },
            pool: self.pool_name().to_owned(),
            peer: self.peer_url().to_owned(),
            code,
            what: what.chars().take(FAILURE_CHARS_MAX).collect(),
        }
    }
}

impl Gateway {
    /// Lets the stream that begins say how far it is.
    pub(super) fn follow(&self, context: &mut Context) {
        let live = self.metrics.generated(context.pool_name(), context.peer_url());
        context.seen.pace.tell(live);
    }

    /// Lets the stream that is put together next say how far it is.
    pub(super) fn overhear(&self, context: &mut Context) -> Arc<dyn Listener> {
        let live = self.metrics.generated(context.pool_name(), context.peer_url());
        context.seen.overhear(live)
    }

    /// Counts a request that is over.
    pub(super) fn count(&self, session: &mut Session, context: &mut Context) {
        context.seen.settle();
        let code = context.status(session).unwrap_or(0);
        let blame = context.fault.as_ref().map(Fault::blame);
        let left_while =
            (blame == Some(Blame::Left)).then(|| context.seen.phase(&context.plan, &context.tries, session));
        let summary = context.summary.as_ref();
        let bailed_out = summary.is_some_and(|summary| summary.bailed_out);
        self.metrics.finished(&Finished {
            pool: context.pool_name(),
            peer: context.peer_url(),
            engine: context.terms.pool.as_ref().map_or("", |pool| pool.config().engine.name()),
            model: context.plan.model.as_deref(),
            operation: context.route.operation,
            code,
            began: context.began,
            took: context.began.elapsed(),
            first_byte_after: context.seen.first_byte_after,
            overhead: context.seen.overhead,
            priority: context.terms.priority,
            queued: context.tries.queued,
            pace: &context.seen.pace,
            dialect: context.plan.dialect(),
            reading: if bailed_out { Some(Reading::BailedOut) } else { context.seen.reading },
            summary,
            left_while,
            failure: context.fault.as_ref().map(|fault| (fault.blame().whose(), fault.code())),
        });
        match &context.fault {
            Some(fault) if fault.blame() != Blame::Left => {
                self.metrics.recent.add(context.failure(Some(code), &fault.to_string()));
            }
            None if code >= 500 => {
                self.metrics.recent.add(context.failure(Some(code), &format!("the server answered {code}")));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_others_are_not_the_gateway_s_own_time() {
        let seconds = Duration::from_secs;
        let began = Instant::now().checked_sub(seconds(60)).unwrap();
        let mut seen = Seen::default();
        seen.asking(began, seconds(50));
        let overhead = seen.overhead;
        assert!((seconds(10)..seconds(20)).contains(&overhead.unwrap()), "{overhead:?}");
        // Another server is asked, after more waits.
        seen.asking(began, seconds(0));
        assert_eq!(seen.overhead, overhead);
    }
}
