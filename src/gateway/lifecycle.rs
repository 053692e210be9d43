//! Stage of a graceful shutdown: whether requests are taken, how many there are, and how far a stop has come.
//! Stops nothing by itself: the server says when, and each connection's `shutdown_signal` does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Shared by the proxy, the admin address and the server.
///
/// ```text
/// Serving --drain--> Draining --cut--> Cut
/// ```
#[derive(Debug, Default)]
pub struct Lifecycle {
    is_draining: AtomicBool,
    is_cut: AtomicBool,
    /// Rings at each step.
    step: Arc<Notify>,
    requests: AtomicUsize,
    last_left: Notify,
    finished: AtomicU64,
    cut: AtomicU64,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Serving,
    /// It is not ready, connections are closed after their request, and what is only half sent is not waited for.
    Draining,
    /// Whatever still runs ends now, and says so.
    Cut,
}

impl Lifecycle {
    /// How far the stop has come. It only goes forward.
    pub fn stage(&self) -> Stage {
        if self.is_cut.load(Ordering::Acquire) {
            Stage::Cut
        } else if self.is_draining.load(Ordering::Acquire) {
            Stage::Draining
        } else {
            Stage::Serving
        }
    }

    /// Whether load balancers may send requests here.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Serving
    }

    /// The stop begins. Requests that run are not touched.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.step.notify_waiters();
    }

    /// The time of the requests that still run is over.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.step.notify_waiters();
    }

    /// Rings at the next step that is made after it was polled first.
    pub fn next_step(&self) -> OwnedNotified {
        Arc::clone(&self.step).notified_owned()
    }

    /// Returns once whatever runs is to end.
    pub async fn is_over(&self) {
        loop {
            let mut step = std::pin::pin!(self.step.notified());
            step.as_mut().enable();
            if self.stage() == Stage::Cut {
                return;
            }
            step.await;
        }
    }

    /// Counts a request as in the house until what this gives is dropped.
    pub fn enter(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::AcqRel);
        Busy { lifecycle: Arc::clone(self), end: End::Finished }
    }

    /// Requests in the house.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    /// Returns when no request is left.
    pub async fn idle(&self) {
        loop {
            let mut left = std::pin::pin!(self.last_left.notified());
            left.as_mut().enable();
            if self.requests() == 0 {
                return;
            }
            left.await;
        }
    }

    /// Since the stop began: requests that came to their end, and those that were cut.
    pub fn tally(&self) -> (u64, u64) {
        (self.finished.load(Ordering::Acquire), self.cut.load(Ordering::Acquire))
    }
}

/// One request in the house.
#[derive(Debug)]
pub struct Busy {
    lifecycle: Arc<Lifecycle>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Cut,
}

impl Busy {
    /// The request is over before its end.
    pub fn cut(mut self) {
        self.end = End::Cut;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let lifecycle = &self.lifecycle;
        match self.end {
            End::Cut => _ = lifecycle.cut.fetch_add(1, Ordering::AcqRel),
            End::Finished if !lifecycle.is_ready() => _ = lifecycle.finished.fetch_add(1, Ordering::AcqRel),
            End::Finished => {}
        }
        if lifecycle.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            lifecycle.last_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_counts_what_ends_after_it_began() {
        let lifecycle = Arc::new(Lifecycle::default());
        let [before, finished, cut] = [(); 3].map(|()| lifecycle.enter());
        drop(before);
        assert!(lifecycle.is_ready());
        lifecycle.drain();
        assert_eq!((lifecycle.stage(), lifecycle.requests(), lifecycle.tally()), (Stage::Draining, 2, (0, 0)));
        drop(finished);
        lifecycle.cut();
        lifecycle.is_over().await;
        cut.cut();
        lifecycle.idle().await;
        assert_eq!((lifecycle.stage(), lifecycle.tally()), (Stage::Cut, (1, 1)));
    }
}
