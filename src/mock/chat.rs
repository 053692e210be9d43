//! The mock's chat completions: finds the answer, generates it, and writes it when it is wanted whole.
//! Obeys `stream`, `stream_options`, `n` and the limits of tokens; every other field is ignored.

use std::borrow::Cow;
use std::io;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Connection, Reply, Request};
use super::pages::{CONTEXT_TOKENS, FINGERPRINT, unix_seconds};
use super::script::{Answer, Conversation};
use super::stream::{Ending, Stream};
use super::{After, Mock};

#[derive(Deserialize)]
struct Body {
    messages: Option<Vec<Message>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    role: String,
    #[serde(default)]
    content: Value,
}

impl Mock {
    /// Answers one chat request. `number` makes its id.
    pub(super) async fn chat(&self, connection: &mut Connection, request: &Request, number: u64) -> io::Result<After> {
        let (answer, body) = match self.find(request) {
            Ok(found) => found,
            Err(reply) => return refuse(connection, request, &reply).await,
        };
        let streamed = body.stream.unwrap_or(false);
        if let Some(failure) = answer.error.as_ref().filter(|failure| !streamed || failure.after.is_none()) {
            let reply = Reply::error(failure.status, &failure.kind, &failure.message);
            return refuse(connection, request, &reply).await;
        }
        let choices = body.n.unwrap_or(1);
        let _slots = tokio::select! {
            slots = self.slots.acquire_many(choices) => slots,
            () = connection.gone() => return Ok(After::Close),
        };
        let generation = Generation::new(answer, &body, choices, request.body.len());
        log::debug!("mock: {} {} 200, answer {:?}", request.method, request.path(), answer.when);
        let id = format!("chatcmpl-{number:032}");
        if !streamed {
            return self.write_whole(connection, request, generation, &id).await;
        }
        let usage = body.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        let ending = if usage { Ending::Usage } else { Ending::Timings };
        Stream::new(connection, generation, &id, &self.script.model, ending).write().await
    }

    async fn write_whole(
        &self,
        connection: &mut Connection,
        request: &Request,
        mut generation: Generation<'_>,
        id: &str,
    ) -> io::Result<After> {
        let mut content = String::new();
        while let Some(token) = generation.next() {
            content.push_str(token);
            if generation.pause(connection).await {
                return Ok(After::Close);
            }
        }
        let finish = generation.finish_reason();
        let message = json!({ "role": "assistant", "content": content });
        let choice = |index| json!({ "finish_reason": finish, "index": index, "message": message });
        let reply = Reply::json(&json!({
            "choices": (0..generation.choices).map(choice).collect::<Value>(),
            "created": unix_seconds(),
            "model": self.script.model,
            "system_fingerprint": FINGERPRINT,
            "object": "chat.completion",
            "usage": generation.usage(),
            "id": id,
            "timings": generation.timings(),
        }));
        if generation.answer.die_after.is_some() {
            connection.write_half(request, &reply).await?;
            return Ok(After::Close);
        }
        connection.write_reply(request, &reply).await?;
        Ok(After::Keep)
    }

    fn find(&self, request: &Request) -> Result<(&Answer, Body), Reply> {
        let invalid = |message: &str| Reply::error(400, "invalid_request_error", message);
        let text = str::from_utf8(&request.body).map_err(|error| invalid(&error.to_string()))?;
        let body: Body = serde_json::from_str(text).map_err(|error| invalid(&format!("parse error: {error}")))?;
        let messages = body.messages.as_ref().ok_or_else(|| invalid("'messages' is required"))?;
        let slots = u32::from(self.script.slots);
        if let Some(n) = body.n.filter(|n| !(1..=slots).contains(n)) {
            return Err(invalid(&format!("Field 'n': Value must be between 1 <= value <= {slots}, but got {n}")));
        }
        let conversation = Conversation {
            user: messages.iter().filter(|message| message.role == "user").map(Message::text).collect(),
            newest: messages.last().map(Message::text).unwrap_or_default(),
            body: text,
        };
        match self.script.select(&conversation) {
            Some(answer) => Ok((answer, body)),
            None => Err(invalid("the script has no answer for this conversation")),
        }
    }
}

impl Message {
    /// The text of a message, that of its parts joined.
    fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
            _ => String::new(),
        }
    }
}

async fn refuse(connection: &mut Connection, request: &Request, reply: &Reply) -> io::Result<After> {
    log::debug!("mock: {} {} {}", request.method, request.path(), reply.status);
    connection.write_reply(request, reply).await?;
    Ok(After::Keep)
}

/// What is written, and how much of it has been.
pub(super) struct Generation<'a> {
    pub answer: &'a Answer,
    tokens: Cow<'a, [String]>,
    pub choices: u32,
    /// Tokens in the answer, at most.
    limit: usize,
    pub written: usize,
    prompt_tokens: usize,
    started: Instant,
}

impl<'a> Generation<'a> {
    fn new(answer: &'a Answer, body: &Body, choices: u32, body_bytes: usize) -> Self {
        let context = i64::from(CONTEXT_TOKENS);
        let limit = body.max_completion_tokens.or(body.max_tokens).filter(|limit| (0..context).contains(limit));
        Self {
            answer,
            tokens: answer.tokens(),
            choices,
            limit: usize::try_from(limit.unwrap_or(context)).unwrap_or_default(),
            written: 0,
            prompt_tokens: body_bytes / 4,
            started: Instant::now(),
        }
    }

    /// The next token, or nothing at the end.
    pub fn next(&mut self) -> Option<&str> {
        if self.written == self.limit {
            return None;
        }
        let at = if self.answer.looped { self.written % self.tokens.len().max(1) } else { self.written };
        let token = self.tokens.get(at)?;
        self.written += 1;
        Some(token)
    }

    pub fn finish_reason(&self) -> &str {
        let whole = !self.answer.looped && self.written >= self.tokens.len();
        if whole { self.answer.finish.as_deref().unwrap_or("stop") } else { "length" }
    }

    pub fn usage(&self) -> Value {
        let (prompt, completion) = (self.prompt_tokens, self.written);
        json!({
            "completion_tokens": completion,
            "prompt_tokens": prompt,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": { "cached_tokens": 0 },
        })
    }

    pub fn timings(&self) -> Value {
        let ms = self.started.elapsed().as_secs_f64() * 1e3;
        json!({
            "cache_n": 0,
            "prompt_n": self.prompt_tokens,
            "prompt_ms": 0.0,
            "predicted_n": self.written,
            "predicted_ms": ms,
        })
    }

    /// Waits for the time of one token, and says whether the client left meanwhile.
    pub async fn pause(&self, connection: &mut Connection) -> bool {
        if self.answer.delay_ms == 0 {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(self.answer.delay_ms)) => false,
            () = connection.gone() => true,
        }
    }
}
