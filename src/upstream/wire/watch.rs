//! Watch over a connection that Pingora reads: which of its deadlines ended it, and when it may be read at all.
//! Measures nothing; `socket` does.

use std::sync::Mutex;
use std::task::Waker;

use tokio::time::Instant;

use crate::config::Timeouts;
use crate::upstream::lock::lock;

use super::deadlines::{Deadlines, Expired};

/// One exchange's view of its connection.
#[derive(Debug)]
pub struct Watch {
    timeouts: Timeouts,
    began: Instant,
    /// Flushes before which nothing is read.
    flushes_first: u8,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    expired: Option<Expired>,
    reader: Option<Waker>,
}

impl Watch {
    /// `total_ms` counts from here.
    pub fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, began: Instant::now(), flushes_first: 0, state: Mutex::default() }
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

    /// Of the next connection. That of the whole goes on over all of them.
    pub(super) fn deadlines(&self) -> Deadlines {
        Deadlines::new(self.timeouts, self.began)
    }

    /// Flushes of the connection before which nothing is read.
    pub(super) fn flushes_first(&self) -> u8 {
        self.flushes_first
    }

    /// A wait took too long. The first word counts.
    pub(super) fn expire(&self, why: Expired) {
        lock(&self.state).expired.get_or_insert(why);
    }

    /// Remembers whom to wake.
    pub(super) fn register(&self, reader: &Waker) {
        lock(&self.state).reader = Some(reader.clone());
    }

    /// Has whoever reads look at its state again.
    pub(super) fn wake(&self) {
        if let Some(reader) = lock(&self.state).reader.take() {
            reader.wake();
        }
    }
}
