//! Processes of servers: how one is started, what it logs, and how it ends with all that it has started.
//! Speaks no protocol; its pipes go to whoever does.

use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, timeout};

use crate::config::Secret;

/// A server's process, and the group of those that it has started.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    group: Option<Pid>,
    /// Logs what it writes to its standard error, and gives the last line of that.
    errors: Option<JoinHandle<String>>,
}

/// What a server gets of the gateway's own environment.
const INHERITED: [&str; 2] = ["PATH", "HOME"];
/// A server sees that its input has ended, and may finish what it does.
const INPUT_CLOSED_MAX: Duration = Duration::from_secs(2);
/// Then it is asked to end, and may tidy up.
const TERMINATED_MAX: Duration = Duration::from_secs(3);
/// What it has written is read by then.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// How often it is looked after then. Waiting for it would give its number away while its group may still be there.
const LOOK: Duration = Duration::from_millis(20);

impl Child {
    /// Starts a program in a group of its own. Its environment is what it is given, and `PATH` and `HOME`.
    pub fn start(
        server: &str,
        program: &str,
        arguments: &[String],
        environment: &[(String, Secret)],
    ) -> io::Result<(Self, ChildStdin, ChildStdout)> {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().process_group(0).kill_on_drop(true);
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(environment.iter().map(|(name, value)| (name, value.reveal())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let group = process.id().and_then(|id| id.try_into().ok()).and_then(Pid::from_raw);
        let errors = process.stderr.take().map(|errors| tokio::spawn(tell(server.to_owned(), errors)));
        match (process.stdin.take(), process.stdout.take()) {
            (Some(input), Some(output)) => Ok((Self { process, group, errors }, input, output)),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits until it has ended. Its input is closed by then; it is told to end, and then made to, with its whole group.
    /// What it wrote last to its standard error often says why it ended.
    pub async fn end(mut self) -> Option<String> {
        if !self.ends_within(INPUT_CLOSED_MAX).await {
            self.signal(Signal::TERM);
            self.ends_within(TERMINATED_MAX).await;
        }
        self.signal(Signal::KILL);
        let _ = self.process.wait().await;
        let mut errors = self.errors.take()?;
        // Somebody may have left the group, and hold it open.
        let last = timeout(LAST_WORDS_MAX, &mut errors).await;
        errors.abort();
        last.ok()?.ok().filter(|line| !line.is_empty())
    }

    /// Waits until it has ended by itself. Others of its group may be left, and hold its pipes open.
    pub async fn exited(&self) {
        while self.is_running() {
            sleep(SECOND).await;
        }
    }

    /// Whether it ends by then. Its number stays its own.
    async fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    fn is_running(&self) -> bool {
        let Some(group) = self.group else { return false };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(group), options), Ok(None))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It fails when nobody is left.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Bytes of a line that is logged.
const LINE_BYTES_MAX: usize = 1_024;
/// Characters of the last line, where it is to say why a server ended.
const LAST_CHARS_MAX: usize = 200;
/// Lines that are logged in a second.
const LINES_MAX: usize = 20;
/// Bytes that are read in a second. A server that writes more waits, like any whose log is slow.
const BYTES_MAX: usize = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

/// Logs what a server writes to its standard error, and gives the last line.
async fn tell(server: String, mut errors: impl AsyncRead + Unpin) -> String {
    let mut log = ErrorLog::new(Instant::now());
    let mut page = vec![0; 8_192];
    while let Ok(read @ 1..) = errors.read(&mut page).await {
        let pause = log.push(page.get(..read).unwrap_or_default(), Instant::now(), |line| {
            log::info!("tool server {server}: {line}");
        });
        if let Some(until) = pause {
            sleep_until(until.into()).await;
        }
    }
    log.finish(|line| log::info!("tool server {server}: {line}"))
}

/// What is logged of a server's standard error.
#[derive(Debug)]
struct ErrorLog {
    line: Vec<u8>,
    second: Instant,
    lines: usize,
    bytes: usize,
    left_out: usize,
    /// Whether it was logged or not.
    last: String,
}

impl ErrorLog {
    fn new(now: Instant) -> Self {
        Self { line: Vec::new(), second: now, lines: 0, bytes: 0, left_out: 0, last: String::new() }
    }

    /// Takes bytes, and gives the lines in them that are logged. The answer says until when nothing is to be read.
    fn push(&mut self, bytes: &[u8], now: Instant, mut log: impl FnMut(&str)) -> Option<Instant> {
        if now.saturating_duration_since(self.second) >= SECOND {
            self.report_left_out(&mut log);
            (self.second, self.lines, self.bytes) = (now, 0, 0);
        }
        self.bytes += bytes.len();
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            if pieces.peek().is_some() {
                self.end_line(&mut log);
            }
        }
        (self.bytes > BYTES_MAX).then(|| self.second + SECOND)
    }

    /// Nothing more comes. The last line.
    fn finish(mut self, mut log: impl FnMut(&str)) -> String {
        self.end_line(&mut log);
        self.report_left_out(&mut log);
        self.last
    }

    fn end_line(&mut self, log: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = visible(line.trim_end());
        if line.is_empty() {
            return;
        }
        self.last = line.chars().take(LAST_CHARS_MAX).collect();
        if self.lines >= LINES_MAX {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        log(&line);
    }

    fn report_left_out(&mut self, log: &mut impl FnMut(&str)) {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            log(&format!("[{left_out} more lines]"));
        }
    }
}

/// A line with its control characters spelled out: they would make lines of their own, or tell a terminal what to do.
fn visible(line: &str) -> String {
    let mut all = String::with_capacity(line.len());
    for character in line.chars() {
        if character.is_control() { all.extend(character.escape_default()) } else { all.push(character) }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        let mut log = ErrorLog::new(Instant::now());
        let mut told = Vec::new();
        log.push("\x1b[2Jé\ra\tb\0\u{9b}c\r\n".as_bytes(), Instant::now(), |line| told.push(line.to_owned()));
        assert_eq!(told, [r"\u{1b}[2Jé\ra\tb\u{0}\u{9b}c"]);
        assert_eq!(log.finish(|_| {}), told[0]);
    }

    #[test]
    fn what_a_server_logs_is_told_within_limits() {
        let begin = Instant::now();
        let mut log = ErrorLog::new(begin);
        let mut told = Vec::new();
        assert_eq!(log.push(b"one\n\ntw", begin, |line| told.push(line.to_owned())), None);
        assert_eq!(log.push(b"o\r\n", begin, |line| told.push(line.to_owned())), None);
        assert_eq!(log.push(&b"x\n".repeat(30), begin, |line| told.push(line.to_owned())), None);
        assert_eq!((told.len(), told[0].as_str(), told[1].as_str()), (20, "one", "two"));
        log.push(&[b'y'; 9_000], begin + SECOND, |line| told.push(line.to_owned()));
        assert_eq!(told.last().map(String::as_str), Some("[12 more lines]"));
        let last = log.finish(|line| told.push(line.to_owned()));
        assert_eq!((told.last().map(String::len), last.len()), (Some(LINE_BYTES_MAX), LAST_CHARS_MAX));
    }

    #[test]
    fn a_server_that_logs_without_end_is_read_slowly() {
        let begin = Instant::now();
        let mut log = ErrorLog::new(begin);
        assert_eq!(log.push(&vec![b'x'; BYTES_MAX], begin, |_| {}), None);
        assert_eq!(log.push(b"x", begin, |_| {}), Some(begin + SECOND));
        assert_eq!(log.push(b"x", begin + SECOND, |_| {}), None);
    }
}
