//! A walk through directories, level by level, on their handles and without following links.
//! Knows no patterns: whoever walks says which directories are walked into. Ends at its limits and says why.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use cap_std::fs::Dir;

use super::PATIENCE;
use super::roots::open_no_link;
use crate::tooling::{EntryKind, IgnoreLines, Stop};

#[derive(Debug)]
pub(super) struct Walk<'a> {
    base: &'a Dir,
    deadline: Instant,
    waiting: VecDeque<Step>,
    entries: usize,
    pub stop: Option<Stop>,
}

/// A directory that is to be walked into.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// From the base on; empty for the base itself.
    pub path: PathBuf,
    pub depth: usize,
    pub ignored: Ignored,
}

/// A directory and what it holds: directories first, by name.
#[derive(Debug)]
pub(super) struct Level {
    pub step: Step,
    pub dir: Dir,
    pub entries: Vec<Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub name: PathBuf,
    /// From the base on.
    pub path: PathBuf,
    pub kind: EntryKind,
}

/// Entries of all directories together; a tree may have no end.
const ENTRIES_MAX: usize = 100_000;
/// Levels; a path that is longer than the system takes leads nowhere.
const DEPTH_MAX: usize = 64;

impl<'a> Walk<'a> {
    /// Begins in a directory.
    pub fn new(base: &'a Dir, ignored: Ignored, deadline: Instant) -> Self {
        let step = Step { path: PathBuf::new(), depth: 1, ignored };
        Self { base, deadline, waiting: VecDeque::from([step]), entries: 0, stop: None }
    }

    /// Walks into a directory later, behind all that wait.
    pub fn enter(&mut self, step: Step) {
        if step.depth <= DEPTH_MAX {
            self.waiting.push_back(step);
        }
    }

    /// The next directory. One that cannot be opened is passed over; None at the end, or when a limit is met.
    pub fn next(&mut self) -> Option<Level> {
        while self.stop.is_none() {
            let step = self.waiting.pop_front()?;
            if let Some(level) = self.open(step) {
                return Some(level);
            }
        }
        None
    }

    /// Whether there is no more time; then the walk has ended.
    pub fn is_late(&mut self) -> bool {
        if Instant::now() >= self.deadline {
            self.stop = Some(Stop::Seconds(PATIENCE.as_secs()));
        }
        self.stop.is_some()
    }

    fn open(&mut self, step: Step) -> Option<Level> {
        let dir = match step.path.as_os_str().is_empty() {
            true => self.base.try_clone().ok()?,
            false => {
                let opened = open_no_link(self.base, &step.path).ok()?;
                opened.metadata().ok()?.is_dir().then(|| Dir::from_std_file(opened))?
            }
        };
        let mut entries = Vec::new();
        for entry in dir.entries().ok()?.filter_map(Result::ok) {
            if self.is_late() {
                break;
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                self.stop = Some(Stop::Entries(ENTRIES_MAX));
                break;
            }
            let Ok(file_type) = entry.file_type() else { continue };
            let kind = match (file_type.is_dir(), file_type.is_symlink()) {
                (true, _) => EntryKind::Directory,
                (_, true) => EntryKind::Link,
                _ => EntryKind::File,
            };
            let name = PathBuf::from(entry.file_name());
            entries.push(Entry { path: step.path.join(&name), name, kind });
        }
        entries
            .sort_by(|a, b| (a.kind != EntryKind::Directory, &a.name).cmp(&(b.kind != EntryKind::Directory, &b.name)));
        Some(Level { step, dir, entries })
    }
}

/// What `.gitignore` files leave out, those of the directories above too. Without any, nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignored(Option<Rc<Lines>>);

#[derive(Debug)]
struct Lines {
    /// The file's directory, from where paths of the walk count.
    beneath: PathBuf,
    lines: IgnoreLines,
    above: Ignored,
}

/// Bytes of one such file that are read.
const IGNORE_BYTES_MAX: u64 = 256 << 10;

impl Ignored {
    /// With the lines of a directory's own file, if it has one. `path` is the directory's.
    pub fn with(&self, dir: &Dir, path: &Path) -> Self {
        match read_lines(dir) {
            Some(lines) => Self(Some(Rc::new(Lines { beneath: path.to_owned(), lines, above: self.clone() }))),
            None => self.clone(),
        }
    }

    /// Whether an entry is left out. `path` counts from where the files' directories do.
    pub fn leaves_out(&self, path: &Path, kind: EntryKind) -> bool {
        let mut files = self;
        while let Some(file) = &files.0 {
            let beneath = path.strip_prefix(&file.beneath).ok();
            if let Some(is_left_out) = beneath.and_then(|path| file.lines.leaves_out(path, kind)) {
                return is_left_out;
            }
            files = &file.above;
        }
        false
    }
}

fn read_lines(dir: &Dir) -> Option<IgnoreLines> {
    use std::io::Read;
    let file = open_no_link(dir, Path::new(".gitignore")).ok()?;
    let mut bytes = Vec::new();
    file.metadata().ok()?.is_file().then_some(())?;
    file.take(IGNORE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    IgnoreLines::read(&bytes)
}
