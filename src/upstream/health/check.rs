//! Health check of one server: how it is, by the pages that its engine has for that.
//! Remembers nothing but what a server does not offer, and decides nothing; `history` says what follows.

use std::sync::Arc;
use std::time::Duration;

use crate::balance::{Report, State};
use crate::config;
use crate::engine::Engine;
use crate::upstream::wire::ask::{self, AskError};
use crate::upstream::wire::endpoint::Endpoint;

use super::load::Load;
use super::properties;

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

/// The pause between two questions to the same server, if any are asked.
pub fn pause(pool: &config::Pool) -> Option<Duration> {
    pool.engine.row().health?;
    pool.pause()
}

/// What is assumed of a server at first. One that can be asked gets no request before it has been: it may be loading,
/// and with its slots unknown it would get everybody who waits.
pub fn assumed(pool: &config::Pool) -> State {
    if pause(pool).is_some() { State::Loading } else { State::Ready }
}

/// Asks one server. `load` is what its last checks have shown of its load.
pub async fn check(endpoint: &Arc<Endpoint>, engine: Engine, timeouts: config::Timeouts, load: &mut Load) -> Check {
    let Some(path) = engine.row().health else { return Check::Told(Report::default()) };
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
    let Some(properties) = &engine.row().properties else { return Report::default() };
    let page = ask::page(endpoint, properties.path, None, timeouts).await;
    page.map_or_else(|_| Report::default(), |page| properties::report(properties.form, &page))
}

/// How a server is by the status of its health page.
fn state(engine: Engine, status: u16) -> State {
    match (&engine.row().loading, status) {
        (Some(loading), status) if status == loading.status => State::Loading,
        (_, 500..) => State::Failed,
        _ => State::Ready,
    }
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
    }
}
