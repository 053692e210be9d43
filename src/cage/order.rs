//! What goes over a cage's socket: one order, then one answer. Sizes stand in front, and are bounded.
//! Runs nothing.
//!
//! An order is a letter that says what may be written, four bytes of its length (big-endian), and JSON. An answer is four
//! bytes of its head's length, the head as JSON, and what was printed, whose lengths the head says.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::tooling::{End, Failure, OUTPUT_BYTES_MAX, Printed, TIMEOUT_SECONDS_MAX};

/// What is to be run, where, and for how long.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub task: Task,
    /// The root that `directory` is beneath; none is the sandbox's own directory for temporary files.
    pub root: Option<PathBuf>,
    pub directory: PathBuf,
    pub timeout_seconds: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// A command line, by a shell.
    Shell(String),
    /// A program and its arguments.
    Words(Vec<String>),
    /// A program's text, and what runs it.
    Code { interpreter: Vec<String>, text: String },
    /// What a sandbox must keep from happening.
    Probe(Probe),
}

/// What is outside of a sandbox, for a probe to try.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Probe {
    /// A file that is there and must not be read, and a name that is not and must not be made.
    pub file: PathBuf,
    pub new_file: PathBuf,
    pub tcp_port: u16,
    pub udp_port: u16,
    pub abstract_name: String,
    /// A socket of Unix, of datagrams, at a path.
    pub socket: PathBuf,
    pub process: i32,
    /// When that process began, by which it is told from another of its number.
    pub started: u64,
    /// Whether the sandbox is to have a network.
    pub network: bool,
}

/// What may be written in the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// What the configuration says.
    Configured,
    Nothing,
}

/// The head of an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub report: Report,
    pub stdout: usize,
    pub stderr: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    Ended(End),
    NotStarted(NoStart),
}

/// Why nothing was run.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum NoStart {
    /// The working directory cannot be opened.
    Directory(Problem),
    /// The sandbox cannot be put up.
    Sandbox(String),
}

/// What is wrong with a working directory.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Problem {
    /// It leads out of its root.
    Outside,
    Missing,
    NotDirectory,
    /// The system's own reason.
    Other(String),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub report: Report,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Bytes of an order: a program's text is the most of it, and JSON may take six for one.
pub(super) const ORDER_BYTES_MAX: usize = 8 << 20;
/// Bytes of the head of an answer.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;
/// What is printed before a command is stopped for it, and what it had in its pipes by then, which anybody may make as
/// large as a mebibyte each.
pub(super) const PRINTED_BYTES_MAX: usize = OUTPUT_BYTES_MAX + (4 << 20);

impl Order {
    /// How long it may take, whatever it says.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.min(TIMEOUT_SECONDS_MAX))
    }
}

impl Task {
    /// What may be written while it runs.
    pub fn writing(&self) -> Writing {
        match self {
            Self::Code { .. } => Writing::Nothing,
            _ => Writing::Configured,
        }
    }
}

impl Writing {
    /// As it stands in front of an order.
    pub fn letter(self) -> u8 {
        match self {
            Self::Configured => b'c',
            Self::Nothing => b'n',
        }
    }

    /// Reads the letter, and no byte more. Fails where it is none.
    pub fn read(mut from: impl Read) -> io::Result<Self> {
        let mut letter = [0];
        from.read_exact(&mut letter)?;
        let known = [Self::Configured, Self::Nothing];
        known.into_iter().find(|writing| [writing.letter()] == letter).ok_or_else(|| invalid("no order"))
    }
}

impl Answer {
    /// What a command printed. Fails where none was started.
    pub fn printed(self) -> Result<Printed, NoStart> {
        match self.report {
            Report::Ended(end) => Ok(Printed { stdout: self.stdout, stderr: self.stderr, end }),
            Report::NotStarted(why) => Err(why),
        }
    }

    /// That nothing was run.
    pub fn not_started(why: NoStart) -> Self {
        Self { report: Report::NotStarted(why), stdout: Vec::new(), stderr: Vec::new() }
    }

    /// Writes it whole.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        let (stdout, stderr) = (self.stdout.len(), self.stderr.len());
        let head = serde_json::to_vec(&(&self.report, stdout, stderr))?;
        to.write_all(&framed(&head)?)?;
        to.write_all(&self.stdout)?;
        to.write_all(&self.stderr)
    }
}

impl Head {
    /// Reads the JSON of one. Fails where it says that there is more than is ever printed.
    pub fn parse(text: &[u8]) -> io::Result<Self> {
        let (report, stdout, stderr): (Report, usize, usize) = serde_json::from_slice(text)?;
        match stdout.checked_add(stderr) {
            Some(all) if all <= PRINTED_BYTES_MAX => Ok(Self { report, stdout, stderr }),
            _ => Err(invalid("an answer without end")),
        }
    }
}

impl Problem {
    /// What an error of its opening says of it.
    pub fn of(error: Errno) -> Self {
        match error {
            // The system's word for a way that leads out.
            Errno::XDEV => Self::Outside,
            Errno::NOENT => Self::Missing,
            Errno::NOTDIR => Self::NotDirectory,
            other => {
                let text = io::Error::from(other).to_string();
                Self::Other(text.split(" (os error").next().unwrap_or_default().to_owned())
            }
        }
    }

    /// As the model reads it; `said` is the directory as it wrote it.
    pub fn failure(self, said: String) -> Failure {
        match self {
            Self::Outside => Failure::Outside(said),
            Self::Missing => Failure::NoDirectory(said),
            Self::NotDirectory => Failure::NotDirectory(said),
            Self::Other(reason) => Failure::Unreadable { reason, path: said },
        }
    }
}

/// A text with its length in front.
pub(super) fn framed(text: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(text.len()).map_err(|_| invalid("too long"))?;
    Ok([&length.to_be_bytes(), text].concat())
}

/// Reads JSON with its length in front.
pub(super) fn read_framed<T: DeserializeOwned>(mut from: impl Read, bytes_max: usize) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut text = vec![0; length_of(length, bytes_max)?];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// What the bytes in front say. Fails where that is more than there may be.
pub(super) fn length_of(bytes: [u8; 4], bytes_max: usize) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(bytes)).ok().filter(|length| *length <= bytes_max);
    length.ok_or_else(|| invalid("too long"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_and_its_answer_come_as_they_went() {
        let task = Task::Code { interpreter: vec!["python3".to_owned()], text: "print('é')".to_owned() };
        assert_eq!(task.writing(), Writing::Nothing);
        let order = Order { task, root: None, directory: "a".into(), timeout_seconds: 3 };
        let bytes = framed(&serde_json::to_vec(&order).unwrap()).unwrap();
        let read: Order = read_framed(bytes.as_slice(), ORDER_BYTES_MAX).unwrap();
        assert_eq!(format!("{read:?}"), format!("{order:?}"));

        let answer = Answer { report: Report::Ended(End::Exit(3)), stdout: b"ab".to_vec(), stderr: b"c".to_vec() };
        let mut bytes = Vec::new();
        answer.write(&mut bytes).unwrap();
        let length = length_of(bytes[..4].try_into().unwrap(), HEAD_BYTES_MAX).unwrap();
        let head = Head::parse(&bytes[4..4 + length]).unwrap();
        assert_eq!((head.stdout, head.stderr, &bytes[4 + length..]), (2, 1, &b"abc"[..]));
    }

    #[test]
    fn no_order_takes_longer_than_any_may() {
        let task = Task::Shell(String::new());
        let order = Order { task, root: None, directory: "a".into(), timeout_seconds: u64::MAX };
        assert_eq!(order.time(), Duration::from_secs(TIMEOUT_SECONDS_MAX));
    }

    #[test]
    fn what_says_that_it_is_too_long_is_not_read() {
        assert!(read_framed::<Order>(&[255; 8][..], ORDER_BYTES_MAX).is_err());
        assert!(Head::parse(format!("[{{\"Ended\":{{\"Exit\":0}}}},{},1]", usize::MAX).as_bytes()).is_err());
        assert!(Head::parse(format!("[{{\"Ended\":{{\"Exit\":0}}}},{PRINTED_BYTES_MAX},1]").as_bytes()).is_err());
        assert!(Writing::read(&b"x"[..]).is_err());
        assert_eq!(Writing::read(&b"n"[..]).unwrap(), Writing::Nothing);
    }
}
