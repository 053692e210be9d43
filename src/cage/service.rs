//! The cage service: takes orders at a socket of Unix, each on a connection and in a process of its own.
//! Its sandbox is its own configuration's; who asks decides nothing about it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, wait};

use super::client::{OWN_PROGRAM, Way};
use super::environment::Environment;
use super::order::{Answer, NoStart};
use super::timed::{ANSWER_TIMEOUT, Timed};
use super::walls::Walls;
use super::{Cage, CageError};

/// After a connection that could not be served: what it lacked may be there by then.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a service does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Cage(#[from] CageError),
    #[error("tools.commands: `sandbox: unix:…` is for those who ask a cage service, not for one")]
    Chained,
    #[error(
        "tools.commands: `allow` is for those who ask a cage service, which runs whatever it is asked to; leave it out"
    )]
    Allow,
    #[error("tools: neither `commands` nor `code` is there to be run")]
    Nothing,
    #[error("cannot listen on {}: {error}", path.display())]
    Listen { path: PathBuf, error: io::Error },
    #[error("cage: {0}")]
    Connection(io::Error),
}

/// Serves at a socket, until it is ended; without one, the connection that is its input, and returns. Fails when the
/// sandbox cannot be put up, but not for a connection that could not be served.
pub fn serve(cage: &Cage, socket: Option<&Path>) -> Result<(), ServiceError> {
    let (walls, environment) = sandbox(cage)?;
    let walls = walls.text().map_err(ServiceError::Connection)?;
    let environment = environment.carry().map_err(ServiceError::Connection)?;
    let entry = || {
        let mut command = Command::new(OWN_PROGRAM);
        command.args(["cage", "--stage", "enter", "--walls", &walls]).env_clear().envs(environment.clone());
        command
    };
    // Run again, and not gone on with: the entry closes what this process has open.
    let Some(path) = socket else { return Err(ServiceError::Connection(entry().exec())) };
    let listener = listen(path).map_err(|error| ServiceError::Listen { path: path.to_owned(), error })?;
    let mut running = BTreeSet::new();
    loop {
        forget_ended(&mut running, WaitOptions::NOHANG);
        // More wait until one has ended.
        while running.len() >= cage.commands.concurrent_max {
            forget_ended(&mut running, WaitOptions::empty());
        }
        match listener.accept().and_then(|(connection, _)| start(entry(), connection)) {
            Ok(pid) => drop(running.insert(pid.as_raw_pid())),
            Err(error) => {
                let _ = writeln!(io::stderr(), "toolgate: cage: a connection was not served: {error}");
                thread::sleep(PAUSE);
            }
        }
    }
}

/// Fails where a configuration is none of a service.
pub fn check_service(cage: &Cage) -> Result<(), ServiceError> {
    sandbox(cage).map(drop)
}

fn sandbox(cage: &Cage) -> Result<(&Walls, &Environment), ServiceError> {
    if !cage.commands.allow.is_empty() {
        return Err(ServiceError::Allow);
    }
    match &cage.way {
        Ok(Way::Here { walls, environment, .. }) => Ok((walls, environment)),
        Ok(Way::Service(_)) => Err(ServiceError::Chained),
        Ok(Way::Nowhere) => Err(ServiceError::Nothing),
        Err(missing) => Err(ServiceError::Cage(CageError::Missing(missing.clone()))),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    // A socket that nobody listens on any more is in the way of the next. A file that is none refuses, too.
    let is_refused =
        matches!(UnixStream::connect(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused);
    if is_refused && fs::symlink_metadata(path)?.file_type().is_socket() {
        fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

/// Starts the process of a connection. Where there can be none, whoever asked is told.
fn start(mut entry: Command, connection: UnixStream) -> io::Result<Pid> {
    let asking = connection.try_clone()?;
    match entry.stdin(Stdio::from(OwnedFd::from(connection))).stdout(Stdio::null()).spawn() {
        Ok(child) => Ok(Pid::from_child(&child)),
        Err(error) => {
            let answer = Answer::not_started(NoStart::Sandbox(error.to_string()));
            let _ = answer.write(Timed::new(&asking, ANSWER_TIMEOUT));
            Err(error)
        }
    }
}

/// Takes out those that have ended; waits for one, unless it is not to. A first process gets others' orphans, too.
fn forget_ended(running: &mut BTreeSet<i32>, mut how: WaitOptions) {
    loop {
        match wait(how) {
            Ok(Some((pid, _))) => drop(running.remove(&pid.as_raw_pid())),
            Ok(None) => return,
            Err(Errno::INTR) => continue,
            // There is no child at all.
            Err(_) => return running.clear(),
        }
        how = WaitOptions::NOHANG;
    }
}
