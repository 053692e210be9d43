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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use crate::engine::Engine;

    /// A server that describes one model, and answers each connection once; its port.
    async fn server(model: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"}")
                    && !request.starts_with(b"GET")
                    && tcp.read_buf(&mut request).await.unwrap() > 0
                {}
                let request = String::from_utf8_lossy(&request).to_lowercase();
                let is_known = request.ends_with(&format!("{{\"model\":\"{model}\"}}"));
                let status = if is_known { "200 OK" } else { "404 Not Found" };
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}");
                tcp.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        port
    }

    fn endpoint(port: u16) -> Arc<Endpoint> {
        let config = config::Config::from_upstreams(&[format!("http://127.0.0.1:{port}")], &[], None).unwrap();
        Arc::new(Endpoint::new(&config.pools[0].peers[0]))
    }

    /// A pool of an engine that describes its models, or does not.
    fn pool(describes: impl Fn(&Engine) -> bool) -> config::Pool {
        let engine = Engine::ALL.into_iter().find(describes).unwrap();
        config::Pool { engine, ..config::Pool::named("p") }
    }

    fn describes(engine: &Engine) -> bool {
        engine.row().models.is_some_and(|pages| pages.description.is_some())
    }

    #[tokio::test]
    async fn the_first_server_that_knows_the_model_describes_it() {
        let endpoints = [endpoint(1), endpoint(server("other").await), endpoint(server("m").await)];
        let descriptions = Descriptions::default();
        for name in ["m", "M:latest"] {
            assert!(descriptions.of(&pool(describes), &endpoints, name).await.is_some(), "{name}");
        }
        assert!(descriptions.of(&pool(describes), &endpoints, "nobody").await.is_none());
        let pool = pool(|engine| !describes(engine));
        assert!(descriptions.of(&pool, &endpoints, "m").await.is_none(), "it has no such page");
    }

    #[tokio::test]
    async fn what_was_told_holds_for_a_while_and_so_does_silence() {
        let (lives, gone) = ([endpoint(server("m").await)], []);
        let (told, silent) = (Descriptions::default(), Descriptions::default());
        let pool = pool(describes);
        let first = told.of(&pool, &lives, "m").await.unwrap();
        assert!(Arc::ptr_eq(&first, &told.of(&pool, &gone, "M").await.unwrap()));
        assert!(silent.of(&pool, &gone, "m").await.is_none());
        assert!(silent.of(&pool, &lives, "m").await.is_none());
    }

    #[tokio::test]
    async fn what_was_refused_holds_until_the_server_comes_back() {
        let (descriptions, endpoint) = (Descriptions::default(), endpoint(server("m").await));
        let limits = |tools, thinking| Limits { tools, thinking };
        for (complaint, expected) in [
            (Complaint::Parser, limits(Offered::Taken, Thinking::Levels)),
            (Complaint::Empty, limits(Offered::Taken, Thinking::Levels)),
            (Complaint::ThinkLevel, limits(Offered::Taken, Thinking::Switch)),
            (Complaint::Tools, limits(Offered::Refused, Thinking::Switch)),
            (Complaint::Thinking, limits(Offered::Refused, Thinking::None)),
        ] {
            descriptions.refuse("m", &endpoint, complaint);
            assert_eq!(descriptions.limits("M:latest"), expected, "{complaint:?}");
            assert_eq!(descriptions.limits("other"), Limits::default());
        }
        endpoint.unreachable();
        assert_ne!(descriptions.limits("m"), Limits::default());
        ask::page(&endpoint, "/", None, pool(describes).timeouts).await.unwrap();
        assert_eq!(descriptions.limits("m"), Limits::default());
    }

    #[test]
    fn names_of_clients_take_no_more_than_so_much() {
        let (descriptions, endpoint) = (Descriptions::default(), endpoint(1));
        for number in 0..3 * MODELS_MAX {
            descriptions.refuse(&format!("m{number}"), &endpoint, Complaint::Tools);
            descriptions.entry(&format!("m{number}"));
        }
        assert!(lock(&descriptions.refused).len() <= MODELS_MAX && lock(&descriptions.told).len() <= MODELS_MAX);
    }
}
