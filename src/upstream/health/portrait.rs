//! Portrait of one server, for people: what it is, what it runs, and what follows for tools.
//! Asks everything that loads and wakes no model, by the pages that the gateway goes by, too.

use std::sync::Arc;

use serde_json::Value;

use crate::balance::{Catalog, ModelId, ModelState, State};
use crate::config;
use crate::dialect::Dialects;
use crate::engine::Engine;
use crate::upstream::wire::ask::{self, AskError};
use crate::upstream::wire::endpoint::Endpoint;

use super::check::{self, Check, Known, Runs};
use super::family::{Family, Shown};
use super::lists;
use super::probe::Probe;

/// What a server is.
#[derive(Debug)]
pub struct Portrait {
    pub engine: Engine,
    pub version: Option<String>,
    pub state: State,
    pub slots: Option<u32>,
    pub runs: Likenesses,
}

/// What it runs.
#[derive(Debug)]
pub enum Likenesses {
    One(Likeness),
    /// `places` is how many can be loaded at once, if it says so.
    Many {
        places: Option<u32>,
        models: Vec<Likeness>,
    },
}

/// What one model is like.
#[derive(Debug)]
pub struct Likeness {
    pub name: Option<Arc<str>>,
    /// How it is at a box that has several.
    pub state: Option<ModelState>,
    pub slots: Option<u32>,
    /// What its chat template shows, where there is one to be seen.
    pub shown: Option<Shown>,
    pub family: Option<Family>,
}

/// Why there is no portrait.
#[derive(Debug, thiserror::Error)]
pub enum PortraitError {
    #[error(transparent)]
    Unreachable(#[from] AskError),
    #[error("it takes connections and does not answer")]
    Silent,
    #[error("there is no server to ask")]
    Nobody,
}

/// Asks the first server of a pool everything, and takes it for the engine that it shows itself to be.
pub async fn portray(mut pool: config::Pool, dialects: &Dialects) -> Result<Portrait, PortraitError> {
    let peer = pool.peers.first().ok_or(PortraitError::Nobody)?;
    let endpoint = Arc::new(Endpoint::new(peer));
    let (engine, version) = identity(&endpoint, pool.timeouts).await?;
    pool.engine = engine;
    let mut known = Known::default();
    let (check, runs) = check::check(&endpoint, engine, pool.timeouts, &mut known).await;
    let report = match check {
        Check::Told(report) => report,
        Check::Silent | Check::Refused | Check::Unasked => return Err(PortraitError::Silent),
    };
    let probe = Probe::default();
    let runs = match runs {
        Runs::Many(catalog) => many(&pool, &endpoint, &probe, &known, catalog, dialects).await,
        Runs::One | Runs::Untold => Likenesses::One(one(&pool, &endpoint, &probe, dialects).await),
    };
    Ok(Portrait { engine, version, state: report.state, slots: report.slots, runs })
}

/// The engine whose own page a server has, and its version, if that tells it. One of none may be any.
async fn identity(
    endpoint: &Arc<Endpoint>,
    timeouts: config::Timeouts,
) -> Result<(Engine, Option<String>), PortraitError> {
    let mut any = None;
    for engine in Engine::ALL {
        let row = engine.row();
        let Some(telltale) = &row.telltale else {
            any = Some(engine);
            continue;
        };
        let page = match ask::page(endpoint, telltale.path, None, timeouts).await {
            Ok(page) => page,
            Err(AskError::Late) => return Err(PortraitError::Silent),
            Err(error) => return Err(PortraitError::Unreachable(error)),
        };
        if row.loading.as_ref().is_some_and(|loading| loading.is_told_by(page.status, &page.body)) {
            return Ok((engine, None));
        }
        let object = serde_json::from_slice::<Value>(&page.body).ok().filter(|_| page.status == 200);
        if let Some(member) = object.as_ref().and_then(|object| object.get(telltale.member)) {
            return Ok((engine, member.as_str().map(str::to_owned)));
        }
    }
    Ok((any.unwrap_or_default(), None))
}

async fn one(pool: &config::Pool, endpoint: &Arc<Endpoint>, probe: &Probe, dialects: &Dialects) -> Likeness {
    let name = lists::names(endpoint, pool.timeouts).await.into_iter().next();
    let shown = probe.of_servers(pool, &[Arc::clone(endpoint)], dialects).await;
    let family = Family::of(pool, shown.as_ref(), name.as_deref(), dialects);
    Likeness { name, state: None, slots: None, shown, family }
}

async fn many(
    pool: &config::Pool,
    endpoint: &Arc<Endpoint>,
    probe: &Probe,
    known: &Known,
    catalog: Catalog,
    dialects: &Dialects,
) -> Likenesses {
    let mut models = Vec::new();
    for model in catalog.models {
        let id = ModelId::of(&model.name);
        let template = known.inventory.templates().find(|(name, _)| **name == *model.name);
        let mut shown = None;
        if let Some((name, text)) = template {
            if model.state == ModelState::Loaded {
                probe.rehearse(pool, (id, name), Arc::clone(text), endpoint).await;
            }
            let texts = vec![(endpoint.url().to_owned(), Arc::clone(text))];
            shown = probe.of_model(pool, (id, name), texts, dialects);
        }
        let family = Family::of(pool, shown.as_ref(), Some(&model.name), dialects);
        models.push(Likeness { name: Some(model.name), state: Some(model.state), slots: model.slots, shown, family });
    }
    Likenesses::Many { places: catalog.places.filter(|places| *places != u32::MAX), models }
}
