//! MCP servers: their processes and connections, what tools they have, and calls of these.
//! Offers no model anything: whoever asks is told what there is now. What a call answers stands in `tooling`.
//!
//! Each server of the configuration has a task that keeps it connected, from the start on and never for a request.
//! What a server sends is metered before it is read, and everything it is asked has an end in time: one that floods,
//! hangs, dies or lies loses its connection, and with it its tools, until it is there again.

mod child;
mod guarded;
mod handler;
mod http;
mod meter;
mod requests;
mod server;
mod session;
mod stdio;
mod streamable;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::server::Server;
pub use self::server::Standing;
use crate::config::ToolServer;
use crate::tooling::{Failure, NotOffered, Outcome, ServerTool, is_own_tool, read_object, tool_name};

/// The servers of a configuration.
#[derive(Clone, Debug)]
pub struct Servers {
    shared: Arc<Shared>,
    /// That keeps them, whoever reloads.
    runtime: Handle,
}

/// How one server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub server: String,
    pub standing: Standing,
    /// How many of its tools there are.
    pub tools: usize,
}

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Vec<Kept>>,
    /// Those that are to stop, and have not yet.
    leaving: Mutex<Vec<JoinHandle<()>>>,
    offered: Mutex<Offered>,
}

#[derive(Debug)]
struct Kept {
    server: Arc<Server>,
    task: JoinHandle<()>,
}

/// What there is now, in the order of the configuration and of each server's list.
#[derive(Debug, Default)]
struct Offered {
    tools: Arc<[Arc<ServerTool>]>,
    by_name: BTreeMap<String, (Arc<ServerTool>, Arc<Server>)>,
    /// Tools whose names others have. Each is logged once.
    clashes: Vec<(String, String)>,
}

/// A process may take five seconds to end, and the library two.
const STOP_MAX: Duration = Duration::from_secs(10);

impl Servers {
    /// Begins to keep these servers, each on a task of this runtime.
    pub fn start(servers: &[ToolServer], runtime: &Handle) -> Self {
        let started = Self { shared: Arc::default(), runtime: runtime.clone() };
        started.reload(servers);
        started
    }

    /// Keeps these servers from now on. One whose configuration is what it was goes on as it is; one that is not there any
    /// more is stopped.
    pub fn reload(&self, servers: &[ToolServer]) {
        let mut now = self.shared.kept();
        let mut before = mem::take(&mut *now);
        let kept = servers.iter().map(|config| match before.iter().position(|kept| kept.server.config == *config) {
            Some(at) => before.swap_remove(at),
            None => self.keep(config),
        });
        *now = kept.collect();
        drop(now);
        self.shared.leave(before);
        self.shared.look();
    }

    /// The tools that there are now, by the names that models know. Theirs is the label of their server.
    pub fn tools(&self) -> Arc<[Arc<ServerTool>]> {
        Arc::clone(&self.shared.offered().tools)
    }

    /// Whether a server of this label is configured, connected or not.
    pub fn has(&self, label: &str) -> bool {
        self.shared.kept().iter().any(|kept| kept.server.config.name == label)
    }

    /// How each server is, in the order of the configuration.
    pub fn status(&self) -> Vec<Status> {
        let status = |kept: &Kept| Status {
            server: kept.server.config.name.clone(),
            standing: kept.server.standing(),
            tools: kept.server.tools().len(),
        };
        self.shared.kept().iter().map(status).collect()
    }

    /// Calls the tool of this name, with arguments as the model wrote them. Whoever drops this future cancels the call at
    /// the server.
    pub async fn call(&self, name: &str, arguments: &str) -> Outcome {
        let found = self.shared.offered().by_name.get(name).cloned();
        let Some((tool, server)) = found else {
            let failure = match self.server_of(name) {
                Some(server) => Failure::NoServer(server),
                None => Failure::UnknownTool(name.to_owned()),
            };
            return failure.into();
        };
        match read_object(name, arguments) {
            Ok(arguments) => server.call(&tool.definition.name, arguments).await,
            Err(failure) => failure.into(),
        }
    }

    /// Waits until something has come of each server's first session, but no longer than that.
    pub async fn settled(&self, patience: Duration) {
        let servers: Vec<_> = self.shared.kept().iter().map(|kept| Arc::clone(&kept.server)).collect();
        let all = async {
            for server in servers {
                server.settled().await;
            }
        };
        let _ = timeout(patience, all).await;
    }

    /// Stops all servers, and waits until their processes have ended.
    pub async fn stop(&self) {
        let kept = mem::take(&mut *self.shared.kept());
        self.shared.leave(kept);
        self.shared.look();
        let leaving = mem::take(&mut *self.shared.leaving());
        let all = async {
            for one in leaving {
                let _ = one.await;
            }
        };
        let _ = timeout(STOP_MAX, all).await;
    }

    fn keep(&self, config: &ToolServer) -> Kept {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        let changed = move || {
            if let Some(shared) = shared.upgrade() {
                shared.look();
            }
        };
        let server = Arc::new(Server::new(config.clone(), Box::new(changed)));
        let task = self.runtime.spawn(Arc::clone(&server).keep());
        Kept { server, task }
    }

    /// The server that is not connected and would have a tool of this name.
    fn server_of(&self, name: &str) -> Option<String> {
        let kept = self.shared.kept();
        let mut absent = kept.iter().map(|kept| &kept.server).filter(|server| server.standing() != Standing::Up);
        absent.find(|server| server.config.may_have(name)).map(|server| server.config.name.clone())
    }
}

/// Nobody is left who could ask for them.
impl Drop for Shared {
    fn drop(&mut self) {
        self.kept().iter().for_each(|kept| kept.server.stop());
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaving(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offered(&self) -> MutexGuard<'_, Offered> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has servers stop.
    fn leave(&self, servers: Vec<Kept>) {
        let mut leaving = self.leaving();
        leaving.retain(|task| !task.is_finished());
        leaving.extend(servers.into_iter().map(|kept| {
            kept.server.stop();
            kept.task
        }));
    }

    /// Looks what there is now.
    fn look(&self) {
        // Held to the end, so that of two who look the later one sees the later state.
        let mut offered = self.offered();
        let servers: Vec<_> = self.kept().iter().map(|kept| Arc::clone(&kept.server)).collect();
        let mut now = Offered::default();
        let mut tools = Vec::new();
        for server in servers {
            let ToolServer { name: label, aliases, .. } = &server.config;
            for definition in server.tools() {
                let alias = aliases.iter().find(|(tool, _)| *tool == definition.name).map(|(_, alias)| alias.clone());
                let name = alias.unwrap_or_else(|| tool_name(label, &definition.name));
                if is_own_tool(&name) || now.by_name.contains_key(&name) {
                    now.clashes.push((label.clone(), definition.name));
                    let clash = (label.clone(), name);
                    if !offered.clashes.contains(now.clashes.last().unwrap_or(&clash)) {
                        log::warn!("tool server {label}: a tool is not offered: {}", NotOffered::NameTaken(clash.1));
                    }
                    continue;
                }
                let tool = Arc::new(ServerTool { name: name.clone(), server: label.clone(), definition });
                tools.push(Arc::clone(&tool));
                now.by_name.insert(name, (tool, Arc::clone(&server)));
            }
        }
        now.tools = tools.into();
        *offered = now;
    }
}
