//! Takes the connections of clients, and reads from each a little at a time.
//! Answers nothing itself; each request is the gateway's.
//!
//! Pingora keeps two things of a request for as long as its answer lasts: the buffer that it read the body into, as
//! large as its largest read, and what `body` had it keep of the body's end. An agent's requests are tens of KiB and
//! their answers take minutes, so both are kept small by reading no more than a page at a time.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Gateway;

/// What one read from a client brings at most.
pub const READ_BYTES_MAX: usize = 4096;
/// How long a client that has connected may take with its first request.
const FIRST_REQUEST_SECONDS: u64 = 60;

/// The gateway, as what takes connections.
pub struct Clients {
    proxy: Arc<HttpProxy<Gateway>>,
}

impl Clients {
    pub fn new(conf: &Arc<ServerConf>, gateway: Gateway) -> Self {
        Self { proxy: Arc::new(http_proxy(conf, gateway)) }
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

#[async_trait]
impl ServerApp for Clients {
    /// As Pingora does it for HTTP/1; that it can also do HTTP/2 would be 3 KiB more in each connection.
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let mut session = ServerSession::new_http1(Box::new(Sipped(stream)));
        let may_stay = !*shutdown.borrow();
        session.set_keepalive(may_stay.then_some(FIRST_REQUEST_SECONDS));
        while let Some(kept) = self.proxy.process_new_http(session, shutdown).await {
            let (stream, settings) = kept.consume();
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// A connection of which one read brings [`READ_BYTES_MAX`] at most.
#[derive(Debug)]
struct Sipped(Stream);

impl AsyncRead for Sipped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() <= READ_BYTES_MAX {
            return Pin::new(&mut self.0).poll_read(cx, buf);
        }
        let mut sip = ReadBuf::new(buf.initialize_unfilled_to(READ_BYTES_MAX));
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut sip))?;
        let read = sip.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sipped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Sipped {
    async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }
}

#[async_trait]
impl Peek for Sipped {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.0.try_peek(buf).await
    }
}

impl UniqueID for Sipped {
    fn id(&self) -> UniqueIDType {
        self.0.id()
    }
}

/// There is no TLS.
impl Ssl for Sipped {}

impl GetTimingDigest for Sipped {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.0.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.0.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.0.get_write_pending_time()
    }
}

impl GetProxyDigest for Sipped {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.0.get_proxy_digest()
    }
}

impl GetSocketDigest for Sipped {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.0.get_socket_digest()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_read_brings_a_page_at_most() {
        let (mut client, server) = duplex(1 << 16);
        let mut sipped = Sipped(Box::new(server));
        let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        client.write_all(&sent).await.unwrap();
        drop(client);
        let (mut read, mut lengths) = (Vec::with_capacity(1 << 16), Vec::new());
        loop {
            let length = sipped.read_buf(&mut read).await.unwrap();
            lengths.push(length);
            if length == 0 {
                break;
            }
        }
        assert_eq!(lengths, [4096, 4096, 1808, 0]);
        assert_eq!(read, sent);
    }
}
