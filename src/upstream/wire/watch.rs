//! A connection that is watched: it ends when a phase takes too long, or when nobody needs it any more.
//! Pingora has one read timeout for header and body alike; a queue, a prefill and a pause between two tokens are
//! three different waits, and only the socket sees all of them.
//! It may also hold an answer's beginning, which is `hold`'s.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::api::Progress;
use crate::api::openai::AssembleError;
use crate::config::Timeouts;
use crate::upstream::lock::lock;

use super::hold::{Handed, Hold, Holding, Last};
use super::opening::End;

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
    /// Whether a tick is on its way to the gateway.
    ticked: bool,
    progress: Option<Progress>,
    /// What else is known of the answer that is held, or was.
    is_events: bool,
    is_made: bool,
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

    /// Whether the answer is an event stream, whatever its head says.
    pub fn is_events(&self) -> bool {
        lock(&self.state).is_events
    }

    /// Whether the answer was put together of a stream, or an error that was told in one.
    pub fn is_made(&self) -> bool {
        lock(&self.state).is_made
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

    /// What is known by now of the answer that is held.
    fn learn(&self, hold: &Hold) {
        let mut state = lock(&self.state);
        state.is_events = hold.is_events();
        state.is_made = hold.is_made();
        state.failed = hold.failed().cloned();
        if hold.is_said() {
            state.begin_rest();
        }
    }

    /// A tick is due; what became of the last.
    fn tick(&self, progress: Option<Progress>) -> Last {
        let mut state = lock(&self.state);
        state.progress = progress;
        if std::mem::replace(&mut state.ticked, true) { Last::OnItsWay } else { Last::Arrived }
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

impl State {
    /// Everything was said. Whether that is news.
    fn begin_rest(&mut self) -> bool {
        let is_news = self.rested_at.is_none();
        self.rested_at.get_or_insert_with(|| Instant::now() + REST_MAX);
        is_news
    }
}

/// What is due in a wait.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// It took too long.
    End(Expired),
    /// Nothing that counts can still come.
    Rest,
    Tick,
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
    /// Absent once the answer is shown.
    hold: Option<Box<Hold>>,
    /// The wait that is going on, when it is over, and why.
    current: Option<(Wait, Option<(Instant, Expired)>)>,
    timer: Pin<Box<Sleep>>,
}

impl WatchedSocket {
    pub fn new(tcp: TcpStream, watch: Arc<Watch>) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(watch.began));
        let flushes_first = watch.flushes_first;
        let mut state = lock(&watch.state);
        let hold = state.holding.take().map(|holding| Box::new(Hold::new(holding)));
        *state = State { expired: state.expired, reader: state.reader.take(), ..State::default() };
        drop(state);
        Self { tcp, watch, reading: Wait::FirstByte, flushes_first, hold, current: None, timer }
    }

    /// Polled while a wait goes on: what of it is due.
    fn poll_due(&mut self, wait: Wait, tick_at: Option<Instant>, cx: &mut Context<'_>) -> Poll<Due> {
        let deadline = match self.current {
            Some((current, deadline)) if current == wait => deadline,
            _ => self.watch.deadline(wait),
        };
        self.current = Some((wait, deadline));
        let end = deadline.map(|(at, why)| (at, Due::End(why)));
        let rest = lock(&self.watch.state).rested_at.filter(|_| wait == Wait::Body).map(|at| (at, Due::Rest));
        let all = end.into_iter().chain(rest).chain(tick_at.map(|at| (at, Due::Tick)));
        let Some((at, due)) = all.min_by_key(|(at, _)| *at) else { return Poll::Pending };
        // A timer that is set too early is set anew when it rings, which costs less than to do it at every read.
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= at {
                if let Due::End(why) = due {
                    lock(&self.watch.state).expired.get_or_insert(why);
                }
                return Poll::Ready(due);
            }
            self.timer.as_mut().reset(at);
        }
        Poll::Pending
    }

    /// Polled while a wait goes on without ticks: fails when it is over.
    fn poll_overdue(&mut self, wait: Wait, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.poll_due(wait, None, cx) {
            Poll::Ready(Due::End(why)) => Poll::Ready(late(why)),
            Poll::Ready(Due::Rest) => {
                self.watch.stop();
                self.watch.check().map_or_else(Poll::Ready, |()| Poll::Pending)
            }
            Poll::Ready(Due::Tick) | Poll::Pending => Poll::Pending,
        }
    }

    /// Reads what the server has sent.
    fn poll_tcp(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.tcp).poll_read(cx, buf) {
            Poll::Pending => {
                self.watch.register(cx.waker())?;
                Poll::Pending
            }
            ready => {
                self.current = None;
                if buf.filled().len() > before {
                    self.reading = Wait::Body;
                }
                ready
            }
        }
    }

    /// Reads on until something of an answer that is held may be handed on.
    fn poll_held(&mut self, hold: &mut Hold, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<Handed>> {
        let before = buf.filled().len();
        loop {
            match hold.hand_on(buf) {
                Handed::Nothing => {}
                handed => return Poll::Ready(Ok(handed)),
            }
            let failed = match self.poll_tcp(cx, buf) {
                Poll::Ready(Ok(())) => {
                    let came = buf.filled().get(before..).unwrap_or_default();
                    if !came.is_empty() {
                        hold.push(came);
                        buf.set_filled(before);
                        self.watch.learn(hold);
                        if let Some(e) = hold.failed() {
                            return Poll::Ready(Err(io::Error::other(e.clone())));
                        }
                        continue;
                    }
                    io::ErrorKind::UnexpectedEof.into()
                }
                Poll::Ready(Err(e)) => e,
                Poll::Pending => match ready!(self.poll_due(self.reading, hold.tick_at(), cx)) {
                    Due::End(why) => late(why),
                    Due::Rest => io::ErrorKind::TimedOut.into(),
                    Due::Tick => {
                        hold.tick(self.watch.tick(hold.progress()));
                        continue;
                    }
                },
            };
            let end = hold.end();
            self.watch.learn(hold);
            match end {
                End::Shown => {}
                End::Untouched if failed.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(Handed::Some));
                }
                End::Untouched | End::Broken => return Poll::Ready(Err(failed)),
            }
        }
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
        // No room is no end.
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(mut hold) = this.hold.take() {
            let held = this.poll_held(&mut hold, cx, buf);
            // Behind the last there is nothing to be read: that is its end.
            if !matches!(held, Poll::Ready(Ok(Handed::All))) {
                this.hold = Some(hold);
                return held.map_ok(|_| ());
            }
        }
        match this.poll_tcp(cx, buf) {
            Poll::Pending => this.poll_overdue(this.reading, cx).map(Err),
            ready => ready,
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

fn late(why: Expired) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::hold::{TICK, Ticks};
    use super::super::opening::{Asked, Comments, Until};
    use super::*;
    use crate::api::Api;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    const WORDS: &[u8] = b"f\r\ndata: [DONE]\n\n!\r\n";

    /// A watched socket whose answer is held, and its server.
    async fn held(ticks: Option<Ticks>) -> (WatchedSocket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let watch = Arc::new(Watch::new(Timeouts::default()));
        let until = Until::Spoken(Asked::Client, Comments::Servers);
        watch.hold(Holding { api: Api::OpenAi, until, ticks, listener: None });
        (WatchedSocket::new(client.unwrap(), watch), server.unwrap().0)
    }

    #[tokio::test]
    async fn ticks_come_first_and_everything_after_them() {
        let every = Duration::from_millis(1);
        let (mut socket, mut server) = held(Some(Ticks { next: Instant::now(), every })).await;
        let mut tick = vec![0; TICK.len()];
        for _ in 0..3 {
            // Byte by byte: whoever reads has as much room as he likes.
            for byte in tick.chunks_mut(1) {
                socket.read_exact(byte).await.unwrap();
            }
            assert_eq!(tick, TICK);
            assert!(socket.watch.take_tick() && !socket.watch.take_tick());
        }
        server.write_all(&[HEAD, WORDS, b"rest"].concat()).await.unwrap();
        drop(server);
        let mut came = Vec::new();
        socket.read_to_end(&mut came).await.unwrap();
        let came = came.strip_prefix(TICK).unwrap_or(&came);
        assert_eq!(came, [HEAD, WORDS, b"rest"].concat());
        assert!(socket.hold.is_none());
    }

    #[tokio::test]
    async fn an_end_before_the_first_word_is_a_failure() {
        for (begun, fails) in [(b"".as_slice(), false), (b"HTTP/1.1 2", true), (HEAD, true)] {
            let (mut socket, mut server) = held(None).await;
            server.write_all(begun).await.unwrap();
            drop(server);
            assert_eq!(socket.read(&mut [0; 100]).await.is_err(), fails);
        }
    }
}
