//! Log writer: lines on their way to the log, written by a thread of their own.
//! Whoever logs never waits: a pipe that nobody empties would otherwise hold every request that has something to say.
//! What there is no room for is dropped and counted, and the log says so once it is read again.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::metrics;

/// Lines that wait, together; some thousand of the access log's. Twice as much is in memory at most, since what is being
/// written is no longer among them.
const BYTES_MAX: usize = 1 << 20;

pub(super) struct Lines {
    state: Mutex<State>,
    /// There is something to write.
    more: Condvar,
    /// Something was written.
    written: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Since the log last said so.
    dropped: u64,
    is_writing: bool,
}

impl Lines {
    /// Lines that go here, by a thread that lasts as long as the program.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        Self::bounded(out, BYTES_MAX)
    }

    fn bounded(mut out: impl Write + Send + 'static, bytes_max: usize) -> io::Result<Arc<Self>> {
        let (more, written) = (Condvar::new(), Condvar::new());
        let lines = Arc::new(Self { state: Mutex::default(), more, written, bytes_max });
        let writer = Arc::clone(&lines);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                let (text, count) = writer.next();
                let result = out.write_all(&text).and_then(|()| out.flush());
                writer.wrote(result, count);
            }
        })?;
        Ok(lines)
    }

    /// Waits until everything is written, for so long at most.
    pub fn finish(&self, wait: Duration) {
        let is_left = |state: &mut State| state.is_writing || !state.waiting.is_empty() || state.dropped > 0;
        let _ = self.written.wait_timeout_while(self.lock(), wait, is_left);
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > self.bytes_max {
            state.drop_lines(1);
        } else {
            state.waiting.extend_from_slice(line);
        }
        self.more.notify_one();
    }

    /// What is to be written, once there is something, and how many lines that is.
    fn next(&self) -> (Vec<u8>, u64) {
        let is_empty = |state: &mut State| state.waiting.is_empty() && state.dropped == 0;
        let mut state = self.more.wait_while(self.lock(), is_empty).unwrap_or_else(PoisonError::into_inner);
        let mut text = std::mem::take(&mut state.waiting);
        let count = memchr::memchr_iter(b'\n', &text).count();
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            // They would have come here.
            let _ = writeln!(text, "{dropped} lines of the log were dropped, since it was not read");
        }
        state.is_writing = true;
        (text, u64::try_from(count).unwrap_or(u64::MAX))
    }

    fn wrote(&self, result: io::Result<()>, count: u64) {
        let mut state = self.lock();
        state.is_writing = false;
        if result.is_err() {
            // To say so there is of no use.
            metrics::count_dropped_lines(count);
        }
        self.written.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_lines(&mut self, count: u64) {
        self.dropped += count;
        metrics::count_dropped_lines(count);
    }
}

/// Where the logger hands over one line at a time.
pub(super) struct Hatch(pub Arc<Lines>);

impl Write for Hatch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A log that is read piece by piece.
    struct Reluctant(SyncSender<String>);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(text).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(bytes_max: usize) -> (Arc<Lines>, Receiver<String>) {
        let (out, read) = sync_channel(0);
        (Lines::bounded(Reluctant(out), bytes_max).unwrap(), read)
    }

    #[test]
    fn a_log_that_is_not_read_holds_nobody_up_and_says_what_is_missing() {
        let (lines, read) = lines(10);
        lines.push(b"first\n");
        // Being written, it takes no room; whoever waits for it does so in vain.
        while !lines.lock().is_writing {}
        for line in ["second\n", "third\n", "4\n", "5\n"] {
            lines.push(line.as_bytes());
        }
        lines.finish(Duration::ZERO);
        assert_eq!(lines.lock().dropped, 2);
        let read: Vec<_> = read.into_iter().take(2).collect();
        assert_eq!(read, ["first\n", "second\n4\n2 lines of the log were dropped, since it was not read\n"]);
    }

    #[test]
    fn the_end_waits_for_what_is_not_written() {
        let (lines, read) = lines(100);
        let reader = thread::spawn(move || read.into_iter().take(2).collect::<String>());
        for line in ["a\n", "b\n"] {
            lines.push(line.as_bytes());
            lines.finish(Duration::from_secs(20));
        }
        assert_eq!(reader.join().unwrap(), "a\nb\n");
    }
}
