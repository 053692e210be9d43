//! How one server is, by the pages that its engine has for that.
//! Remembers nothing but what a server does not offer; `pool` tells the balancer.

use std::sync::Arc;

use memchr::memmem;
use serde::Deserialize;

use crate::balance::{Report, State, Work};
use crate::config;
use crate::exchange::Engine;

use super::load::Load;
use crate::upstream::fleet::peer::Peer;
use crate::upstream::wire::ask::{self, AskError, Page};

/// What a check showed.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    Told(Report),
    /// Nobody listens there.
    Refused,
    /// It takes connections and says nothing.
    Silent,
    /// It was not asked.
    Unasked,
}

/// What became of a server whose connection broke before it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may still run what it was asked.
    Lives,
    /// It has begun anew, and loads its model.
    Restarted,
    Gone,
}

impl Fate {
    /// As a log says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lives => "it lives, and may still be at it",
            Self::Restarted => "it has begun anew",
            Self::Gone => "it is gone",
        }
    }
}

/// The page that says whether a server of this engine serves; asking for it wakes nobody and costs nothing.
/// None is known of other servers that speak the same API.
pub fn page(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::LlamaCpp | Engine::Vllm | Engine::Sglang => Some(HEALTH),
        Engine::Ollama => Some("/api/version"),
        Engine::OpenAi => None,
    }
}

/// Asks one server. `load` is what its last checks have shown of its load.
pub async fn check(peer: &Arc<Peer>, engine: Engine, timeouts: config::Timeouts, load: &mut Load) -> Check {
    let Some(path) = page(engine) else { return Check::Told(Report::default()) };
    let health = match ask::page(peer, path, None, timeouts).await {
        Ok(page) => page,
        Err(AskError::Late) => return Check::Silent,
        Err(e) if e.is_shortage() => return Check::Unasked,
        Err(e) => {
            log::debug!("{}: {path}: {e}", peer.url());
            return Check::Refused;
        }
    };
    let state = state(engine, health.status);
    if state != State::Ready {
        return Check::Told(Report { state, ..Report::default() });
    }
    let (report, work) = tokio::join!(properties(peer, engine, timeouts), load.ask(peer, engine, timeouts));
    Check::Told(Report { work, ..report })
}

/// Finds out what became of a server. Of those that can be asked only llama.cpp tells a fresh process from an old one.
pub async fn fate(peer: &Arc<Peer>, engine: Engine, timeouts: config::Timeouts) -> Fate {
    if engine == Engine::LlamaCpp {
        match ask::page(peer, HEALTH, None, timeouts).await {
            Ok(page) if page.status == 503 && memmem::find(&page.body, LOADING).is_some() => return Fate::Restarted,
            Ok(_) | Err(AskError::Late) => return Fate::Lives,
            Err(e) if e.is_shortage() => return Fate::Lives,
            Err(_) => {}
        }
    }
    if peer.is_gone().await { Fate::Gone } else { Fate::Lives }
}

/// What a server that serves tells of itself.
async fn properties(peer: &Arc<Peer>, engine: Engine, timeouts: config::Timeouts) -> Report {
    if engine != Engine::LlamaCpp {
        return Report::default();
    }
    let props = ask::page(peer, "/props", None, timeouts).await;
    props.map_or_else(|_| Report::default(), |page| report(&page))
}

/// llama.cpp answers 503 `Loading model` until it serves (`tools/server/README.md`). Whoever answers below 500, be it
/// that it knows no such page or wants a key for it, is alive.
fn state(engine: Engine, status: u16) -> State {
    match (engine, status) {
        (Engine::LlamaCpp, 503) => State::Loading,
        (_, 500..) => State::Failed,
        _ => State::Ready,
    }
}

const HEALTH: &str = "/health";
/// What llama.cpp says of itself from its start until it serves, and never again.
const LOADING: &[u8] = b"Loading model";

#[derive(Deserialize)]
struct Props {
    total_slots: Option<u32>,
    #[serde(default)]
    is_sleeping: bool,
}

/// A page that cannot be read says nothing against the server.
fn report(page: &Page) -> Report {
    let props: Option<Props> = (page.status == 200).then(|| serde_json::from_slice(&page.body).ok()).flatten();
    let Some(props) = props else { return Report::default() };
    let state = if props.is_sleeping { State::Sleeping } else { State::Ready };
    Report { state, slots: props.total_slots.filter(|slots| *slots > 0), work: Work::Untold }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_a_server_is() {
        let table = [
            (Engine::LlamaCpp, 200, State::Ready),
            (Engine::LlamaCpp, 503, State::Loading),
            (Engine::LlamaCpp, 500, State::Failed),
            (Engine::LlamaCpp, 401, State::Ready),
            (Engine::LlamaCpp, 404, State::Ready),
            (Engine::Vllm, 503, State::Failed),
        ];
        for (engine, status, expected) in table {
            assert_eq!(state(engine, status), expected, "{engine:?} {status}");
        }
        let table = [
            (200, r#"{"total_slots":4,"is_sleeping":false}"#, State::Ready, Some(4)),
            (200, r#"{"total_slots":4,"is_sleeping":true}"#, State::Sleeping, Some(4)),
            (200, r#"{"total_slots":0}"#, State::Ready, None),
            (200, r#"{"total_slots":-1}"#, State::Ready, None),
            (200, "<html>", State::Ready, None),
            (401, r#"{"total_slots":4}"#, State::Ready, None),
        ];
        for (status, body, state, slots) in table {
            let told = report(&Page { status, body: body.into() });
            assert_eq!((told.state, told.slots), (state, slots), "{body}");
        }
    }
}
