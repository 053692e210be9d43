//! The reaper: stays above a supervisor that is not the first of a namespace, and ends whatever is left when it has ended,
//! however it did. Takes no order and counts nobody.

use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use super::client::OWN_PROGRAM;
use super::environment::Environment;
use super::family::Family;
use super::order::{Answer, NoStart};
use super::scratch::Scratch;
use super::timed::{ANSWER_TIMEOUT, Timed};
use super::walls::Walls;

/// Has a supervisor run that answers on the connection, and returns when nothing of it and its command is left. Fails when
/// something is, or when the supervisor was killed.
pub(super) fn reap(walls: &Walls, socket: &UnixStream) -> io::Result<()> {
    let family = Family::found(&walls.kind)?;
    let refuse = |what: &str, error: io::Error| {
        let why = NoStart::Sandbox(format!("{what}: {error}"));
        Answer::not_started(why).write(Timed::new(socket, ANSWER_TIMEOUT))
    };
    let scratch = match Scratch::new(&walls.scratch) {
        Ok(scratch) => scratch,
        Err(error) => return refuse("no directory for temporary files", error),
    };
    let ended = match start(&Walls { scratch: scratch.path.clone(), ..walls.clone() }) {
        Ok(mut supervisor) => supervisor.wait(),
        Err(error) => return refuse("no supervisor", error).and(scratch.remove()),
    };
    // Orphans have come to this process by now.
    family.end(&mut |_, _| {});
    scratch.remove()?;
    match ended?.signal() {
        Some(signal) => Err(io::Error::other(format!("the supervisor was ended by signal {signal}"))),
        None => Ok(()),
    }
}

/// Starts the next stage, with the connection as its input.
fn start(walls: &Walls) -> io::Result<Child> {
    let mut command = Command::new(OWN_PROGRAM);
    command.args(["cage", "--stage", "supervise", "--walls", &walls.text()?]);
    command.env_clear().envs(Environment::carried()?.carry()?).spawn()
}
