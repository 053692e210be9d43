//! The entry: the first stage of a sandbox. Lets go of what it inherited, and goes into the namespaces, if there are any.
//! Reads one letter of its connection, and no order.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::order::{Answer, NoStart, Report, Writing};
use super::walls::{Kind, Walls};
use super::{bubblewrap, supervisor};

/// How long an order may take to come; whoever connects and asks for nothing would hold a place of a service.
const PATIENCE: Duration = Duration::from_secs(10);

/// Goes in. Returns when the command has ended; into namespaces only with an error.
pub(super) fn enter(walls: Walls) -> io::Result<()> {
    close_inherited()?;
    let socket = connection()?;
    let writing = match Writing::read(&socket) {
        // Whoever connected has gone, or only looked whether anybody is there.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        read => read?,
    };
    let walls = walls.writing(writing);
    match &walls.kind {
        Kind::Landlock => {
            drop(socket);
            supervisor::supervise(&walls)
        }
        Kind::Namespaces { bwrap } => {
            let error = bubblewrap::exec(bwrap, &walls);
            let why = NoStart::Sandbox(format!("{}: {error}", bwrap.display()));
            Answer { report: Report::NotStarted(why), stdout: Vec::new(), stderr: Vec::new() }.write(&socket)
        }
    }
}

/// The connection that the stage was started with, in place of an input.
pub(super) fn connection() -> io::Result<UnixStream> {
    let connection = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// Closes whatever the process was started with but input, output and errors. Bubblewrap would hand it on.
pub(super) fn close_inherited() -> io::Result<()> {
    let entries = fs::read_dir("/proc/self/fd")?;
    let open: Vec<RawFd> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The directory's own has gone with it.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}
