//! Constraints: what a server can be told that an answer may be, and where a request has it.
//! Makes none.

/// A member of a request's body that constrains the answer, with what is made for it inside.
#[derive(Debug)]
pub struct ConstraintMember {
    pub key: &'static str,
    /// The member around it.
    pub(super) around: [&'static str; 2],
}

impl ConstraintMember {
    /// The member's value for a constraint, given as JSON.
    pub fn value(&self, constraint: &str) -> String {
        let [before, after] = self.around;
        format!("{before}{constraint}{after}")
    }
}

/// What a server is told that an answer may be, the weaker first. It stands, too, for the strongest that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constraint {
    /// Nothing, or what the client says.
    #[default]
    None,
    /// An object, by a JSON schema.
    Schema,
    /// A text, by a grammar in GBNF or xgrammar's EBNF, which read the same.
    Grammar,
}

impl Constraint {
    /// What a server is given that has refused nothing.
    pub const STRONGEST: Self = Self::Grammar;

    /// What is left for a server that has refused this.
    pub fn weaker(self) -> Self {
        match self {
            Self::Grammar => Self::Schema,
            Self::Schema | Self::None => Self::None,
        }
    }
}
