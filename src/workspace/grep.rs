//! `grep_search`: lines of files that match an expression, in files that are open already.
//! Memory does not grow with files or their lines; how matches are shown stands in `tooling`.
//!
//! Files that people do not look at (hidden ones, and those that `.gitignore` leaves out) are searched last: what is
//! asked for is in the others, as a rule, and the number of files is limited.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::time::Instant;

use cap_std::fs::Dir;
use grep_matcher::{LineTerminator, Matcher};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkMatch};

use super::find::{Base, named};
use super::read::{is_binary, read_head};
use super::roots::{Opened, Roots, open_no_link};
use super::walk::{Entry, Ignored, Level, Step, Walk};
use crate::tooling::{EntryKind, Expression, Failure, GrepSearch, Matches, NameGlob, Outcome, Stop, is_hidden, shown};

/// Files that are looked into.
const FILES_MAX: usize = 1_000;
/// Bytes of a line that are held; a file with a longer one is searched no further.
const LINE_BYTES_MAX: usize = 16 << 20;

pub(super) fn grep_search(roots: &Roots, call: &GrepSearch, deadline: Instant) -> Result<Outcome, Failure> {
    let mut search = Search::new(call, deadline)?;
    let place = roots.locate(&call.path)?;
    let stop = match place.open() {
        Ok(Opened::Directory(dir)) => {
            let base = Base::new(&place);
            let mut walk = Walk::new(&dir, base.ignored(&place), deadline);
            search.look_through(&mut walk, &dir, &base);
            search.stop.or(walk.stop)
        }
        Ok(Opened::File { file, .. }) => {
            if search.wants(&place.path) {
                search.look_into(file, Path::new(place.said));
            }
            search.stop
        }
        Ok(Opened::Other) => return Err(Failure::NotFile(place.said.to_owned())),
        Err(error) => return Err(place.failure(&error, Failure::NoPath)),
    };
    Ok(search.matches.finish(&call.pattern, stop))
}

struct Search<'a> {
    call: &'a GrepSearch,
    expression: Expression,
    glob: Option<NameGlob>,
    searcher: Searcher,
    matches: Matches,
    deadline: Instant,
    stop: Option<Stop>,
}

impl<'a> Search<'a> {
    fn new(call: &'a GrepSearch, deadline: Instant) -> Result<Self, Failure> {
        let expression = Expression::new(&call.pattern, call.case)?;
        let glob = call.file_pattern.as_deref().map(NameGlob::new).transpose()?;
        let mut searcher = SearcherBuilder::new();
        searcher.line_terminator(LineTerminator::crlf()).heap_limit(Some(LINE_BYTES_MAX));
        searcher.binary_detection(BinaryDetection::quit(0));
        searcher.before_context(call.context_lines).after_context(call.context_lines);
        let (searcher, matches) = (searcher.build(), Matches::new(call.context_lines));
        Ok(Self { call, expression, glob, searcher, matches, deadline, stop: None })
    }

    fn look_through(&mut self, walk: &mut Walk<'_>, base: &Dir, from: &Base) {
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        while let Some(Level { step, dir, entries }) = walk.next() {
            let ignored = step.ignored.with(&dir, &from.path.join(&step.path));
            for Entry { name, path, kind } in entries {
                let is_later = is_hidden(&name) || ignored.leaves_out(&from.path.join(&path), kind);
                match kind {
                    EntryKind::Directory if is_later => directories.push(step.below(path, Ignored::default())),
                    EntryKind::Directory => walk.enter(step.below(path, ignored.clone())),
                    EntryKind::File if !self.wants(&path) => {}
                    EntryKind::File if is_later => files.push(path),
                    EntryKind::File => self.open(&dir, &name, &path),
                    EntryKind::Link => {}
                }
            }
            if self.is_over() {
                return;
            }
        }
        files.iter().for_each(|path| self.open(base, path, path));
        self.look_through_rest(walk, directories);
    }

    /// In there nothing tells one file from another any more.
    fn look_through_rest(&mut self, walk: &mut Walk<'_>, directories: Vec<Step>) {
        directories.into_iter().for_each(|step| walk.enter(step));
        while !self.is_over()
            && let Some(Level { step, dir, entries }) = walk.next()
        {
            for Entry { name, path, kind } in entries {
                match kind {
                    EntryKind::Directory => walk.enter(step.below(path, Ignored::default())),
                    EntryKind::File if self.wants(&path) => self.open(&dir, &name, &path),
                    EntryKind::File | EntryKind::Link => {}
                }
            }
        }
    }

    fn wants(&self, path: &Path) -> bool {
        self.glob.as_ref().is_none_or(|glob| glob.matches(path))
    }

    fn is_over(&self) -> bool {
        self.stop.is_some() || self.matches.is_full()
    }

    /// Searches a file of a directory, if it is one still; `path` counts from where the search began.
    fn open(&mut self, dir: &Dir, name: &Path, path: &Path) {
        if self.is_over() {
            return;
        }
        let Ok(file) = open_no_link(dir, name) else { return };
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            self.look_into(file, &named(&self.call.path, path));
        }
    }

    /// Searches an open file; `said` is its name for the model.
    fn look_into(&mut self, mut file: File, said: &Path) {
        if self.matches.files() >= FILES_MAX {
            self.stop = Some(Stop::Files(FILES_MAX));
            return;
        }
        let head = match read_head(&mut file) {
            Ok(head) if !is_binary(&head) => head,
            _ => return,
        };
        self.matches.begin_file(shown(said));
        let mut reader = Timed { reader: Cursor::new(head).chain(file), deadline: self.deadline };
        let lines = Lines { expression: &self.expression, matches: &mut self.matches };
        // A file that cannot be read to its end has been searched as far as it could.
        let _ = self.searcher.search_reader(self.expression.matcher(), &mut reader, lines);
        if Instant::now() >= self.deadline {
            self.stop = Some(Stop::Seconds(super::PATIENCE.as_secs()));
        }
    }
}

/// A file that ends when there is no more time.
struct Timed<R> {
    reader: R,
    deadline: Instant,
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline { Ok(0) } else { self.reader.read(into) }
    }
}

/// Takes the lines that the searcher finds.
struct Lines<'a> {
    expression: &'a Expression,
    matches: &'a mut Matches,
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, searcher: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        if self.matches.is_full() {
            return Ok(false);
        }
        let line = found.bytes();
        let at = self.expression.matcher().find(line).ok().flatten().map_or(0, |place| place.start());
        self.matches.matched(found.line_number().unwrap_or_default(), line, at);
        // The last one's lines behind it are still to come.
        Ok(searcher.after_context() > 0 || !self.matches.is_full())
    }

    fn context(&mut self, _: &Searcher, found: &SinkContext<'_>) -> io::Result<bool> {
        if self.matches.is_full() && *found.kind() == SinkContextKind::Before {
            return Ok(false);
        }
        self.matches.context(found.line_number().unwrap_or_default(), found.bytes());
        Ok(true)
    }
}
