//! Pipes to a server that is a process: what is read from them is metered, and what is written is taken in time.
//! Frames nothing but lines, whose length has a limit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use memchr::{memchr_iter, memrchr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::meter::{Breach, MESSAGE_BYTES_MAX, Meter};

/// What a server writes.
#[derive(Debug)]
pub struct Metered<R> {
    inner: R,
    meter: Arc<Meter>,
    /// What has come of a line whose end has not.
    line_bytes: usize,
}

/// Where a server reads.
#[derive(Debug)]
pub struct Patient<W> {
    inner: W,
    meter: Arc<Meter>,
    patience: Duration,
    /// Rings when the server has read nothing for too long.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<R> Metered<R> {
    /// Reads from `inner`, and fails when the meter does.
    pub fn new(inner: R, meter: Arc<Meter>) -> Self {
        Self { inner, meter, line_bytes: 0 }
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), Breach> {
        self.line_bytes = match memrchr(b'\n', bytes) {
            // A line that ends in these bytes was within the limit before, and a read is short.
            Some(end) => bytes.len() - end - 1,
            None => self.line_bytes + bytes.len(),
        };
        if self.line_bytes > MESSAGE_BYTES_MAX {
            return Err(self.meter.break_off(Breach::Message));
        }
        self.meter.count(memchr_iter(b'\n', bytes).count(), bytes.len(), Instant::now())
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Metered<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        let counted = self.count(read);
        if counted.is_err() {
            // Nothing was read where a read fails.
            buffer.set_filled(before);
        }
        Poll::Ready(counted.map_err(io::Error::other))
    }
}

impl<W> Patient<W> {
    /// Writes to `inner`, and breaks the connection off when that takes nothing for so long.
    pub fn new(inner: W, meter: Arc<Meter>, patience: Duration) -> Self {
        Self { inner, meter, patience, alarm: None }
    }

    /// What came of a write or a flush; while nothing does, the alarm is set.
    fn watched<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.alarm = None;
            return done;
        }
        let patience = self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::other(self.meter.break_off(Breach::Deaf))))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Patient<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.watched(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, repeat};

    use super::*;

    fn meter() -> Arc<Meter> {
        Arc::new(Meter::new(Instant::now()))
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_read_no_further() {
        let meter = meter();
        let mut sink = Vec::new();
        let read = Metered::new(repeat(b'x'), Arc::clone(&meter)).read_to_end(&mut sink).await;
        assert_eq!(read.unwrap_err().to_string(), Breach::Message.to_string());
        assert!(sink.len() < 2 * MESSAGE_BYTES_MAX);
        assert_eq!(meter.broken().await, Breach::Message);
    }

    #[tokio::test]
    async fn lines_without_an_end_are_a_flood() {
        let mut sink = Vec::new();
        let read = Metered::new(repeat(b'\n'), meter()).read_to_end(&mut sink).await;
        assert_eq!(read.unwrap_err().to_string(), Breach::Messages.to_string());
    }

    #[tokio::test]
    async fn a_server_that_does_not_read_is_given_up() {
        let (near, _far) = duplex(8);
        let meter = meter();
        let mut pipe = Patient::new(near, Arc::clone(&meter), Duration::ZERO);
        let written = pipe.write_all(b"more than fits").await;
        assert_eq!(written.unwrap_err().to_string(), Breach::Deaf.to_string());
        assert_eq!(meter.broken().await, Breach::Deaf);
    }
}
