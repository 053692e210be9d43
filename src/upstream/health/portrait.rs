//! Portrait of one server, for people: what it is, what it runs, and what follows for tools.
//! Asks everything that loads and wakes no model, by the pages that the gateway goes by, too.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::api::openai::rehearsal::{self, Scene};
use crate::balance::{Catalog, ModelId, ModelState, State};
use crate::config;
use crate::dialect::Dialects;
use crate::engine::Engine;
use crate::upstream::wire::ask::{self, AskError, Question};
use crate::upstream::wire::endpoint::Endpoint;

use super::check::{self, Check, Known, Runs};
use super::family::{Family, Shown};
use super::identity::{self, Identity, Proof};
use super::lists;
use super::probe::Probe;

/// What a server is.
#[derive(Debug)]
pub struct Portrait {
    pub engine: Engine,
    pub version: Option<String>,
    /// By what the engine is known; absent where it is taken for any other, since it does not show what it is.
    pub proof: Option<Proof>,
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
    pub grammar: Obedience,
}

/// Whether a model that is awake writes what a grammar says, beside tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obedience {
    Obeyed,
    /// The grammar was passed over, or refused.
    Ignored,
    /// The engine takes no grammars, or the server did not answer.
    Untold,
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
    let identity = identity::identify(&endpoint, pool.timeouts).await.map_err(|error| match error {
        AskError::Late => PortraitError::Silent,
        error => PortraitError::Unreachable(error),
    })?;
    let (engine, version, proof) = match identity {
        Some(Identity { engine, version, proof }) => (engine, version, Some(proof)),
        None => (identity::other(), None, None),
    };
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
        Runs::One | Runs::Untold => {
            let mut likeness = one(&pool, &endpoint, &probe, dialects).await;
            if report.state == State::Ready {
                likeness.grammar = obedience(&pool, &endpoint, likeness.name.as_deref()).await;
            }
            Likenesses::One(likeness)
        }
    };
    Ok(Portrait { engine, version, proof, state: report.state, slots: report.slots, runs })
}

async fn one(pool: &config::Pool, endpoint: &Arc<Endpoint>, probe: &Probe, dialects: &Dialects) -> Likeness {
    let name = lists::names(endpoint, pool.timeouts).await.into_iter().next();
    let shown = probe.of_servers(pool, &[Arc::clone(endpoint)], dialects).await;
    let family = Family::of(pool, shown.as_ref(), name.as_deref(), dialects);
    Likeness { name, state: None, slots: None, shown, family, grammar: Obedience::Untold }
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
        let (mut shown, mut grammar) = (None, Obedience::Untold);
        if let Some((name, text)) = template {
            if model.state == ModelState::Loaded {
                probe.rehearse(pool, (id, name), Arc::clone(text), endpoint).await;
                grammar = obedience(pool, endpoint, Some(name)).await;
            }
            let texts = vec![(endpoint.url().to_owned(), Arc::clone(text))];
            shown = probe.of_model(pool, (id, name), texts, dialects);
        }
        let family = Family::of(pool, shown.as_ref(), Some(&model.name), dialects);
        let (name, state, slots) = (Some(model.name), Some(model.state), model.slots);
        models.push(Likeness { name, state, slots, shown, family, grammar });
    }
    Likenesses::Many { places: catalog.places.filter(|places| *places != u32::MAX), models }
}

/// Has a model that is awake write a word that nobody asked for, in four tokens at most.
async fn obedience(pool: &config::Pool, endpoint: &Arc<Endpoint>, model: Option<&str>) -> Obedience {
    let row = pool.engine.row();
    let (Some(grammar), Some(parse)) = (&row.grammar, &row.needs.parse) else { return Obedience::Untold };
    let written = grammar.value(WORD);
    let members = parse.members.iter().map(|member| (member.key, member.value));
    let members = members.chain([(grammar.key, written.as_str()), ("max_tokens", "4")]);
    let guard = row.models.and_then(|pages| pages.guard).map(|guard| format!("?{guard}")).unwrap_or_default();
    let question = Question::order(&format!("/v1/chat/completions{guard}"), Scene::Tool.request(model, members));
    let answer = timeout(ANSWER_MAX, ask::await_done(endpoint, &question, pool.timeouts.connect_ms)).await;
    match answer {
        // What the prompt has begun, such as a thought, stands before it.
        Ok(Ok(reply)) => match rehearsal::answer(&reply.body) {
            Some(answer) if answer.ends_with("yes") => Obedience::Obeyed,
            _ => Obedience::Ignored,
        },
        _ => Obedience::Untold,
    }
}

/// A grammar of one word, as JSON.
const WORD: &str = r#""root ::= \"yes\"""#;
/// A prompt of some hundred tokens has been read by then, on any machine, if its slots are not all taken.
const ANSWER_MAX: Duration = Duration::from_secs(30);
