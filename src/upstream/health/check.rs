//! Health check of one server: how it is, by the pages that its engine has for that.
//! Remembers nothing but what a server does not offer, and decides nothing; `history` says what follows.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::balance::{Report, State, Work};
use crate::config;
use crate::exchange::Engine;
use crate::upstream::wire::ask::{self, AskError, Page};
use crate::upstream::wire::endpoint::Endpoint;

use super::load::Load;

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

/// The page that says whether a server of this engine serves; asking for it wakes nobody and costs nothing.
/// None is known of other servers that speak the same API.
pub fn page(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::LlamaCpp | Engine::Vllm | Engine::Sglang => Some(HEALTH),
        Engine::Ollama => Some("/api/version"),
        Engine::OpenAi => None,
    }
}

/// The pause between two questions to the same server, if any are asked.
pub fn pause(pool: &config::Pool) -> Option<Duration> {
    page(pool.engine)?;
    pool.pause()
}

/// What is assumed of a server at first. One that can be asked gets no request before it has been: it may be loading,
/// and with its slots unknown it would get everybody who waits.
pub fn assumed(pool: &config::Pool) -> State {
    if pause(pool).is_some() { State::Loading } else { State::Ready }
}

/// Asks one server. `load` is what its last checks have shown of its load.
pub async fn check(endpoint: &Arc<Endpoint>, engine: Engine, timeouts: config::Timeouts, load: &mut Load) -> Check {
    let Some(path) = page(engine) else { return Check::Told(Report::default()) };
    let health = match ask::page(endpoint, path, None, timeouts).await {
        Ok(page) => page,
        Err(AskError::Late) => return Check::Silent,
        Err(e) if e.is_shortage() => return Check::Unasked,
        Err(e) => {
            log::debug!("{}: {path}: {e}", endpoint.url());
            return Check::Refused;
        }
    };
    let state = state(engine, health.status);
    if state != State::Ready {
        return Check::Told(Report { state, ..Report::default() });
    }
    let (report, work) = tokio::join!(properties(endpoint, engine, timeouts), load.ask(endpoint, engine, timeouts));
    Check::Told(Report { work, ..report })
}

/// What a server that serves tells of itself.
async fn properties(endpoint: &Arc<Endpoint>, engine: Engine, timeouts: config::Timeouts) -> Report {
    if engine != Engine::LlamaCpp {
        return Report::default();
    }
    let props = ask::page(endpoint, "/props", None, timeouts).await;
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

pub const HEALTH: &str = "/health";

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
