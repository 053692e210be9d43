//! `read_file`: the numbered lines of a regular file, in constant memory.
//! Changes nothing; how lines are shown stands in `tooling`.

use std::fs::File;
use std::io::{self, Read};
use std::time::Instant;

use super::PATIENCE;
use super::roots::{Opened, Place, Roots, reason};
use crate::tooling::{Failure, Numbered, Outcome, ReadFile, Stop};

/// A NUL in so many first bytes makes a file binary.
pub(super) const HEAD_BYTES: usize = 8 << 10;
const PIECE_BYTES: usize = 64 << 10;

pub(super) fn read_file(roots: &Roots, call: &ReadFile, deadline: Instant) -> Result<Outcome, Failure> {
    let place = roots.locate(&call.path)?;
    let (mut file, bytes) = open_regular(&place)?;
    let unreadable = |error: io::Error| Failure::Unreadable { reason: reason(&error), path: place.said.to_owned() };
    let head = read_head(&mut file).map_err(unreadable)?;
    if is_binary(&head) {
        return Err(Failure::Binary { bytes, path: place.said.to_owned() });
    }
    let mut numbered = Numbered::new(&call.path, call.offset, call.limit);
    numbered.push(&head);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        if Instant::now() >= deadline {
            return Ok(numbered.finish(Some(Stop::Seconds(PATIENCE.as_secs()))));
        }
        match file.read(&mut piece) {
            Ok(0) => return Ok(numbered.finish(None)),
            Ok(read) => numbered.push(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// Opens a file that is one, and says how many bytes it has.
pub(super) fn open_regular(place: &Place<'_>) -> Result<(File, u64), Failure> {
    match place.open() {
        Ok(Opened::File { file, bytes }) => Ok((file, bytes)),
        Ok(Opened::Directory(_) | Opened::Other) => Err(Failure::NotFile(place.said.to_owned())),
        Err(error) => Err(place.failure(&error, Failure::NoFile)),
    }
}

/// The first bytes of a file.
pub(super) fn read_head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.take(HEAD_BYTES.try_into().unwrap_or(u64::MAX)).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether a file that begins like this is none for people.
pub(super) fn is_binary(head: &[u8]) -> bool {
    memchr::memchr(0, head).is_some()
}
