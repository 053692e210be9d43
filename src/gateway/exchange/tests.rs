//! Exchanges over a connection to a server that is always ready.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Poll};

use pingora::protocols::l4::stream::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;

use super::incoming::TURN_BYTES;
use super::*;
use crate::config::{Config, Timeouts};
use crate::gateway::settings::{Current, Settings};

/// A server that writes events without end, and how much of it was read since others had their turn.
#[derive(Debug)]
struct Flood {
    left: usize,
    head: Bytes,
    since: Arc<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    bytes: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl AsyncRead for Flood {
    fn poll_read(self: Pin<&mut Self>, _: &mut task::Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let head = std::mem::take(&mut this.head);
        buf.put_slice(&head);
        let length = this.left.min(buf.remaining());
        buf.initialize_unfilled_to(length).fill(b'x');
        buf.advance(length);
        this.left -= length;
        let bytes = this.since.bytes.fetch_add(length, Ordering::Relaxed) + length;
        this.since.bytes_max.fetch_max(bytes, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut task::Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Flood {
    fn set_nodelay(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A session whose client reads as fast as it can, and how much it reads.
async fn session() -> (Session, std::thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        let mut client = std::net::TcpStream::connect(addr).unwrap();
        io::Write::write_all(&mut client, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").unwrap();
        let (mut all, mut page) = (0, vec![0; 1 << 20]);
        while let Ok(length @ 1..) = client.read(&mut page) {
            all += length;
        }
        all
    });
    let (stream, _) = listener.accept().await.unwrap();
    let mut session = Session::new_h1(Box::new(Stream::from(stream)));
    session.as_downstream_mut().read_request().await.unwrap();
    (session, client)
}

#[tokio::test]
async fn a_stream_that_is_always_ready_gives_others_their_turn() {
    const FLOOD: usize = 8 << 20;
    let config = Config::from_upstreams(&["http://127.0.0.1:1".to_owned()], &[], Some("hermes")).unwrap();
    let settings = Settings::new(&config);
    let gateway = Gateway::new(Arc::new(Current::new(settings)), Arc::default(), Arc::default());
    let (mut session, client) = session().await;
    let mut context = gateway.new_ctx();
    let since = Arc::new(Turns::default());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {FLOOD}\r\n\r\n");
    let flood = Flood { left: FLOOD, head: head.into(), since: Arc::clone(&since) };
    let deadlines = Deadlines::new(Timeouts::default(), Instant::now());
    let incoming = Incoming::new(&context, ServerConnection::new(flood, deadlines, Bytes::new(), Bytes::new()));
    let turns = Arc::clone(&since);
    let others = tokio::spawn(async move {
        loop {
            turns.bytes.store(0, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    gateway.hand_on(&mut session, &mut context, incoming).await.unwrap();
    others.abort();
    drop(session);
    assert!(client.join().unwrap() > FLOOD);
    let most = since.bytes_max.load(Ordering::Relaxed);
    assert!(most <= 2 * TURN_BYTES, "{most} bytes were read in one turn");
}
