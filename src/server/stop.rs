//! Graceful shutdown: not ready first, then closed to newcomers, then over when the last request
//! has gone or has had its time.
//! Ends no request itself: `gateway` does, once it is told to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::config;
use crate::gateway::{Current, Lifecycle};

/// What is cut has this long to say so. Most of it takes no time; a request that asks servers for their models may take
/// two seconds to notice.
const LAST_WORDS_MAX: Duration = Duration::from_secs(3);

/// How a gateway is stopped.
pub(super) struct Stop {
    lifecycle: Arc<Lifecycle>,
    current: Arc<Current>,
    pause: Duration,
    grace: Duration,
    /// Closes the addresses that clients connect to, and whatever connections are idle.
    close: watch::Sender<bool>,
}

impl Stop {
    /// How long each step takes stands in `server`. `close` is set when newcomers are no longer taken.
    pub fn new(
        server: &config::Server,
        current: Arc<Current>,
        lifecycle: Arc<Lifecycle>,
        close: watch::Sender<bool>,
    ) -> Self {
        let (pause, grace) = (Duration::from_millis(server.drain_pause_ms), Duration::from_secs(server.grace_seconds));
        Self { lifecycle, current, pause, grace, close }
    }

    /// Stops it when it is told once. Told again it waits no longer, and the third time not even for last words.
    pub fn when(self, told: watch::Receiver<u32>) -> Stopping {
        Stopping { stop: self, told }
    }
}

/// Pingora asks this when to stop. When it answers, everything is over.
pub(super) struct Stopping {
    stop: Stop,
    told: watch::Receiver<u32>,
}

#[async_trait]
impl ShutdownSignalWatch for Stopping {
    async fn recv(&self) -> ShutdownSignal {
        self.told(1).await;
        let began = Instant::now();
        let Stop { lifecycle, current, pause, grace, close } = &self.stop;
        lifecycle.drain();
        log::info!(
            "stopping: waiting {} s at most for the requests in flight, {} now",
            (*pause + *grace).as_secs(),
            lifecycle.requests()
        );
        tokio::select! {
            () = sleep(*pause) => {}
            () = self.told(2) => {}
        }
        // An error means that nobody listens.
        let _ = close.send(true);
        tokio::select! {
            () = lifecycle.idle() => {}
            () = sleep(*grace) => {}
            () = self.told(2) => {}
        }
        if lifecycle.requests() > 0 {
            lifecycle.cut();
            tokio::select! {
                () = lifecycle.idle() => {}
                () = sleep(LAST_WORDS_MAX) => {}
                () = self.told(3) => {}
            }
        }
        tokio::select! {
            () = async { current.settings().toolbox().stop().await } => {}
            () = self.told(3) => {}
        }
        let ((finished, cut), left) = (lifecycle.tally(), lifecycle.requests());
        let left = if left > 0 { format!(", {left} were left without a word") } else { String::new() };
        let seconds = began.elapsed().as_secs_f64();
        log::info!("stopped after {seconds:.1} s: {finished} requests finished, {cut} were cut{left}");
        if left.is_empty() { ShutdownSignal::GracefulTerminate } else { ShutdownSignal::FastShutdown }
    }
}

impl Stopping {
    /// Returns when it has been told so often.
    async fn told(&self, times: u32) {
        let mut told = self.told.clone();
        // Whoever could tell is gone: the same as being told once, and never again.
        if told.wait_for(|told| *told >= times).await.is_err() && times > 1 {
            std::future::pending::<()>().await;
        }
    }
}
