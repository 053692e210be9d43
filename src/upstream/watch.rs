//! A connection that is watched: it ends when a phase takes too long, or when nobody needs it any more.
//! Pingora has one read timeout for header and body alike; a queue, a prefill and a pause between two tokens are
//! three different waits, and only the socket sees all of them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::config::Timeouts;

use super::lock;

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
}

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
        let timeouts = Timeouts { connect_ms, first_byte_ms: None, idle_ms: None, total_ms: None };
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

    fn wake(&self) {
        if let Some(reader) = lock(&self.state).reader.take() {
            reader.wake();
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Fails when stopped.
    fn check(&self) -> io::Result<()> {
        if self.is_stopped() { Err(io::Error::other("the answer is complete")) } else { Ok(()) }
    }

    /// Remembers whom to wake. Whoever stops it does so before they look for one to wake, so what is asked here,
    /// behind the lock, is not missed.
    fn register(&self, reader: &Waker) -> io::Result<()> {
        let mut state = lock(&self.state);
        if !state.reader.as_ref().is_some_and(|known| known.will_wake(reader)) {
            state.reader = Some(reader.clone());
        }
        self.check()
    }

    /// When a wait that begins now is over, and why.
    fn deadline(&self, wait: Wait) -> Option<(Instant, Expired)> {
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

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    FirstByte,
    Body,
    Write,
}

/// A TCP connection that keeps to its watch. Time counts only while somebody waits on it: a client that reads slowly
/// does not make its server late.
#[derive(Debug)]
pub struct WatchedSocket {
    tcp: TcpStream,
    watch: Arc<Watch>,
    reading: Wait,
    flushes_first: u8,
    /// The wait that is going on, when it is over, and why.
    current: Option<(Wait, Option<(Instant, Expired)>)>,
    timer: Pin<Box<Sleep>>,
}

impl WatchedSocket {
    pub fn new(tcp: TcpStream, watch: Arc<Watch>) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(watch.began));
        let flushes_first = watch.flushes_first;
        Self { tcp, watch, reading: Wait::FirstByte, flushes_first, current: None, timer }
    }

    /// Polled while a wait goes on: fails when it is over.
    fn poll_overdue(&mut self, wait: Wait, cx: &mut Context<'_>) -> Poll<io::Error> {
        let deadline = match self.current {
            Some((current, deadline)) if current == wait => deadline,
            _ => self.watch.deadline(wait),
        };
        self.current = Some((wait, deadline));
        let Some((at, why)) = deadline else { return Poll::Pending };
        // A timer that is set too early is set anew when it rings, which costs less than to do it at every read.
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= at {
                lock(&self.watch.state).expired.get_or_insert(why);
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            self.timer.as_mut().reset(at);
        }
        Poll::Pending
    }

    fn poll_written<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match write(Pin::new(&mut self.tcp), cx) {
            Poll::Pending => self.poll_overdue(Wait::Write, cx).map(Err),
            ready => {
                // The wait for the first byte counts from the last byte of the request.
                self.current = None;
                ready
            }
        }
    }
}

impl AsyncRead for WatchedSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.watch.check()?;
        if this.flushes_first > 0 {
            this.watch.register(cx.waker())?;
            return Poll::Pending;
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.tcp).poll_read(cx, buf) {
            Poll::Pending => {
                this.watch.register(cx.waker())?;
                this.poll_overdue(this.reading, cx).map(Err)
            }
            ready => {
                this.current = None;
                if buf.filled().len() > before {
                    this.reading = Wait::Body;
                }
                ready
            }
        }
    }
}

impl AsyncWrite for WatchedSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, |tcp, cx| tcp.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.flushes_first > 0 {
            this.flushes_first -= 1;
            this.watch.wake();
        }
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_written(cx, |tcp, cx| tcp.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

impl VirtualSocket for WatchedSocket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            // No peer asks for any other.
            _ => Ok(()),
        }
    }
}
