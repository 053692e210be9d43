//! Bubblewrap's command line: namespaces in which there is nothing but what a command is to see.
//! Sets no limits; the stage inside does.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};

use super::environment::Environment;
use super::walls::Walls;

/// Where this program is in there.
const PROGRAM: &str = "/.toolgate";

/// Becomes bubblewrap with the next stage in it; returns why it could not.
pub(super) fn exec(bwrap: &Path, walls: &Walls) -> io::Error {
    // By its descriptor: its path may lead to a newer one by now.
    let program = match File::open("/proc/self/exe").and_then(|file| {
        fcntl_setfd(&file, FdFlags::empty())?;
        Ok(file)
    }) {
        Ok(program) => program,
        Err(error) => return error,
    };
    let stage = match walls.text() {
        Ok(walls) => ["cage", "--stage", "supervise", "--walls"].map(OsString::from).into_iter().chain([walls.into()]),
        Err(error) => return error,
    };
    let environment = match Environment::carried().and_then(|environment| environment.carry()) {
        Ok(environment) => environment,
        Err(error) => return error,
    };
    let mut command = Command::new(bwrap);
    command.args(arguments(walls));
    command.args(["--ro-bind-fd", &program.as_raw_fd().to_string(), PROGRAM, "--remount-ro", "/"]);
    command.args(["--chdir", "/", "--", PROGRAM]).args(stage).env_clear().envs(environment).exec()
}

fn arguments(walls: &Walls) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| all.extend(words.iter().map(OsString::from));
    add(&["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]);
    // The supervisor is the first process in there: when it goes, everything goes.
    add(&["--as-pid-1", "--die-with-parent", "--new-session"]);
    if walls.network {
        add(&["--share-net"]);
    }
    // Where root is root outside, too, the system's settings in /proc could be written without any capability.
    add(&["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]);
    let (scratch, shared) = (walls.memory_bytes_max / 2, walls.memory_bytes_max / 4);
    add(&["--size", &shared.to_string(), "--tmpfs", "/dev/shm"]);
    add(&["--remount-ro", "/dev"]);
    all.extend(["--size".into(), scratch.to_string().into(), "--tmpfs".into(), walls.scratch.clone().into()]);
    let mut bind = |how: &str, path: &Path| all.extend([how.into(), path.into(), path.into()]);
    walls.read.iter().for_each(|path| bind("--ro-bind-try", path));
    let mut roots: Vec<_> = walls.roots.iter().flat_map(|root| root.paths().map(|path| (path, root.write))).collect();
    // One inside another comes after it, or it would be hidden by it.
    roots.sort_by_key(|(path, _)| path.components().count());
    roots.iter().for_each(|(path, write)| bind(if *write { "--bind" } else { "--ro-bind" }, path));
    all
}
