//! Roots: the directories that were opened once, and how a path of the model's is opened beneath one.
//! Reads and writes no file.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::OpenError;
use crate::config;
use crate::tooling::Failure;

#[derive(Debug, Default)]
pub(super) struct Roots(Vec<Root>);

#[derive(Debug)]
pub(super) struct Root {
    dir: Dir,
    /// The full paths by which it can be named: as it was configured, and without links.
    names: [PathBuf; 2],
    can_write: bool,
}

/// A directory of the workspace, for whoever shows it to others.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    /// Full, as it was configured.
    pub path: &'a Path,
    /// The same without links.
    pub canonical: &'a Path,
    pub can_write: bool,
}

/// A path of the model's, beneath the root that it belongs to.
#[derive(Debug)]
pub(super) struct Place<'a> {
    root: &'a Root,
    /// From the root on; it may have `..` in it.
    pub path: PathBuf,
    /// As the model wrote it.
    pub said: &'a str,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Opened {
    File {
        file: File,
        bytes: u64,
    },
    Directory(Dir),
    /// A pipe, a socket, a device: nothing that is read.
    Other,
}

/// Why a path cannot be opened.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It leads out of its root.
    Outside,
    Missing,
    Other(String),
}

impl Roots {
    /// Opens all of them. Fails with the first that cannot be opened.
    pub fn open(settings: &config::Workspace) -> Result<Self, OpenError> {
        let roots = settings.root.iter().map(|root| (root, settings.write));
        let roots = roots.chain(settings.roots.iter().map(|root| (&root.path, root.write)));
        roots.map(|(path, can_write)| Root::open(path, can_write)).collect::<Result<_, _>>().map(Self)
    }

    /// Each of them, in their order.
    pub fn directories(&self) -> impl Iterator<Item = Directory<'_>> {
        self.0.iter().map(|root| {
            let [path, canonical] = &root.names;
            Directory { path, canonical, can_write: root.can_write }
        })
    }

    /// The open directories, and whether anything may be changed beneath them.
    pub fn handles(&self) -> impl Iterator<Item = (&Dir, bool)> {
        self.0.iter().map(|root| (&root.dir, root.can_write))
    }

    /// Whether there is one.
    pub fn can_read(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether files may be changed beneath any.
    pub fn can_write(&self) -> bool {
        self.0.iter().any(|root| root.can_write)
    }

    /// The place of a path. One that is not full counts from the first root. Fails when it is beneath no root by its
    /// words; whether it is by its links, the opening says.
    pub fn locate<'a>(&'a self, said: &'a str) -> Result<Place<'a>, Failure> {
        let path = Path::new(if said.is_empty() { "." } else { said });
        let outside = || Failure::Outside(said.to_owned());
        if !path.is_absolute() {
            let root = self.0.first().ok_or_else(outside)?;
            return Ok(Place { root, path: path.to_owned(), said });
        }
        let named = self.0.iter().flat_map(|root| root.names.iter().map(move |name| (root, name)));
        let named = named.filter_map(|(root, name)| Some((root, name, path.strip_prefix(name).ok()?)));
        // Of roots inside each other the innermost.
        let found = named.max_by_key(|(_, name, _)| name.components().count());
        let (root, _, beneath) = found.ok_or_else(outside)?;
        let mut path = beneath.to_owned();
        // A separator at the end says that a directory is meant.
        if path.as_os_str().is_empty() {
            path.push(".");
        } else if said.ends_with('/') {
            path.push("");
        }
        Ok(Place { root, path, said })
    }
}

impl Root {
    fn open(path: &Path, can_write: bool) -> Result<Self, OpenError> {
        let failed = |error| OpenError { path: path.to_owned(), error };
        let full = std::path::absolute(path).map_err(failed)?;
        let dir = Dir::open_ambient_dir(&full, ambient_authority()).map_err(failed)?;
        let canonical = full.canonicalize().map_err(failed)?;
        Ok(Self { dir, names: [full, canonical], can_write })
    }
}

impl Place<'_> {
    /// The full path of its root.
    pub fn root_path(&self) -> &Path {
        let [path, _] = &self.root.names;
        path
    }

    /// Fails where nothing may be written.
    pub fn check_write(&self) -> Result<(), Failure> {
        if self.root.can_write {
            return Ok(());
        }
        // What is outside is told so, whatever may be written.
        match self.open_directory(self.path.parent().unwrap_or(Path::new(""))).map_err(|error| self.trouble(&error)) {
            Err(Trouble::Outside) => Err(Failure::Outside(self.said.to_owned())),
            _ => Err(Failure::Write(format!("{} may be read only", self.said))),
        }
    }

    /// Opens what is there for reading, without waiting for whoever may be at the other end of it.
    pub fn open(&self) -> io::Result<Opened> {
        let file = match open_with(&self.root.dir, &self.path, OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(file) => file,
            // A socket, or a device without a driver.
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => return Ok(Opened::Other),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        Ok(match (metadata.is_file(), metadata.is_dir()) {
            (true, _) => Opened::File { file, bytes: metadata.len() },
            (_, true) => Opened::Directory(Dir::from_std_file(file)),
            _ => Opened::Other,
        })
    }

    /// Opens a directory beneath the same root.
    pub fn open_directory(&self, path: &Path) -> io::Result<Dir> {
        if path.as_os_str().is_empty() { self.root.dir.try_clone() } else { self.root.dir.open_dir(path) }
    }

    /// What an error of this path's opening says of it.
    pub fn trouble(&self, error: &io::Error) -> Trouble {
        match error.kind() {
            // The system's own refusals have a number; what leads out of a root is refused without one.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Trouble::Outside,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if leads_up(&self.path) => Trouble::Outside,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Trouble::Missing,
            _ => Trouble::Other(reason(error)),
        }
    }

    /// The failure of an opening; `missing` is what is said where nothing is there.
    pub fn failure(&self, error: &io::Error, missing: fn(String) -> Failure) -> Failure {
        let path = self.said.to_owned();
        match self.trouble(error) {
            Trouble::Outside => Failure::Outside(path),
            Trouble::Missing => missing(path),
            Trouble::Other(reason) => Failure::Unreadable { reason, path },
        }
    }
}

/// Opens what a directory holds for reading, unless it is a link; does not wait either.
pub(super) fn open_no_link(dir: &Dir, path: &Path) -> io::Result<File> {
    open_with(dir, path, OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW)
}

fn open_with(dir: &Dir, path: &Path, flags: OFlags) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    dir.open_with(path, &options).map(cap_std::fs::File::into_std)
}

/// What the system says is wrong, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Whether a path climbs out of where it begins, by its words.
fn leads_up(path: &Path) -> bool {
    let mut depth = 0_usize;
    path.components().any(|component| match component {
        Component::ParentDir => match depth.checked_sub(1) {
            Some(less) => {
                depth = less;
                false
            }
            None => true,
        },
        Component::Normal(_) => {
            depth += 1;
            false
        }
        _ => false,
    })
}
