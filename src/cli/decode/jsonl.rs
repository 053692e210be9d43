//! `toolgate decode --jsonl`: one case a line in, its message a line out.
//! A line that is wrong gets an error on its own line, and the next is read.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{CliError, dialect};
use super::{AnswerError, exchange, streamed, whole};
use crate::api::openai::{self, FoldedMessage};
use crate::chat::Calls;
use crate::decode::{Reasoning, Settings};
use crate::dialect::{Dialect, Dialects};
use crate::plan::{Agent, AgentFormat, Asked, FormatError};
use crate::schema::Tools;

/// One line. Keys that are not known are left alone, so that a table of tests can carry its own.
#[derive(Deserialize)]
struct Case {
    dialect: String,
    #[serde(default)]
    tools: Option<openai::Tools>,
    #[serde(default)]
    text: Option<String>,
    /// The text in pieces, which are streamed unless `stream` says otherwise.
    #[serde(default)]
    chunks: Option<Vec<String>>,
    #[serde(default)]
    finish: Finish,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    reasoning: ReasoningWord,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    agent_format: Option<String>,
    #[serde(default)]
    tool_call_tags: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: Value,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Finish {
    #[default]
    Stop,
    Length,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ReasoningWord {
    #[default]
    Auto,
    Off,
    Open,
}

/// Why a line has no message.
#[derive(Debug, thiserror::Error)]
enum CaseError {
    #[error("not a case: {0}")]
    Json(#[from] serde_json::Error),
    #[error("neither `text` nor `chunks`")]
    NoText,
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Cli(#[from] CliError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

pub(super) fn run() -> Result<(), CliError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    // To compile a dialect takes longer than to read a line.
    let mut dialects = HashMap::new();
    let (mut lines, mut failed) = (0, 0);
    for line in io::stdin().lock().split(b'\n') {
        let line = line.map_err(CliError::Stdin)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        lines += 1;
        let answer = answer(&line, &mut dialects);
        failed += usize::from(answer.get("error").is_some());
        // Whoever feeds line by line waits for the answer before the next.
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(CliError::Stdout)?;
    }
    if failed == 0 { Ok(()) } else { Err(CliError::Lines { failed, lines }) }
}

fn answer(line: &[u8], dialects: &mut HashMap<String, Arc<Dialect>>) -> Value {
    // Read by itself, so that a line that is no case is answered under its id too.
    let id = serde_json::from_slice::<Named>(line).map(|named| named.id).unwrap_or_default();
    match message(line, dialects) {
        Ok(message) => json!({
            "id": id,
            "content": message.content.filter(|text| !text.is_empty()),
            "reasoning": message.reasoning.filter(|text| !text.is_empty()),
            "tool_calls": message.tool_calls,
            "finish_reason": message.finish_reason,
        }),
        Err(error) => json!({"id": id, "error": error.to_string()}),
    }
}

fn message(line: &[u8], dialects: &mut HashMap<String, Arc<Dialect>>) -> Result<FoldedMessage, CaseError> {
    let case: Case = serde_json::from_slice(line)?;
    let dialect = match dialects.get(&case.dialect) {
        Some(dialect) => dialect.clone(),
        None => dialects.entry(case.dialect.clone()).insert_entry(dialect(&case.dialect)?).get().clone(),
    };
    let settings = Settings {
        reasoning: match case.reasoning {
            ReasoningWord::Auto => Reasoning::Auto,
            ReasoningWord::Off => Reasoning::Off,
            ReasoningWord::Open => Reasoning::Open,
        },
        calls: if case.parallel_tool_calls == Some(false) { Calls::First } else { Calls::All },
        ..Settings::new(dialect, Tools::new(case.tools.unwrap_or_default().0))
    };
    let finish = match case.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    };
    let asked = match (&case.agent_format, &case.tool_call_tags) {
        (_, Some(tags)) => Some(Asked::Tags(tags)),
        (Some(format), None) => Some(Asked::Format(format)),
        (None, None) => None,
    };
    let format = asked.map(|asked| AgentFormat::asked(asked, Agent::default(), &Dialects::builtin()));
    let exchange = exchange(settings, format.transpose()?.unwrap_or_default());
    let is_streamed = case.stream.unwrap_or(case.chunks.is_some());
    let pieces = case.chunks.or_else(|| case.text.map(|text| vec![text])).ok_or(CaseError::NoText)?;
    Ok(if is_streamed { streamed(&exchange, &pieces, finish)? } else { whole(&exchange, &pieces.concat(), finish)? })
}
