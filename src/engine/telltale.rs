//! Telltales: by what a server of an engine is known.
//! Data only; whoever asks a server compares what it says with every row.

/// A page by which an engine is known.
#[derive(Debug)]
pub struct Telltale {
    pub path: &'static str,
    /// What the object there has. Where it is a text, it is the version.
    pub member: &'static str,
    /// A page that says more, where others have the first one too.
    pub greeting: Option<Greeting>,
}

/// A page of plain text that says one thing.
#[derive(Debug)]
pub struct Greeting {
    pub path: &'static str,
    pub says: &'static str,
}

/// Whom a server calls the owner of its models (`owned_by`, in its list of them at `/v1/models`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It says this, and no other engine does.
    Is(&'static str),
    /// It says something of each.
    Any,
    /// It may say anything, or nothing.
    Untold,
}

impl Owner {
    /// Whether an engine of these owners may have listed models, each of which has the owner `told` or none.
    pub fn may_have<'t>(self, told: impl IntoIterator<Item = Option<&'t str>>) -> bool {
        let mut told = told.into_iter();
        match self {
            Self::Is(owner) => told.any(|other| other == Some(owner)),
            Self::Any => told.all(|owner| owner.is_some()),
            Self::Untold => true,
        }
    }
}
