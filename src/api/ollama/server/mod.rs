//! Ollama as a server: a chat as it is asked there, and what it answers as OpenAI's API says it.
//! Decides nothing about tools, and opens no connection.

/// Where chats are asked.
pub const CHAT: &str = "/api/chat";
