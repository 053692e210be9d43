//! The entry: the first stage of a sandbox. Lets go of what it inherited, and goes into the namespaces, if there are any.
//! Reads one letter of its connection, and no order.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;

use super::order::{Answer, NoStart, Writing};
use super::timed::{ANSWER_TIMEOUT, ORDER_TIMEOUT, Timed};
use super::walls::{Kind, Walls};
use super::{bubblewrap, reaper};

/// Goes in. Returns when the command has ended; into namespaces only with an error.
pub(super) fn enter(walls: Walls) -> io::Result<()> {
    close_inherited()?;
    let socket = connection()?;
    let writing = match Writing::read(Timed::new(&socket, ORDER_TIMEOUT)) {
        // Whoever connected has gone, or only looked whether anybody is there.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        read => read?,
    };
    let walls = walls.writing(writing);
    match &walls.kind {
        Kind::Landlock => reaper::reap(&walls, &socket),
        Kind::Namespaces { bwrap } => {
            let error = bubblewrap::exec(bwrap, &walls);
            let why = NoStart::Sandbox(format!("{}: {error}", bwrap.display()));
            Answer::not_started(why).write(Timed::new(&socket, ANSWER_TIMEOUT))
        }
    }
}

/// The connection that the stage was started with, in place of an input.
pub(super) fn connection() -> io::Result<UnixStream> {
    Ok(UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?))
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
