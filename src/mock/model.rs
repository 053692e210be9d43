//! One model that is served: its script, its machine, and which of its pages is asked for.
//! Accepts no connections, and does not know whether other models stand beside it.

use std::io;

use super::http::{Connection, Reply, Request};
use super::machine::Machine;
use super::script::{Pages, Script};
use super::{After, template, vllm, write};

#[derive(Debug)]
pub(super) struct Model {
    pub script: Script,
    pub machine: Machine,
}

impl Model {
    /// A model that starts to load now.
    pub fn new(script: Script) -> Self {
        Self { machine: Machine::new(&script), script }
    }

    /// Answers one request. `number` makes the id of a chat's answer.
    pub async fn answer(&self, connection: &mut Connection, request: &Request, number: u64) -> io::Result<After> {
        if self.machine.is_loading() {
            let reply = Reply::error(503, "unavailable_error", "Loading model");
            return write(connection, request, &reply).await;
        }
        if !AWAKE_OR_NOT.contains(&request.path()) {
            tokio::select! {
                () = self.machine.wake() => {}
                () = connection.gone() => return Ok(After::Close),
                () = self.machine.killed() => return write(connection, request, &Reply::cut_off(request)).await,
            }
        }
        let reply = match (request.method.as_str(), request.path()) {
            ("POST", "/v1/chat/completions" | "/chat/completions") => {
                return self.chat(connection, request, number).await;
            }
            _ if self.script.pages == Pages::Vllm => vllm::page(self, request),
            ("POST", "/apply-template") => Some(template::page(&self.script, request)),
            ("GET" | "HEAD", path) => self.page(path),
            _ => None,
        };
        write(connection, request, &reply.unwrap_or_else(Reply::not_found)).await
    }
}

/// The pages that a sleeping server answers without waking.
const AWAKE_OR_NOT: [&str; 6] = ["/health", "/metrics", "/models", "/props", "/v1/health", "/v1/models"];
