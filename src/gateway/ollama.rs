//! Clients of Ollama's API: what they ask of a model is asked of its servers in OpenAI's words, unless those are Ollama's
//! and nothing needs doing.
//! Knows no member of either API; `api` does. What they ask about models is `ollama_pages`'.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use pingora::Result;
use pingora::proxy::Session;

use crate::api::ClientApi;
use crate::api::ollama::client::{self, EmbedPage, Mistake, Page, Request, Told};
use crate::api::ollama::server::{Defaults, with_defaults};
use crate::api::openai;
use crate::config::ToolsChoice;
use crate::engine::ChatApi;
use crate::upstream::Pool;

use super::admit::{Admitted, Passing, pool_for};
use super::body::Read;
use super::context::Context;
use super::fault::Fault;
use super::long_work;
use super::moment::moment;
use super::route::{OllamaClients, Route};
use super::settings::Settings;
use super::shared::Gateway;

impl Gateway {
    /// Whether clients of Ollama's API are served where this connection came in.
    pub(super) fn ollama_clients(&self, session: &Session, settings: &Settings) -> OllamaClients {
        let Some(api) = &settings.view.ollama_api else { return OllamaClients::Unknown };
        let came_in_at = || session.server_addr().and_then(|address| address.as_inet());
        let is_served = api.listen.is_empty() || came_in_at().is_some_and(|at| self.is_ollamas(*at));
        if is_served { OllamaClients::Served } else { OllamaClients::Unknown }
    }

    fn is_ollamas(&self, at: SocketAddr) -> bool {
        let leads = |own: &SocketAddr| own.port() == at.port() && (own.ip().is_unspecified() || own.ip() == at.ip());
        self.ollama_at.iter().any(leads)
    }

    /// Reads a chat, or a text to go on with, and admits it as one of OpenAI's.
    pub(super) async fn admit_ollama_chat(
        &self,
        session: &mut Session,
        context: &mut Context,
        page: Page,
    ) -> Result<Admitted> {
        let body = self.read_ollama(session, context).await?;
        let name = client::asked_model(&body).map_err(|mistake| context.mistaken(mistake))?;
        let pool = context.direct_to(&name)?;
        let api = pool.config().chat_api();
        let is_ollamas = api == ChatApi::Ollama;
        let options = pool.config().engine.options(api);
        let request = long_work::over(body.len(), || client::request(page, &body, options));
        let request = request.map_err(|mistake| context.mistaken(mistake))?;
        let (route, chat, told) = match request {
            // Its own servers load it, and go on with texts, as they are asked.
            Request::Load { .. } if is_ollamas => {
                let constants = pool.config().ollama.defaults.of_load();
                return self.pass_on(session, context, (&pool, &name), body, &constants).await;
            }
            Request::Unload { .. } if is_ollamas => {
                return self.pass_on(session, context, (&pool, &name), body, &Defaults::default()).await;
            }
            Request::Completion { .. } if is_ollamas => {
                let wishes = &pool.config().ollama.defaults;
                return self.pass_on(session, context, (&pool, &name), body, wishes).await;
            }
            Request::Load { told } => return self.answer_load(session, context, &told, client::loaded).await,
            Request::Unload { told } => return self.answer_load(session, context, &told, client::unloaded).await,
            Request::Completion { body, told } => (Route::completion(), body, told),
            Request::Chat { body: chat, told } => {
                if is_ollamas && context.aliased(&name).is_none() && is_left_alone(&chat, &pool) {
                    let body = with_defaults(&body, &pool.config().ollama.defaults).unwrap_or(body);
                    let passing = Passing { generates: true, ..Passing::of(body) };
                    self.pass(session, context, (&pool, &name), passing).await;
                    return Ok(Admitted::Directed);
                }
                (Route::chat(), chat, told)
            }
        };
        context.client = ClientApi::Ollama(Arc::new(told));
        self.admit_as(session, context, route, (&name, chat)).await
    }

    /// The same of texts that are to be embedded.
    pub(super) async fn admit_ollama_embed(
        &self,
        session: &mut Session,
        context: &mut Context,
        page: EmbedPage,
    ) -> Result<Admitted> {
        let body = self.read_ollama(session, context).await?;
        let name = client::asked_model(&body).map_err(|mistake| context.mistaken(mistake))?;
        let pool = context.direct_to(&name)?;
        if pool.config().chat_api() == ChatApi::Ollama && context.aliased(&name).is_none() {
            let constants = pool.config().ollama.defaults.of_load();
            return self.pass_on(session, context, (&pool, &name), body, &constants).await;
        }
        let asked = client::embed_request(page, &body).map_err(|mistake| context.mistaken(mistake))?;
        context.client = ClientApi::OllamaEmbed(page, asked.model.into());
        self.admit_as(session, context, Route::embeddings(), (&name, asked.body)).await
    }

    /// Lets a request go to an Ollama as it came, but for its model's own name and what the pool wants of all.
    async fn pass_on(
        &self,
        session: &mut Session,
        context: &mut Context,
        (pool, name): (&Arc<Pool>, &str),
        body: Bytes,
        wishes: &Defaults,
    ) -> Result<Admitted> {
        let real = context.aliased(name);
        let body = with_defaults(&body, wishes).unwrap_or(body);
        let body = real.as_deref().and_then(|real| openai::renamed(&body, real)).unwrap_or(body);
        self.pass(session, context, (pool, real.as_deref().unwrap_or(name)), Passing::of(body)).await;
        Ok(Admitted::Directed)
    }

    /// Admits a request of OpenAI's in the place of the client's.
    async fn admit_as(
        &self,
        session: &mut Session,
        context: &mut Context,
        route: Route,
        (name, body): (&str, Bytes),
    ) -> Result<Admitted> {
        context.record.operation = route.operation;
        context.route = route;
        let own = context.own_name(name);
        let body = if own == name { body } else { openai::renamed(&body, &own).unwrap_or(body) };
        self.admit_body(session, context, body).await?;
        Ok(Admitted::Directed)
    }

    /// Answers who wants a model in memory, or out of it: that is the balancer's to decide.
    async fn answer_load(
        &self,
        session: &mut Session,
        context: &mut Context,
        told: &Told,
        answer: fn(&Told, client::Moment) -> Bytes,
    ) -> Result<Admitted> {
        if !self.offers(session, context, &told.model).await {
            return Err(context.mistaken(client::unknown_model(&told.model)));
        }
        let body = answer(told, moment(&context.record));
        self.answer_json(session, context, body).await?;
        Ok(Admitted::Answered)
    }

    /// Reads a body; none is an empty one.
    pub(super) async fn read_ollama(&self, session: &mut Session, context: &mut Context) -> Result<Bytes> {
        match self.read(session, context).await? {
            Read::Whole(body) => Ok(body),
            Read::Nothing => Ok(Bytes::new()),
        }
    }
}

impl Context {
    /// The request is the client's to mend.
    pub fn mistaken(&mut self, mistake: Mistake) -> Box<pingora::Error> {
        self.fail(Fault::Ollama(mistake))
    }

    /// The pool of the model that a client of Ollama's API names.
    fn direct_to(&mut self, name: &str) -> Result<Arc<Pool>> {
        let settings = Arc::clone(&self.settings);
        self.plan.model = Some(settings.behind(name).unwrap_or(name).to_owned());
        pool_for(&settings.upstream, self).map_err(|error| match self.fault {
            Some(Fault::UnknownModel { .. }) => self.mistaken(client::unknown_model(name)),
            _ => error,
        })
    }

    fn own_name(&self, name: &str) -> String {
        self.settings.untagged(name).unwrap_or(name).to_owned()
    }

    /// The model that is called by another name, said with the tag of Ollama's clients or without.
    fn aliased(&self, name: &str) -> Option<String> {
        let view = &self.settings.view;
        let real = view.behind(name).or_else(|| view.behind(self.settings.untagged(name)?));
        real.map(str::to_owned)
    }
}

/// Whether a chat that Ollama's client asks of an Ollama goes there as it is: nothing is to be done with tools.
fn is_left_alone(chat: &[u8], pool: &Pool) -> bool {
    let is_about_tools = || openai::Request::read(chat).is_some_and(|chat| chat.is_about_tools());
    let is_offered_tools = !pool.config().server_tools.names.is_empty();
    !is_offered_tools && (pool.config().tools == ToolsChoice::Native || !is_about_tools())
}
