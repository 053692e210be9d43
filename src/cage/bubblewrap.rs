//! Bubblewrap's command line: namespaces in which there is nothing but what a command is to see.
//! Sets no limits; the stage inside does.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};

use super::environment::Environment;
use super::walls::{Root, Walls};

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
    let shown = match shown(walls) {
        Ok(shown) => shown,
        Err(error) => return error,
    };
    let mut command = Command::new(bwrap);
    command.args(arguments(walls, &shown));
    command.args(["--ro-bind-fd", &program.as_raw_fd().to_string(), PROGRAM, "--remount-ro", "/"]);
    command.args(["--chdir", "/", "--", PROGRAM]).args(stage).env_clear().envs(environment).exec()
}

/// What is to be seen in there, where, and whether it may be written. By its descriptor: bubblewrap would look for a path
/// again, and a command before this one may have put a link there.
struct Shown<'a> {
    handle: OwnedFd,
    path: &'a Path,
    write: bool,
}

/// Opens it all. Fails where a root is not what it was when the cage was opened.
fn shown(walls: &Walls) -> io::Result<Vec<Shown<'_>>> {
    let open = |root: &Root| {
        let handle = root.open()?;
        fcntl_setfd(&handle, FdFlags::empty())?;
        Ok(handle)
    };
    let mut all = Vec::new();
    for root in &walls.read {
        // Programs come and go.
        all.extend(open(root).ok().map(|handle: OwnedFd| Shown { handle, path: &root.path, write: false }));
    }
    // One inside another comes after it, or it would be hidden by it.
    let mut roots: Vec<_> = walls.roots.iter().flat_map(|root| root.paths().map(move |path| (path, root))).collect();
    roots.sort_by_key(|(path, _)| path.components().count());
    for (path, root) in roots {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        all.push(Shown { handle: open(root).map_err(named)?, path, write: root.write });
    }
    Ok(all)
}

fn arguments(walls: &Walls, shown: &[Shown<'_>]) -> Vec<OsString> {
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
    for Shown { handle, path, write } in shown {
        let how = if *write { "--bind-fd" } else { "--ro-bind-fd" };
        all.extend([how.into(), handle.as_raw_fd().to_string().into(), path.into()]);
    }
    all
}
