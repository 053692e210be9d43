use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

const PACE: Pace = Pace { period: Duration::from_secs(60), bytes_per_second: 500 };

fn socket() -> (DuplexStream, ClientSocket) {
    let (client, server) = duplex(1 << 16);
    let connection = Arc::new(ClientConnection::default());
    connection.admit();
    (client, ClientSocket::new(Box::new(server), connection, ShutdownSignal::new(Arc::default())))
}

async fn lengths(socket: &mut ClientSocket) -> (Vec<u8>, Vec<usize>) {
    let (mut read, mut lengths) = (Vec::with_capacity(1 << 16), Vec::new());
    loop {
        let length = socket.read_buf(&mut read).await.unwrap();
        lengths.push(length);
        if length == 0 {
            return (read, lengths);
        }
    }
}

#[tokio::test]
async fn a_read_brings_a_page_at_most() {
    let (mut client, mut socket) = socket();
    let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    client.write_all(&sent).await.unwrap();
    drop(client);
    socket.begin(Framing::Length(10_000), PACE);
    let (read, lengths) = lengths(&mut socket).await;
    assert_eq!(lengths, [4096, 4096, 1808, 0]);
    assert_eq!(read, sent);
}

#[tokio::test]
async fn what_belongs_to_the_next_request_waits() {
    let chunked = "5\r\nhello\r\n0\r\n\r\n";
    for (framing, body) in [(Framing::Length(5), "hello"), (Framing::Chunked, chunked), (Framing::Length(0), "")] {
        let (mut client, mut socket) = socket();
        client.write_all(format!("{body}GET /next").as_bytes()).await.unwrap();
        drop(client);
        socket.begin(framing, PACE);
        let (read, _) = lengths(&mut socket).await;
        assert_eq!(String::from_utf8(read).unwrap(), body);
        assert!(socket.is_between_requests());
        assert_eq!(socket.ahead().as_ref(), b"GET /next");
    }
}

#[tokio::test]
async fn a_bad_chunk_ends_the_reading() {
    let (mut client, mut socket) = socket();
    client.write_all(b"1b;a=\nb\r\n").await.unwrap();
    socket.begin(Framing::Chunked, PACE);
    assert!(socket.read(&mut [0; 100]).await.is_err());
    assert_eq!(socket.connection.slipped(), Some(Violation::BadChunk));
}

#[tokio::test(start_paused = true)]
async fn an_upload_has_to_come_at_its_pace_in_each_period() {
    // Bytes a second, for so many seconds, and when that is cut off.
    for (rate, seconds, cut) in [(0, 0, 60), (250, 1000, 60), (600, 100, 120), (600, 119, 180), (100_000, 1, 120)] {
        let (mut client, mut socket) = socket();
        socket.begin(Framing::Length(1 << 30), PACE);
        let began = Instant::now();
        let send = async {
            for _ in 0..seconds {
                client.write_all(&vec![b'x'; rate]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            std::future::pending().await
        };
        let read = async {
            let mut page = [0; 4096];
            while socket.read(&mut page).await.is_ok() {}
        };
        tokio::select! {
            () = send => {}
            () = read => {}
        }
        assert_eq!(began.elapsed().as_secs(), cut, "{rate} bytes a second for {seconds} s");
        assert_eq!(socket.connection.slipped(), Some(Violation::UploadLate));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (_client, mut socket) = socket();
    socket.connection.be_patient(Some(5_000));
    let began = Instant::now();
    assert!(socket.write_all(&[b'x'; 1 << 20]).await.is_err());
    assert_eq!((began.elapsed().as_secs(), socket.connection.slipped()), (5, Some(Violation::Stalled)));
}

#[tokio::test]
async fn what_was_gathered_goes_out_with_what_follows_or_when_nothing_does() {
    for follows in ["", "more"] {
        let (mut client, mut socket) = socket();
        let connection = Arc::clone(&socket.connection);
        connection.gather(true);
        socket.write_all(b"head ").await.unwrap();
        socket.write_all(b"body ").await.unwrap();
        socket.flush().await.unwrap();
        let waits = tokio::select! {
            biased;
            _ = client.read_u8() => false,
            () = std::future::ready(()) => true,
        };
        assert!(waits);
        connection.gather(false);
        socket.write_all(follows.as_bytes()).await.unwrap();
        socket.flush().await.unwrap();
        drop(socket);
        let mut came = Vec::new();
        client.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, format!("head body {follows}").as_bytes());
    }
}

#[tokio::test]
async fn what_was_gathered_may_be_taken_in_pieces() {
    let (mut client, server) = duplex(7);
    let connection = Arc::new(ClientConnection::default());
    connection.admit();
    let mut socket = ClientSocket::new(Box::new(server), Arc::clone(&connection), ShutdownSignal::new(Arc::default()));
    let gathered: Vec<u8> = (0..=255).cycle().take(1000).collect();
    connection.gather(true);
    socket.write_all(&gathered).await.unwrap();
    connection.gather(false);
    let reader = async {
        let mut came = vec![0; 1004];
        client.read_exact(&mut came).await.unwrap();
        came
    };
    let (came, written) = tokio::join!(reader, socket.write_all(b"last"));
    written.unwrap();
    assert_eq!(came, [gathered.as_slice(), b"last"].concat());
}
