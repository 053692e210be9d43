//! The workspace: files and search beneath directories that were opened once.
//! Runs no command. What a call means and what it answers stands in `tooling`.
//!
//! No path is checked and then opened: the opening is the check. The system resolves every path beneath the handle of
//! its root (`openat2`), so neither `..` nor a link leads out of it, nor does one that is put there meanwhile.
//! Files are opened without waiting, and only regular ones are read: a pipe holds nobody up.
//! Behind that stands a second wall: whoever works on files is a thread that can open nothing else.

mod find;
mod grep;
mod read;
mod roots;
#[cfg(test)]
mod tests;
mod walk;
mod wall;
mod write;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use self::roots::Directory;

use self::roots::Roots;
use crate::config;
use crate::tooling::{Call, Failure, FileTool, Outcome};

/// The open directories, and what may be done beneath them.
#[derive(Debug, Default)]
pub struct Workspace {
    roots: Roots,
    file_bytes_max: usize,
}

/// A directory of the configuration that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("tools.workspace: `{}`: {error}", path.display())]
pub struct OpenError {
    path: PathBuf,
    error: io::Error,
}

/// How long a call may look around; what it has found by then is its answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

impl Workspace {
    /// Opens the directories that the configuration names. Fails when one is none, or may not be opened.
    pub fn open(settings: &config::Workspace) -> Result<Self, OpenError> {
        let roots = Roots::open(settings)?;
        Ok(Self { roots, file_bytes_max: settings.file_bytes_max })
    }

    /// The tools that there are: without a directory none, and those that change files only where files may be changed.
    pub fn tools(&self) -> impl Iterator<Item = FileTool> {
        let is_available = |tool: &FileTool| match tool.changes_files() {
            true => self.roots.can_write(),
            false => self.roots.can_read(),
        };
        FileTool::ALL.into_iter().filter(is_available)
    }

    /// The directories, the first of which is the one that relative paths count from.
    pub fn directories(&self) -> impl Iterator<Item = Directory<'_>> {
        self.roots.directories()
    }

    /// The directory that a path belongs to by its words, at its full path, and the rest of the path. Fails when it
    /// belongs to none; where its links lead, its opening says.
    pub fn locate(&self, said: &str) -> Result<(PathBuf, PathBuf), Failure> {
        let place = self.roots.locate(said)?;
        Ok((place.root_path().to_owned(), place.path))
    }

    /// Runs the tool of a name with arguments as the model wrote them, until the deadline.
    pub fn run(&self, name: &str, arguments: &str, deadline: Instant) -> Outcome {
        let Some(tool) = self.tools().find(|tool| tool.name() == name) else {
            return Failure::UnknownTool(name.to_owned()).into();
        };
        let call = Call::read(tool, arguments);
        match call.and_then(|call| self.behind_the_wall(|| self.call(&call, deadline)).and_then(|result| result)) {
            Ok(outcome) => outcome,
            Err(failure) => failure.into(),
        }
    }

    /// Does work that may open nothing but what is beneath the directories, by whatever path.
    fn behind_the_wall<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
        wall::behind(&self.roots, work).map_err(|error| {
            log::error!("the second wall of the workspace does not work: {error}");
            Failure::Sandbox
        })
    }

    fn call(&self, call: &Call, deadline: Instant) -> Result<Outcome, Failure> {
        match call {
            Call::Read(call) => read::read_file(&self.roots, call, deadline),
            Call::Write { path, content } => write::write_file(&self.roots, path, content, self.file_bytes_max),
            Call::Edit(call) => write::edit_file(&self.roots, call, self.file_bytes_max),
            Call::List(call) => find::list_directory(&self.roots, call, deadline),
            Call::Glob(call) => find::glob_files(&self.roots, call, deadline),
            Call::Grep(call) => grep::grep_search(&self.roots, call, deadline),
        }
    }
}
