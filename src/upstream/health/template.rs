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
    /// One whose text its server does not show.
    pub fn hidden() -> Self {
        Self::unused("")
    }

    /// Whether its text is not shown.
    pub fn is_hidden(&self) -> bool {
        self.text.is_empty()
    }

    /// One that its server was not asked to use.
    pub fn unused(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), writes: None }
    }
}

/// What the chat template of a server's model writes: of its only one, or of `model`, which is loaded and awake. `None`
/// where the server writes no conversations, or none of this pool's.
pub async fn writes(
    endpoint: &Arc<Endpoint>,
    (path, spelling): (&str, Option<&str>),
    model: Option<&str>,
    pool: &config::Pool,
) -> Result<Option<Writes>, Silent> {
    let stage = Stage { endpoint, path, spelling, model, pool };
    let asking = async {
        let Some(prompt) = stage.written(Scene::Tool).await? else { return Ok(None) };
        let tools = if Scene::Tool.is_in(&prompt) { Tools::Written } else { Tools::LeftOut };
        for (scene, calls) in [(Scene::Calls, CallsOfTurn::All), (Scene::CallATurn, CallsOfTurn::One)] {
            // One that refuses several calls in a turn may take them one by one.
            let prompt = stage.written(scene).await?;
            if prompt.is_some_and(|prompt| scene.is_in(&prompt)) {
                return Ok(Some(Writes { tools, past: Past::Native(calls) }));
            }
        }
        Ok(Some(Writes { tools, past: Past::Text }))
    };
    timeout(ANSWERS_MAX, asking).await.unwrap_or(Err(Silent))
}

/// Where scenes are written.
struct Stage<'a> {
    endpoint: &'a Arc<Endpoint>,
    path: &'a str,
    spelling: Option<&'a str>,
    model: Option<&'a str>,
    pool: &'a config::Pool,
}

impl Stage<'_> {
    /// The prompt that becomes of a scene; `None` where the server makes none of it.
    async fn written(&self, scene: Scene) -> Result<Option<String>, Silent> {
        let members = self.pool.engine.row().needs.of(ToolsMode::Parse);
        let request = scene.request(self.model, members.iter().map(|member| (member.key, member.value)));
        let page = self.ask(self.path, request).await?;
        let Some(spelling) = self.spelling else { return Ok(page.as_deref().and_then(rehearsal::prompt)) };
        let Some(tokens) = page.as_deref().and_then(rehearsal::tokens) else { return Ok(None) };
        let page = self.ask(spelling, rehearsal::spelled(self.model, &tokens)).await?;
        Ok(page.as_deref().and_then(rehearsal::prompt))
    }

    async fn ask(&self, path: &str, body: String) -> Result<Option<Vec<u8>>, Silent> {
        match ask::ask(self.endpoint, &Question::order(path, body), None, self.pool.timeouts).await {
            Ok(reply) if reply.status == 200 => Ok(Some(reply.body)),
            Ok(reply) if reply.status != 503 => Ok(None),
            Ok(_) | Err(_) => Err(Silent),
        }
    }
}
