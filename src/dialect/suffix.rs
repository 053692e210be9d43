//! The part of a dialect's markers that differs from checkpoint to checkpoint: `CHECKPOINT` in `<call:CHECKPOINT>`.
//! The first marker of an answer that has one says what it is, and the dialect is compiled with it then.

use std::sync::{Arc, OnceLock};

use super::{Dialect, DialectError, Spec};

/// What stands for it in a dialect file.
pub(super) const HOLE: &str = "{suffix}";

/// A dialect whose markers have a suffix.
#[derive(Debug)]
pub struct Suffixes {
    /// The dialect file.
    yaml: String,
    /// The markers with which an answer may tell its suffix: what stands before it, its first letter included, and what
    /// stands behind it.
    markers: Vec<(String, String)>,
    /// The dialect with the suffix that came first: a server's model has always the same.
    first: OnceLock<(String, Arc<Dialect>)>,
    begins: String,
}

/// Nobody has a longer one.
const SUFFIX_BYTES_MAX: usize = 64;

impl Suffixes {
    /// Of a dialect file whose suffixes begin so.
    pub(super) fn new(yaml: &str, begins: &str) -> Result<Self, DialectError> {
        // A letter that nobody uses, since a hole would be one of the prompt's too.
        const PLACE: &str = "\u{f8ff}";
        let spec = Spec::read(&yaml.replace(HOLE, PLACE))?;
        let reasoning = spec.reasoning.iter().flat_map(|block| block.open.iter().chain(&block.close));
        let sections = spec.section.iter().flat_map(|section| &section.open);
        let markers = reasoning.chain(sections).chain(&spec.call.open).filter_map(|marker| {
            let (before, behind) = marker.split_once(PLACE)?;
            Some((format!("{before}{begins}"), behind.to_owned()))
        });
        let markers = markers.collect();
        Ok(Self { yaml: yaml.into(), markers, first: OnceLock::new(), begins: begins.into() })
    }

    /// What the markers with a suffix begin with, its first letter included.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.markers.iter().map(|(head, _)| head.as_str())
    }

    /// Whether a suffix of which so much was read may go on with `c`.
    pub fn goes_on(read: &str, c: char) -> bool {
        read.len() < SUFFIX_BYTES_MAX && (c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    }

    /// The dialect with the suffix that an answer has told.
    pub fn known(&self) -> Option<&Dialect> {
        self.first.get().map(|(_, dialect)| &**dialect)
    }

    /// The dialect with a suffix that stands behind `head` and before `c`, if that is how it stands in a marker.
    pub fn fixed_by(&self, head: &str, suffix: &str, c: char) -> Option<Arc<Dialect>> {
        if suffix.is_empty() || !self.markers.iter().any(|(known, behind)| known == head && behind.starts_with(c)) {
            return None;
        }
        let compile = || {
            let yaml = self.yaml.replace(HOLE, &format!("{}{suffix}", self.begins));
            let spec = Spec { suffix: None, ..Spec::read(&yaml).ok()? };
            Dialect::compile(spec, None).ok().map(Arc::new)
        };
        match self.first.get() {
            Some((known, dialect)) if known == suffix => Some(Arc::clone(dialect)),
            Some(_) => compile(),
            None => {
                let dialect = compile()?;
                // Whoever else was as quick has compiled one like it.
                let _ = self.first.set((suffix.into(), Arc::clone(&dialect)));
                Some(dialect)
            }
        }
    }
}
