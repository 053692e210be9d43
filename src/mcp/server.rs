//! One server, kept: a session after another, its tools while one lasts, and calls of them.
//! Knows nothing of other servers, nor by what names models call its tools.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rmcp::RoleClient;
use rmcp::service::Peer;
use serde_json::{Map, Value};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use super::requests;
use super::session::{self, Audience, Beginning, End, Orders, stopped};
use crate::config::{Changes, ToolServer};
use crate::tooling::{Definition, Failure, Outcome, changed, unchanged, within_limits};

/// A server of the configuration.
pub struct Server {
    pub config: ToolServer,
    state: Mutex<State>,
    standing: watch::Sender<Standing>,
    /// Calls that may run at once. A server that answers none holds no more than these.
    places: Semaphore,
    doubt: Arc<Notify>,
    stop: watch::Sender<bool>,
    /// Told whenever its tools are others.
    changed: Box<dyn Fn() + Send + Sync>,
}

/// How a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has come of its first session yet.
    Beginning,
    Up,
    /// And why, for people.
    Down(String),
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beginning => f.write_str("it has not answered yet"),
            Self::Up => f.write_str("it is connected"),
            Self::Down(why) => f.write_str(why),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// While a session lasts.
    peer: Option<Peer<RoleClient>>,
    tools: Vec<Definition>,
    /// What it listed when it was first seen.
    first: Option<Vec<Definition>>,
    /// What it listed last.
    last: Vec<Definition>,
}

/// More calls of one server at once are a loop of some model.
const CALLS_MAX: usize = 32;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A session that lasted so long was a good one: the next begins soon.
const GOOD_SESSION: Duration = Duration::from_secs(60);

impl Server {
    /// One that is not kept yet.
    pub fn new(config: ToolServer, changed: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            config,
            state: Mutex::default(),
            standing: watch::Sender::new(Standing::Beginning),
            places: Semaphore::new(CALLS_MAX),
            doubt: Arc::default(),
            stop: watch::Sender::new(false),
            changed,
        }
    }

    /// Keeps it connected until it is stopped; its process has ended by then.
    pub async fn keep(self: Arc<Self>) {
        self.keep_by(|server, beginning, orders| {
            Box::pin(async move { session::run(&server.config, beginning, &*server, orders).await })
        })
        .await;
    }

    /// The same by sessions of some other kind.
    pub(super) async fn keep_by(
        self: Arc<Self>,
        session: impl Fn(Arc<Self>, Beginning, Orders) -> BoxFuture<'static, End>,
    ) {
        let mut stop = self.stop.subscribe();
        let mut pause = PAUSE_MIN;
        let mut beginning = Beginning::default();
        loop {
            let began = Instant::now();
            let orders = Orders { stop: stop.clone(), doubt: Arc::clone(&self.doubt) };
            let end = session(Arc::clone(&self), beginning, orders).await;
            let was_up = self.lost(&end);
            match end {
                End::Stopped => return,
                End::Refused(_) => beginning = beginning.other(),
                _ => {}
            }
            if was_up && began.elapsed() >= GOOD_SESSION {
                pause = PAUSE_MIN;
            }
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Has it kept no longer.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// How it is.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Waits until something has come of its first session.
    pub async fn settled(&self) {
        self.until(|standing| *standing != Standing::Beginning).await;
    }

    /// Waits until it is so.
    pub async fn until(&self, is_so: impl Fn(&Standing) -> bool) -> Standing {
        let mut standing = self.standing.subscribe();
        let found = standing.wait_for(is_so).await.map(|standing| standing.clone());
        // It cannot fail: the sender is here.
        found.unwrap_or(Standing::Beginning)
    }

    /// Its tools, while it is connected.
    pub fn tools(&self) -> Vec<Definition> {
        self.state().tools.clone()
    }

    /// Calls a tool by the server's own name for it. Whoever drops this future cancels the call.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Outcome {
        let Some(peer) = self.state().peer.clone() else {
            return Failure::NoServer(self.config.name.clone()).into();
        };
        let patience = self.config.timeout;
        let Ok(Ok(_place)) = timeout(patience, self.places.acquire()).await else {
            return self.failure(format!("{CALLS_MAX} calls run there already"));
        };
        match requests::call(peer, tool.to_owned(), arguments, patience).await {
            Ok(answer) => answer.outcome(),
            Err(refusal) => {
                if refusal.is_loss() {
                    self.doubt.notify_one();
                }
                self.failure(refusal.to_string())
            }
        }
    }

    fn failure(&self, what: String) -> Outcome {
        Failure::Server { server: self.config.name.clone(), what }.into()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is offered until the next session. Whether anything was.
    fn lost(&self, end: &End) -> bool {
        let was_up = {
            let mut state = self.state();
            state.tools.clear();
            state.peer.take().is_some()
        };
        let name = &self.config.name;
        let why = end.to_string();
        let standing = Standing::Down(why.clone());
        let is_news = self.standing.send_replace(standing.clone()) != standing;
        match end {
            End::Stopped => log::info!("tool server {name}: {why}"),
            // What is tried in vain every minute is told once.
            _ if is_news => log::warn!("tool server {name}: {why}"),
            _ => log::debug!("tool server {name}: {why}"),
        }
        if was_up {
            (self.changed)();
        }
        was_up
    }

    /// What of a list is taken; what is not, is logged.
    fn sifted(&self, tools: Vec<Definition>) -> Vec<Definition> {
        let is_wanted = |tool: &Definition| self.config.tools.iter().any(|glob| glob.matches(&tool.name));
        let (tools, mut left) = within_limits(tools.into_iter().filter(is_wanted).collect());
        let mut state = self.state();
        let first = state.first.get_or_insert_with(|| tools.clone());
        let (kept, refused) = match self.config.changes {
            Changes::Refused => unchanged(first, tools.clone()),
            Changes::Told => (tools.clone(), Vec::new()),
        };
        left.extend(refused);
        let is_news = state.last != tools;
        if is_news {
            let name = &self.config.name;
            for (tool, why) in left {
                log::warn!("tool server {name}: `{tool}` is not offered: {why}");
            }
            for tool in changed(&state.last, &tools) {
                log::warn!(
                    "tool server {name}: `{tool}` has changed what it says of itself; `toolgate tools` shows it"
                );
            }
            state.last = tools;
        }
        kept
    }
}

impl Audience for Server {
    fn listed(&self, peer: &Peer<RoleClient>, tools: Vec<Definition>) {
        let tools = self.sifted(tools);
        let (count, is_new) = {
            let mut state = self.state();
            let is_new = state.peer.is_none() || state.tools != tools;
            state.peer = Some(peer.clone());
            state.tools = tools;
            (state.tools.len(), is_new)
        };
        if is_new {
            log::info!("tool server {}: {count} tools", self.config.name);
            (self.changed)();
        }
        self.standing.send_replace(Standing::Up);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.config).field("standing", &self.standing()).finish()
    }
}
