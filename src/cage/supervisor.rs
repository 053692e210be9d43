//! The supervisor: starts one command, watches it, ends what is left of it, and answers.
//! Puts up no wall but numbers that no system counts: time, output, processes and memory of all together.
//!
//! It stands outside of the command's walls, so the command can neither signal nor read it. It says nothing before the
//! end: a connection that takes nothing must not hold it up.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, WaitStatus, pidfd_open, set_dumpable_behavior};

use super::enter::{close_inherited, connection};
use super::environment::Environment;
use super::family::{Family, files_in_memory};
use super::order::{Answer, NoStart, ORDER_BYTES_MAX, Order, Report, Task, read_framed};
use super::timed::{ANSWER_TIMEOUT, ORDER_TIMEOUT, Timed};
use super::walls::{Root, Walls};
use crate::tooling::{End, OUTPUT_BYTES_MAX};

/// How often processes and their memory are counted; between two counts there may be more.
const COUNT: Duration = Duration::from_millis(20);
/// Counts in a row by which a process may be hidden: while it is being started, it is as the supervisor is.
const HIDDEN_MAX: u32 = 10;
/// Bytes that are read at once, as many as a pipe has.
const PIECE: usize = 64 << 10;

/// Reads an order from the connection, has it run, and answers. Without an answer where the connection has ended.
pub(super) fn supervise(walls: &Walls) -> io::Result<()> {
    close_inherited()?;
    // Where there is no Landlock to say so: whoever runs in here does not look into this process.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let socket = connection()?;
    let family = Family::found(&walls.kind)?;
    // What it was started with as an input is the connection, too; nobody else is to have it.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let order: Order = read_framed(Timed::new(&socket, ORDER_TIMEOUT), ORDER_BYTES_MAX)?;
    let answer = run(walls, &order, family, &socket);
    answer.map_or(Ok(()), |answer| answer.write(Timed::new(&socket, ANSWER_TIMEOUT)))
}

/// Runs a command to its end. None when the client has left; then nothing of it is left either.
fn run(walls: &Walls, order: &Order, family: Family, socket: &UnixStream) -> Option<Answer> {
    if let Some(root) = &order.root
        && !walls.roots.iter().flat_map(Root::paths).any(|path| path == root)
    {
        let why = format!("{} is no directory of its workspace", root.display());
        return Some(Answer::not_started(NoStart::Sandbox(why)));
    }
    let mut watch = match Watch::start(walls, order, family) {
        Ok(watch) => watch,
        Err(error) => return Some(Answer::not_started(NoStart::Sandbox(error.to_string()))),
    };
    let stop = watch.follow(walls, order.time(), socket);
    let status = watch.end();
    let end = match stop {
        Stop::Left => return None,
        Stop::Trouble(error) => return Some(Answer::not_started(NoStart::Sandbox(error.to_string()))),
        Stop::Over(end) => end,
        Stop::Ended => match status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => End::Exit(code),
            Some((_, Some(signal))) => End::Signal(signal),
            _ => return Some(Answer::not_started(NoStart::Sandbox("the command's end was not seen".to_owned()))),
        },
    };
    Some(match watch.no_start() {
        Some(why) => Answer::not_started(why),
        None => Answer { report: Report::Ended(end), stdout: watch.stdout.bytes, stderr: watch.stderr.bytes },
    })
}

/// Why a command is not waited for any longer.
enum Stop {
    Ended,
    /// A number was reached.
    Over(End),
    /// Nobody waits for it.
    Left,
    Trouble(io::Error),
}

/// A command that runs.
struct Watch {
    child: Child,
    family: Family,
    status: Option<ExitStatus>,
    stdout: Stream,
    stderr: Stream,
    /// What the last stage says when it cannot become the command.
    complaint: Stream,
}

/// One end of a pipe, and what has come out of it.
struct Stream {
    pipe: OwnedFd,
    bytes: Vec<u8>,
    is_open: bool,
}

impl Watch {
    fn start(walls: &Walls, order: &Order, family: Family) -> io::Result<Self> {
        let (complaint, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut command = Command::new("/proc/self/exe");
        command.args(["cage", "--stage=inside"]).arg(option("walls", walls.text()?));
        command.args(order.root.as_ref().map(|root| option("root", root)));
        command.arg(option("directory", &order.directory));
        match &order.task {
            Task::Shell(line) => drop(command.args(["--", "/bin/sh", "-c", line])),
            Task::Words(words) => drop(command.arg("--").args(words)),
            Task::Code { interpreter, text } => {
                let file = walls.scratch.join("main.py");
                fs::write(&file, text)?;
                command.arg("--").args(interpreter).arg(file);
            }
            Task::Probe(probe) => drop(command.arg(option("probe", serde_json::to_string(probe)?))),
        }
        command.env_clear().envs(Environment::carried()?.carry()?);
        command.stdin(Stdio::from(tell)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = pipes else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let (stdout, stderr) = (Stream::new(stdout.into())?, Stream::new(stderr.into())?);
        Ok(Self { child, family, status: None, stdout, stderr, complaint: Stream::new(complaint)? })
    }

    /// Reads what it prints until it has ended, or must.
    fn follow(&mut self, walls: &Walls, time: Duration, socket: &UnixStream) -> Stop {
        let pid = Pid::from_child(&self.child);
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(error) => return Stop::Trouble(error.into()),
        };
        let deadline = Instant::now() + time;
        let mut next_count = Instant::now() + COUNT;
        let mut hidden = 0;
        loop {
            let now = Instant::now();
            if now >= deadline {
                return Stop::Over(End::Time(time.as_secs()));
            }
            if now >= next_count {
                self.reap();
                let processes_max = usize::try_from(walls.processes_max).unwrap_or(usize::MAX);
                let census = self.family.census(processes_max);
                hidden = if census.is_hidden { hidden + 1 } else { 0 };
                if hidden > HIDDEN_MAX {
                    return Stop::Trouble(io::Error::other(
                        "a process of the command is hidden, and cannot be counted",
                    ));
                }
                if census.tasks > processes_max {
                    return Stop::Over(End::Processes(walls.processes_max));
                }
                if census.bytes.saturating_add(files_in_memory(walls)) > walls.memory_bytes_max {
                    return Stop::Over(End::Memory(walls.memory_bytes_max));
                }
                next_count = Instant::now() + COUNT;
            }
            let wait = deadline.min(next_count).saturating_duration_since(Instant::now());
            match self.wait(wait, handle.as_fd(), socket.as_fd()) {
                Ok(Heard { is_left: true, .. }) => return Stop::Left,
                Ok(Heard { is_ended, .. }) => {
                    if self.stdout.bytes.len() + self.stderr.bytes.len() > OUTPUT_BYTES_MAX {
                        return Stop::Over(End::Output);
                    }
                    if is_ended {
                        return Stop::Ended;
                    }
                }
                Err(error) => return Stop::Trouble(error),
            }
        }
    }

    /// Waits for something to happen, and reads what there is, once.
    fn wait(&mut self, wait: Duration, handle: BorrowedFd<'_>, socket: BorrowedFd<'_>) -> io::Result<Heard> {
        let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let (out, err) = (self.stdout.is_open, self.stderr.is_open);
        let mut polled = vec![PollFd::from_borrowed_fd(handle, PollFlags::IN)];
        polled.push(PollFd::from_borrowed_fd(socket, PollFlags::IN));
        polled.extend(out.then(|| PollFd::new(&self.stdout.pipe, PollFlags::IN)));
        polled.extend(err.then(|| PollFd::new(&self.stderr.pipe, PollFlags::IN)));
        let wait = Timespec { tv_sec: wait.as_secs().try_into().unwrap_or(0), tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut polled, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut heard = polled.iter().map(ready);
        // Whoever asked says nothing more: what is to be read of it is its end.
        let (is_ended, is_left) = (heard.next() == Some(true), heard.next() == Some(true));
        let is_ready = [out && heard.next() == Some(true), err && heard.next() == Some(true)];
        drop(heard);
        for (stream, is_ready) in [&mut self.stdout, &mut self.stderr].into_iter().zip(is_ready) {
            if is_ready {
                stream.read_once()?;
            }
        }
        Ok(Heard { is_ended, is_left })
    }

    fn reap(&mut self) {
        let Self { child, status, .. } = self;
        Family::reap(&mut |pid, seen| note(child, status, pid, seen));
    }

    /// Ends whatever is left, and takes what it has printed. The command's status, where it was seen.
    fn end(&mut self) -> Option<ExitStatus> {
        self.reap();
        let Self { child, status, family, .. } = self;
        family.end(&mut |pid, seen| note(child, status, pid, seen));
        for stream in [&mut self.stdout, &mut self.stderr, &mut self.complaint] {
            while stream.is_open && matches!(stream.read_once(), Ok(read) if read > 0) {}
        }
        self.status
    }

    /// What the last stage could not do, if it could not.
    fn no_start(&self) -> Option<NoStart> {
        (!self.complaint.bytes.is_empty()).then(|| {
            let unread = |_| NoStart::Sandbox(String::from_utf8_lossy(&self.complaint.bytes).into_owned());
            serde_json::from_slice(&self.complaint.bytes).unwrap_or_else(unread)
        })
    }
}

/// An option in one word, so that none that the model has chosen is taken for another.
fn option(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// What happened while the supervisor waited.
struct Heard {
    is_ended: bool,
    is_left: bool,
}

fn note(child: &Child, status: &mut Option<ExitStatus>, pid: Pid, seen: WaitStatus) {
    if pid == Pid::from_child(child) {
        *status = Some(ExitStatus::from_raw(seen.as_raw()));
    }
}

impl Stream {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&pipe)?;
        rustix::fs::fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?;
        Ok(Self { pipe, bytes: Vec::new(), is_open: true })
    }

    /// Reads what there is, and no more than a pipe has. How much that was.
    fn read_once(&mut self) -> io::Result<usize> {
        let mut piece = [0; PIECE];
        match rustix::io::read(&self.pipe, &mut piece) {
            Ok(0) => self.is_open = false,
            Ok(read) => {
                self.bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
                return Ok(read);
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(0)
    }
}
