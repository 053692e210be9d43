//! The mock as a box of many models: llama-server started without one, llama-swap or Ollama, which load a model when it
//! is asked for.
//! Answers nothing of a model's own; what makes room for what is the table's to say.
//!
//! llama-server's pages and wording are those of builds b10068 and b10434.

mod entry;
mod llama_swap;
mod ollama;
mod pages;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};

use super::http::{Connection, Reply, Request};
use super::model::Model;
use super::script::{ModelScript, Pages, Script};
use super::{After, write};
use entry::Admission;
use table::{Effect, Refusal, Table};

#[derive(Debug)]
pub(super) struct Router {
    table: Mutex<Table>,
    /// Told after each change that a request or a model that has to go may wait for.
    changed: watch::Sender<()>,
    /// What `/models/sse` says.
    events: broadcast::Sender<String>,
    pages: Pages,
    stop_timeout: Duration,
    exit: Duration,
}

impl Router {
    /// A router of these models, none of which is loaded.
    pub fn new(script: &Script, models: &BTreeMap<String, ModelScript>) -> Self {
        Self {
            table: Mutex::new(Table::new(script, models)),
            changed: watch::Sender::new(()),
            events: broadcast::Sender::new(EVENTS_KEPT),
            pages: script.whose_pages(),
            stop_timeout: Duration::from_millis(script.stop_timeout_ms),
            exit: Duration::from_millis(script.exit_ms),
        }
    }

    /// Answers one request, or has it answered by the model that it is for.
    pub async fn answer(
        self: &Arc<Self>,
        connection: &mut Connection,
        request: &Request,
        number: u64,
    ) -> io::Result<After> {
        match self.pages {
            // No script of several models is vLLM's.
            Pages::LlamaCpp | Pages::Vllm => self.answer_as_llama_cpp(connection, request, number).await,
            Pages::LlamaSwap => llama_swap::answer(self, connection, request, number).await,
            Pages::Ollama => ollama::answer(self, connection, request, number).await,
        }
    }

    async fn answer_as_llama_cpp(
        self: &Arc<Self>,
        connection: &mut Connection,
        request: &Request,
        number: u64,
    ) -> io::Result<After> {
        let named = request.parameter("model");
        let reply = match (request.method.as_str(), request.path()) {
            ("GET" | "HEAD", "/health" | "/v1/health") => pages::health(),
            ("GET" | "HEAD", "/models" | "/v1/models") => pages::models(self.table().entries()),
            ("GET" | "HEAD", "/props") if named.is_none() => pages::props(self.table().places),
            ("GET", "/models/sse") => return self.stream_events(connection).await,
            ("GET" | "HEAD", "/props" | "/slots" | "/metrics") => {
                return self.forward(connection, request, &named.unwrap_or_default(), number).await;
            }
            ("POST", "/models/load") => model_of(request).map_or_else(|reply| reply, |name| self.load(&name)),
            ("POST", "/models/unload") => model_of(request).map_or_else(|reply| reply, |name| self.unload(&name)),
            ("POST", "/chat/completions" | "/v1/chat/completions" | "/apply-template") => match model_of(request) {
                Ok(name) => return self.forward(connection, request, &name, number).await,
                Err(reply) => reply,
            },
            _ => Reply::not_found(),
        };
        write(connection, request, &reply).await
    }

    fn load(self: &Arc<Self>, name: &str) -> Reply {
        let Some(at) = self.table().find(name) else {
            return Reply::error(404, "not_found_error", "model is not found");
        };
        match self.change(|table| table.load(at)) {
            Ok(()) => pages::success(),
            Err(Refusal::Running) => invalid("model is already running"),
            Err(Refusal::Full) => Reply::error(500, "server_error", "model limit reached, try again later"),
        }
    }

    fn unload(self: &Arc<Self>, name: &str) -> Reply {
        let Some(at) = self.table().find(name) else { return invalid("model is not found") };
        if self.change(|table| table.unload(at)) { pages::success() } else { invalid("model is not running") }
    }

    async fn forward(
        self: &Arc<Self>,
        connection: &mut Connection,
        request: &Request,
        name: &str,
        number: u64,
    ) -> io::Result<After> {
        let Some(at) = self.table().find(name) else {
            let what = format!("model '{name}' not found");
            let reply = invalid(if name.is_empty() { "model name is missing from the request" } else { &what });
            return write(connection, request, &reply).await;
        };
        let loads = request.parameter("autoload").is_none_or(|value| value == "true" || value == "1");
        let admission = if loads { self.wait(connection, at).await } else { Some(self.table().take(at)) };
        let reply = match admission {
            None => return Ok(After::Close),
            Some(Admission::Go(model)) => {
                let visit = Visit { router: Arc::clone(self), at, model };
                return visit.model.answer(connection, request, number).await;
            }
            Some(Admission::Failed) => {
                let message = format!("model name={} failed to load", self.table().name(at));
                Reply::error(500, "server_error", &message)
            }
            Some(Admission::NotLoaded) => invalid("model is not loaded"),
            Some(Admission::Unreachable | Admission::Wait) => Reply::unreachable(request),
        };
        write(connection, request, &reply).await
    }

    /// Waits until the model takes a request or it is known that it will not; nothing when the client leaves.
    async fn wait(self: &Arc<Self>, connection: &mut Connection, at: usize) -> Option<Admission> {
        let mut changed = self.changed.subscribe();
        let wish = Wish { falls: self.table().join(at), router: Arc::clone(self), at };
        loop {
            match self.change(|table| table.ask(at, wish.falls)) {
                Admission::Wait => {}
                admission => return Some(admission),
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = connection.gone() => return None,
            }
        }
    }

    /// Returns when a model is not in memory.
    async fn gone(&self, at: usize) {
        let mut changed = self.changed.subscribe();
        while self.table().entries().get(at).is_some_and(|entry| entry.state.model().is_some()) {
            // Its own sender lives as long as it does.
            _ = changed.changed().await;
        }
    }

    async fn stream_events(&self, connection: &mut Connection) -> io::Result<After> {
        let mut events = self.events.subscribe();
        connection.write_stream_head().await?;
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => connection.write_chunk(&event).await?,
                    // Who falls so far behind has to ask anew, as after any loss of the connection.
                    Err(_) => return Ok(After::Close),
                },
                () = connection.gone() => return Ok(After::Close),
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table, and does what has to be done for it.
    fn change<R>(self: &Arc<Self>, act: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.table();
        let result = act(&mut table);
        let effects = table.take_effects();
        if effects.is_empty() {
            return result;
        }
        for effect in effects {
            match effect {
                Effect::Mind(at, model) => _ = tokio::spawn(Arc::clone(self).mind(at, model)),
                Effect::End(at, model) => _ = tokio::spawn(Arc::clone(self).end(at, model)),
                Effect::TellStart(at) => self.tell(pages::start_event(table.name(at))),
                Effect::TellState { at, state, exit_code } => {
                    self.tell(pages::state_event(table.name(at), &state, exit_code));
                }
            }
        }
        self.changed.send_replace(());
        result
    }

    fn tell(&self, event: String) {
        // Nobody need listen.
        _ = self.events.send(event);
    }

    /// Sees a model through its life, until it is killed.
    async fn mind(self: Arc<Self>, at: usize, model: Arc<Model>) {
        let life = async {
            model.machine.ready().await;
            self.change(|table| table.load_ended(at, &model));
            loop {
                model.machine.slept().await;
                self.change(|table| table.slept(at, &model));
                model.machine.woken().await;
                self.change(|table| table.woken(at, &model));
            }
        };
        tokio::select! {
            () = life => {}
            () = model.machine.killed() => {}
        }
    }

    /// Lets a model that has to go end its answers, kills it when that takes too long, and sees it gone.
    async fn end(self: Arc<Self>, at: usize, model: Arc<Model>) {
        let mut changed = self.changed.subscribe();
        let idle = async {
            while self.table().is_busy(at) {
                // Its own sender lives as long as it does.
                _ = changed.changed().await;
            }
        };
        let exit_code = if timeout(self.stop_timeout, idle).await.is_ok() { 0 } else { 1 };
        model.machine.kill();
        sleep(self.exit).await;
        self.change(|table| table.gone(at, exit_code));
    }
}

/// A request that wants a model, until it is dropped: its client may leave.
struct Wish {
    router: Arc<Router>,
    at: usize,
    /// How many of the model's loads had come to nothing before.
    falls: u64,
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.router.change(|table| table.leave(self.at));
    }
}

/// A request that a model has, until it is dropped.
struct Visit {
    router: Arc<Router>,
    at: usize,
    model: Arc<Model>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.router.change(|table| table.answered(self.at, &self.model));
        self.router.changed.send_replace(());
    }
}

/// The model that a request's body names; empty where it names none.
fn model_of(request: &Request) -> Result<String, Reply> {
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|error| invalid(&format!("parse error: {error}")))?;
    Ok(body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn invalid(message: &str) -> Reply {
    Reply::error(400, "invalid_request_error", message)
}

/// Events that a slow listener may be behind.
const EVENTS_KEPT: usize = 256;
