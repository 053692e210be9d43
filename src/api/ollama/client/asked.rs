//! What a client asked, as far as it decides how it is answered.

/// The page that it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/api/chat`.
    Chat,
    /// `/api/generate`.
    Generate,
}

/// How an answer is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub page: Page,
    /// As the client wrote it; it gets the same back.
    pub model: String,
    /// Whether it comes in lines.
    pub is_streamed: bool,
}
