//! Shutdown of a client's connection when the gateway stops: reading from it fails as if the client had left, which
//! every phase of a request knows how to take. It can still be written to, so that the client is told.
//! Reads and writes nothing itself; `socket` does, and polls it while it waits.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::time::Sleep;

use crate::gateway::lifecycle::{Lifecycle, Stage};

/// How long a stop waits for the next bytes of a request that is not yet whole.
const HALF_SENT_MAX: Duration = Duration::from_secs(2);

/// One connection's.
pub struct ShutdownSignal {
    lifecycle: Arc<Lifecycle>,
    /// Whom the next step wakes, and the stage that it ends.
    waking: Option<(Waker, Stage, Pin<Box<OwnedNotified>>)>,
    half_sent: Option<Pin<Box<Sleep>>>,
}

/// How much of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Half,
    Whole,
}

impl ShutdownSignal {
    /// The signal of a connection that has just come.
    pub fn new(lifecycle: Arc<Lifecycle>) -> Self {
        Self { lifecycle, waking: None, half_sent: None }
    }

    /// Something came: a client that goes on is waited for.
    pub fn came(&mut self) {
        self.half_sent = None;
    }

    /// Polled while a read waits: ready when it shall wait no longer.
    pub fn poll_read(&mut self, sent: Sent, cx: &mut Context<'_>) -> Poll<()> {
        match (self.register(cx), sent) {
            (Stage::Serving, _) | (Stage::Draining, Sent::Whole) => Poll::Pending,
            (Stage::Draining, Sent::Half) => {
                let wait = self.half_sent.get_or_insert_with(|| Box::pin(tokio::time::sleep(HALF_SENT_MAX)));
                wait.as_mut().poll(cx)
            }
            (Stage::Cut, _) => Poll::Ready(()),
        }
    }

    /// Polled while a write waits: a client that takes nothing is not waited for at the end.
    pub fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read(Sent::Whole, cx)
    }

    /// Has the next step wake the task. Most polls come from the same task in the same stage, and cost two loads.
    fn register(&mut self, cx: &mut Context<'_>) -> Stage {
        let mut stage = self.lifecycle.stage();
        if let Some((waker, known, _)) = &self.waking
            && *known == stage
            && waker.will_wake(cx.waker())
        {
            return stage;
        }
        loop {
            let mut step = Box::pin(self.lifecycle.next_step());
            // Polled to be woken by it: a step that was made before is seen in the stage.
            let _ = step.as_mut().poll(cx);
            let now = self.lifecycle.stage();
            if now == stage {
                self.waking = Some((cx.waker().clone(), stage, step));
                return stage;
            }
            stage = now;
        }
    }
}

impl fmt::Debug for ShutdownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    fn shutdown_signal() -> (Arc<Lifecycle>, ShutdownSignal) {
        let lifecycle = Arc::new(Lifecycle::default());
        (Arc::clone(&lifecycle), ShutdownSignal::new(lifecycle))
    }

    fn poll(shutdown_signal: &mut ShutdownSignal, sent: Sent) -> Poll<()> {
        shutdown_signal.poll_read(sent, &mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_cut_wakes_whoever_waits() {
        for sent in [Sent::Whole, Sent::Half] {
            let (lifecycle, mut shutdown_signal) = shutdown_signal();
            let reading = tokio::spawn(async move { poll_fn(|cx| shutdown_signal.poll_read(sent, cx)).await });
            for step in [|_: &Lifecycle| {}, Lifecycle::drain] {
                step(&lifecycle);
                tokio::task::yield_now().await;
                assert!(!reading.is_finished());
            }
            lifecycle.cut();
            reading.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_half_sent_is_waited_for_while_it_comes() {
        let (lifecycle, mut shutdown_signal) = shutdown_signal();
        assert!(poll(&mut shutdown_signal, Sent::Half).is_pending());
        lifecycle.drain();
        for _ in 0..3 {
            assert!(poll(&mut shutdown_signal, Sent::Half).is_pending());
            tokio::time::advance(HALF_SENT_MAX / 2).await;
            assert!(
                poll(&mut shutdown_signal, Sent::Half).is_pending()
                    && poll(&mut shutdown_signal, Sent::Whole).is_pending()
            );
            shutdown_signal.came();
        }
        let began = Instant::now();
        poll_fn(|cx| shutdown_signal.poll_read(Sent::Half, cx)).await;
        assert_eq!(began.elapsed().as_secs(), HALF_SENT_MAX.as_secs());
        assert!(shutdown_signal.poll_write(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
