//! What a sandbox is made of: the operator's part, handed from stage to stage.
//! Puts nothing up; the stages do. There is no secret in it, since anybody may read a command line.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

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
    pub read: Vec<PathBuf>,
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

/// A directory of the workspace, at its own path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Root {
    pub path: PathBuf,
    /// The same without links, where that is another.
    pub canonical: Option<PathBuf>,
    pub write: bool,
}

const TMP: &str = "/tmp";

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
        let scratch = match &kind {
            // A directory of its own in there will be made for each command.
            Kind::Landlock => env::temp_dir(),
            Kind::Namespaces { .. } if workspace.directories().any(is_shared) => PathBuf::from("/.scratch"),
            Kind::Namespaces { .. } => PathBuf::from(TMP),
        };
        let roots = workspace.directories().map(|directory| Root {
            path: directory.path.to_owned(),
            canonical: (directory.canonical != directory.path).then(|| directory.canonical.to_owned()),
            write: directory.can_write,
        });
        Ok(Self {
            kind,
            roots: roots.collect(),
            read: commands.read.clone(),
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
        let roots = self.roots.iter().flat_map(Root::paths);
        roots.chain(self.read.iter().map(PathBuf::as_path)).any(|shown| path.starts_with(shown))
    }
}

impl Root {
    /// All the paths at which it is to be seen.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [Some(self.path.as_path()), self.canonical.as_deref()].into_iter().flatten()
    }
}

/// The program of a name, by the process's own `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
