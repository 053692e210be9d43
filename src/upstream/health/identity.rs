//! Identity of a server: which engine it is, by what it says of its models and by the pages that only one engine has.
//! Loads and wakes nothing, and remembers nothing; what follows is its caller's to decide.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::config;
use crate::engine::{Engine, Greeting, Owner, Row, Telltale};
use crate::upstream::wire::ask::{self, AskError, Reply};
use crate::upstream::wire::endpoint::Endpoint;

use super::lists;

/// Servers that are asked at once. More are asked only where none of these answers.
const AT_ONCE: usize = 16;
/// Where models are listed, whatever the engine.
const LIST: &str = "/v1/models";

/// What a server has shown itself to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub engine: Engine,
    pub version: Option<String>,
    pub proof: Proof,
}

/// By what it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its models belong to this owner.
    Owner(&'static str),
    /// It has this page.
    Page(&'static str),
    /// It says that it loads, in an engine's own words.
    Loading,
    /// It lists models, and has no sign of any engine that is known.
    Other,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "the owner of its models, `{owner}`"),
            Self::Page(path) => write!(f, "its page `{path}`"),
            Self::Loading => write!(f, "what it says while it loads"),
            Self::Other => write!(f, "a list of models and no sign of another engine"),
        }
    }
}

/// What asking a pool's servers has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// The server at this URL has shown what it is.
    Found { identity: Identity, url: String },
    /// The one at this URL answers, and does not show it.
    Untold { url: String },
    /// None has answered.
    Unreached,
}

/// Asks servers of a pool, several at once and for so long at most. What the first of them in their order shows goes for
/// all; one of an engine that is known goes before one of none.
pub async fn find_engine(pool: &config::Pool, servers: &[config::Peer], within: Duration) -> Search {
    let deadline = Instant::now() + within;
    for some in servers.chunks(AT_ONCE) {
        let search = chosen(pool, ask_all(pool, some, deadline).await);
        if search != Search::Unreached || Instant::now() >= deadline {
            return search;
        }
    }
    Search::Unreached
}

/// What each of the servers shows that answer in time, in their order; `None` of one that does not show what it is.
async fn ask_all(pool: &config::Pool, servers: &[config::Peer], deadline: Instant) -> Vec<(String, Option<Identity>)> {
    let mut asking = JoinSet::new();
    for (place, server) in servers.iter().enumerate() {
        let (endpoint, timeouts) = (Arc::new(Endpoint::new(server)), pool.timeouts);
        asking.spawn(async move {
            let answer = identify(&endpoint, timeouts).await;
            (place, endpoint, answer)
        });
    }
    let mut answers = Vec::new();
    while let Ok(Some(answer)) = timeout_at(deadline, asking.join_next()).await {
        answers.extend(answer);
    }
    answers.sort_by_key(|(place, ..)| *place);
    let told = answers.into_iter().filter_map(|(_, endpoint, answer)| match answer {
        Ok(identity) => Some((endpoint.url().to_owned(), identity)),
        Err(e) => {
            log::debug!("pool {}: asking {} what it is: {e}", pool.name, endpoint.url());
            None
        }
    });
    told.collect()
}

/// The first that is of an engine that is known, else the first that shows anything. Says so when another differs.
fn chosen(pool: &config::Pool, told: Vec<(String, Option<Identity>)>) -> Search {
    let silent = told.first().map(|(url, _)| Search::Untold { url: url.clone() });
    let mut found: Vec<_> = told.into_iter().filter_map(|(url, identity)| Some((url, identity?))).collect();
    found.sort_by_key(|(_, identity)| identity.proof == Proof::Other);
    let mut found = found.into_iter();
    let Some((url, identity)) = found.next() else { return silent.unwrap_or(Search::Unreached) };
    for (other_url, other) in found.filter(|(_, other)| other.engine != identity.engine) {
        let (name, other_name) = (identity.engine.name(), other.engine.name());
        log::warn!("pool {}: at {url} {name}, at {other_url} {other_name}; a pool is of one engine", pool.name);
    }
    Search::Found { identity, url }
}

/// Asks one server what it is; `None` where it does not show that it is anything. Fails when it does not answer at all.
pub async fn identify(endpoint: &Arc<Endpoint>, timeouts: config::Timeouts) -> Result<Option<Identity>, AskError> {
    let list = ask::page(endpoint, LIST, None, timeouts).await?;
    if let Some(engine) = loading(&list) {
        return Ok(Some(Identity { engine, version: None, proof: Proof::Loading }));
    }
    let owners = lists::owners(&list);
    if let Some((engine, owner)) = owners.as_deref().and_then(owned) {
        let version = match &engine.row().telltale {
            Some(telltale) => shown(endpoint, telltale, timeouts).await.unwrap_or_default(),
            None => None,
        };
        let version = version.and_then(|told| told.version);
        return Ok(Some(Identity { engine, version, proof: Proof::Owner(owner) }));
    }
    // Where no list is to be seen, or a page did not come, it may be anything still.
    let mut may_be_other = owners.is_some();
    for engine in Engine::ALL {
        let row = engine.row();
        let Some(telltale) = row.telltale.as_ref().filter(|_| may_be(row, owners.as_deref())) else { continue };
        match shown(endpoint, telltale, timeouts).await {
            Ok(Some(Told { version })) => {
                return Ok(Some(Identity { engine, version, proof: Proof::Page(telltale.path) }));
            }
            Ok(None) => {}
            Err(_) => may_be_other = false,
        }
    }
    Ok(may_be_other.then(|| Identity { engine: other(), version: None, proof: Proof::Other }))
}

/// The engine of a server that has the signs of none.
pub fn other() -> Engine {
    Engine::ALL.into_iter().find(|engine| engine.row().telltale.is_none()).unwrap_or_default()
}

/// What a telltale page shows of a server that has it.
struct Told {
    version: Option<String>,
}

/// What an engine's page shows, and the one beside it. Nothing is shown by a server that has another there, or none.
async fn shown(
    endpoint: &Arc<Endpoint>,
    telltale: &Telltale,
    timeouts: config::Timeouts,
) -> Result<Option<Told>, AskError> {
    let page = ask::page(endpoint, telltale.path, None, timeouts).await?;
    let object = serde_json::from_slice::<Value>(&page.body).ok().filter(|_| page.status == 200);
    let Some(member) = object.as_ref().and_then(|object| object.get(telltale.member)) else { return Ok(None) };
    if let Some(greeting) = &telltale.greeting {
        let page = ask::page(endpoint, greeting.path, None, timeouts).await?;
        if !is_said(greeting, &page) {
            return Ok(None);
        }
    }
    Ok(Some(Told { version: member.as_str().map(str::to_owned) }))
}

fn is_said(greeting: &Greeting, page: &Reply) -> bool {
    page.status == 200 && page.body.trim_ascii() == greeting.says.as_bytes()
}

fn loading(page: &Reply) -> Option<Engine> {
    let says = |engine: &Engine| {
        engine.row().loading.as_ref().is_some_and(|loading| loading.is_told_by(page.status, &page.body))
    };
    Engine::ALL.into_iter().find(says)
}

/// The engine that alone has models of such owners.
fn owned(owners: &[Option<String>]) -> Option<(Engine, &'static str)> {
    let of = |engine: Engine| match engine.row().owner {
        Owner::Is(owner) if is_among(engine.row().owner, owners) => Some((engine, owner)),
        Owner::Is(_) | Owner::Any | Owner::Untold => None,
    };
    Engine::ALL.into_iter().find_map(of)
}

/// Whether a server of an engine may have listed this. One that has a single model always lists it.
fn may_be(row: &Row, owners: Option<&[Option<String>]>) -> bool {
    match owners {
        None => true,
        Some([]) => row.models.is_some(),
        Some(owners) => is_among(row.owner, owners),
    }
}

fn is_among(owner: Owner, owners: &[Option<String>]) -> bool {
    owner.may_have(owners.iter().map(Option::as_deref))
}
