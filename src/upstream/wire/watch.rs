//! Deadlines of a connection: its idle timeout, the first byte, the whole exchange, and when nobody needs it any more.
//! Pingora has one read timeout for header and body alike; a queue, a prefill and a pause between two tokens are three
//! different waits. Measures none of them; `socket` does, and tells here what it has learnt of the answer.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::Progress;
use crate::api::ollama;
use crate::api::openai::{AssembleError, Complaint};
use crate::config::Timeouts;
use crate::upstream::lock::lock;

use super::hold::{Hold, Holding, Last};
use super::translation::{Translating, Translation};

/// The wait that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Expired {
    #[error("no byte of the answer within {0} ms")]
    FirstByte(u64),
    #[error("nothing came for {0} ms")]
    Idle(u64),
    #[error("not finished within {0} ms")]
    Total(u64),
}

/// One exchange's view of its connection.
#[derive(Debug)]
pub struct Watch {
    timeouts: Timeouts,
    began: Instant,
    /// Flushes before which nothing is read.
    flushes_first: u8,
    stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    expired: Option<Expired>,
    reader: Option<Waker>,
    /// How the answer of the next connection is held.
    holding: Option<Holding>,
    /// How it is translated.
    translating: Option<Translating>,
    /// Whether a tick is on its way to the gateway.
    ticked: bool,
    progress: Option<Progress>,
    /// What else is known of the answer that is held, or was.
    is_events: bool,
    is_made: bool,
    complaint: Option<Complaint>,
    /// The same in the words of a server's own API.
    own_complaint: Option<ollama::server::Complaint>,
    failed: Option<AssembleError>,
    /// When the rest of an answer has come that may still follow its last word.
    rested_at: Option<Instant>,
}

/// How long a server may take, after the last finish reason, to say what the answer cost, and that it is over. It is
/// work of milliseconds; a server that says neither would keep its client until the answer is taken for a stalled one.
const REST_MAX: Duration = Duration::from_secs(2);

impl Watch {
    /// `total_ms` counts from here.
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            began: Instant::now(),
            flushes_first: 0,
            stopped: AtomicBool::default(),
            state: Mutex::default(),
        }
    }

    /// For a tunnel, whose pauses are its ends' affair.
    ///
    /// Pingora takes the end of the (empty) request body for the end of the tunnel when it comes to it after a quick
    /// server's 101. It flushes the head and then that end, and until then the server is not listened to.
    pub fn of_tunnel(connect_ms: u64) -> Self {
        let timeouts = Timeouts { connect_ms, first_byte_ms: None, idle_ms: None, total_ms: None, client_ms: None };
        Self { flushes_first: 2, ..Self::new(timeouts) }
    }

    /// The wait that ended the connection, if one did.
    pub fn expired(&self) -> Option<Expired> {
        lock(&self.state).expired
    }

    /// Nothing more of the answer is needed: the next read fails, and with it the connection ends.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Everything was said: what may follow is waited for a short while.
    pub fn rest(&self) {
        let is_news = lock(&self.state).begin_rest();
        if is_news {
            self.wake();
        }
    }

    /// The answer of the connection that is made next is held.
    pub fn hold(&self, holding: Holding) {
        lock(&self.state).holding = Some(holding);
    }

    /// The answer of the connection that is made next comes in another API than is read.
    pub fn translate(&self, translating: Translating) {
        lock(&self.state).translating = Some(translating);
    }

    /// Whether the answer is an event stream, whatever its head says.
    pub fn is_events(&self) -> bool {
        lock(&self.state).is_events
    }

    /// Whether the answer was put together of a stream, or an error that was told in one.
    pub fn is_made(&self) -> bool {
        lock(&self.state).is_made
    }

    /// What the answer complains of, where it is a refusal.
    pub fn complaint(&self) -> Option<Complaint> {
        lock(&self.state).complaint
    }

    /// The same in the words of the server's own API.
    pub fn own_complaint(&self) -> Option<ollama::server::Complaint> {
        lock(&self.state).own_complaint
    }

    /// Why no whole answer could be made of a stream.
    pub fn failed(&self) -> Option<AssembleError> {
        lock(&self.state).failed.clone()
    }

    /// Whether an informational head that has come is a tick, and none of the server's. They come before everything
    /// that the server has sent.
    pub fn take_tick(&self) -> bool {
        std::mem::take(&mut lock(&self.state).ticked)
    }

    /// How far the server is with the prompt, where it was asked.
    pub fn progress(&self) -> Option<Progress> {
        lock(&self.state).progress
    }

    /// A connection begins: nothing is known of its answer, which is translated and held like this.
    pub(super) fn begin(&self) -> (Option<Translating>, Option<Holding>) {
        let mut state = lock(&self.state);
        let plan = (state.translating.take(), state.holding.take());
        *state = State { expired: state.expired, reader: state.reader.take(), ..State::default() };
        plan
    }

    /// Since when `total_ms` counts.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Flushes of the connection before which nothing is read.
    pub(super) fn flushes_first(&self) -> u8 {
        self.flushes_first
    }

    /// A wait took too long. The first word counts.
    pub(super) fn expire(&self, why: Expired) {
        lock(&self.state).expired.get_or_insert(why);
    }

    /// When the rest of an answer has come that may still follow its last word.
    pub(super) fn rested_at(&self) -> Option<Instant> {
        lock(&self.state).rested_at
    }

    /// What is known by now of the answer that is held.
    pub(super) fn learn(&self, hold: &Hold) {
        let mut state = lock(&self.state);
        state.is_events = hold.is_events();
        state.is_made = hold.is_made();
        state.complaint = hold.complaint();
        state.failed = hold.failed().cloned();
        if hold.is_said() {
            state.begin_rest();
        }
    }

    /// What is known by now of the answer that is translated.
    pub(super) fn learn_of(&self, translation: &Translation) {
        if let Some(complaint) = translation.complaint() {
            lock(&self.state).own_complaint = Some(complaint);
        }
    }

    /// A tick is due; what became of the last.
    pub(super) fn tick(&self, progress: Option<Progress>) -> Last {
        let mut state = lock(&self.state);
        state.progress = progress;
        if std::mem::replace(&mut state.ticked, true) { Last::OnItsWay } else { Last::Arrived }
    }

    /// Has whoever reads look at its state again.
    pub(super) fn wake(&self) {
        if let Some(reader) = lock(&self.state).reader.take() {
            reader.wake();
        }
    }

    /// Whether nothing more is needed.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Fails when stopped.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_stopped() { Err(io::Error::other("the answer is complete")) } else { Ok(()) }
    }

    /// Remembers whom to wake. Whoever stops it does so before they look for one to wake, so what is asked here,
    /// behind the lock, is not missed.
    pub(super) fn register(&self, reader: &Waker) -> io::Result<()> {
        let mut state = lock(&self.state);
        if !state.reader.as_ref().is_some_and(|known| known.will_wake(reader)) {
            state.reader = Some(reader.clone());
        }
        self.check()
    }

    /// When a wait that begins now is over, and why.
    pub(super) fn deadline(&self, wait: Wait) -> Option<(Instant, Expired)> {
        let now = Instant::now();
        let after = |ms: Option<u64>, from: Instant, why: fn(u64) -> Expired| {
            ms.and_then(|ms| Some((from.checked_add(Duration::from_millis(ms))?, why(ms))))
        };
        let phase = match wait {
            Wait::FirstByte => after(self.timeouts.first_byte_ms, now, Expired::FirstByte),
            Wait::Body | Wait::Write => after(self.timeouts.idle_ms, now, Expired::Idle),
        };
        let total = after(self.timeouts.total_ms, self.began, Expired::Total);
        phase.into_iter().chain(total).min_by_key(|(at, _)| *at)
    }
}

impl State {
    /// Everything was said. Whether that is news.
    fn begin_rest(&mut self) -> bool {
        let is_news = self.rested_at.is_none();
        self.rested_at.get_or_insert_with(|| Instant::now() + REST_MAX);
        is_news
    }
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    FirstByte,
    Body,
    Write,
}
