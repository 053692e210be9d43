//! Marker scanner: finds markers in text that arrives in pieces.
//! Keeps no text: what is held back is a prefix of a marker, so the marker table already has it.
//!
//! The Aho-Corasick state is carried across pieces. When a piece ends in a state that is `k` bytes deep in
//! marker `M`, the held text *is* `M[..k]`, and a [`Cursor`] of eight bytes says so. What may go on is
//! arithmetic: everything read, less the depth of the state. The held suffix is the longest one that is a
//! prefix of a marker, so markers that overlap themselves are found too.
//!
//! ```
//! use toolgate::scan::Markers;
//!
//! let markers = Markers::new(["<call>"]).unwrap();
//! let mut cursor = markers.start();
//! let step = markers.step(&mut cursor, "a <ca");
//! assert_eq!((step.text, markers.held(cursor)), ("a ", "<ca"));
//! let step = markers.step(&mut cursor, "ll> b");
//! assert_eq!((step.found, step.rest), (Some(0), " b"));
//! ```

mod anchored;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored as Anchor, MatchKind};

pub use anchored::{Anchored, Begun, Next};

/// A set of markers, compiled.
#[derive(Debug, Clone)]
pub struct Markers {
    texts: Vec<String>,
    dfa: DFA,
    start: StateID,
    /// For each state that is inside a marker: which, and how deep. Sorted by state.
    depths: Vec<(StateID, Prefix)>,
    first_bytes: FirstBytes,
}

/// Where in which marker the text read so far ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Prefix {
    marker: u16,
    len: u16,
}

/// How far a scan has come: eight bytes, and all that is kept between two pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    state: StateID,
    held: Prefix,
}

impl Cursor {
    /// Whether nothing is held back: what comes next may as well be read with other markers.
    pub fn is_empty(self) -> bool {
        self.held.len == 0
    }
}

/// What one piece of text led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'m, 't> {
    /// Text that was held and turned out to be no marker; it comes before `text`.
    pub released: &'m str,
    /// Text that is no marker.
    pub text: &'t str,
    /// The marker that was found, by its place in the set. It stands after `text`.
    pub found: Option<usize>,
    /// What was not looked at, because a marker was found before it.
    pub rest: &'t str,
}

/// Why a set of markers is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MarkerError {
    #[error("a marker is empty")]
    Empty,
    #[error("marker `{0}` is longer than {MARKER_BYTES_MAX} bytes")]
    TooLong(String),
    #[error("more than {MARKERS_MAX} markers are active at once")]
    TooMany,
    #[error("marker `{inner}` stands twice")]
    Twice { inner: String },
    #[error("marker `{inner}` is a prefix of `{outer}`")]
    PrefixOf { inner: String, outer: String },
    #[error("marker `{inner}` is inside `{outer}`")]
    Inside { inner: String, outer: String },
    #[error("the markers cannot be compiled: {0}")]
    Automaton(String),
}

/// Bytes that can open a marker. Most pieces have none of them.
#[derive(Debug, Clone)]
pub struct FirstBytes {
    few: Few,
    table: [bool; 256],
}

/// The same, where they are few enough to search for directly.
#[derive(Debug, Clone, Copy)]
enum Few {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Not,
}

/// A marker that is longer is a mistake in a dialect file.
const MARKER_BYTES_MAX: usize = 256;
/// Each active marker costs automaton states.
const MARKERS_MAX: usize = 256;
/// Below this many bytes a table is faster than a direct search.
const SEARCH_MIN: usize = 16;

impl Markers {
    /// Compiles a set. A marker may be the suffix of another, in which case the longer one is found; a marker
    /// that is a prefix of another, or strictly inside it, would make the other unreachable and is refused.
    pub fn new<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Result<Self, MarkerError> {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        sound(&texts, hidden)?;
        let dfa = DFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(&texts)
            .map_err(|e| MarkerError::Automaton(e.to_string()))?;
        let start = dfa.start_state(Anchor::No).map_err(|e| MarkerError::Automaton(e.to_string()))?;
        let mut depths = Vec::new();
        for (marker, text) in (0u16..).zip(&texts) {
            let mut state = start;
            for (len, byte) in (1u16..).zip(text.bytes()) {
                state = dfa.next_state(Anchor::No, state, byte);
                depths.push((state, Prefix { marker, len }));
            }
        }
        depths.sort_by_key(|&(state, _)| state);
        depths.dedup_by_key(|&mut (state, _)| state);
        let first_bytes = FirstBytes::of(&texts);
        Ok(Self { texts, dfa, start, depths, first_bytes })
    }

    /// The cursor of a scan that has read nothing.
    pub fn start(&self) -> Cursor {
        Cursor { state: self.start, held: Prefix { marker: 0, len: 0 } }
    }

    /// The text that is held back at `cursor`.
    pub fn held(&self, cursor: Cursor) -> &str {
        let marker = self.texts.get(usize::from(cursor.held.marker)).map_or("", String::as_str);
        marker.get(..usize::from(cursor.held.len)).unwrap_or_default()
    }

    /// The text of marker `index`.
    pub fn text(&self, index: usize) -> &str {
        self.texts.get(index).map_or("", String::as_str)
    }

    /// Whether there is any marker to find.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Reads `text` up to the end of the first marker, or whole. After a marker the cursor is at the start.
    #[inline]
    pub fn step<'m, 't>(&'m self, cursor: &mut Cursor, text: &'t str) -> Step<'m, 't> {
        let bytes = text.as_bytes();
        let (mut state, mut at) = (cursor.state, 0);
        if state == self.start {
            at = self.first_bytes.find(bytes);
            if at == bytes.len() {
                return Step { released: "", text, found: None, rest: "" };
            }
        }
        let held = self.held(*cursor);
        loop {
            if state == self.start {
                at += self.first_bytes.find(bytes.get(at..).unwrap_or_default());
            }
            let Some(&byte) = bytes.get(at) else { break };
            state = self.dfa.next_state(Anchor::No, state, byte);
            at += 1;
            if self.dfa.is_special(state) && self.dfa.is_match(state) {
                let found = self.longest_match(state);
                *cursor = self.start();
                return release(held, text, at, self.text(found).len(), Some(found));
            }
        }
        let prefix = self.prefix_at(state);
        *cursor = Cursor { state, held: prefix };
        release(held, text, at, usize::from(prefix.len), None)
    }

    /// Whether nothing is held at `cursor` and no marker can begin in `text`.
    pub fn is_clear(&self, cursor: Cursor, text: &str) -> bool {
        cursor.state == self.start && self.first_bytes.find(text.as_bytes()) == text.len()
    }

    fn prefix_at(&self, state: StateID) -> Prefix {
        if state == self.start {
            return Prefix { marker: 0, len: 0 };
        }
        let place = self.depths.binary_search_by_key(&state, |&(s, _)| s).ok();
        debug_assert!(place.is_some(), "a state that is not the start is inside a marker");
        place.and_then(|i| self.depths.get(i)).map_or(Prefix { marker: 0, len: 0 }, |&(_, prefix)| prefix)
    }

    fn longest_match(&self, state: StateID) -> usize {
        let matches = (0..self.dfa.match_len(state)).map(|i| self.dfa.match_pattern(state, i).as_usize());
        matches.max_by_key(|&m| self.text(m).len()).unwrap_or_default()
    }
}

/// Splits what was read into what may go on and the last `keep` bytes, which are a marker or a part of one.
#[inline]
fn release<'m, 't>(held: &'m str, text: &'t str, read: usize, keep: usize, found: Option<usize>) -> Step<'m, 't> {
    debug_assert!(keep <= held.len() + read);
    let safe = (held.len() + read).saturating_sub(keep);
    let from_held = safe.min(held.len());
    let piece = |s: &'t str, from, to| s.get(from..to).unwrap_or_default();
    Step {
        released: held.get(..from_held).unwrap_or_default(),
        text: piece(text, 0, safe - from_held),
        found,
        rest: piece(text, read, text.len()),
    }
}

/// Why the scan for one marker would never find the other, if that is so.
pub fn hidden(inner: &str, outer: &str) -> Option<MarkerError> {
    let (inner, outer) = (inner.to_string(), outer.to_string());
    if outer.starts_with(&inner) {
        return Some(MarkerError::PrefixOf { inner, outer });
    }
    let body = outer.get(..outer.len().saturating_sub(1)).unwrap_or_default();
    body.contains(inner.as_str()).then_some(MarkerError::Inside { inner, outer })
}

/// Whether all of a set can be found; `hidden` says whether one marker hides another.
fn sound(texts: &[String], hidden: impl Fn(&str, &str) -> Option<MarkerError>) -> Result<(), MarkerError> {
    if texts.len() > MARKERS_MAX {
        return Err(MarkerError::TooMany);
    }
    for (i, inner) in texts.iter().enumerate() {
        if inner.is_empty() {
            return Err(MarkerError::Empty);
        }
        if inner.len() > MARKER_BYTES_MAX {
            return Err(MarkerError::TooLong(inner.clone()));
        }
        for (_, outer) in texts.iter().enumerate().filter(|&(j, _)| j != i) {
            if inner == outer {
                return Err(MarkerError::Twice { inner: inner.clone() });
            }
            if let Some(error) = hidden(inner, outer) {
                return Err(error);
            }
        }
    }
    Ok(())
}

impl FirstBytes {
    /// Those of no marker.
    pub const NONE: Self = Self { few: Few::Not, table: [false; 256] };

    /// Those of these markers.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        let mut bytes: Vec<u8> = texts.into_iter().filter_map(|t| t.bytes().next()).collect();
        bytes.sort_unstable();
        bytes.dedup();
        let few = match *bytes.as_slice() {
            [a] => Few::One(a),
            [a, b] => Few::Two(a, b),
            [a, b, c] => Few::Three(a, b, c),
            _ => Few::Not,
        };
        let mut table = [false; 256];
        for byte in bytes {
            if let Some(entry) = table.get_mut(usize::from(byte)) {
                *entry = true;
            }
        }
        Self { few, table }
    }

    /// Whether a marker can begin with `byte`.
    #[inline]
    pub fn has(&self, byte: u8) -> bool {
        self.table.get(usize::from(byte)) == Some(&true)
    }

    /// How many bytes cannot begin a marker.
    #[inline]
    fn find(&self, bytes: &[u8]) -> usize {
        let found = match self.few {
            Few::One(a) if bytes.len() >= SEARCH_MIN => memchr::memchr(a, bytes),
            Few::Two(a, b) if bytes.len() >= SEARCH_MIN => memchr::memchr2(a, b, bytes),
            Few::Three(a, b, c) if bytes.len() >= SEARCH_MIN => memchr::memchr3(a, b, c, bytes),
            _ => bytes.iter().position(|&byte| self.has(byte)),
        };
        found.unwrap_or(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a scan says of `pieces`, as one line.
    fn render(markers: &Markers, pieces: &[&str]) -> String {
        let mut out = String::new();
        let mut cursor = markers.start();
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let step = markers.step(&mut cursor, rest);
                out.push_str(step.released);
                out.push_str(step.text);
                let Some(found) = step.found else { break };
                out.push_str(&format!("[{found}]"));
                rest = step.rest;
            }
        }
        out + markers.held(cursor)
    }

    fn check_cuts(markers: &[&str], text: &str, expected: &str) {
        let set = Markers::new(markers.iter().copied()).expect("sound markers");
        assert_eq!(render(&set, &[text]), expected);
        let cuts: Vec<usize> = (0..=text.len()).filter(|&i| text.is_char_boundary(i)).collect();
        for &a in &cuts {
            for &b in cuts.iter().filter(|&&b| b >= a) {
                assert_eq!(render(&set, &[&text[..a], &text[a..b], &text[b..]]), expected, "cut at {a} and {b}");
            }
        }
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(render(&set, &letters), expected, "letter by letter");
    }

    #[test]
    fn finds_markers_however_the_text_is_cut() {
        check_cuts(&["<call>"], "a <call>b<cal <call", "a [0]b<cal <call");
        check_cuts(&["]<]m[>[", "<x>"], "a]<]<]m[>[b]<]<x>", "a]<[0]b]<][1]");
        check_cuts(&["<<f>"], "<<<f><<<<f>", "<[0]<<[0]");
        check_cuts(&["◁think▷", "｜a｜"], "é◁think▷｜｜a｜◁thin", "é[0]｜[1]◁thin");
        check_cuts(&["\n</p>", "</p>"], "x\n</p>y</p>\n\n</p>", "x[0]y[1]\n[0]");
        check_cuts(&["a", "b", "c", "d"], "xaxbxcxd", "x[0]x[1]x[2]x[3]");
        check_cuts(
            &["<call>"],
            "a long run of text that has no marker in it at all, but < and <c",
            "a long run of text that has no marker in it at all, but < and <c",
        );
    }

    #[test]
    fn holds_only_what_may_be_a_marker() {
        let set = Markers::new(["<call>", "</call>"]).unwrap();
        for (text, held) in [("a <", "<"), ("a <c", "<c"), ("<call", "<call"), ("<x", ""), ("</", "</"), ("<<", "<")] {
            let mut cursor = set.start();
            let step = set.step(&mut cursor, text);
            assert_eq!(set.held(cursor), held, "after {text}");
            assert_eq!(step.text.len() + held.len(), text.len());
        }
        assert_eq!(size_of::<Cursor>(), 8);
    }

    #[test]
    fn no_markers_is_a_set_that_finds_nothing() {
        let set = Markers::new(Vec::<String>::new()).unwrap();
        assert!(set.is_empty());
        assert_eq!(render(&set, &["any", "thing"]), "anything");
    }

    #[test]
    fn refuses_markers_that_hide_each_other() {
        let error = |texts: &[&str]| Markers::new(texts.iter().copied()).expect_err("must be refused").to_string();
        assert_eq!(error(&["<tool", "<tool>"]), "marker `<tool` is a prefix of `<tool>`");
        assert_eq!(error(&["b", "abc"]), "marker `b` is inside `abc`");
        assert_eq!(error(&["a", "a"]), "marker `a` stands twice");
        assert_eq!(error(&[""]), "a marker is empty");
        assert!(error(&[&"x".repeat(300)]).ends_with("is longer than 256 bytes"));
        assert!(Markers::new(["\n</p>", "</p>"]).is_ok(), "a suffix is fine");
    }
}
