//! What the mock answers: a list of texts and the conversations that each is for.
//! Knows nothing of HTTP.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::Deserialize;

use super::api::Api;
use super::ollama::script::{About, Call, Oddity, Part};

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
    /// What that writes of a request at `/apply-template`, or at vLLM's `/v1/chat/completions/render`, besides what is
    /// said; absent, there is no such page.
    #[serde(default)]
    pub template_writes: Option<Vec<Written>>,
    /// The first answer whose conditions hold is given.
    pub answers: Vec<Answer>,
    /// The models of a router, by their names; absent, it is a server of one model.
    #[serde(default)]
    pub models: Option<BTreeMap<String, ModelScript>>,
    /// How many of a router's models are in memory at a time; 0 is as many as there are.
    #[serde(default = "default_places")]
    pub places: usize,
    /// Whose pages it has.
    #[serde(default)]
    pub pages: Pages,
    /// What it speaks besides OpenAI's API.
    #[serde(default)]
    pub api: Api,
    /// What Ollama tells of its model.
    #[serde(default)]
    pub about: About,
    /// What a router does for another model when every place is taken.
    #[serde(default)]
    pub vice: Vice,
    /// How long a router's model may go on with its answers once it has to go.
    #[serde(default = "default_stop_timeout_ms")]
    pub stop_timeout_ms: u64,
    /// How long a router's model takes to be gone after its last answer.
    #[serde(default)]
    pub exit_ms: u64,
}

/// What is a router's model's own; what it leaves out is as the script says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelScript {
    /// Other names by which it is asked for.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whether it falls over at the end of its load.
    #[serde(default)]
    pub fails: bool,
    pub slots: Option<u16>,
    pub prefill_tokens_per_second: Option<NonZeroU32>,
    pub loading_ms: Option<u64>,
    pub sleep_after_ms: Option<u64>,
    pub chat_template: Option<String>,
    pub template_writes: Option<Vec<Written>>,
    pub about: Option<About>,
    pub answers: Option<Vec<Answer>>,
}

/// What a chat template writes of a request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    Tools,
    /// Tools, unless none may be called: vLLM when started with `--exclude-tools-when-tool-choice-none`.
    CallableTools,
    /// Every past call.
    Calls,
    /// The first past call of each turn.
    FirstCalls,
}

/// Whose pages a server has. llama-swap and Ollama are routers, and vLLM has one model.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Pages {
    #[default]
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    #[serde(rename = "llama-swap")]
    LlamaSwap,
    #[serde(rename = "ollama")]
    Ollama,
    #[serde(rename = "vllm")]
    Vllm,
}

/// What a router does for another model when every place is taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Vice {
    /// It waits until an idle model can go, first come by model, and loses nobody.
    #[default]
    None,
    /// The model that was started first goes, busy or loading or not, as in llama-server's build b10068.
    Evicts,
    /// Busy models are spared, as in build b10434; but the queue is looked at only as an answer ends, so that it stands
    /// still after a load that fails or that nobody waits for any more.
    Stalls,
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
    /// At Ollama's API: what is thought before the text.
    #[serde(default)]
    pub thinking: String,
    /// At Ollama's API: the calls behind the text, which the server has read; those that it leaves in the text are text.
    #[serde(default)]
    pub tool_calls: Vec<Call>,
    /// At Ollama's API: what stands on the last line instead of lines of its own.
    #[serde(default)]
    pub on_done: Vec<Part>,
    /// At Ollama's API: how long no byte comes, besides the time for the prompt.
    #[serde(default)]
    pub silent_ms: u64,
    /// At Ollama's API: what is odd about the lines.
    #[serde(default)]
    pub odd: Vec<Oddity>,
    /// At Ollama's API: lines that are written as they stand, in place of all else.
    #[serde(default)]
    pub lines: Vec<String>,
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
    #[error("the script has two models that go by `{0}`")]
    TwoOfAName(String),
    #[error("the script has a router's `models`, and vLLM is none")]
    NoRouter,
    #[error("the script has `api: ollama`, and pages of another server")]
    OtherPages,
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
        script.check()?;
        Ok(script)
    }

    /// The same script for a server that speaks another API. Fails where its pages are not of such a server.
    pub fn speaking(mut self, api: Api) -> Result<Self, ScriptError> {
        self.api = api;
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), ScriptError> {
        let models = || self.models.iter().flatten();
        if self.slots == 0 || models().any(|(_, model)| model.slots == Some(0)) {
            return Err(ScriptError::NoSlots);
        }
        if self.pages == Pages::Vllm && self.models.is_some() {
            return Err(ScriptError::NoRouter);
        }
        if self.api == Api::Ollama && !matches!(self.pages, Pages::LlamaCpp | Pages::Ollama) {
            return Err(ScriptError::OtherPages);
        }
        let mut names = BTreeSet::new();
        let mut all = models().flat_map(|(name, model)| model.aliases.iter().chain([name]));
        match all.find(|name| !names.insert(*name)) {
            Some(name) => Err(ScriptError::TwoOfAName(name.clone())),
            None => Ok(()),
        }
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
            template_writes: None,
            answers: vec![answer],
            models: None,
            places: default_places(),
            pages: Pages::LlamaCpp,
            api: Api::OpenAi,
            about: About::default(),
            vice: Vice::None,
            stop_timeout_ms: default_stop_timeout_ms(),
            exit_ms: 0,
        }
    }

    /// The script of one of a router's models, as of a server that serves it alone.
    pub(super) fn of_model(&self, name: &str, model: &ModelScript) -> Self {
        Self {
            model: name.to_owned(),
            slots: model.slots.unwrap_or(self.slots),
            prefill_tokens_per_second: model.prefill_tokens_per_second.or(self.prefill_tokens_per_second),
            loading_ms: model.loading_ms.unwrap_or(self.loading_ms),
            sleep_after_ms: model.sleep_after_ms.or(self.sleep_after_ms),
            chat_template: model.chat_template.as_ref().unwrap_or(&self.chat_template).clone(),
            template_writes: model.template_writes.as_ref().or(self.template_writes.as_ref()).cloned(),
            answers: model.answers.as_ref().unwrap_or(&self.answers).clone(),
            about: model.about.as_ref().unwrap_or(&self.about).clone(),
            models: None,
            ..*self
        }
    }

    /// Whose pages it has, whichever key says so.
    pub(super) fn whose_pages(&self) -> Pages {
        match self.api {
            Api::OpenAi => self.pages,
            Api::Ollama => Pages::Ollama,
        }
    }

    /// The models of a router. An Ollama is one, of a single model where the script tells no others.
    pub(super) fn routed(&self) -> Option<Cow<'_, BTreeMap<String, ModelScript>>> {
        let alone = || BTreeMap::from([(self.model.clone(), ModelScript::default())]);
        let models = self.models.as_ref().map(Cow::Borrowed);
        models.or_else(|| (self.whose_pages() == Pages::Ollama).then(|| Cow::Owned(alone())))
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

/// As llama-server's `--models-max`.
fn default_places() -> usize {
    4
}

fn default_stop_timeout_ms() -> u64 {
    100
}

fn default_kind() -> String {
    "server_error".into()
}
