//! The cage service: takes orders at a socket of Unix, each on a connection and in a process of its own.
//! Its sandbox is its own configuration's; who asks decides nothing about it.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, WaitOptions, wait};

use super::client::{OWN_PROGRAM, Way};
use super::{Cage, CageError};

/// Why a service does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Cage(#[from] CageError),
    #[error("tools.commands: `sandbox: unix:…` is for those who ask a cage service, not for one")]
    Chained,
    #[error("tools: neither `commands` nor `code` is there to be run")]
    Nothing,
    #[error("cannot listen on {}: {error}", path.display())]
    Listen { path: PathBuf, error: io::Error },
    #[error("cage: {0}")]
    Connection(io::Error),
}

/// Serves at a socket, until it is ended; without one, the connection that is its input, and returns. Fails when the
/// sandbox cannot be put up.
pub fn serve(cage: &Cage, socket: Option<&Path>) -> Result<(), ServiceError> {
    let (walls, environment) = match &cage.way {
        Ok(Way::Here { walls, environment, .. }) => (walls, environment),
        Ok(Way::Service(_)) => return Err(ServiceError::Chained),
        Ok(Way::Nowhere) => return Err(ServiceError::Nothing),
        Err(missing) => return Err(ServiceError::Cage(CageError::Missing(missing.clone()))),
    };
    let walls = walls.text().map_err(ServiceError::Connection)?;
    let environment = environment.carry().map_err(ServiceError::Connection)?;
    let entry = || {
        let mut command = Command::new(OWN_PROGRAM);
        command.args(["cage", "--stage", "enter", "--walls", &walls]).env_clear().envs(environment.clone());
        command
    };
    // Run again, and not gone on with: the entry closes what this process has open.
    let Some(path) = socket else { return Err(ServiceError::Connection(entry().exec())) };
    let listening = |error| ServiceError::Listen { path: path.to_owned(), error };
    // One that nobody listens on any more is in the way of the next.
    if std::os::unix::net::UnixStream::connect(path).is_err() {
        let _ = std::fs::remove_file(path);
    }
    let listener = UnixListener::bind(path).map_err(listening)?;
    let mut running = BTreeSet::new();
    loop {
        let (connection, _) = listener.accept().map_err(listening)?;
        forget_ended(&mut running, WaitOptions::NOHANG);
        // More wait until one has ended.
        while running.len() >= cage.commands.concurrent_max {
            forget_ended(&mut running, WaitOptions::empty());
        }
        let mut command = entry();
        command.stdin(Stdio::from(OwnedFd::from(connection))).stdout(Stdio::null());
        let child = command.spawn().map_err(ServiceError::Connection)?;
        running.insert(Pid::from_child(&child).as_raw_pid());
    }
}

/// Takes out those that have ended; waits for one, unless it is not to. A first process gets others' orphans, too.
fn forget_ended(running: &mut BTreeSet<i32>, mut how: WaitOptions) {
    loop {
        match wait(how) {
            Ok(Some((pid, _))) => drop(running.remove(&pid.as_raw_pid())),
            Ok(None) => return,
            // There is no child at all.
            Err(_) => return running.clear(),
        }
        how = WaitOptions::NOHANG;
    }
}
