//! Whether the gateway takes requests, and how many it has.
//! Stops nothing by itself: the server does, when the last one has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Shared by the proxy, the admin address and the server.
#[derive(Debug, Default)]
pub struct Lifecycle {
    draining: AtomicBool,
    requests: AtomicUsize,
    last_left: Notify,
}

impl Lifecycle {
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Acquire)
    }

    /// From here on it is not ready, and connections are closed after their request.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn enter(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    /// Requests in the house.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    /// Returns when no request is left.
    pub async fn idle(&self) {
        loop {
            let left = self.last_left.notified();
            if self.requests() == 0 {
                return;
            }
            left.await;
        }
    }
}

/// One request in the house.
#[derive(Debug)]
pub struct Busy(Arc<Lifecycle>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.last_left.notify_waiters();
        }
    }
}
