//! What a sandbox is made of: the operator's part, handed from stage to stage.
//! Puts nothing up; the stages do. There is no secret in it, since anybody may read a command line.

use std::env;
use std::fs;
use std::io;
use std::iter;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, CWD, Mode, OFlags, ResolveFlags, access, openat2};
use rustix::process::getuid;
use serde::{Deserialize, Serialize};

use super::order::Writing;
use super::{Missing, family, landlocked};
use crate::config::{self, Sandbox};
use crate::workspace::{Directory, Workspace};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Walls {
    pub kind: Kind,
    pub roots: Vec<Root>,
    /// What may be read and run besides.
    pub read: Vec<Root>,
    pub network: bool,
    pub memory_bytes_max: u64,
    pub processes_max: u32,
    /// The command's own directory for temporary files.
    pub scratch: PathBuf,
}

/// What holds a command from outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Kind {
    Namespaces { bwrap: PathBuf },
    Landlock,
}

/// What a sandbox shows, at its own path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Root {
    pub path: PathBuf,
    /// The same without links, as it was when the cage was opened. It is opened by this, and by no link that has been put
    /// there since.
    pub canonical: PathBuf,
    pub write: bool,
}

/// To be shown, and neither read nor written.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const TMP: &str = "/tmp";
/// Where temporary files may be, when commands may move what is in the usual place.
const TEMPORARY: [&str; 3] = ["/var/tmp", "/dev/shm", "/run"];

impl Walls {
    /// Fails when something that they need is not there.
    pub fn new(commands: &config::Commands, workspace: &Workspace) -> Result<Self, Missing> {
        let kind = match commands.sandbox {
            Sandbox::Landlock => {
                landlocked::check()?;
                family::check()?;
                Kind::Landlock
            }
            _ => Kind::Namespaces { bwrap: find("bwrap").ok_or(Missing::Bubblewrap)? },
        };
        let is_shared =
            |root: Directory<'_>| Path::new(TMP).starts_with(root.path) || Path::new(TMP).starts_with(root.canonical);
        let roots: Vec<_> = workspace.directories().map(Root::of).collect();
        let read: Vec<_> = commands.read.iter().filter_map(|path| Root::readable(path)).collect();
        refuse_nested(&roots, &read)?;
        let scratch = match &kind {
            // A directory of its own in there will be made for each command.
            Kind::Landlock => temporary(&roots)?,
            Kind::Namespaces { .. } if workspace.directories().any(is_shared) => PathBuf::from("/.scratch"),
            Kind::Namespaces { .. } => PathBuf::from(TMP),
        };
        Ok(Self {
            kind,
            roots,
            read,
            network: commands.network,
            memory_bytes_max: commands.memory_bytes_max,
            processes_max: commands.processes_max,
            scratch,
        })
    }

    /// Reads what [`Walls::text`] has written.
    pub fn read(text: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// As it stands on a command line.
    pub fn text(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// The same, for what may write no more than that.
    pub fn writing(mut self, writing: Writing) -> Self {
        let is_allowed = writing == Writing::Configured;
        self.roots.iter_mut().for_each(|root| root.write &= is_allowed);
        self
    }

    /// Whether only the supervisor counts a command's processes, and the system does not.
    pub fn are_counted(&self) -> bool {
        matches!(self.kind, Kind::Landlock) || getuid().is_root()
    }

    /// Whether a path is beneath what the sandbox shows.
    pub fn show(&self, path: &Path) -> bool {
        self.roots.iter().chain(&self.read).flat_map(Root::paths).any(|shown| path.starts_with(shown))
    }
}

impl Root {
    /// All the paths at which it is to be seen.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let canonical = (self.canonical != self.path).then_some(self.canonical.as_path());
        iter::once(self.path.as_path()).chain(canonical)
    }

    /// Opens it, by no link.
    pub fn open(&self) -> io::Result<OwnedFd> {
        Ok(openat2(CWD, &self.canonical, HANDLE, Mode::empty(), ResolveFlags::NO_SYMLINKS)?)
    }

    fn of(directory: Directory<'_>) -> Self {
        let (path, canonical) = (directory.path.to_owned(), directory.canonical.to_owned());
        Self { path, canonical, write: directory.can_write }
    }

    /// What is to be read at a path; none where there is nothing.
    fn readable(path: &Path) -> Option<Self> {
        Some(Self { path: path.to_owned(), canonical: fs::canonicalize(path).ok()?, write: false })
    }

    /// Whether its path leads through a directory.
    fn is_within(&self, outer: &Self) -> bool {
        self.paths().any(|path| outer.paths().any(|outer| path.starts_with(outer)))
    }
}

/// Whoever may move a directory leads what is beneath it elsewhere; and what Landlock lets be written is written beneath,
/// whatever else is said there.
fn refuse_nested(roots: &[Root], read: &[Root]) -> Result<(), Missing> {
    for (number, outer) in roots.iter().enumerate().filter(|(_, outer)| outer.write) {
        let others = roots.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, other)| other);
        if let Some(inner) = others.chain(read).find(|inner| inner.is_within(outer)) {
            return Err(Missing::Apart { inner: inner.path.clone(), outer: outer.path.clone() });
        }
    }
    Ok(())
}

/// Where directories for temporary files are made: no command may move them. Without links, as roots.
fn temporary(roots: &[Root]) -> Result<PathBuf, Missing> {
    let places = [env::temp_dir()].into_iter().chain(TEMPORARY.map(PathBuf::from));
    let places =
        places.filter_map(|place| fs::canonicalize(place).ok()).filter(|place| access(place, Access::WRITE_OK).is_ok());
    let is_movable =
        |place: &Path| roots.iter().filter(|root| root.write).any(|root| place.starts_with(&root.canonical));
    places.into_iter().find(|place| !is_movable(place)).ok_or(Missing::Temporary)
}

/// The program of a name, by the process's own `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
