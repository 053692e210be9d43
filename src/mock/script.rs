//! What the mock answers: a list of texts and the conversations that each is for.
//! Knows nothing of HTTP.

use std::borrow::Cow;
use std::num::NonZeroU32;

use serde::Deserialize;

/// A script: the server that is played and its answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The model's name, which the server gives whatever the request says.
    #[serde(default = "default_model")]
    pub model: String,
    /// How many answers are generated at a time; further requests wait.
    #[serde(default = "default_slots")]
    pub slots: u16,
    /// How many tokens of a prompt that are not in a slot's cache are read in a second; absent, reading takes no time.
    #[serde(default)]
    pub prefill_tokens_per_second: Option<NonZeroU32>,
    /// How long every page is 503 `Loading model`, and how long a sleeping server takes to wake.
    #[serde(default)]
    pub loading_ms: u64,
    /// It falls asleep when it had nothing to do for so long; absent, it never does.
    #[serde(default)]
    pub sleep_after_ms: Option<u64>,
    /// What `/props` shows as the model's template.
    #[serde(default)]
    pub chat_template: String,
    /// The first answer whose conditions hold is given.
    pub answers: Vec<Answer>,
}

/// One answer and how it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    #[serde(default)]
    pub when: When,
    /// What is written; empty where an error is all there is, or `pieces` say it.
    #[serde(default)]
    pub text: String,
    /// The answer's tokens; absent, the text is cut as a tokenizer might.
    #[serde(default)]
    pub pieces: Vec<String>,
    /// The finish reason, when the answer is not cut by `max_tokens`.
    #[serde(default)]
    pub finish: Option<String>,
    /// How long each token takes.
    #[serde(default)]
    pub delay_ms: u64,
    #[serde(default)]
    pub error: Option<Failure>,
    /// The connection is cut after so many tokens.
    #[serde(default)]
    pub die_after: Option<usize>,
    /// The text is written over and over, until `max_tokens` or the end of the context.
    #[serde(default, rename = "loop")]
    pub looped: bool,
}

/// Conditions on a conversation, all of which must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The last `[[NAME]]` in what the user wrote.
    #[serde(default)]
    pub marker: Option<String>,
    /// Text in the newest message.
    #[serde(default)]
    pub newest: Option<String>,
    /// Text anywhere in the request's body, as it was sent.
    #[serde(default)]
    pub anywhere: Option<String>,
}

/// An error that the server reports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    pub status: u16,
    pub message: String,
    #[serde(default = "default_kind", rename = "type")]
    pub kind: String,
    /// The tokens that are streamed before it; absent, or when nothing is streamed, it is the whole reply.
    #[serde(default)]
    pub after: Option<usize>,
}

/// Why a script was refused.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("the script is not valid: {0}")]
    Yaml(#[from] serde_saphyr::Error),
    #[error("the script has `slots: 0`, so it would never answer")]
    NoSlots,
}

/// A conversation, as far as conditions look at it.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    /// What the user wrote, in order.
    pub user: Vec<String>,
    pub newest: String,
    pub body: &'a str,
}

impl Script {
    /// The text of the default script, which is also an example to start from.
    pub const DEFAULT: &'static str = include_str!("../../conf/mock.yaml");

    /// Reads a script.
    pub fn from_yaml(yaml: &str) -> Result<Self, ScriptError> {
        let script: Self = serde_saphyr::from_str(yaml)?;
        if script.slots == 0 { Err(ScriptError::NoSlots) } else { Ok(script) }
    }

    /// A script of one answer for every conversation.
    pub fn always(answer: Answer) -> Self {
        Self {
            model: default_model(),
            slots: default_slots(),
            prefill_tokens_per_second: None,
            loading_ms: 0,
            sleep_after_ms: None,
            chat_template: String::new(),
            answers: vec![answer],
        }
    }

    pub(super) fn select(&self, conversation: &Conversation<'_>) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.when.holds(conversation))
    }
}

impl When {
    fn holds(&self, conversation: &Conversation<'_>) -> bool {
        let marker = || conversation.user.iter().rev().find_map(|text| last_marker(text));
        let within = |text: &Option<String>, place: &str| text.as_ref().is_none_or(|text| place.contains(text));
        self.marker.as_deref().is_none_or(|name| marker() == Some(name))
            && within(&self.newest, &conversation.newest)
            && within(&self.anywhere, conversation.body)
    }
}

impl Answer {
    /// An answer for every conversation.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The tokens, in order.
    pub(super) fn tokens(&self) -> Cow<'_, [String]> {
        if self.pieces.is_empty() { Cow::Owned(cut(&self.text)) } else { Cow::Borrowed(&self.pieces) }
    }
}

fn last_marker(text: &str) -> Option<&str> {
    let (before, _) = text.rsplit_once("]]")?;
    before.rsplit_once("[[").map(|(_, name)| name)
}

/// Cuts a text into tokens: short runs of letters with the space before them, everything else by itself.
fn cut(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for c in text.chars() {
        let joins = |token: &&mut String| {
            c.is_alphanumeric()
                && token.len() < TOKEN_BYTES_MAX
                && (token.as_str() == " " || token.ends_with(char::is_alphanumeric))
        };
        match tokens.last_mut().filter(joins) {
            Some(token) => token.push(c),
            None => tokens.push(c.into()),
        }
    }
    tokens
}

const TOKEN_BYTES_MAX: usize = 6;

fn default_model() -> String {
    "mock.gguf".into()
}

fn default_slots() -> u16 {
    4
}

fn default_kind() -> String {
    "server_error".into()
}
