//! Descriptions of models, where an engine tells what each can do: asked for when a request first needs one, and again
//! after a while; and what a server has refused for a model all the same.
//! Decides nothing; `family` says what follows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::api::ollama::server::{Complaint, Description, Thinking, question};
use crate::config;
use crate::upstream::lock::lock;
use crate::upstream::wire::ask::{self, Question};
use crate::upstream::wire::endpoint::Endpoint;

/// A model may be replaced under its name, which is noticed by then.
const HOLDS_FOR: Duration = Duration::from_secs(60);
/// After servers that said nothing of a model, requests go by what is known for so long.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Clients choose the names: with more than this all are forgotten, and asked for anew.
const MODELS_MAX: usize = 1_000;

/// What is known of the models of a pool.
#[derive(Debug, Default)]
pub struct Descriptions {
    /// Whoever holds an entry asks for it, and the others of that name wait.
    told: std::sync::Mutex<HashMap<String, Arc<Mutex<Option<Told>>>>>,
    refused: std::sync::Mutex<HashMap<String, Refused>>,
}

#[derive(Debug)]
struct Told {
    description: Option<Arc<Description>>,
    until: Instant,
}

/// What a server has refused for a model, until it comes back.
#[derive(Clone, Debug)]
struct Refused {
    limits: Limits,
    endpoint: Arc<Endpoint>,
    returns: u32,
}

/// What a model was found not to take, whatever its description says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub tools: Offered,
    pub thinking: Thinking,
}

/// Whether tools may be offered to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offered {
    #[default]
    Taken,
    Refused,
}

impl Descriptions {
    /// How one of the servers describes a model; `None` where none does. Requests that come while they are asked wait for
    /// the answer.
    pub async fn of(&self, pool: &config::Pool, endpoints: &[Arc<Endpoint>], model: &str) -> Option<Arc<Description>> {
        let path = pool.engine.row().models?.description?;
        let entry = self.entry(model);
        let mut told = entry.lock().await;
        if let Some(known) = told.as_ref().filter(|known| Instant::now() < known.until) {
            return known.description.clone();
        }
        let description = ask_for(pool, endpoints, path, model).await.map(Arc::new);
        let lasts = if description.is_some() { HOLDS_FOR } else { RETRY_AFTER };
        *told = Some(Told { description: description.clone(), until: Instant::now() + lasts });
        description
    }

    fn entry(&self, model: &str) -> Arc<Mutex<Option<Told>>> {
        let mut all = lock(&self.told);
        if all.len() >= MODELS_MAX {
            all.clear();
        }
        Arc::clone(all.entry(same_name(model)).or_default())
    }

    /// What was found that a model does not take.
    pub fn limits(&self, model: &str) -> Limits {
        let refused = lock(&self.refused);
        let holds = |refused: &&Refused| refused.returns == refused.endpoint.returns();
        refused.get(&same_name(model)).filter(holds).map(|refused| refused.limits).unwrap_or_default()
    }

    /// A server has refused a request for what it says to a model.
    pub fn refuse(&self, model: &str, endpoint: &Arc<Endpoint>, complaint: Complaint) {
        let mut limits = self.limits(model);
        match complaint {
            Complaint::Tools => limits.tools = Offered::Refused,
            Complaint::Thinking => limits.thinking = Thinking::None,
            Complaint::ThinkLevel => limits.thinking = Thinking::Switch,
            // That was one answer.
            Complaint::Parser | Complaint::Empty => return,
        }
        let refused = Refused { limits, endpoint: Arc::clone(endpoint), returns: endpoint.returns() };
        let mut all = lock(&self.refused);
        if all.len() >= MODELS_MAX {
            all.clear();
        }
        all.insert(same_name(model), refused);
    }
}

async fn ask_for(pool: &config::Pool, endpoints: &[Arc<Endpoint>], path: &str, model: &str) -> Option<Description> {
    let question = Question::order(path, question(model));
    for endpoint in endpoints {
        match ask::ask(endpoint, &question, None, pool.timeouts).await {
            Ok(reply) if reply.status == 200 => {
                if let Some(description) = Description::read(&reply.body) {
                    return Some(description);
                }
            }
            // It may be another's model.
            Ok(reply) if reply.status == 404 => {}
            Ok(reply) => log::warn!("pool {}: `{path}` of {} answered {}", pool.name, endpoint.url(), reply.status),
            Err(e) => log::warn!("pool {}: asking {} for `{path}`: {e}", pool.name, endpoint.url()),
        }
    }
    None
}

/// A model's name as its server tells names apart: without regard to case, and with the tag that holds without one.
fn same_name(model: &str) -> String {
    let name = model.to_lowercase();
    name.strip_suffix(":latest").map(str::to_owned).unwrap_or(name)
}
