//! Surroundings of a value: what a value stands in: the markers around it, what its schema says, and what may be done
//! to it. Reads nothing.

use std::fmt::Debug;

use super::Behind;
use crate::json::Kinds;
use crate::scan::FirstBytes;

/// What the schema says about places in the value.
pub trait Types {
    /// A place in the schema.
    type Place: Copy + Debug;
    fn property(&self, at: Self::Place, key: &str) -> Self::Place;
    fn item(&self, at: Self::Place) -> Self::Place;
    /// The kinds of value allowed at a place; empty when nothing is said.
    fn kinds(&self, at: Self::Place) -> Kinds;
    /// Whether the object at a place has a property of this name by its schema.
    fn declares(&self, _at: Self::Place, _key: &str) -> bool {
        false
    }
    /// Whether text that stands where a call may begin is the beginning of one. Whitespace before it is left out.
    fn begins_call(&self, _text: &str) -> Begins {
        Begins::No
    }
}

/// Nothing is known of types.
#[derive(Clone, Copy, Debug)]
pub struct Untyped;

impl Types for Untyped {
    type Place = ();
    fn property(&self, (): (), _key: &str) {}
    fn item(&self, (): ()) {}
    fn kinds(&self, (): ()) -> Kinds {
        Kinds::NONE
    }
}

/// What surrounds the value, and what may be done to it.
#[derive(Clone, Copy, Debug)]
pub struct Syntax<'a, T> {
    pub types: &'a T,
    /// Markers that end the value wherever they stand outside a string.
    pub closers: &'a [String],
    /// Markers that open a call, of which a string may speak.
    pub openers: &'a [String],
    /// A delimiter of strings inside which nothing is escaped.
    pub quote: Option<&'a str>,
    /// Tokens that may follow the closers at the very end of what was generated.
    pub end_tokens: &'a [String],
    /// What all of these begin with.
    pub first_bytes: &'a FirstBytes,
    /// The markers that may stand behind the value.
    pub behind: &'a Behind,
    /// Objects that the value stands in, whose closers follow it.
    pub outer: u32,
    /// What knows how another call begins.
    pub calls: Option<&'a dyn Calls>,
    /// Whether a word without quotes can be a string.
    pub words: Words,
    pub mode: Mode,
    pub depth_max: usize,
    /// Bytes of a word or key that are kept undecided.
    pub word_max: usize,
}

/// What a word is that is neither a number nor a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// It cannot be read.
    Unreadable,
    /// It is a string where the schema allows one.
    Strings,
}

/// What happens to what cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading stops there.
    Strict,
    /// It becomes a JSON string of its source.
    Total,
}

/// Whether a call begins with a text, its name included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    Yes,
    No,
    /// More of it will tell.
    Perhaps,
}

/// Knows how a call begins.
pub trait Calls: Debug {
    /// Whether a call begins with `text`, whose first character is its brace.
    fn begins(&self, text: &str) -> Begins;
}
