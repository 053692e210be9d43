//! `toolgate decode`: a model's text in, the message that a client gets out.
//! Decodes nothing itself: the text goes through `answer` as an upstream's reply, as in the proxy.

mod jsonl;

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value, json};
use structopt::StructOpt;

use super::{CliError, dialect, print, read_file, read_stdin};
use crate::answer::{BodyRewriter, StreamRewriter};
use crate::api::openai::{self, Folded, FoldedMessage, Folder};
use crate::decode::Settings;
use crate::dialect::Dialects;
use crate::limits::Limits;
use crate::plan::{Agent, AgentFormat, Asked, Exchange, FormatError};
use crate::schema::Tools;

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// A name out of `toolgate dialects`, or a dialect file
    #[structopt(long, value_name = "NAME", required_unless = "jsonl")]
    dialect: Option<String>,

    /// The tools of the request, as OpenAI writes them; without it no text is a call
    #[structopt(long, value_name = "FILE")]
    tools: Option<PathBuf>,

    /// Writes calls as text, as a client gets them that asks for it: a format, a dialect, or tags `BEFORE,BEHIND`
    #[structopt(long, value_name = "FORMAT")]
    to: Option<String>,

    /// Streams the text in pieces of so many characters
    #[structopt(long, value_name = "N")]
    chunk: Option<std::num::NonZeroUsize>,

    /// Reads one JSON object a line and writes one a line:
    /// {"id", "dialect", "tools", "text" or "chunks", "finish", "parallel_tool_calls", "reasoning", "stream",
    /// "agent_format" or "tool_call_tags"}
    #[structopt(long, conflicts_with_all = &["dialect", "tools", "chunk", "to"])]
    jsonl: bool,
}

impl Options {
    /// Reads the model's text from stdin and prints the message. Fails when a file or stdin cannot be read, when the
    /// dialect is unknown, and when the answer holds no message; of lines, when any of them failed.
    pub fn run(self) -> Result<(), CliError> {
        let Some(name) = self.dialect.filter(|_| !self.jsonl) else { return jsonl::run() };
        let dialect = dialect(&name)?;
        let openai::Tools(tools) = match self.tools {
            Some(path) => serde_json::from_str(&read_file(&path)?).map_err(|error| CliError::file(&path, error))?,
            None => openai::Tools::default(),
        };
        let format = self.to.as_deref().map(format).transpose()?.unwrap_or_default();
        let exchange = exchange(Settings::new(dialect, Tools::new(tools)), format);
        let text = String::from_utf8(read_stdin()?).map_err(|_| CliError::NotText)?;
        let message = match self.chunk {
            None => whole(&exchange, &text, "stop")?,
            Some(size) => {
                let characters: Vec<char> = text.chars().collect();
                let pieces: Vec<String> = characters.chunks(size.get()).map(|piece| piece.iter().collect()).collect();
                streamed(&exchange, &pieces, "stop")?
            }
        };
        print(format!("{:#}\n", openai_message(message)).as_bytes())
    }
}

/// Why an answer holds no message. Only an answer over a limit can be like that.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the answer is an error: {0}")]
    Reported(Value),
    #[error("the answer has no message")]
    NoMessage,
    #[error("the answer ends without `[DONE]`")]
    NoEnd,
}

/// The message of a reply that comes whole.
fn whole(exchange: &Exchange, text: &str, finish: &str) -> Result<FoldedMessage, AnswerError> {
    let answer = json!({"role": "assistant", "content": text});
    let body = json!({
        "id": ID, "object": "chat.completion", "created": 0, "model": MODEL,
        "choices": [{"index": 0, "message": answer, "finish_reason": finish}],
    });
    let mut rewriter = BodyRewriter::new(exchange, &Limits::default());
    let mut out = BytesMut::new();
    out.extend_from_slice(&rewriter.push(body.to_string().into()));
    rewriter.finish(&mut out);
    message(Folded::from_body(&out))
}

/// The message of a reply that is streamed, a piece of text in each chunk.
fn streamed(exchange: &Exchange, pieces: &[String], finish: &str) -> Result<FoldedMessage, AnswerError> {
    let mut rewriter = StreamRewriter::new(exchange, &Limits::default());
    let mut out = BytesMut::new();
    out.extend_from_slice(&rewriter.push(chunk(&json!({"role": "assistant", "content": null}), None)));
    for piece in pieces {
        out.extend_from_slice(&rewriter.push(chunk(&json!({"content": piece}), None)));
    }
    out.extend_from_slice(&rewriter.push(chunk(&json!({}), Some(finish))));
    out.extend_from_slice(&rewriter.push(Bytes::from_static(b"data: [DONE]\n\n")));
    rewriter.finish(&mut out);
    let mut folder = Folder::new(Limits::default().answer_bytes_max);
    folder.push(out.freeze());
    let folded = folder.finish();
    if !folded.done && folded.error.is_none() {
        return Err(AnswerError::NoEnd);
    }
    message(folded)
}

fn message(mut folded: Folded) -> Result<FoldedMessage, AnswerError> {
    match folded.error {
        Some(error) => Err(AnswerError::Reported(error)),
        None => folded.messages.remove(&0).ok_or(AnswerError::NoMessage),
    }
}

fn chunk(delta: &Value, finish: Option<&str>) -> Bytes {
    let chunk = json!({
        "id": ID, "object": "chat.completion.chunk", "created": 0, "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    });
    format!("data: {chunk}\n\n").into()
}

/// A format by its name, or tags.
fn format(written: &str) -> Result<AgentFormat, FormatError> {
    let asked = if written.contains(',') { Asked::Tags(written) } else { Asked::Format(written) };
    AgentFormat::asked(asked, Agent::default(), &Dialects::builtin())
}

fn exchange(decoding: Settings, format: AgentFormat) -> Exchange {
    Exchange { format, ..Exchange::new(decoding) }
}

const ID: &str = "chatcmpl-decode";
const MODEL: &str = "decode";

/// As it stands in an answer: what is absent has no key, but for `content`.
fn openai_message(message: FoldedMessage) -> Value {
    let mut fields = Map::new();
    fields.insert("role".into(), "assistant".into());
    fields.insert("content".into(), message.content.into());
    if let Some(reasoning) = message.reasoning {
        fields.insert("reasoning_content".into(), reasoning.into());
    }
    if !message.tool_calls.is_empty() {
        fields.insert("tool_calls".into(), json!(message.tool_calls));
    }
    Value::Object(fields)
}
