//! Clients of Anthropic's API: what they ask as OpenAI's API says it, and what they are answered.
//! Decides nothing about tools, and knows no server.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTools {
    #[default]
    Refuse,
    Drop,
}
