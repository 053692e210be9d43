//! Clients of Anthropic's API: what they ask as OpenAI's API says it, and what they are answered.
//! Decides nothing about tools, and knows no server.
use crate::limits::Limits;
use bytes::Bytes;
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTools {
    #[default]
    Refuse,
    Drop,
}
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub model: String,
    pub is_streamed: bool,
    pub max_tokens: u64,
    pub fills_cache: bool,
    pub prefill: Option<String>,
}
pub struct Server {
    pub messages: crate::engine::Messages,
    pub sees: Option<bool>,
    pub thinks: Option<bool>,
    pub server_tools: ServerTools,
}
pub struct Asked {
    pub body: Bytes,
    pub told: Told,
    pub ignored: Vec<String>,
}
#[derive(Clone, Debug)]
pub struct Mistake {
    pub status: u16,
    pub message: String,
}
pub fn request(_body: &[u8], _server: &Server) -> Result<Asked, Mistake> {
    Err(Mistake { status: 400, message: String::new() })
}
pub fn count_request(_body: &[u8], _server: &Server) -> Result<Asked, Mistake> {
    Err(Mistake { status: 400, message: String::new() })
}
pub fn session(_body: &[u8]) -> Option<String> {
    None
}
pub fn model(_body: &[u8]) -> Result<String, Mistake> {
    Ok(String::new())
}
pub fn counted(_tokens: u64) -> Bytes {
    Bytes::new()
}
pub fn estimate(_chat: &[u8]) -> u64 {
    0
}
pub struct Model {
    pub id: String,
    pub created: u64,
    pub context: Option<u64>,
}
pub fn models(_models: &[Model], _query: &str) -> Bytes {
    Bytes::new()
}
pub fn model_entry(_model: &Model) -> Bytes {
    Bytes::new()
}
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    pub context: Option<u64>,
}
#[derive(Clone, Debug, Default)]
pub struct Start {
    pub id: String,
}
impl Start {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn event(&self, _told: &Told) -> Bytes {
        Bytes::new()
    }
}
#[derive(Debug)]
pub struct Events;
impl Events {
    pub fn new(_told: &Told, _facts: Facts, _limits: &Limits) -> Self {
        Self
    }
    pub fn begun(_told: &Told, _start: &Start, _facts: Facts, _limits: &Limits) -> Self {
        Self
    }
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        bytes
    }
    pub fn finish(&mut self) -> Bytes {
        Bytes::new()
    }
    pub fn is_done(&self) -> bool {
        false
    }
}
pub fn has_images(_body: &[u8]) -> bool {
    false
}
pub fn ping() -> &'static str {
    ""
}
pub fn whole(_told: &Told, _facts: Facts, body: &[u8]) -> Bytes {
    Bytes::copy_from_slice(body)
}
pub struct Refusal {
    pub status: u16,
    pub body: Bytes,
    pub should_retry: Option<bool>,
}
pub fn error(status: u16, body: &[u8], _request_id: &str) -> Refusal {
    Refusal { status, body: Bytes::copy_from_slice(body), should_retry: None }
}
