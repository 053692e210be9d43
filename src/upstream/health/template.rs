//! Chat template of one model: its text, and what it writes of tools and past calls, as its server shows by writing
//! conversations.
//! Asks only who is awake, and decides nothing; `family` says what follows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::api::openai::rehearsal::{self, Scene};
use crate::config;
use crate::dialect::{CallsOfTurn, Past};
use crate::engine::ToolsMode;
use crate::upstream::wire::ask::{self, Question};
use crate::upstream::wire::endpoint::Endpoint;

/// A model's chat template, as its server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub text: Arc<str>,
    /// What it writes; `None` where the server was not asked, or said nothing of it.
    pub writes: Option<Writes>,
}

/// What a chat template writes into a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    pub tools: Tools,
    /// The form of past calls and results of which it drops nothing: text, where it drops something of any other.
    pub past: Past,
}

/// What becomes of tools that a request offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tools {
    Written,
    LeftOut,
}

/// A server that did not answer. It may later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent;

/// All that a server is asked to write has to be there by then: a request may be waiting.
const ANSWERS_MAX: Duration = Duration::from_secs(2);

impl Template {
    /// One that its server was not asked to use.
    pub fn unused(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), writes: None }
    }
}

/// What the chat template of a server's model writes: of its only one, or of `model`, which is loaded and awake. `None`
/// where the server writes no conversations, or none of this pool's.
pub async fn writes(
    endpoint: &Arc<Endpoint>,
    path: &str,
    model: Option<&str>,
    pool: &config::Pool,
) -> Result<Option<Writes>, Silent> {
    let asking = async {
        let Some(prompt) = written(endpoint, path, model, pool, Scene::Tool).await? else { return Ok(None) };
        let tools = if Scene::Tool.is_in(&prompt) { Tools::Written } else { Tools::LeftOut };
        for (scene, calls) in [(Scene::Calls, CallsOfTurn::All), (Scene::CallATurn, CallsOfTurn::One)] {
            // One that refuses several calls in a turn may take them one by one.
            let prompt = written(endpoint, path, model, pool, scene).await?;
            if prompt.is_some_and(|prompt| scene.is_in(&prompt)) {
                return Ok(Some(Writes { tools, past: Past::Native(calls) }));
            }
        }
        Ok(Some(Writes { tools, past: Past::Text }))
    };
    timeout(ANSWERS_MAX, asking).await.unwrap_or(Err(Silent))
}

/// The prompt that becomes of a scene; `None` where the server makes none of it.
async fn written(
    endpoint: &Arc<Endpoint>,
    path: &str,
    model: Option<&str>,
    pool: &config::Pool,
    scene: Scene,
) -> Result<Option<String>, Silent> {
    let members = pool.engine.row().needs.of(ToolsMode::Parse);
    let body = scene.request(model, members.iter().map(|member| (member.key, member.value)));
    match ask::ask(endpoint, &Question::order(path, body), None, pool.timeouts).await {
        Ok(reply) if reply.status == 200 => Ok(rehearsal::prompt(&reply.body)),
        Ok(reply) if reply.status != 503 => Ok(None),
        Ok(_) | Err(_) => Err(Silent),
    }
}
