//! `list_directory` and `glob_files`: what there is beneath a directory.
//! Reads no file but `.gitignore`; how entries are shown stands in `tooling`.

use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use cap_std::fs::{Dir, MetadataExt};

use super::roots::{Opened, Place, Roots};
use super::walk::{Entry, Ignored, Level, Step, Walk};
use crate::tooling::{
    Depth, EntryKind, Failure, Found, GlobFiles, IgnoreFiles, ListDirectory, Listing, NameGlob, Outcome, PathGlob,
};

/// Levels of a listing that goes on below its directory.
const LIST_DEPTH: usize = 4;

pub(super) fn list_directory(roots: &Roots, call: &ListDirectory, deadline: Instant) -> Result<Outcome, Failure> {
    let glob = call.pattern.as_deref().map(NameGlob::new).transpose()?;
    let place = roots.locate(&call.path)?;
    let dir = open_directory(&place)?;
    let depth = if call.depth == Depth::Below { LIST_DEPTH } else { 1 };
    let mut walk = Walk::new(&dir, Ignored::default(), deadline);
    let mut listing = Listing::default();
    while let Some(Level { step, entries, .. }) = walk.next() {
        for entry in &entries {
            if glob.as_ref().is_none_or(|glob| glob.matches(&entry.path)) {
                listing.push(&entry.path, entry.kind);
            }
        }
        if listing.is_full() {
            break;
        }
        if step.depth < depth {
            let below = entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
            below.for_each(|entry| walk.enter(step.below(entry.path, Ignored::default())));
        }
    }
    Ok(listing.finish(&call.path, walk.stop))
}

pub(super) fn glob_files(roots: &Roots, call: &GlobFiles, deadline: Instant) -> Result<Outcome, Failure> {
    let glob = PathGlob::new(&call.pattern)?;
    let place = roots.locate(&call.path)?;
    let dir = open_directory(&place)?;
    let base = Base::new(&place);
    let above = if call.ignore_files == IgnoreFiles::Honoured { base.ignored(&place) } else { Ignored::default() };
    let mut walk = Walk::new(&dir, above, deadline);
    let mut found = Found::default();
    while let Some(Level { step, dir, entries }) = walk.next() {
        let ignored = match call.ignore_files {
            IgnoreFiles::Honoured => step.ignored.with(&dir, &base.path.join(&step.path)),
            IgnoreFiles::PassedOver => Ignored::default(),
        };
        let entries = entries.into_iter().filter(|entry| glob.admits(&entry.name));
        let entries = entries.filter(|entry| !ignored.leaves_out(&base.path.join(&entry.path), entry.kind));
        for Entry { name, path, kind } in entries {
            match kind {
                EntryKind::Directory => walk.enter(step.below(path, ignored.clone())),
                EntryKind::File if glob.matches(&path) => {
                    let metadata = dir.symlink_metadata(&name).ok().filter(cap_std::fs::Metadata::is_file);
                    let changed = metadata.map(|metadata| (metadata.mtime(), metadata.mtime_nsec()));
                    changed.into_iter().for_each(|changed| found.push(named(place.said, &path), changed));
                }
                EntryKind::File | EntryKind::Link => {}
            }
        }
    }
    Ok(found.finish(&call.pattern, walk.stop))
}

impl Step {
    /// A directory in this one.
    pub(super) fn below(&self, path: PathBuf, ignored: Ignored) -> Self {
        Self { path, depth: self.depth + 1, ignored }
    }
}

/// Where a walk begins, as `.gitignore` files above it see it.
pub(super) struct Base {
    /// From the root on.
    pub path: PathBuf,
}

impl Base {
    /// The directory that a place is.
    pub fn new(place: &Place<'_>) -> Self {
        let parts: Vec<_> = place.path.components().filter(|part| *part != Component::CurDir).collect();
        // With a `..` in it a path says nothing of where it leads; then only files beneath it count.
        let is_plain = parts.iter().all(|part| matches!(part, Component::Normal(_)));
        Self { path: if is_plain { parts.iter().collect() } else { PathBuf::new() } }
    }

    /// What the files above it leave out.
    pub fn ignored(&self, place: &Place<'_>) -> Ignored {
        let mut above: Vec<&Path> = self.path.ancestors().skip(1).collect();
        above.reverse();
        above.into_iter().fold(Ignored::default(), |ignored, path| match place.open_directory(path) {
            Ok(dir) => ignored.with(&dir, path),
            Err(_) => ignored,
        })
    }
}

/// A path beneath a directory, as the model can name it, who wrote the directory like this.
pub(super) fn named(said: &str, path: &Path) -> PathBuf {
    let is_here = Path::new(said).components().all(|part| part == Component::CurDir);
    if is_here { path.to_owned() } else { Path::new(said).join(path) }
}

fn open_directory(place: &Place<'_>) -> Result<Dir, Failure> {
    match place.open() {
        Ok(Opened::Directory(dir)) => Ok(dir),
        Ok(Opened::File { .. } | Opened::Other) => Err(Failure::NotDirectory(place.said.to_owned())),
        Err(error) => Err(place.failure(&error, Failure::NoDirectory)),
    }
}
