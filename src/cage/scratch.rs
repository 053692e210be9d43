//! A command's directory for temporary files, where its sandbox has none of its own: made for it, and removed after it.
//! Shows it to nobody; the walls do.

use std::ffi::{CStr, CString};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmod, openat, renameat, unlinkat};
use rustix::io::Errno;

pub(super) struct Scratch {
    pub path: PathBuf,
}

/// How long its removal may take: a command may have made more than can be removed in any time.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Names of a directory that are read at once.
const NAMES: usize = 4_096;

impl Scratch {
    /// Makes one in a folder.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let mut random = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("toolgate-{name}"));
        // What is there by that name was put there by somebody else, and then this fails.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Removes it, with whatever a command has left there. Fails with what is in the way, and leaves the rest.
    pub fn remove(self) -> io::Result<()> {
        let failed = |error: io::Error| io::Error::other(format!("{} is left: {error}", self.path.display()));
        let removal = Removal::new(&self.path, Instant::now() + REMOVAL_TIMEOUT);
        removal.and_then(Removal::empty).and_then(|()| fs::remove_dir(&self.path)).map_err(failed)
    }
}

/// The removal of all that is in a directory. What is in a directory of it is moved up to it first, so that no more than a
/// few descriptors are open, and no path is long, however deep it was.
struct Removal {
    top: OwnedFd,
    deadline: Instant,
    /// Names that have been tried for what is moved up.
    moved: u64,
}

impl Removal {
    fn new(path: &Path, deadline: Instant) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        Ok(Self { top: open(CWD, &path)?, deadline, moved: 0 })
    }

    fn empty(mut self) -> io::Result<()> {
        loop {
            let names = names(&self.top)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                if !self.unlink(&self.top, &name)? {
                    self.flatten(&name)?;
                    unlinkat(&self.top, &name, AtFlags::REMOVEDIR)?;
                }
            }
        }
    }

    /// Empties a directory at the top: its files go, its directories come to the top.
    fn flatten(&mut self, name: &CStr) -> io::Result<()> {
        let directory = open(&self.top, name)?;
        loop {
            let names = names(&directory)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                if !self.unlink(&directory, &name)? {
                    // It is written to as well: what is above it changes.
                    open(&directory, &name)?;
                    self.move_up(&directory, &name)?;
                }
            }
        }
    }

    fn move_up(&mut self, from: &OwnedFd, name: &CStr) -> io::Result<()> {
        loop {
            self.moved += 1;
            match renameat(from, name, &self.top, self.moved.to_string()) {
                // The command has used that name. An empty directory gives way.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                done => return Ok(done?),
            }
        }
    }

    /// Removes a file. False where it is a directory. Fails when the time is over.
    fn unlink(&self, directory: &OwnedFd, name: &CStr) -> io::Result<bool> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::ISDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Opens a directory, and no link to one, for its owner to do everything with, whatever its mode was.
fn open(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    chmod(format!("/proc/self/fd/{}", directory.as_raw_fd()), Mode::RWXU)?;
    Ok(directory)
}

/// Some of the names in a directory; none when it is empty.
fn names(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let names =
        Dir::new(openat(directory, c".", flags, Mode::empty())?)?.map(|entry| Ok(entry?.file_name().to_owned()));
    let is_other =
        |name: &io::Result<CString>| !name.as_ref().is_ok_and(|name| [c".", c".."].contains(&name.as_c_str()));
    names.filter(is_other).take(NAMES).collect()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::os::unix::fs::symlink;

    use super::*;

    fn scratch() -> Scratch {
        Scratch::new(&env::temp_dir()).unwrap()
    }

    /// A chain of directories, by the descriptor of each: their path is longer than any may be.
    fn dig(path: &Path) {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        let name = CString::new("d".repeat(200)).unwrap();
        let mut directory = open(CWD, &path).unwrap();
        for _ in 0..300 {
            rustix::fs::mkdirat(&directory, &name, Mode::RWXU).unwrap();
            directory = open(&directory, &name).unwrap();
        }
    }

    #[test]
    fn whatever_is_left_is_removed_and_nothing_else() {
        let (kept, scratch) = (scratch(), scratch());
        fs::write(kept.path.join("file"), "kept").unwrap();
        let inside = |name: &str| scratch.path.join(name);
        symlink(&kept.path, inside("link")).unwrap();
        fs::create_dir_all(inside("a/b/c")).unwrap();
        symlink(&kept.path, inside("a/b/link")).unwrap();
        // Names that things are moved up to.
        ["1", "2", "a/b/1"].into_iter().for_each(|name| fs::write(inside(name), "").unwrap());
        fs::create_dir_all(inside("3/4")).unwrap();
        for number in 0..NAMES + 1 {
            fs::write(inside("a").join(format!("f{number}")), "").unwrap();
        }
        // Nobody but root could open them.
        chmod(inside("a/b"), Mode::empty()).unwrap();
        chmod(inside("a"), Mode::empty()).unwrap();
        let path = scratch.path.clone();
        chmod(&path, Mode::empty()).unwrap();
        scratch.remove().unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read_to_string(kept.path.join("file")).unwrap(), "kept");
        kept.remove().unwrap();
    }

    #[test]
    fn a_chain_of_any_depth_is_removed() {
        let scratch = scratch();
        dig(&scratch.path);
        let path = scratch.path.clone();
        scratch.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_takes_too_long_is_left_and_said() {
        let scratch = scratch();
        fs::write(scratch.path.join("file"), "").unwrap();
        let error = Removal::new(&scratch.path, Instant::now()).unwrap().empty().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        chmod(&scratch.path, Mode::RWXU).unwrap();
        fs::remove_file(scratch.path.join("file")).unwrap();
        scratch.remove().unwrap();
        let gone = Scratch { path: "/nowhere/scratch".into() };
        assert!(gone.remove().unwrap_err().to_string().starts_with("/nowhere/scratch is left: "));
    }
}
