//! toolgate gives models that write their tool calls as text an OpenAI tool-calling API.
//!
//! It is a reverse proxy on Pingora in front of LLM servers.
//! Layers 0 to 4 are the protocol core: pure state machines that are pushed bytes and emit meaning.
//! They do no IO, read no clock, spawn nothing and log nothing.
//! Layers 5 to 7 are the thin shell around it: sockets, peers, signals, the command line.
//!
//! A module imports only from lower layers, and within a layer only what the table allows.
//! `tests/layers.rs` reads this table and checks every `use crate::`.
//!
//! | layer | module | its one responsibility | may import |
//! |--|--|--|--|
//! | 0 | `sse` | server-sent events: bytes to whole events; framing only | |
//! | 0 | `scan` | marker scanner: finds markers in text that arrives in pieces | |
//! | 0 | `json` | resumable JSON: value scanning, escaping, edits, repair | `scan` |
//! | 0 | `python` | Python as models write it: literals, and names that stand for JSON's; runs nothing | `json` |
//! | 0 | `limits` | limits: the numbers that nothing may exceed | |
//! | 1 | `chat` | what is said in a turn, in no API's words: tools, calls | |
//! | 1 | `schema` | tool schemas: what a tool's parameters say about types | `chat json python` |
//! | 1 | `dialect` | dialects, tool-call formats: spec (YAML) to compiled tables | `chat scan json` |
//! | 1 | `engine` | engines: what is known of each kind of server, one row a kind | |
//! | 1 | `models` | model list, merged over several servers | `json` |
//! | 2 | `decode` | tool-call decoder: model text to events: text, reasoning, calls, arguments | `chat dialect schema scan json python limits` |
//! | 2 | `encode` | tool-call encoder: calls to text, as a dialect or a format writes them | `chat dialect json python` |
//! | 2 | `prompt` | prompts: tools to text that the model understands | `chat dialect json python` |
//! | 2 | `grammar` | grammars that force a call: a dialect's syntax around tools' schemas | `chat decode dialect schema json python` |
//! | 3 | `api` | wire APIs, one folder each: the only place that knows their member names | `chat decode engine json sse limits` |
//! | 3 | `tooling` | tools that run on the server: schemas, arguments, results, patterns; no IO | |
//! | 4 | `plan` | plan of a request: what goes up for it, and what becomes of its answer | `api prompt decode dialect encode engine grammar schema chat limits json python` |
//! | 4 | `answer` | pipeline of an answer: its bytes in, what the client gets out; framed once, parsed once | `api plan decode encode chat models json sse limits` |
//! | 4 | `turn` | turn in which tools run on the server: rounds of answers, of which the client gets one | `api json sse limits` |
//! | 4 | `balance` | load balancing: health, circuit breaker, policies, sticky sessions, queue; on a time that is handed in | |
//! | 4 | `config` | configuration: YAML to a placed tree to `Config`; pure, no file access | `api balance dialect encode engine json limits decode plan tooling` |
//! | 5 | `upstream` | connections to servers, health checks, service discovery, pools | `api balance chat config decode dialect engine json sse limits` |
//! | 5 | `mcp` | MCP servers: their processes and connections, what tools they have, calls of these | `config tooling upstream sse` |
//! | 5 | `workspace` | files and search beneath directories that were opened once | `config tooling` |
//! | 5 | `cage` | commands and code in a sandbox: walls, limits, proof | `config tooling workspace` |
//! | 5 | `toolbox` | all tools that run on the server, whichever room runs them | `cage config mcp tooling workspace` |
//! | 5 | `instruments` | numbers that many threads add to: counters and histograms | |
//! | 5 | `record` | record of a request, and the access log made of it | `instruments json api answer balance` |
//! | 5 | `metrics` | metrics, and their names | `instruments record answer balance` |
//! | 6 | `gateway` | reverse proxy: Pingora's phases, routes, retries and failover, client connections, errors | all above |
//! | 6 | `admin` | admin address: health, readiness, metrics, status | all above |
//! | 6 | `mock` | mock server, scripted | all above |
//! | 7 | `server` | start, reload, graceful shutdown | all above |
//! | 7 | `demo` | the conversation a newcomer runs first | all above |
//! | 7 | `cli` | the command line | all above |

//!
//! # Front door
//!
//! [`serve`] runs the gateway by a [`Config`]. [`Decoder`] turns what a model wrote into [`Event`]s:
//!
//! ```
//! use std::sync::Arc;
//! use toolgate::{Decoder, DecoderSettings, Dialects, Event, Finish, Limits, Tool, Tools};
//!
//! let dialects = Dialects::builtin();
//! let dialect = Arc::clone(dialects.get("json-envelope").expect("it is compiled in"));
//! let tools = Tools::new(vec![Tool { name: "gate".to_owned(), parameters: None }]);
//! let mut decoder = Decoder::new(DecoderSettings::new(dialect, tools), &Limits::default());
//! let mut arguments = String::new();
//! for piece in [r#"{"tool_call": {"name": "gate", "argu"#, r#"ments": {"open": true}}}"#] {
//!     decoder.push(piece, &mut |event| {
//!         if let Event::Arguments(text) = event {
//!             arguments.push_str(text);
//!         }
//!     });
//! }
//! let ending = decoder.finish(Finish::Stop, &mut |_| {});
//! assert_eq!((ending.calls, arguments.as_str()), (1, r#"{"open": true}"#));
//! ```

#![forbid(unsafe_code)]

pub mod admin;
pub mod answer;
pub mod api;
pub mod balance;
pub mod cage;
pub mod chat;
pub mod cli;
pub mod config;
pub mod decode;
pub mod demo;
pub mod dialect;
pub mod encode;
pub mod engine;
pub mod gateway;
pub mod grammar;
pub mod instruments;
pub mod json;
pub mod limits;
pub mod mcp;
pub mod metrics;
pub mod mock;
pub mod models;
pub mod plan;
pub mod prompt;
pub mod python;
pub mod record;
pub mod scan;
pub mod schema;
pub mod server;
pub mod sse;
pub mod toolbox;
pub mod tooling;
pub mod turn;
pub mod upstream;
pub mod workspace;

pub use crate::answer::Pipeline;
pub use crate::chat::Tool;
pub use crate::config::Config;
pub use crate::decode::{Decoder, Event, Finish, Settings as DecoderSettings};
pub use crate::dialect::{Dialect, Dialects};
pub use crate::limits::Limits;
pub use crate::plan::Plan;
pub use crate::schema::Tools;
pub use crate::server::run as serve;
