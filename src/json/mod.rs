//! JSON: finding where a value ends, changing single members, escaping text into a string, repairing what a model wrote.
//! Builds no tree.

mod depth;
mod edits;
mod escape;
mod extent;
mod lexer;
mod object;
mod part;
mod prefix;
pub mod repair;
mod tokens;
mod unescape;

pub use depth::Depth;
pub use edits::Edits;
pub use escape::{escape_into, is_plain, write_string};
pub use extent::Extent;
pub use lexer::{Lexer, Part};
#[cfg(test)]
pub(crate) use object::counted;
pub use object::{Edit, Object, array, inside, string};
pub use part::elements;
pub use prefix::Prefix;
pub use tokens::{Spacing, Token, tokens, write_spaced};
pub use unescape::{is_well_formed, unescape_into};

/// A set of JSON value kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    pub const NONE: Self = Self(0);
    pub const NULL: Self = Self(1);
    pub const BOOLEAN: Self = Self(2);
    pub const INTEGER: Self = Self(4);
    /// Any number, integers included.
    pub const NUMBER: Self = Self(4 | 8);
    pub const STRING: Self = Self(16);
    pub const ARRAY: Self = Self(32);
    pub const OBJECT: Self = Self(64);
    pub const EVERY: Self = Self(1 | 2 | 4 | 8 | 16 | 32 | 64);

    /// Whether no kind at all is in this set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Whether every kind in `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Whether any kind in `other` is in this set.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    /// The kinds that are in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// The kinds that are in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// The kinds that are in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
