//! Ollama's API, from both of its ends. Both meet at OpenAI's chat requests and chunks.

pub mod client;
pub mod lines;
pub mod server;
