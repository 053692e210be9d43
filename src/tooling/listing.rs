//! What a directory holds, and which files were found, as text.
//! Walks nothing. A name is the work of whoever made the file: what could forge a line of its own is escaped.

use std::cmp::Reverse;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::outcome::{Outcome, Stop};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Directory,
    File,
    /// A symbolic link, wherever it leads.
    Link,
}

/// The text of a listing, made as entries come.
#[derive(Debug, Default)]
pub struct Listing {
    lines: Vec<String>,
    entries: usize,
}

/// Entries that are shown, and to which they are counted.
const ENTRIES_SHOWN: usize = 500;
const ENTRIES_COUNTED: usize = 10_000;

impl Listing {
    /// Takes the next entry, in the order in which they are shown. The path counts from the directory that is listed.
    pub fn push(&mut self, path: &Path, kind: EntryKind) {
        self.entries += 1;
        if self.entries <= ENTRIES_SHOWN {
            let path = shown(path);
            self.lines.push(match kind {
                EntryKind::Directory => format!("[DIR]  {path}/"),
                EntryKind::File => format!("[FILE] {path}"),
                EntryKind::Link => format!("[LINK] {path}"),
            });
        }
    }

    /// Whether more entries would change nothing.
    pub fn is_full(&self) -> bool {
        self.entries >= ENTRIES_COUNTED
    }

    /// The whole text. `path` is the directory's, as the model wrote it.
    pub fn finish(self, path: &str, stop: Option<Stop>) -> Outcome {
        let mut text = match self.entries {
            0 => format!("Directory is empty or no files match pattern: {path}"),
            _ => self.lines.join("\n"),
        };
        if self.entries > ENTRIES_SHOWN {
            let _ = write!(text, "\n\n[Showing {ENTRIES_SHOWN} of {} entries]", self.entries);
        }
        stop.iter().for_each(|stop| text.push_str(&stop.to_string()));
        Outcome::done(text)
    }
}

/// Files that were found, each with the time of its last change.
#[derive(Debug)]
pub struct Found<T> {
    files: Vec<(Reverse<T>, PathBuf)>,
}

/// Files that are shown.
const FILES_SHOWN: usize = 200;

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { files: Vec::new() }
    }
}

impl<T: Ord> Found<T> {
    /// Takes a file, in any order. `path` is as the model can name it.
    pub fn push(&mut self, path: PathBuf, changed: T) {
        self.files.push((Reverse(changed), path));
    }

    /// The whole text, newest first.
    pub fn finish(mut self, pattern: &str, stop: Option<Stop>) -> Outcome {
        self.files.sort();
        let lines: Vec<_> = self.files.iter().take(FILES_SHOWN).map(|(_, path)| shown(path)).collect();
        let mut text = match lines.is_empty() {
            true => format!("No files found matching pattern: {pattern}"),
            false => lines.join("\n"),
        };
        if self.files.len() > FILES_SHOWN {
            let _ = write!(text, "\n\n[Showing {FILES_SHOWN} of {} matches]", self.files.len());
        }
        stop.iter().for_each(|stop| text.push_str(&stop.to_string()));
        Outcome::done(text)
    }
}

/// A path in one line of text.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().fold(String::new(), |mut out, character| {
        match character.is_control() {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_forges_no_line() {
        let mut listing = Listing::default();
        listing.push(Path::new("a\n[DIR]  b\u{1b}"), EntryKind::File);
        assert_eq!(listing.finish(".", None).text, "[FILE] a\\n[DIR]  b\\u{1b}");
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let mut listing = Listing::default();
        while !listing.is_full() {
            listing.push(Path::new("a"), EntryKind::Link);
        }
        let text = listing.finish(".", Some(Stop::Seconds(10))).text;
        assert!(text.ends_with("\n[LINK] a\n\n[Showing 500 of 10000 entries]\n\n[Stopped after 10 s]"), "{text}");
        let empty = Listing::default().finish("d/", None);
        assert_eq!((empty.text.as_str(), empty.is_error), ("Directory is empty or no files match pattern: d/", false));
    }

    #[test]
    fn the_newest_comes_first() {
        let mut found = Found::default();
        [("b", 1), ("a", 1), ("c", 2)].into_iter().for_each(|(path, changed)| found.push(path.into(), changed));
        assert_eq!(found.finish("*", None).text, "c\na\nb");
        assert_eq!(Found::<u8>::default().finish("*.x", None).text, "No files found matching pattern: *.x");
    }
}
