//! A connection with one deadline for all that is read of it or written to it, however slowly the other end goes on.
//! Knows nothing of what goes over it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long an order may take to come; whoever connects and asks for nothing would hold a place of a service.
pub(super) const ORDER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take to be taken.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that are written at once: the system waits anew for each buffer of a longer piece.
const PIECE: usize = 16 << 10;

pub(super) struct Timed<'a> {
    socket: &'a UnixStream,
    deadline: Instant,
}

impl<'a> Timed<'a> {
    /// The time begins now.
    pub fn new(socket: &'a UnixStream, timeout: Duration) -> Self {
        Self { socket, deadline: Instant::now() + timeout }
    }

    /// What is left of the time. Fails when it is over.
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        let mut socket = self.socket;
        socket.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        let mut socket = self.socket;
        socket.write(bytes.get(..PIECE).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn bytes_that_drip_in_do_not_put_the_deadline_off() {
        let (own, mut other) = UnixStream::pair().unwrap();
        let dripping = std::thread::spawn(move || while other.write_all(b"x").is_ok() {});
        let mut timed = Timed::new(&own, SHORT);
        while timed.read(&mut [0]).is_ok() {}
        drop(own);
        dripping.join().unwrap();
    }

    #[test]
    fn a_reader_that_takes_little_or_nothing_is_not_waited_for() {
        let (own, mut other) = UnixStream::pair().unwrap();
        assert!(Timed::new(&own, SHORT).write_all(&vec![0; 16 << 20]).is_err());
        let sipping = std::thread::spawn(move || while matches!(other.read(&mut [0]), Ok(1)) {});
        let mut timed = Timed::new(&own, SHORT);
        while timed.write(&[0; 64]).is_ok() {}
        drop(own);
        drop(sipping);
    }
}
