//! Clients of Ollama's API: what they ask as OpenAI's API says it, and what they are answered.
//! Decides nothing about tools, and knows no server.

use crate::engine::Options;
use crate::limits::Limits;
use bytes::Bytes;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Chat,
    Generate,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub page: Page,
    pub model: String,
    pub is_streamed: bool,
}
#[derive(Debug)]
pub enum Request {
    Chat { body: Bytes, told: Told },
    Completion { body: Bytes, told: Told },
    Load { model: String, told: Told },
    Unload { model: String, told: Told },
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub status: u16,
    pub message: String,
}
pub fn request(_page: Page, _body: &[u8], _options: &Options) -> Result<Request, Mistake> {
    Err(Mistake { status: 400, message: String::new() })
}
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub unix: Duration,
    pub since: Duration,
    pub waited: Duration,
}
#[derive(Debug)]
pub struct Lines;
impl Lines {
    pub fn new(_told: Told, _limits: &Limits) -> Self {
        Self
    }
    pub fn push(&mut self, bytes: Bytes, _now: Moment) -> Bytes {
        bytes
    }
    pub fn finish(&mut self, _now: Moment) -> Bytes {
        Bytes::new()
    }
    pub fn is_done(&self) -> bool {
        false
    }
}
pub fn whole(_told: &Told, body: &[u8], _now: Moment) -> Bytes {
    Bytes::copy_from_slice(body)
}
pub fn error(_status: u16, body: &[u8], _model: Option<&str>) -> Bytes {
    Bytes::copy_from_slice(body)
}
pub fn keep_alive(_told: &Told, _now: Moment) -> Bytes {
    Bytes::new()
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedPage {
    Embed,
    Embeddings,
}
