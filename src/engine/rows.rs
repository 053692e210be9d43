//! Rows of the table of engines: one for each kind of server.
//! Data only; what a column means stands in `engine`.

use std::time::Duration;

use super::{
    ChatApi, ConstraintMember, Form, Greeting, Loading, Member, Messages, Metrics, Needs, Options, Owner, Page, Parse,
    Rehearsal, Row, Telltale, counting, messages, models, options,
};

/// A server that speaks OpenAI's API and of which nothing else is known.
pub(super) const OPENAI: Row = Row {
    name: "openai",
    health: None,
    loading: None,
    properties: None,
    chat_api: ChatApi::OpenAi,
    telltale: None,
    owner: Owner::Untold,
    signature: None,
    models: None,
    metrics: None,
    needs: Needs { inject: &[], parse: Some(Parse { members: &[], never_beside: &[], takes_constraints: true }) },
    grammar: None,
    schema: None,
    shapes: &[],
    options: Options::OPENAI,
    messages: Messages::OPENAI,
    rehearsal: None,
    counting: None,
    kept_calls: &[],
    neutral_dialect: None,
    keeps_streams: false,
    tells_progress: false,
    misses_leavers: false,
};

pub(super) const LLAMA_CPP: Row = Row {
    name: "llama.cpp",
    health: Some("/health"),
    loading: Some(Loading { status: 503, says: "Loading model" }),
    properties: Some(Page { path: "/props", form: Form::Props }),
    chat_api: ChatApi::OpenAi,
    telltale: Some(Telltale { path: "/props", member: "build_info", greeting: None }),
    owner: Owner::Is("llamacpp"),
    signature: Some("llama.cpp"),
    models: Some(&models::ROUTER),
    metrics: Some(Metrics {
        path: "/metrics",
        gauges: &["llamacpp:requests_processing", "llamacpp:requests_deferred"],
        // While it is asked more often than once a second, it does not notice who leaves a whole answer: it looks for
        // that when nobody was answered for a second.
        pause: Duration::from_secs(2),
    }),
    needs: Needs {
        inject: &[RAW_REASONING],
        parse: Some(Parse {
            members: &[NO_CHOICE, RAW_REASONING],
            never_beside: &["logprobs"],
            takes_constraints: true,
        }),
    },
    grammar: Some(ConstraintMember { key: "grammar", around: ["", ""] }),
    schema: Some(JSON_SCHEMA),
    shapes: &["grammar", "json_schema"],
    options: options::LLAMA_CPP,
    messages: messages::LLAMA_CPP,
    rehearsal: Some(Rehearsal { path: "/apply-template", spelling: None }),
    counting: Some(counting::LLAMA_CPP),
    // By which `common/chat.cpp` knows the templates of the formats that its parsers read without tools, too.
    kept_calls: &[&["<|channel|>"], &["<|open|>", "<|close|>", "<|end_of_msg|>"], &[">>>all", ">>>${recipient}"]],
    neutral_dialect: None,
    keeps_streams: true,
    tells_progress: true,
    misses_leavers: true,
};

/// What answers is a server behind it, llama.cpp's as a rule, and what a request needs is that one's; others pass over
/// members that they do not know.
pub(super) const LLAMA_SWAP: Row = Row {
    name: "llama-swap",
    loading: None,
    properties: None,
    telltale: Some(Telltale { path: "/running", member: "running", greeting: None }),
    owner: Owner::Is("llama-swap"),
    models: Some(&models::LLAMA_SWAP),
    metrics: None,
    // The page for the rest of a stream names no model, so llama-swap does not know whose it is.
    keeps_streams: false,
    ..LLAMA_CPP
};

pub(super) const VLLM: Row = Row {
    name: "vllm",
    health: Some("/health"),
    telltale: Some(Telltale { path: "/version", member: "version", greeting: None }),
    owner: Owner::Is("vllm"),
    metrics: Some(Metrics {
        path: "/metrics",
        gauges: &["vllm:num_requests_running", "vllm:num_requests_waiting"],
        pause: Duration::ZERO,
    }),
    needs: Needs {
        inject: &[SPECIAL_TOKENS],
        parse: Some(Parse { members: &[SPECIAL_TOKENS, NO_CHOICE], never_beside: &[], takes_constraints: true }),
    },
    grammar: Some(ConstraintMember { key: "structured_outputs", around: [r#"{"grammar":"#, "}"] }),
    schema: Some(JSON_SCHEMA),
    shapes: &["structured_outputs", "structural_tag", "guided_json", "guided_regex", "guided_choice", "guided_grammar"],
    options: options::VLLM_AND_SGLANG,
    messages: messages::VLLM,
    // It may have been started to leave tools out of the prompt that nobody may call; this shows it.
    rehearsal: Some(Rehearsal { path: "/v1/chat/completions/render", spelling: Some("/detokenize") }),
    counting: Some(counting::VLLM),
    ..OPENAI
};

pub(super) const SGLANG: Row = Row {
    name: "sglang",
    health: Some("/health"),
    telltale: Some(Telltale { path: "/get_server_info", member: "version", greeting: None }),
    owner: Owner::Is("sglang"),
    metrics: Some(Metrics {
        path: "/metrics",
        gauges: &["sglang:num_running_reqs", "sglang:num_queue_reqs"],
        pause: Duration::ZERO,
    }),
    // A choice of `none` takes the tools out of its prompt; with any other its own reader may be on.
    needs: Needs { inject: &[SPECIAL_TOKENS], parse: None },
    grammar: Some(ConstraintMember { key: "ebnf", around: ["", ""] }),
    schema: Some(JSON_SCHEMA),
    shapes: &["ebnf", "regex", "structural_tag"],
    options: options::VLLM_AND_SGLANG,
    messages: messages::SGLANG,
    ..OPENAI
};

pub(super) const OLLAMA: Row = Row {
    name: "ollama",
    health: Some("/api/version"),
    chat_api: ChatApi::Ollama,
    telltale: Some(Telltale { path: "/api/version", member: "version", greeting: Some(OLLAMA_GREETING) }),
    // The namespace of the model's name.
    owner: Owner::Any,
    models: Some(&models::OLLAMA),
    // Its readers work whether or not a request has tools.
    neutral_dialect: Some("json-envelope"),
    // It knows no choice: with tools its own reader is on, and what that leaves in the text is read, too. What the answer
    // may be keeps a model from writing a call.
    needs: Needs { inject: &[], parse: Some(Parse { members: &[], never_beside: &[], takes_constraints: false }) },
    schema: Some(JSON_SCHEMA),
    shapes: &["format"],
    options: Options::AsWritten,
    messages: messages::OLLAMA,
    ..OPENAI
};

/// Others serve its API beside theirs, and a page of theirs at the root.
const OLLAMA_GREETING: Greeting = Greeting { path: "/", says: "Ollama is running" };

/// As OpenAI's API has it.
pub(super) const JSON_SCHEMA: ConstraintMember = ConstraintMember {
    key: "response_format",
    around: [r#"{"type":"json_schema","json_schema":{"name":"call","schema":"#, "}}"],
};

/// Markers are special tokens, which these strip by default.
const SPECIAL_TOKENS: Member = Member { key: "skip_special_tokens", value: "false" };
/// Its own split of reasoning from content would hide a call that the model makes while it thinks. Content begins with
/// the marker of a thought that the prompt has opened, then.
const RAW_REASONING: Member = Member { key: "reasoning_format", value: "\"none\"" };
/// The tools stay in the prompt, and the server's own reader of calls is off: with it on, their text would be gone.
const NO_CHOICE: Member = Member { key: "tool_choice", value: "\"none\"" };
