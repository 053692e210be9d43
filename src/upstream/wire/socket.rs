//! Connection that is watched: it ends when a phase takes too long, or when nobody needs it any more, and may hold an
//! answer's beginning. Only the socket sees all of an exchange's waits.
//! How long each may take is `watch`'s, and what is held is `hold`'s.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::hold::{Handed, Hold};
use super::opening::End;
use super::translation::Translation;
use super::watch::{Expired, Wait, Watch};

/// What requests and answers go over, as plain bytes. TLS is below it: what is held must be read.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug {
    /// Small writes go out at once from here on.
    fn set_nodelay(&self) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn set_nodelay(&self) -> io::Result<()> {
        Self::set_nodelay(self, true)
    }
}

/// A connection that keeps to its watch. Time counts only while somebody waits on it: a client that reads slowly
/// does not make its server late.
#[derive(Debug)]
pub struct WatchedSocket<T> {
    transport: T,
    watch: Arc<Watch>,
    reading: Wait,
    flushes_first: u8,
    /// Absent where the answer comes as it is read.
    translation: Option<Box<Translation>>,
    /// Absent once the answer is shown.
    hold: Option<Box<Hold>>,
    /// The wait that is going on, when it is over, and why.
    current: Option<(Wait, Option<(Instant, Expired)>)>,
    timer: Pin<Box<Sleep>>,
}

impl<T: Transport> WatchedSocket<T> {
    /// The answer of this connection is held as its watch says.
    pub fn new(transport: T, watch: Arc<Watch>) -> Self {
        let (translating, holding) = watch.begin();
        let translation = translating.map(|translating| Box::new(Translation::new(translating)));
        let hold = holding.map(|holding| Box::new(Hold::new(holding)));
        Self {
            transport,
            reading: Wait::FirstByte,
            flushes_first: watch.flushes_first(),
            translation,
            hold,
            current: None,
            timer: Box::pin(tokio::time::sleep_until(watch.began())),
            watch,
        }
    }

    /// Polled while a wait goes on: what of it is due.
    fn poll_due(&mut self, wait: Wait, tick_at: Option<Instant>, cx: &mut Context<'_>) -> Poll<Due> {
        let deadline = match self.current {
            Some((current, deadline)) if current == wait => deadline,
            _ => self.watch.deadline(wait),
        };
        self.current = Some((wait, deadline));
        let end = deadline.map(|(at, why)| (at, Due::End(why)));
        let rest = self.watch.rested_at().filter(|_| wait == Wait::Body).map(|at| (at, Due::Rest));
        let all = end.into_iter().chain(rest).chain(tick_at.map(|at| (at, Due::Tick)));
        let Some((at, due)) = all.min_by_key(|(at, _)| *at) else { return Poll::Pending };
        // A timer that is set too early is set anew when it rings, which costs less than to do it at every read.
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= at {
                if let Due::End(why) = due {
                    self.watch.expire(why);
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
    fn poll_transport(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.transport).poll_read(cx, buf) {
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

    /// Reads what the server has sent, in the API in which it is read. At its end nothing comes.
    fn poll_translated(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(mut translation) = self.translation.take() else { return self.poll_transport(cx, buf) };
        let polled = self.poll_translation(&mut translation, cx, buf);
        self.translation = Some(translation);
        polled
    }

    fn poll_translation(
        &mut self,
        translation: &mut Translation,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            if translation.hand_on(buf) || translation.is_over() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_transport(cx, buf))?;
            let came = buf.filled().get(before..).unwrap_or_default();
            let is_end = came.is_empty();
            if is_end {
                translation.end();
            } else {
                translation.push(came);
            }
            buf.set_filled(before);
            self.watch.learn_of(translation);
            if is_end {
                translation.hand_on(buf);
                return Poll::Ready(Ok(()));
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
            let failed = match self.poll_translated(cx, buf) {
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

    fn poll_written<R>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        match write(Pin::new(&mut self.transport), cx) {
            Poll::Pending => self.poll_overdue(Wait::Write, cx).map(Err),
            ready => {
                // The wait for the first byte counts from the last byte of the request.
                self.current = None;
                ready
            }
        }
    }
}

impl<T: Transport> AsyncRead for WatchedSocket<T> {
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
        match this.poll_translated(cx, buf) {
            Poll::Pending => this.poll_overdue(this.reading, cx).map(Err),
            ready => ready,
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

/// What is due in a wait.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// It took too long.
    End(Expired),
    /// Nothing that counts can still come.
    Rest,
    Tick,
}

fn late(why: Expired) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::hold::{Heartbeat, Holding, TICK};
    use super::super::opening::{Until, Wordless};
    use super::super::speech::{Asker, Comments};
    use super::*;
    use crate::api::openai::ToldText;
    use crate::config::Timeouts;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    const WORDS: &[u8] = b"f\r\ndata: [DONE]\n\n!\r\n";

    /// A watched socket whose answer is held, and its server.
    async fn held(ticks: Option<Heartbeat>) -> (WatchedSocket<TcpStream>, TcpStream) {
        let (client, server) = connected().await;
        (watched(client, ticks), server)
    }

    async fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    fn watched<T: Transport>(transport: T, ticks: Option<Heartbeat>) -> WatchedSocket<T> {
        let watch = Arc::new(Watch::new(Timeouts::default()));
        let until = Until::Spoken(Asker::Client, Comments::Servers);
        watch.hold(Holding { until, wordless: Wordless::Shown, told_text: ToldText::Ignored, ticks, listener: None });
        WatchedSocket::new(transport, watch)
    }

    #[tokio::test]
    async fn ticks_come_first_and_everything_after_them() {
        let every = Duration::from_millis(1);
        let (mut socket, mut server) = held(Some(Heartbeat { next: Instant::now(), every })).await;
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

    /// A transport whose bytes are not the server's, as TLS's are not.
    #[derive(Debug)]
    struct Veiled(TcpStream);

    fn veiled(bytes: &[u8]) -> Vec<u8> {
        bytes.iter().map(|byte| !byte).collect()
    }

    impl AsyncRead for Veiled {
        fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.get_mut().0).poll_read(cx, buf))?;
            buf.filled_mut()[before..].iter_mut().for_each(|byte| *byte = !*byte);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Veiled {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.get_mut().0).poll_write(cx, &veiled(buf))
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().0).poll_flush(cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
        }
    }

    impl Transport for Veiled {
        fn set_nodelay(&self) -> io::Result<()> {
            Transport::set_nodelay(&self.0)
        }
    }

    #[tokio::test]
    async fn what_is_held_is_read_above_what_veils_it() {
        let (client, mut server) = connected().await;
        let every = Duration::from_millis(1);
        let mut socket = watched(Veiled(client), Some(Heartbeat { next: Instant::now(), every }));
        socket.write_all(b"GET").await.unwrap();
        let (mut asked, mut tick) = ([0; 3], vec![0; TICK.len()]);
        server.read_exact(&mut asked).await.unwrap();
        assert_eq!(veiled(&asked), b"GET");
        // A tick is none of the server's bytes, and stands in plain sight above them.
        socket.read_exact(&mut tick).await.unwrap();
        assert_eq!(tick, TICK);
        server.write_all(&veiled(HEAD)).await.unwrap();
        drop(server);
        let failed = socket.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof, "a head alone was shown");
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
