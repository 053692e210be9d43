//! Connection that Pingora reads and that is watched: it ends when a phase takes too long. Only the socket sees all of an
//! exchange's waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadlines::{Deadlines, Due, Wait};
use super::transport::Transport;
use super::watch::Watch;

/// A connection that keeps to its watch.
#[derive(Debug)]
pub struct WatchedSocket<T> {
    transport: T,
    watch: Arc<Watch>,
    deadlines: Deadlines,
    reading: Wait,
    flushes_first: u8,
}

impl<T: Transport> WatchedSocket<T> {
    /// That has just been made.
    pub fn new(transport: T, watch: Arc<Watch>) -> Self {
        let (deadlines, flushes_first) = (watch.deadlines(), watch.flushes_first());
        Self { transport, watch, deadlines, reading: Wait::FirstByte, flushes_first }
    }

    /// Polled while a wait goes on: fails when it is over.
    fn poll_overdue(&mut self, wait: Wait, cx: &mut Context<'_>) -> Poll<io::Error> {
        match ready!(self.deadlines.poll(wait, cx)) {
            Due::Late(why) => {
                self.watch.expire(why);
                Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, why))
            }
            // Nobody says here that all was said.
            Due::Rest => Poll::Pending,
        }
    }

    fn poll_written<R>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        match write(Pin::new(&mut self.transport), cx) {
            Poll::Pending => self.poll_overdue(Wait::Write, cx).map(Err),
            ready => {
                // The wait for the first byte counts from the last byte of the request.
                self.deadlines.progress();
                ready
            }
        }
    }
}

impl<T: Transport> AsyncRead for WatchedSocket<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.flushes_first > 0 {
            this.watch.register(cx.waker());
            return Poll::Pending;
        }
        // No room is no end.
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.transport).poll_read(cx, buf) {
            Poll::Pending => this.poll_overdue(this.reading, cx).map(Err),
            ready => {
                this.deadlines.progress();
                if buf.filled().len() > before {
                    this.reading = Wait::Body;
                }
                ready
            }
        }
    }
}

impl<T: Transport> AsyncWrite for WatchedSocket<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, |transport, cx| transport.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.flushes_first > 0 {
            this.flushes_first -= 1;
            this.watch.wake();
        }
        Pin::new(&mut this.transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, |transport, cx| transport.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }
}

impl<T: Transport> VirtualSocket for WatchedSocket<T> {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.transport.set_nodelay(),
            // No peer asks for any other.
            _ => Ok(()),
        }
    }
}
