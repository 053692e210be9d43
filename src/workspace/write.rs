//! `write_file` and `edit_file`: a file is written beside the old one, synced, and renamed over it.
//! Nobody sees half a file, and what is written keeps the old one's mode. Decides nothing about texts; `tooling` does.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};

use super::read::open_regular;
use super::roots::{Place, Roots, Trouble, open_no_link, reason};
use crate::tooling::{EditFile, Failure, Outcome};

pub(super) fn write_file(roots: &Roots, path: &str, content: &str, most: usize) -> Result<Outcome, Failure> {
    let place = roots.locate(path)?;
    place.check_write()?;
    if content.len() > most {
        return Err(Failure::TooLarge { bytes: content.len(), most });
    }
    let target = Target::find(&place)?;
    target.replace(&place, content.as_bytes(), Expected::Anything)?;
    Ok(Outcome::done(format!("Successfully wrote {} bytes to {path}", content.len())))
}

pub(super) fn edit_file(roots: &Roots, call: &EditFile, most: usize) -> Result<Outcome, Failure> {
    call.replacement.check()?;
    let place = roots.locate(&call.path)?;
    let (file, bytes) = open_regular(&place)?;
    place.check_write()?;
    let too_large = |bytes| Failure::TooLargeToEdit { bytes, most, path: call.path.clone() };
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    if bytes > limit {
        return Err(too_large(bytes));
    }
    let old = read_at_most(file, most).map_err(|error| place.failure(&error, Failure::NoFile))?;
    let old = old.ok_or_else(|| too_large(limit.saturating_add(1)))?;
    let (new, times) = call.replacement.apply(&old, most)?;
    Target::find(&place)?.replace(&place, &new, Expected::Bytes(&old))?;
    Ok(Outcome::done(format!("Successfully replaced {times} occurrence(s) in {}", call.path)))
}

/// What must stand in a file that is replaced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected<'a> {
    Anything,
    Bytes(&'a [u8]),
}

/// Where a file is written: a name in an open directory.
#[derive(Debug)]
pub(super) struct Target {
    dir: Dir,
    name: OsString,
    /// The mode of the file that is there.
    mode: Option<u32>,
}

/// Links that lead to each other; as many as the system follows.
const LINKS_MAX: usize = 40;

impl Target {
    /// Finds the file that a path means, through links, and makes the directories that are missing.
    pub fn find(place: &Place<'_>) -> Result<Self, Failure> {
        let mut path = place.path.clone();
        for _ in 0..LINKS_MAX {
            let Some((parent, name)) = split(&path) else { return Err(not_a_file(place, &path)) };
            let dir = make_directory(place, &parent).map_err(|error| failure(place, &error))?;
            match dir.symlink_metadata(&name) {
                Ok(metadata) if metadata.is_symlink() => {
                    // A rename would replace the link, also one that leads out. So it is followed by hand, and every
                    // step is opened beneath the root.
                    let leads_to = dir.read_link_contents(&name).map_err(|error| failure(place, &error))?;
                    if leads_to.is_absolute() {
                        return Err(Failure::Outside(place.said.to_owned()));
                    }
                    path = parent.join(leads_to);
                }
                Ok(metadata) => return Self::over(place, dir, name, &metadata),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { dir, name, mode: None }),
                Err(error) => return Err(failure(place, &error)),
            }
        }
        Err(Failure::Write(format!("too many links: {}", place.said)))
    }

    fn over(place: &Place<'_>, dir: Dir, name: OsString, metadata: &Metadata) -> Result<Self, Failure> {
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "is a directory" } else { "is not a file" };
            return Err(Failure::Write(format!("{} {what}", place.said)));
        }
        // A file that may not be written is not replaced either, although its directory would allow that.
        let mut options = OpenOptions::new();
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        options.write(true).custom_flags(flags.bits().cast_signed());
        dir.open_with(&name, &options).map_err(|error| failure(place, &error))?;
        Ok(Self { dir, name, mode: Some(metadata.permissions().mode() & 0o7777) })
    }

    /// Puts a file of these bytes there, whole or not at all.
    pub fn replace(&self, place: &Place<'_>, bytes: &[u8], expected: Expected<'_>) -> Result<(), Failure> {
        let beside = self.write_beside(bytes).map_err(|error| failure(place, &error))?;
        let renamed = match expected {
            Expected::Bytes(old) if !self.holds(old) => Err(Failure::Changed(place.said.to_owned())),
            _ => self.dir.rename(&beside, &self.dir, &self.name).map_err(|error| failure(place, &error)),
        };
        match renamed {
            Ok(()) => {
                // The file is there in any case; this makes it last.
                let _ = rustix::fs::fsync(&self.dir);
            }
            Err(_) => {
                let _ = self.dir.remove_file(&beside);
            }
        }
        renamed
    }

    /// Writes a file beside the one that is meant, and gives its name.
    fn write_beside(&self, bytes: &[u8]) -> io::Result<String> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(if self.mode.is_some() { 0o600 } else { 0o666 });
        let (name, file) = loop {
            let number = BESIDE.fetch_add(1, Ordering::Relaxed);
            let name = format!(".toolgate-{}-{number}.tmp", std::process::id());
            match self.dir.open_with(&name, &options) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                opened => break (name, opened?),
            }
        };
        let mut file = file;
        let written = file.write_all(bytes).and_then(|()| match self.mode {
            Some(mode) => file.set_permissions(Permissions::from_mode(mode)),
            None => Ok(()),
        });
        match written.and_then(|()| file.sync_all()) {
            Ok(()) => Ok(name),
            Err(error) => {
                let _ = self.dir.remove_file(&name);
                Err(error)
            }
        }
    }

    /// Whether the file that is there has these bytes still.
    fn holds(&self, bytes: &[u8]) -> bool {
        let read = open_no_link(&self.dir, Path::new(&self.name)).and_then(|file| read_at_most(file, bytes.len()));
        read.is_ok_and(|found| found.as_deref() == Some(bytes))
    }
}

/// Files that this process has written beside others.
static BESIDE: AtomicU64 = AtomicU64::new(0);

/// The bytes of a file; None when there are more than so many.
fn read_at_most(file: std::fs::File, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}

/// A path as a directory and a name in it. None when it names no file.
fn split(path: &Path) -> Option<(PathBuf, OsString)> {
    let is_directory = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    match path.components().next_back() {
        Some(Component::Normal(name)) if !is_directory => {
            Some((path.parent().unwrap_or(Path::new("")).to_owned(), name.to_owned()))
        }
        _ => None,
    }
}

fn not_a_file(place: &Place<'_>, path: &Path) -> Failure {
    match place.open_directory(path).map_err(|error| place.trouble(&error)) {
        Err(Trouble::Outside) => Failure::Outside(place.said.to_owned()),
        _ => Failure::Write(format!("{} is a directory", place.said)),
    }
}

/// Opens a directory, and makes it and those above it where they are missing. The opening comes first: making a
/// directory where a link stands says that it is there, wherever it leads.
fn make_directory(place: &Place<'_>, path: &Path) -> io::Result<Dir> {
    let missing = match place.open_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        opened => return opened,
    };
    let Some((parent, name)) = split(path) else { return Err(missing) };
    match make_directory(place, &parent)?.create_dir(&name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    place.open_directory(path)
}

fn failure(place: &Place<'_>, error: &io::Error) -> Failure {
    match place.trouble(error) {
        Trouble::Outside => Failure::Outside(place.said.to_owned()),
        Trouble::Missing | Trouble::Other(_) => Failure::Write(format!("{}: {}", reason(error), place.said)),
    }
}
