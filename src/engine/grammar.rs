//! Grammars for servers that let a model write nothing else: where a request has one, and whether a server takes it.
//! Makes none.

/// The member of a request's body that has a grammar in it, as GBNF or as xgrammar's EBNF, which read the same text.
#[derive(Debug)]
pub struct GrammarMember {
    pub key: &'static str,
    /// The member around the grammar, which is a JSON string.
    pub(super) around: [&'static str; 2],
    /// Members that say what an answer may be in other ways, and go.
    pub instead_of: &'static [&'static str],
}

impl GrammarMember {
    /// The member's value for a grammar, given as JSON.
    pub fn value(&self, grammar: &str) -> String {
        let [before, after] = self.around;
        format!("{before}{grammar}{after}")
    }
}

/// Whether the server of a model is given grammars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grammars {
    #[default]
    Given,
    /// It has refused one.
    Withheld,
}
