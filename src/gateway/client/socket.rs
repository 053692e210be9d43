//! Client socket, a client's connection as Pingora sees it: one request at a time, a little at a time, and not for
//! ever. Answers nothing and reads no head; `listener` asks it for one, `head` says what it means.
//!
//! Pingora keeps two things of a request for as long as its answer lasts: the buffer that it read the body into, as
//! large as its largest read, and what `body` had it keep of the body's end. An agent's requests are tens of KiB and
//! their answers take minutes, so both are kept small by reading no more than a page at a time.
//!
//! What belongs to the next request is not handed on before that is due, so that its head is read here too.
//! Time counts only while a client is waited for: it is late with an upload that a server takes slowly no more than with
//! an answer that a server gives slowly.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::chunks::Chunks;
use super::connection::{ClientConnection, Violation};
use super::head::Framing;
use super::pace::{Pace, Upload};
use super::shutdown_signal::{Sent, ShutdownSignal};

/// As many as Pingora writes at once, and what was gathered.
const SLICES_MAX: usize = 8;

/// What one read from a client brings at most.
pub const READ_BYTES_MAX: usize = 4096;

/// A client's connection.
pub struct ClientSocket {
    /// Absent once it was given back.
    stream: Option<Stream>,
    connection: Arc<ClientConnection>,
    shutdown_signal: ShutdownSignal,
    /// What came behind what may be handed on.
    ahead: BytesMut,
    gate: Gate,
    upload: Upload,
    writing: Option<Writing>,
    /// What was written, and waits for what follows.
    gathered: BytesMut,
}

/// What may be handed on.
#[derive(Debug)]
enum Gate {
    Length(u64),
    Chunks(Chunks),
    Open,
}

/// A write that the client does not take.
#[derive(Debug)]
struct Writing {
    /// How much it had taken by then, where that is known.
    taken: Option<u64>,
    timer: Pin<Box<Sleep>>,
}

impl ClientSocket {
    /// A connection between two requests: it hands nothing on until `begin`.
    pub fn new(stream: Stream, connection: Arc<ClientConnection>, shutdown_signal: ShutdownSignal) -> Self {
        Self {
            stream: Some(stream),
            connection,
            shutdown_signal,
            ahead: BytesMut::new(),
            gate: Gate::Length(0),
            upload: Upload::new(Pace::ANY),
            writing: None,
            gathered: BytesMut::new(),
        }
    }

    /// A request begins, whose head was read: so long is its body, and so fast it has to come.
    pub fn begin(&mut self, body: Framing, pace: Pace) {
        self.gate = match body {
            Framing::Length(length) => Gate::Length(length),
            Framing::Chunked => Gate::Chunks(Chunks::default()),
            Framing::Open => Gate::Open,
        };
        self.upload = Upload::new(pace);
    }

    /// Whether a request is over, and the next may be read.
    pub fn is_between_requests(&self) -> bool {
        self.is_closed()
    }

    /// What has come of the next request.
    pub fn ahead(&mut self) -> &mut BytesMut {
        &mut self.ahead
    }

    /// Waits for more of the next request. How much came; 0 at the end.
    pub async fn more(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_ahead(cx)).await
    }

    /// Whether the body is over.
    fn is_closed(&self) -> bool {
        match &self.gate {
            Gate::Length(left) => *left == 0,
            Gate::Chunks(chunks) => chunks.is_over(),
            Gate::Open => false,
        }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Most polls bring nothing: the page is not even zeroed for them.
        let mut page = [MaybeUninit::uninit(); READ_BYTES_MAX];
        let mut buf = ReadBuf::uninit(&mut page);
        ready!(self.poll_stream(cx, &mut buf))?;
        self.ahead.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Nothing more may be handed on: all that is of interest is whether the client has left.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead.len() < READ_BYTES_MAX {
            if ready!(self.poll_ahead(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Reads of the body.
    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = match &self.gate {
            Gate::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            Gate::Chunks(_) | Gate::Open => usize::MAX,
        };
        let room = room.min(buf.remaining()).min(READ_BYTES_MAX);
        let mut sip = ReadBuf::new(buf.initialize_unfilled_to(room));
        if self.ahead.is_empty() {
            ready!(self.poll_upload(cx, &mut sip))?;
        } else {
            let came = self.ahead.split_to(room.min(self.ahead.len()));
            sip.put_slice(&came);
            if self.ahead.is_empty() {
                self.ahead = BytesMut::new();
            }
        }
        let came = match &mut self.gate {
            Gate::Open => sip.filled().len(),
            Gate::Length(left) => {
                *left = left.saturating_sub(count(sip.filled().len()));
                sip.filled().len()
            }
            Gate::Chunks(chunks) => match chunks.push(sip.filled()) {
                Ok(length) => length,
                Err(_) => return Poll::Ready(Err(self.connection.slip(Violation::BadChunk))),
            },
        };
        let (_, behind) = sip.filled().split_at(came);
        if !behind.is_empty() {
            let mut ahead = BytesMut::from(behind);
            ahead.extend_from_slice(&self.ahead);
            self.ahead = ahead;
        }
        self.upload.came(count(came));
        buf.advance(came);
        Poll::Ready(Ok(()))
    }

    /// Reads from the client, as long as it may take.
    fn poll_upload(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.poll_stream(cx, buf) {
            Poll::Ready(read) => {
                self.upload.pause();
                Poll::Ready(read)
            }
            Poll::Pending if matches!(self.gate, Gate::Open) => Poll::Pending,
            Poll::Pending => self.upload.poll_late(cx).map(|()| Err(self.connection.slip(Violation::UploadLate))),
        }
    }

    /// Writes behind what was gathered, or gathers.
    fn poll_gathered(&mut self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.connection.gathers() {
            bufs.iter().for_each(|buf| self.gathered.extend_from_slice(buf));
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        while !self.gathered.is_empty() {
            let mut gathered = std::mem::take(&mut self.gathered);
            let mut all = [io::IoSlice::new(&[]); SLICES_MAX];
            let parts = [gathered.as_ref()].into_iter().chain(bufs.iter().map(|buf| &**buf));
            all.iter_mut().zip(parts).for_each(|(slot, part)| *slot = io::IoSlice::new(part));
            let written = self.poll_written(cx, |stream, cx| stream.poll_write_vectored(cx, &all));
            let taken = if let Poll::Ready(Ok(taken)) = written { taken } else { 0 };
            let behind = taken.saturating_sub(gathered.len());
            gathered.advance(taken.min(gathered.len()));
            self.gathered = if gathered.is_empty() { BytesMut::new() } else { gathered };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                _ if behind > 0 => return Poll::Ready(Ok(behind)),
                _ => {}
            }
        }
        match bufs {
            [] => Poll::Ready(Ok(0)),
            bufs => self.poll_written(cx, |stream, cx| stream.poll_write_vectored(cx, bufs)),
        }
    }

    /// Writes, as long as the client takes any of it.
    fn poll_written<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Stream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.connection.check()?;
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        if let Poll::Ready(written) = write(Pin::new(stream), cx) {
            self.writing = None;
            return Poll::Ready(written);
        }
        if self.shutdown_signal.poll_write(cx).is_ready() {
            return Poll::Ready(Err(self.connection.slip(Violation::Stopped)));
        }
        let Some(patience) = self.connection.patience() else { return Poll::Pending };
        let taken = |stream: &Stream| Some(stream.get_socket_digest()?.tcp_info()?.tcpi_bytes_acked);
        let writing =
            self.writing.get_or_insert_with(|| Writing { taken: taken(stream), timer: Box::pin(sleep(patience)) });
        while writing.timer.as_mut().poll(cx).is_ready() {
            // Its kernel may take much before there is room for as much again.
            let now = taken(stream);
            if now == writing.taken {
                return Poll::Ready(Err(self.connection.slip(Violation::Stalled)));
            }
            *writing = Writing { taken: now, timer: Box::pin(sleep(patience)) };
        }
        Poll::Pending
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl AsyncRead for ClientSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.check()?;
        // No room is no end.
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(read) = if this.is_closed() { this.poll_left(cx) } else { this.poll_body(cx, buf) } {
            this.shutdown_signal.came();
            return Poll::Ready(read);
        }
        // Of what is open nobody knows where it ends.
        let is_whole = this.is_closed() || matches!(this.gate, Gate::Open);
        ready!(this.shutdown_signal.poll_read(if is_whole { Sent::Whole } else { Sent::Half }, cx));
        Poll::Ready(Err(this.connection.slip(Violation::Stopped)))
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // What Pingora says by itself of a head is not what the client is to hear.
        if this.connection.takes_back() {
            return Poll::Ready(Ok(buf.len()));
        }
        this.poll_gathered(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // What followed may have been nothing.
        if !this.connection.gathers() {
            ready!(this.poll_gathered(cx, &[]))?;
        }
        match &mut this.stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.stream {
            Some(stream) if !this.connection.is_taken_back() => Pin::new(stream).poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.connection.takes_back() {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        this.poll_gathered(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.is_write_vectored())
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        if self.connection.is_taken_back() {
            self.connection.give_back(self.stream.take());
        }
    }
}

impl fmt::Debug for ClientSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSocket").field("stream", &self.stream).field("gate", &self.gate).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for ClientSocket {
    async fn shutdown(&mut self) {
        if self.connection.is_taken_back() {
            return;
        }
        if let Some(stream) = &mut self.stream {
            stream.shutdown().await;
        }
    }
}

/// Nobody looks ahead: heads are read here.
impl Peek for ClientSocket {}

impl UniqueID for ClientSocket {
    fn id(&self) -> UniqueIDType {
        self.stream.as_ref().map_or(0, |stream| stream.id())
    }
}

/// There is no TLS.
impl Ssl for ClientSocket {}

impl GetTimingDigest for ClientSocket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.as_ref().map(|stream| stream.get_timing_digest()).unwrap_or_default()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.as_ref().map(|stream| stream.get_read_pending_time()).unwrap_or_default()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.as_ref().map(|stream| stream.get_write_pending_time()).unwrap_or_default()
    }
}

impl GetProxyDigest for ClientSocket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.as_ref()?.get_proxy_digest()
    }
}

impl GetSocketDigest for ClientSocket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.as_ref()?.get_socket_digest()
    }
}

#[cfg(test)]
mod tests;
