//! Health check of one server: how it is, by the pages that its engine has for that.
//! Remembers nothing but what a server does not offer, and decides nothing; `history` says what follows.

use std::sync::Arc;
use std::time::Duration;

use crate::balance::{Catalog, Report, State, Work};
use crate::config::{self, Checks};
use crate::engine::{Engine, Sign};
use crate::upstream::wire::ask::{self, AskError};
use crate::upstream::wire::endpoint::Endpoint;

use super::catalog::Inventory;
use super::load::Load;
use super::properties::{self, Several, Unread};

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

/// What a server has turned out to run.
#[derive(Clone, Debug)]
pub enum Runs {
    /// It was not asked, or did not say.
    Untold,
    One,
    Many(Catalog),
}

/// What the checks of a server have shown beside its state.
#[derive(Debug, Default)]
pub struct Known {
    /// What its page of metrics has shown.
    load: Load,
    pub inventory: Inventory,
    pub several: Option<Several>,
    /// How many tokens a conversation may have, where it has one model.
    pub context: Option<u64>,
}

/// What servers of a pool are asked, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    None,
    /// Which models they have, if they have several. One that has one model is not asked again.
    Models(Duration),
    /// How they are, too.
    Health(Duration),
}

impl Interest {
    /// The pause between two questions to the same server.
    pub fn pause(self) -> Duration {
        match self {
            Self::None => Duration::MAX,
            Self::Models(pause) | Self::Health(pause) => pause,
        }
    }
}

/// What the servers of a pool are asked. One without others is asked for its models alone: how it is its requests see.
pub fn interest(pool: &config::Pool) -> Interest {
    let row = pool.engine.row();
    match (row.health, pool.pause()) {
        (Some(_), Some(pause)) => Interest::Health(pause),
        (Some(_), None) if row.models.is_some() && pool.balancing.checks != Checks::Never => Interest::Models(PAUSE),
        _ => Interest::None,
    }
}

/// What is assumed of a server at first. One that can be asked gets no request before it has been: it may be loading,
/// and with its slots unknown it would get everybody who waits.
pub fn assumed(pool: &config::Pool) -> State {
    if matches!(interest(pool), Interest::Health(_)) { State::Loading } else { State::Ready }
}

/// How often a server without others is asked for its models.
const PAUSE: Duration = Duration::from_secs(10);

/// Asks one server. `known` is what its last checks have shown.
pub async fn check(
    endpoint: &Arc<Endpoint>,
    engine: Engine,
    timeouts: config::Timeouts,
    known: &mut Known,
) -> (Check, Runs) {
    let Some(path) = engine.row().health else { return (Check::Told(Report::default()), Runs::One) };
    let health = match ask::page(endpoint, path, None, timeouts).await {
        Ok(page) => page,
        Err(AskError::Late) => return (Check::Silent, Runs::Untold),
        Err(e) if e.is_shortage() => return (Check::Unasked, Runs::Untold),
        Err(e) => {
            log::debug!("{}: {path}: {e}", endpoint.url());
            return (Check::Refused, Runs::Untold);
        }
    };
    let state = state(engine, health.status);
    if state != State::Ready {
        return (Check::Told(Report { state, ..Report::default() }), Runs::Untold);
    }
    let properties = engine.row().properties.as_ref();
    let page = match properties {
        Some(properties) => ask::page(endpoint, properties.path, None, timeouts).await.ok(),
        None => None,
    };
    let told = properties.zip(page);
    let report = told.as_ref().map_or_else(Report::default, |(of, page)| properties::report(of.form, page));
    if let Some((of, page)) = told.as_ref().filter(|(_, page)| page.status == 200) {
        known.context = properties::of_model(of.form, &page.body).context;
    }
    let runs = match (engine.row().models.map(|pages| pages.sign), told) {
        (Some(Sign::Engine), _) => match models(endpoint, engine, timeouts, known).await {
            Runs::Untold if known.several.is_none() => Runs::One,
            runs => {
                known.several = Some(Several { places: None });
                runs
            }
        },
        (_, None) => Runs::Untold,
        (sign, Some((of, page))) => match properties::several(of.form, &page) {
            // One page that is bad does not make one model of many.
            Err(Unread) if known.several.is_some() => Runs::Untold,
            several => {
                known.several = several.unwrap_or_default().filter(|_| sign.is_some());
                if known.several.is_some() { models(endpoint, engine, timeouts, known).await } else { Runs::One }
            }
        },
    };
    // One of several models has no load of its own to tell, and one that sleeps would be woken.
    let tells_load = known.several.is_none() && report.state != State::Sleeping;
    let work = if tells_load { known.load.ask(endpoint, engine, timeouts).await } else { Work::Untold };
    (Check::Told(Report { work, ..report }), runs)
}

/// Asks a server that has several models how each of them is.
pub async fn models(endpoint: &Arc<Endpoint>, engine: Engine, timeouts: config::Timeouts, known: &mut Known) -> Runs {
    let Some(pages) = engine.row().models else { return Runs::One };
    let places = known.several.and_then(|several| several.places);
    let catalog = known.inventory.ask(endpoint, pages, places, timeouts).await;
    catalog.map_or(Runs::Untold, Runs::Many)
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
