//! Ollama as a server: a chat as it is asked there, and what it answers as OpenAI's API says it.
//! Decides nothing about tools, and opens no connection.

mod show;

pub use show::{Description, question};

use crate::api::openai::Usage;
use crate::limits::Limits;
use bytes::Bytes;

/// Where chats are asked.
pub const CHAT: &str = "/api/chat";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    pub num_ctx: Option<u64>,
    pub keep_alive: Option<String>,
    pub truncate: Option<bool>,
    pub options: Vec<(String, String)>,
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thinking {
    #[default]
    Levels,
    Switch,
    None,
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unservable {
    pub param: &'static str,
    pub message: String,
}
pub fn request(_chat: &[u8], _defaults: &Defaults, _thinking: Thinking) -> Result<Bytes, Unservable> {
    Ok(Bytes::new())
}
#[derive(Debug)]
pub struct Answer;
impl Answer {
    pub fn new(_usage: Usage, _limits: &Limits) -> Self {
        Self
    }
    pub fn push(&mut self, _bytes: &[u8], _out: &mut Vec<u8>) {}
    pub fn finish(&mut self, _out: &mut Vec<u8>) {}
    pub fn is_done(&self) -> bool {
        false
    }
    pub fn is_empty(&self) -> bool {
        false
    }
}
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    pub body: String,
    pub complaint: Option<Complaint>,
    pub signin: Option<String>,
}
pub fn refusal(status: u16, body: &[u8]) -> Refusal {
    Refusal { status, body: String::from_utf8_lossy(body).into_owned(), complaint: None, signin: None }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    Tools,
    Thinking,
    ThinkLevel,
    Parser,
}
