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
//! | 0 | `sse` | bytes to whole events; framing only | |
//! | 0 | `scan` | find markers in text that arrives in pieces | |
//! | 0 | `json` | resumable JSON: value scanning, escaping, repair | `scan` |
//! | 0 | `limits` | the numbers that nothing may exceed | |
//! | 1 | `chat` | what is said in a turn, in no API's words: tools, calls | |
//! | 1 | `schema` | what a tool's parameters say about types | `chat json` |
//! | 1 | `dialect` | a tool-call format: spec (YAML) to compiled tables | `scan json` |
//! | 1 | `engine` | what is known of each kind of server, one row a kind | |
//! | 1 | `models` | the list of models over several servers | `json` |
//! | 2 | `decode` | model text to events: text, reasoning, calls, arguments | `chat dialect schema scan json limits` |
//! | 2 | `prompt` | tools and past calls to text that the model understands | `chat dialect json` |
//! | 3 | `api` | wire APIs, one folder each: the only place that knows their member names | `chat decode json sse limits` |
//! | 4 | `plan` | plan of a request: what goes up for it, and what becomes of its answer | `api prompt decode dialect engine schema chat limits json` |
//! | 4 | `answer` | pipeline of an answer: its bytes in, what the client gets out; framed once, parsed once | `api plan decode chat models json sse limits` |
//! | 4 | `balance` | who exists, who is alive, who is next, on a time that is handed in | |
//! | 4 | `config` | YAML to a placed tree to `Config`; pure, no file access | `balance dialect engine limits decode plan` |
//! | 5 | `upstream` | pools of peers: places and the wait for them, checks, connections | `api balance config decode dialect engine sse limits` |
//! | 5 | `instruments` | numbers that many threads add to: counters and histograms | |
//! | 5 | `record` | the record of a request: one list of what is known of it | `instruments json api answer balance` |
//! | 5 | `metrics` | what is counted and measured of requests, and its names | `instruments record answer balance` |
//! | 6 | `gateway` | the Pingora phases; `fault` maps errors to HTTP | all above |
//! | 6 | `admin` | the admin address: health, readiness, metrics, status | all above |
//! | 6 | `mock` | the scripted upstream | all above |
//! | 7 | `server` | start, signals, stop | all above |
//! | 7 | `demo` | the conversation a newcomer runs first | all above |
//! | 7 | `cli` | the command line | all above |

#![forbid(unsafe_code)]

pub mod admin;
pub mod answer;
pub mod api;
pub mod balance;
pub mod chat;
pub mod cli;
pub mod config;
pub mod decode;
pub mod demo;
pub mod dialect;
pub mod engine;
pub mod gateway;
pub mod instruments;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod mock;
pub mod models;
pub mod plan;
pub mod prompt;
pub mod record;
pub mod scan;
pub mod schema;
pub mod server;
pub mod sse;
pub mod upstream;
