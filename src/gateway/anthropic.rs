//! Clients of Anthropic's API: a message is asked of the servers as the chat that it stands for.
//! Knows no member of either API; `api` does.

use std::sync::Arc;

use bytes::Bytes;
use pingora::Result;
use pingora::proxy::Session;

use crate::api::ClientApi;
use crate::api::anthropic::{self, Asked, Mistake, Model, OwnTool, Server};
use crate::api::openai::Listed;
use crate::balance::prefix;
use crate::config::Messages;
use crate::models::{Entry, Models};
use crate::toolbox::OfferedTool;
use crate::upstream::{ClaimError, Pool};

use super::admit::{Admitted, pool_for};
use super::body::Read;
use super::context::Context;
use super::fault::Fault;
use super::long_work;
use super::path::path;
use super::route::{ModelsAsked, Route};
use super::shared::Gateway;

/// By which a client says which of its conversations a message is of.
const SESSION: &str = "x-claude-code-session-id";

impl Gateway {
    /// Reads a message and admits it as a chat.
    pub(super) async fn admit_messages(&self, session: &mut Session, context: &mut Context) -> Result<Admitted> {
        let (body, pool) = self.read_message(session, context).await?;
        if pool.config().messages == Messages::Pass {
            return self.pass_message(session, context, body).await;
        }
        let server = self.server(&pool, context, &body).await;
        let asked = long_work::over(body.len(), || anthropic::request(&body, &server));
        let asked = asked.map_err(|mistake| context.misread(mistake))?;
        let said = session.get_header(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let conversation = said.or_else(|| anthropic::session(&body));
        let Asked { body, told, ignored } = asked;
        if !ignored.is_empty() {
            let ignored = ("X-Toolgate-Ignored", ignored.join(", "));
            context.fields = context.fields.iter().cloned().chain([ignored]).collect();
        }
        context.client = ClientApi::Anthropic(Arc::new(told));
        context.route = Route::chat();
        self.admit_body(session, context, body).await?;
        if let Some(conversation) = conversation {
            context.terms.session.get_or_insert_with(|| prefix::key(conversation.as_bytes()));
        }
        Ok(Admitted::Directed)
    }

    /// Sends what is asked of a server that has this API itself there, as it came.
    async fn pass_message(&self, session: &mut Session, context: &mut Context, body: Bytes) -> Result<Admitted> {
        (context.client, context.route) = (ClientApi::OpenAi, Route::named());
        self.admit_body(session, context, body).await?;
        Ok(Admitted::Directed)
    }

    /// Answers how many tokens a message has.
    pub(super) async fn count_tokens(&self, session: &mut Session, context: &mut Context) -> Result<Admitted> {
        let (body, pool) = self.read_message(session, context).await?;
        if pool.config().messages == Messages::Pass {
            return self.pass_message(session, context, body).await;
        }
        let server = self.server(&pool, context, &body).await;
        let asked = anthropic::count_request(&body, &server).map_err(|mistake| context.misread(mistake))?;
        context.route = Route::chat();
        self.admit_body(session, context, asked.body.clone()).await?;
        // Nothing is answered, so no tools run.
        (context.turn, context.record.rounds, context.record.recalled) = (None, 0, false);
        let chat = context.body.known(session).unwrap_or_else(|| asked.body.clone());
        let key = told_key(session);
        let tokens = match pool.count(&chat, context.plan.model.as_deref(), key.as_deref()).await {
            Some(tokens) => tokens,
            None => {
                let estimated = ("X-Toolgate-Estimate", "bytes".to_owned());
                context.fields = context.fields.iter().cloned().chain([estimated]).collect();
                // As it was asked: a server's own API may have images that look like any text.
                anthropic::estimate(&asked.body)
            }
        };
        self.answer_json(session, context, anthropic::counted(tokens)).await?;
        Ok(Admitted::Answered)
    }

    /// Answers with the list of models, or with one of it.
    pub(super) async fn list_models_for_anthropic(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: ModelsAsked,
    ) -> Result<()> {
        let Some(models) = context.settings.models(told_key(session)).await else {
            return Err(context.fail(Fault::Claim(ClaimError::Unreachable)));
        };
        let body = match asked {
            ModelsAsked::All => {
                let query = session.req_header().uri.query().unwrap_or_default();
                anthropic::models(&models.iter().map(model).collect::<Vec<_>>(), query)
            }
            ModelsAsked::One(name) => match models.find(&name) {
                Some(entry) => anthropic::model_entry(&model(entry)),
                None => return Err(context.fail(unknown(&models, name))),
            },
        };
        self.answer_json(session, context, body).await
    }

    /// Reads a message, and finds the pool of its model.
    async fn read_message(&self, session: &mut Session, context: &mut Context) -> Result<(Bytes, Arc<Pool>)> {
        let body = match self.read(session, context).await? {
            Read::Whole(body) => body,
            Read::Nothing => Bytes::new(),
        };
        let name = anthropic::model(&body).map_err(|mistake| context.misread(mistake))?;
        let settings = Arc::clone(&context.settings);
        context.plan.model = Some(settings.view.behind(&name).map_or(name, str::to_owned));
        let pool = pool_for(&settings.upstream, context)?;
        Ok((body, pool))
    }

    /// What the mapping must know of who will answer.
    async fn server(&self, pool: &Pool, context: &Context, body: &[u8]) -> Server {
        let config = pool.config();
        let sees = match (has_images(body), &context.plan.model) {
            (true, Some(model)) => pool.sees(model).await,
            _ => None,
        };
        let takes = config.engine.row().messages;
        Server { takes, sees, thinks: None, hosted_tools: config.hosted_tools, runs: runs(pool, context) }
    }
}

impl Context {
    /// The page is one of that API's, and not of those that are served.
    pub(super) fn unserved(&mut self, session: &Session) -> Box<pingora::Error> {
        let page = String::from_utf8_lossy(path(session.req_header())).into_owned();
        self.fail(Fault::Hidden(page.into()))
    }

    /// The message is the client's to mend.
    fn misread(&mut self, mistake: Mistake) -> Box<pingora::Error> {
        self.fail(Fault::Message(mistake))
    }
}

/// The tools that run here for the pool's models.
fn runs(pool: &Pool, context: &Context) -> Arc<[OwnTool]> {
    let names = &pool.config().server_tools.names;
    if names.is_empty() {
        return Arc::default();
    }
    let tools = context.settings.toolbox().tools().into_iter();
    let tools = tools.filter(|tool| names.iter().any(|glob| glob.matches(&tool.name)));
    let own = |tool: Arc<OfferedTool>| {
        let OfferedTool { name: called, server, own_name: name, .. } = &*tool;
        OwnTool { server: server.clone(), name: name.clone(), called: called.clone() }
    };
    tools.map(own).collect()
}

/// The key that a client shows.
fn told_key(session: &Session) -> Option<String> {
    session.get_header("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Whether a message may have images, which are then asked about.
fn has_images(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"\"image\"").is_some()
}

fn model(entry: &Entry) -> Model {
    let told = Listed::read(entry.told());
    Model { id: entry.id.clone(), created: told.created.unwrap_or_default(), context: told.context }
}

fn unknown(models: &Models, model: String) -> Fault {
    let known = models.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(", ");
    Fault::UnknownModel { model, known }
}
