//! Head of a request, as far as its plan depends on it.

/// What a request's head says, as far as a plan depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub operation: Operation,
    pub page: Page,
    pub conversation: Conversation,
}

/// What a request has a model generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Chat,
    Completion,
    /// Nothing, as far as is known.
    Other,
}

/// Which page a browser shows that sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The gateway's own, or none.
    Own,
    /// Of another origin: only the server knows whether it may read the answer, so it hears nothing of the gateway's.
    Foreign,
}

/// Whether a request names the conversation whose stream it wants kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversation {
    Unnamed,
    Named,
}

impl Head {
    /// Of a chat completion that says nothing else.
    pub const CHAT: Self = Self { operation: Operation::Chat, page: Page::Own, conversation: Conversation::Unnamed };
}
