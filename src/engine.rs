//! Engines: all that is known of each kind of server, one row a kind.
//! Data only. Whoever asks a server, reads its pages or edits its requests does so by what the row says, and names no
//! engine; so another engine is another row, and a reader only where its pages have a form of their own.
//!
//! Sources: llama.cpp's `tools/server/README.md`, vLLM's `docs/design/metrics.md` and `entrypoints/serve/`, SGLang's
//! `docs/references/production_metrics.md`, Ollama's `docs/api.md` and `server/sched.go`, llama-swap's
//! `internal/server/api.go`; who else answers at the same pages: LocalAI's `core/http/routes/`.

mod constraint;
mod counting;
mod messages;
mod models;
mod options;
mod rows;
mod telltale;

use std::time::Duration;

pub use constraint::{Constraint, ConstraintMember};
pub use counting::Counting;
pub use messages::{Addresses, Budget, Messages, Others, ResultImages, ThinkingSwitch};
pub use models::{Answered, Call, CatalogForm, Listing, ModelPages, Sign};
pub use options::{OptionName, Options};
pub use telltale::{Greeting, Owner, Telltale};

/// The kind of server behind a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    #[default]
    LlamaCpp,
    /// Starts and stops servers, one a model; as a rule llama.cpp's.
    LlamaSwap,
    Vllm,
    Sglang,
    Ollama,
    /// Any other that speaks OpenAI's API.
    OpenAi,
}

/// What is known of an engine.
#[derive(Debug)]
pub struct Row {
    /// Its name in the configuration, logs and metrics.
    pub name: &'static str,
    /// The page that says whether it serves: asking for it wakes nobody and costs nothing. Whoever answers it below
    /// 500, be it that it knows no such page or wants a key for it, is alive. Without one nobody is asked.
    pub health: Option<&'static str>,
    /// What it says from its start until it serves, and never again.
    pub loading: Option<Loading>,
    /// Where it tells of itself.
    pub properties: Option<Page>,
    /// The API in which it is asked for chats, unless its pool says otherwise.
    pub chat_api: ChatApi,
    /// A page that only this engine has; absent where none is known.
    pub telltale: Option<Telltale>,
    /// Whom it calls the owner of its models.
    pub owner: Owner,
    /// What the `Server` header of its answers says; absent where that says nothing of the engine.
    pub signature: Option<&'static str>,
    /// Where it tells of its models, if it loads and unloads them.
    pub models: Option<&'static ModelPages>,
    /// Where it tells how many requests it has.
    pub metrics: Option<Metrics>,
    /// What a request with tools needs so that a call reaches us as the text that the model wrote.
    pub needs: Needs,
    /// Where a request has a grammar of its answer. None where it can have none.
    pub grammar: Option<ConstraintMember>,
    /// The same for a JSON schema.
    pub schema: Option<ConstraintMember>,
    /// Members by which a client says what an answer may be, beside `response_format`.
    pub shapes: &'static [&'static str],
    /// What it takes of the requests of Ollama's clients, beside what OpenAI's API has.
    pub options: Options,
    /// What it takes of the requests of Anthropic's clients, beside what OpenAI's API has.
    pub messages: Messages,
    /// Where it writes a conversation as its model would read it, and generates nothing. One that sleeps is woken.
    pub rehearsal: Option<Rehearsal>,
    /// Where it counts the tokens of a chat's prompt.
    pub counting: Option<Counting>,
    /// Chat templates of models whose calls reach nobody as text, whatever it is asked: it reads them itself, or fails.
    /// All strings of any of these sets stand in such a template.
    pub kept_calls: &'static [&'static [&'static str]],
    /// The dialect in which tools are injected for a model whose server has a reader of its own for what it writes, or that
    /// is of no family that is known. None where that makes no difference.
    pub neutral_dialect: Option<&'static str>,
    /// Whether it keeps the stream of a client that leaves, under its `X-Conversation-Id`.
    pub keeps_streams: bool,
    /// Whether it tells how far it is with a prompt (`return_progress`).
    pub tells_progress: bool,
    /// Whether it works on for a client that has left, unless it streams. Its whole answers are better assembled.
    pub misses_leavers: bool,
}

/// The API in which a server is asked for chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatApi {
    /// Chat completions.
    OpenAi,
    /// Ollama's own, in which it can be told more.
    Ollama,
}

/// What an engine answers everybody while it loads its model.
#[derive(Debug)]
pub struct Loading {
    pub status: u16,
    /// What the body says then, by which a fresh process is told from one that is only busy.
    pub says: &'static str,
}

/// A page that is read.
#[derive(Debug)]
pub struct Page {
    pub path: &'static str,
    pub form: Form,
}

/// How a page is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An object with `total_slots`, `is_sleeping` and `chat_template`; or with `role` and `max_instances`, where the
    /// server has several models.
    Props,
}

/// A page of metrics in Prometheus' text format.
#[derive(Debug)]
pub struct Metrics {
    pub path: &'static str,
    /// The gauges whose sum is the requests that it works on and those that wait there.
    pub gauges: &'static [&'static str],
    /// It is asked no more often than this.
    pub pause: Duration,
}

/// Where a conversation is written, and generated from by nobody.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal {
    pub path: &'static str,
    /// Where it spells tokens, if it writes those and no text.
    pub spelling: Option<&'static str>,
}

/// A member of a request's body.
#[derive(Debug)]
pub struct Member {
    pub key: &'static str,
    /// As JSON.
    pub value: &'static str,
}

/// Members of a request's body, by what is done with its tools.
#[derive(Debug)]
pub struct Needs {
    pub inject: &'static [Member],
    /// None where its template writes tools only if it also reads the calls, and leaves nothing of them to others.
    pub parse: Option<Parse>,
}

/// What it takes that the server's own template writes the tools, and that calls in the text reach us: as a rule its own
/// reader of calls stays off.
#[derive(Debug)]
pub struct Parse {
    pub members: &'static [Member],
    /// Members that a request may not have beside tools. One that has goes up as if its tools were injected.
    pub never_beside: &'static [&'static str],
    /// Whether what the answer may be can be said beside tools. Where it cannot, a call that is required is injected.
    pub takes_constraints: bool,
}

impl Engine {
    /// In the order in which people are told of them.
    pub const ALL: [Self; 6] = [Self::LlamaCpp, Self::LlamaSwap, Self::Vllm, Self::Sglang, Self::Ollama, Self::OpenAi];

    /// All that is known of it.
    pub const fn row(self) -> &'static Row {
        match self {
            Self::LlamaCpp => &rows::LLAMA_CPP,
            Self::LlamaSwap => &rows::LLAMA_SWAP,
            Self::Vllm => &rows::VLLM,
            Self::Sglang => &rows::SGLANG,
            Self::Ollama => &rows::OLLAMA,
            Self::OpenAi => &rows::OPENAI,
        }
    }

    /// Its name in the configuration, logs and metrics.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The options that its servers take where chats are asked in this API. Asked as OpenAI's clients ask, those with an
    /// API of their own take no more than OpenAI's.
    pub const fn options(self, asked: ChatApi) -> &'static Options {
        match (self.row().chat_api, asked) {
            (ChatApi::Ollama, ChatApi::OpenAi) => &rows::OPENAI.options,
            (ChatApi::OpenAi | ChatApi::Ollama, _) => &self.row().options,
        }
    }
}

impl Row {
    /// All members by which a client says what an answer may be.
    pub fn all_shapes(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.shapes.iter().copied().chain([rows::JSON_SCHEMA.key])
    }

    /// Whether the calls of a model with this chat template reach nobody as text.
    pub fn keeps_calls(&self, template: &str) -> bool {
        self.kept_calls.iter().any(|set| set.iter().all(|sign| template.contains(sign)))
    }
}

impl Needs {
    /// The members that a body gets.
    pub fn of(&self, mode: ToolsMode) -> &'static [Member] {
        match mode {
            ToolsMode::Inject => self.inject,
            ToolsMode::Parse => self.parse.as_ref().map_or(&[], |parse| parse.members),
            ToolsMode::Native => &[],
        }
    }

    /// What can be done with the tools of a request that must be answered with a call where `mode` is wanted.
    pub fn forcing(&self, mode: ToolsMode) -> ToolsMode {
        match (mode, &self.parse) {
            (ToolsMode::Parse, Some(parse)) if !parse.takes_constraints => ToolsMode::Inject,
            (mode, _) => mode,
        }
    }

    /// What can be done with the tools of a request where `mode` is wanted; `says` tells whether it has a member.
    pub fn possible(&self, mode: ToolsMode, says: impl Fn(&str) -> bool) -> ToolsMode {
        match (mode, &self.parse) {
            (ToolsMode::Parse, None) => ToolsMode::Inject,
            (ToolsMode::Parse, Some(parse)) if parse.never_beside.iter().any(|key| says(key)) => ToolsMode::Inject,
            (mode, _) => mode,
        }
    }
}

impl Loading {
    /// Whether an answer says that its server has just begun.
    pub fn is_told_by(&self, status: u16, body: &[u8]) -> bool {
        status == self.status && body.windows(self.says.len()).any(|part| part == self.says.as_bytes())
    }
}

/// What a pool does with tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolsMode {
    /// They go into the prompt; the answer's text is read.
    #[default]
    Inject,
    /// They stay in the body for the server's own template, which writes them; the answer's text is read, beside calls
    /// that the server has read itself.
    Parse,
    /// They stay in the body; nothing is read but an error that tells what the server failed to read.
    Native,
}

impl ToolsMode {
    /// In the order in which people are told of them.
    pub const ALL: [Self; 3] = [Self::Inject, Self::Parse, Self::Native];

    /// Its name in the configuration and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inject => "inject",
            Self::Parse => "parse",
            Self::Native => "native",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_used() {
        for engine in Engine::ALL {
            let row = engine.row();
            assert_eq!(Engine::ALL.iter().filter(|other| other.name() == row.name).count(), 1, "{row:?}");
            let pages =
                [row.health, row.properties.as_ref().map(|page| page.path), row.metrics.as_ref().map(|m| m.path)];
            assert!(pages.iter().flatten().all(|path| path.starts_with('/')), "{row:?}");
            let rehearsal = row.rehearsal.iter().flat_map(|page| [Some(page.path), page.spelling]).flatten();
            assert!({ rehearsal }.all(|path| path.starts_with('/')), "{row:?}");
            // What is read beside a health check, and what a health check says, is for those that have one.
            assert!(row.health.is_some() || (row.loading.is_none() && pages.iter().all(Option::is_none)), "{row:?}");
            for Member { key, value } in ToolsMode::ALL.into_iter().flat_map(|mode| row.needs.of(mode)) {
                assert!(serde_json::from_str::<serde_json::Value>(value).is_ok(), "{}: {key}", row.name);
            }
        }
    }

    #[test]
    fn a_model_is_named_wherever_one_is_asked_for_or_ordered() {
        for pages in Engine::ALL.into_iter().filter_map(|engine| engine.row().models) {
            let lists = [Some(&pages.list), pages.in_memory.as_ref()].into_iter().flatten().map(|listing| listing.path);
            let of_one = [pages.properties, pages.slots].into_iter().flatten();
            let all = lists.chain(of_one.clone()).chain([pages.load.path, pages.unload.path]).chain(pages.events);
            assert!(all.chain(pages.unloaded.iter().copied()).all(|path| path.starts_with('/')), "{pages:?}");
            let calls =
                [&pages.load, &pages.unload].map(|call| format!("{}{}", call.path, call.body.unwrap_or_default()));
            let named = of_one.map(str::to_owned).chain(calls);
            assert!({ named }.all(|text| text.matches("{model}").count() == 1), "{pages:?}");
            // A box that says its places says them among its properties.
            assert!(pages.sign == Sign::Engine || pages.in_memory.is_none(), "{pages:?}");
        }
    }

    #[test]
    fn a_fresh_process_is_told_from_a_busy_one() {
        let loading = Engine::LlamaCpp.row().loading.as_ref().unwrap();
        for (status, body, expected) in [
            (503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#, true),
            (503, r#"{"error":{"message":"no slot available"}}"#, false),
            (503, "", false),
            (200, "Loading model", false),
        ] {
            assert_eq!(loading.is_told_by(status, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
