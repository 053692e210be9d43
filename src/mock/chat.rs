//! The mock's chat completions: finds the answer, generates it, and writes it when it is wanted whole.
//! Obeys `stream`, `stream_options`, `n` and the limits of tokens; every other field is ignored.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Connection, Reply, Request};
use super::machine::Machine;
use super::model::Model;
use super::pages::{CONTEXT_TOKENS, FINGERPRINT, unix_seconds};
use super::script::{Answer, Conversation};
use super::stream::{Ending, Prefilling, Stream};
use super::{After, write};

#[derive(Debug, Deserialize)]
pub(super) struct Body {
    messages: Option<Vec<Message>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    tools: Option<Value>,
    n: Option<u32>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    return_progress: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    role: String,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    tool_calls: Value,
}

impl Model {
    /// Answers one chat request. `number` makes its id.
    pub(super) async fn chat(&self, connection: &mut Connection, request: &Request, number: u64) -> io::Result<After> {
        let (answer, body) = match self.find(request) {
            Ok(found) => found,
            Err(reply) => return write(connection, request, &reply).await,
        };
        let streamed = body.stream.unwrap_or(false);
        if let Some(failure) = answer.error.as_ref().filter(|failure| !streamed || failure.after.is_none()) {
            let reply = Reply::error(failure.status, &failure.kind, &failure.message);
            return write(connection, request, &reply).await;
        }
        let choices = body.n.unwrap_or(1);
        let prompt = body.prompt();
        let lease = tokio::select! {
            lease = self.machine.claim(&prompt, choices) => lease,
            () = connection.gone() => return Ok(After::Close),
            () = self.machine.killed() => return write(connection, request, &Reply::cut_off(request)).await,
        };
        let limit = body.max_completion_tokens.or(body.max_tokens);
        let mut generation = self.generation(answer, answer.tokens(), limit, prompt.len(), lease.cached_bytes);
        generation.choices = choices;
        lease.remember(&generation.said());
        log::debug!("mock: {} {} 200, answer {:?}", request.method, request.path(), answer.when);
        let id = format!("chatcmpl-{number:032}");
        if !streamed {
            return self.write_whole(connection, request, generation, &id).await;
        }
        let usage = body.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        let ending = if usage { Ending::Usage } else { Ending::Timings };
        let stream = Stream::new(connection, generation, &id, &self.script.model, ending);
        stream.write(if body.return_progress.unwrap_or(false) { Prefilling::Told } else { Prefilling::Silent }).await
    }

    /// One choice of an answer of these tokens to a prompt of so many bytes; a limit that is none is the context.
    pub(super) fn generation<'a>(
        &'a self,
        answer: &'a Answer,
        tokens: Cow<'a, [String]>,
        limit: Option<i64>,
        prompt_bytes: usize,
        cached_bytes: usize,
    ) -> Generation<'a> {
        let context = i64::from(CONTEXT_TOKENS);
        let limit = limit.filter(|limit| (0..context).contains(limit)).unwrap_or(context);
        Generation {
            answer,
            tokens,
            choices: 1,
            limit: usize::try_from(limit).unwrap_or_default(),
            written: 0,
            prefill: Prefill::new(prompt_bytes, cached_bytes, self.script.prefill_tokens_per_second),
            started: Instant::now(),
            machine: &self.machine,
        }
    }

    async fn write_whole(
        &self,
        connection: &mut Connection,
        request: &Request,
        mut generation: Generation<'_>,
        id: &str,
    ) -> io::Result<After> {
        let mut content = String::new();
        let mut pause = generation.prefill(connection).await;
        while let (Pause::Over, Some(token)) = (pause, generation.next()) {
            content.push_str(token);
            pause = generation.pause(connection).await;
        }
        match pause {
            Pause::Over => {}
            Pause::Left => return Ok(After::Close),
            Pause::Killed => return write(connection, request, &Reply::cut_off(request)).await,
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
        body.messages.as_ref().ok_or_else(|| invalid("'messages' is required"))?;
        let slots = u32::from(self.script.slots);
        if let Some(n) = body.n.filter(|n| !(1..=slots).contains(n)) {
            return Err(invalid(&format!("Field 'n': Value must be between 1 <= value <= {slots}, but got {n}")));
        }
        match self.script.select(&body.conversation(text)) {
            Some(answer) => Ok((answer, body)),
            None => Err(invalid("the script has no answer for this conversation")),
        }
    }
}

impl Body {
    /// What conditions look at; `text` is the request's body as it was sent.
    pub fn conversation<'a>(&self, text: &'a str) -> Conversation<'a> {
        let messages = self.messages.as_deref().unwrap_or_default();
        Conversation {
            user: messages.iter().filter(|message| message.role == "user").map(Message::text).collect(),
            newest: messages.last().map(Message::text).unwrap_or_default(),
            body: text,
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.messages.as_ref().is_none_or(Vec::is_empty)
    }

    /// What the model reads, near enough that two turns of a conversation share what the real prompts share.
    pub fn prompt(&self) -> String {
        let mut prompt = self.tools.as_ref().map(Value::to_string).unwrap_or_default();
        for message in self.messages.iter().flatten() {
            let calls = if message.tool_calls.is_null() { String::new() } else { message.tool_calls.to_string() };
            let _ = write!(prompt, "{}\n{}{calls}", message.role, message.text());
        }
        prompt
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

/// What is written, and how much of it has been.
pub(super) struct Generation<'a> {
    pub answer: &'a Answer,
    tokens: Cow<'a, [String]>,
    pub choices: u32,
    /// Tokens in the answer, at most.
    limit: usize,
    pub written: usize,
    pub prefill: Prefill,
    pub started: Instant,
    machine: &'a Machine,
}

/// How a wait in an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    Over,
    /// The client has left.
    Left,
    /// The server was killed.
    Killed,
}

/// The reading of a prompt, in tokens.
#[derive(Clone, Copy)]
pub(super) struct Prefill {
    pub prompt: usize,
    pub cached: usize,
    /// With what was cached.
    read: usize,
    pub takes: Duration,
}

impl Prefill {
    fn new(prompt_bytes: usize, cached_bytes: usize, tokens_per_second: Option<NonZeroU32>) -> Self {
        let prompt = (prompt_bytes / TOKEN_BYTES).max(1);
        // The last token is always read: something must come of it.
        let cached = (cached_bytes / TOKEN_BYTES).min(prompt - 1);
        let unread = u32::try_from(prompt - cached).unwrap_or(u32::MAX);
        let takes = tokens_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(1) * unread / rate.get());
        Self { prompt, cached, read: cached, takes }
    }
}

impl Generation<'_> {
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

    /// Why it ends here: what the script says once all is written, else `length`.
    pub fn finish_reason(&self) -> &str {
        let whole = !self.answer.looped && self.written >= self.tokens.len();
        if whole { self.answer.finish.as_deref().unwrap_or("stop") } else { "length" }
    }

    /// OpenAI's `usage` object, in tokens as far as it was written.
    pub fn usage(&self) -> Value {
        let (prompt, completion) = (self.prefill.prompt, self.written);
        json!({
            "completion_tokens": completion,
            "prompt_tokens": prompt,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": { "cached_tokens": self.prefill.cached },
        })
    }

    /// llama.cpp's `timings` object: tokens, and milliseconds since the prompt was read.
    pub fn timings(&self) -> Value {
        let ms = self.started.elapsed().as_secs_f64() * 1e3;
        json!({
            "cache_n": self.prefill.cached,
            "prompt_n": self.prefill.prompt - self.prefill.cached,
            "prompt_ms": self.prefill.takes.as_secs_f64() * 1e3,
            "predicted_n": self.written,
            "predicted_ms": ms,
        })
    }

    /// What will have been said, as the next turn's prompt has it.
    pub fn said(&self) -> String {
        format!("assistant\n{}", self.tokens.concat())
    }

    /// Waits for the time that reading the prompt takes.
    pub async fn prefill(&mut self, connection: &mut Connection) -> Pause {
        let mut pause = Pause::Over;
        while pause == Pause::Over && self.is_reading() {
            pause = self.read_batch(connection).await;
        }
        pause
    }

    /// Whether some of the prompt is still to be read.
    pub fn is_reading(&self) -> bool {
        self.prefill.read < self.prefill.prompt
    }

    /// Waits for the time that one batch of the prompt takes.
    pub async fn read_batch(&mut self, connection: &mut Connection) -> Pause {
        let Prefill { prompt, cached, read, takes } = self.prefill;
        let batch = BATCH_TOKENS.min(prompt - read);
        let tokens = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let pause = self.wait(takes * tokens(batch) / tokens(prompt - cached), connection).await;
        self.prefill.read += batch;
        self.started = Instant::now();
        pause
    }

    /// llama.cpp's `prompt_progress` object: tokens, and the milliseconds that the read ones took.
    pub fn progress(&self) -> Value {
        let Prefill { prompt, cached, read, takes } = self.prefill;
        let share = f64::from(u32::try_from(read - cached).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(prompt - cached).unwrap_or(u32::MAX));
        let ms = (takes.as_secs_f64() * share * 1e3).round();
        json!({ "total": prompt, "cache": cached, "processed": read, "time_ms": ms })
    }

    /// Waits for the time of one token.
    pub async fn pause(&self, connection: &mut Connection) -> Pause {
        self.wait(Duration::from_millis(self.answer.delay_ms), connection).await
    }

    /// Waits.
    pub async fn wait(&self, time: Duration, connection: &mut Connection) -> Pause {
        if time.is_zero() {
            return Pause::Over;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Pause::Over,
            () = connection.gone() => Pause::Left,
            () = self.machine.killed() => Pause::Killed,
        }
    }
}

/// How much of a prompt is read at a time, as by default.
const BATCH_TOKENS: usize = 2048;
/// About as many as real ones have.
const TOKEN_BYTES: usize = 4;
