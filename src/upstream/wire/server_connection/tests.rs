use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;
use crate::config::Timeouts;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\n\r\n";
const BODY: &[u8] = b"{}";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";

impl Transport for DuplexStream {
    fn set_nodelay(&self) -> io::Result<()> {
        Ok(())
    }
}

fn timeouts() -> Timeouts {
    Timeouts {
        connect_ms: 1,
        first_byte_ms: Some(10_000),
        idle_ms: Some(1_000),
        total_ms: Some(60_000),
        client_ms: None,
    }
}

/// A connection with so much room, over which a request goes, and its server.
fn connection(room: usize) -> (ServerConnection<DuplexStream>, DuplexStream) {
    let (transport, server) = duplex(room);
    let deadlines = Deadlines::new(timeouts(), Instant::now());
    (ServerConnection::new(transport, deadlines, Bytes::from_static(HEAD), Bytes::from_static(BODY)), server)
}

/// Reads once.
async fn read<T: Transport>(connection: &mut ServerConnection<T>) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    connection.read(&mut parts).await.map(|()| parts)
}

#[tokio::test]
async fn a_request_goes_out_while_its_answer_is_read() {
    let (mut connection, mut server) = connection(3);
    // A server that answers before it has read anything, and takes its time.
    let reader = async {
        server.write_all(ANSWER).await.unwrap();
        let mut request = vec![0; HEAD.len() + BODY.len()];
        server.read_exact(&mut request).await.unwrap();
        assert_eq!(request, [HEAD, BODY].concat());
        server.write_all(b"0\r\n\r\n").await.unwrap();
    };
    let answer = async {
        let (mut data, mut is_over) = (Vec::new(), false);
        while !is_over {
            for part in read(&mut connection).await.unwrap() {
                match part {
                    Part::Head(_) => {}
                    Part::Data(part) => data.extend_from_slice(&part),
                    Part::End(_) => is_over = true,
                }
            }
        }
        data
    };
    let (data, ()) = tokio::join!(answer, reader);
    assert_eq!(data, b"hi");
    assert!(connection.is_sent() && read(&mut connection).await.is_err(), "nothing follows");
}

#[tokio::test]
async fn what_is_there_is_read_at_once() {
    let (mut connection, mut server) = connection(1 << 10);
    server.write_all(&[ANSWER, b"1\r\n!\r\n0\r\n\r\n"].concat()).await.unwrap();
    let parts = read(&mut connection).await.unwrap();
    assert!(matches!(&parts[..], [Part::Head(_), Part::Data(data), Part::End(_)] if data == "hi!"), "{parts:?}");
}

#[tokio::test]
async fn a_server_that_takes_no_request_may_have_answered() {
    let (mut connection, mut server) = connection(1 << 10);
    server.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    drop(server);
    let parts = read(&mut connection).await.unwrap();
    assert!(matches!(&parts[..], [Part::Head(head), Part::End(_)] if head.status == 413), "{parts:?}");
    let (mut connection, server) = self::connection(1 << 10);
    drop(server);
    let e = read(&mut connection).await.unwrap_err();
    assert_eq!((e.esource(), e.etype()), (&pingora::ErrorSource::Upstream, &ErrorType::WriteError));
}

#[tokio::test(start_paused = true)]
async fn each_wait_has_its_deadline() {
    // Nobody takes the request.
    let (mut stuck, _server) = connection(3);
    let began = Instant::now();
    assert!(read(&mut stuck).await.is_err());
    assert_eq!((stuck.expired(), began.elapsed().as_secs()), (Some(Expired::Idle(1_000)), 1));
    // Nobody answers.
    let (mut silent, _server) = connection(1 << 10);
    let began = Instant::now();
    assert!(read(&mut silent).await.is_err());
    assert_eq!((silent.expired(), began.elapsed().as_secs()), (Some(Expired::FirstByte(10_000)), 10));
    // The answer stops, though its reader had been away for longer than that.
    let (mut idle, mut server) = connection(1 << 10);
    server.write_all(ANSWER).await.unwrap();
    read(&mut idle).await.unwrap();
    tokio::time::advance(Duration::from_secs(30)).await;
    let began = Instant::now();
    assert!(read(&mut idle).await.is_err());
    assert_eq!((idle.expired(), began.elapsed().as_secs()), (Some(Expired::Idle(1_000)), 1));
    // It takes too long as a whole.
    let (mut slow, mut server) = connection(1 << 10);
    server.write_all(ANSWER).await.unwrap();
    read(&mut slow).await.unwrap();
    tokio::time::advance(Duration::from_millis(59_500)).await;
    assert!(read(&mut slow).await.is_err());
    assert_eq!(slow.expired(), Some(Expired::Total(60_000)));
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_an_answer_is_waited_for_a_short_while() {
    let (mut connection, mut server) = connection(1 << 10);
    connection.deadlines = Deadlines::new(Timeouts { idle_ms: Some(60_000), ..timeouts() }, Instant::now());
    server.write_all(ANSWER).await.unwrap();
    read(&mut connection).await.unwrap();
    let began = Instant::now();
    connection.rest();
    assert!(read(&mut connection).await.is_err() && connection.has_rested() && connection.expired().is_none());
    assert_eq!(began.elapsed().as_secs(), 2);
}

/// A transport whose bytes are not the server's, as TLS's are not.
#[derive(Debug)]
struct Veiled(DuplexStream);

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
        Ok(())
    }
}

#[tokio::test]
async fn what_veils_the_bytes_lies_below() {
    let (transport, mut server) = duplex(1 << 10);
    let deadlines = Deadlines::new(timeouts(), Instant::now());
    let mut connection =
        ServerConnection::new(Veiled(transport), deadlines, Bytes::from_static(HEAD), Bytes::from_static(BODY));
    server.write_all(&veiled(ANSWER)).await.unwrap();
    let parts = read(&mut connection).await.unwrap();
    assert!(matches!(&parts[..], [Part::Head(_), Part::Data(data)] if data == "hi"), "{parts:?}");
    let mut request = vec![0; HEAD.len() + BODY.len()];
    server.read_exact(&mut request).await.unwrap();
    assert_eq!(veiled(&request), [HEAD, BODY].concat());
}
