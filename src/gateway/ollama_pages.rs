//! Pages about models for clients of Ollama's API: what is offered here, in the words that they know.
//! Merges nothing itself; `listing` does.

use std::sync::Arc;

use bytes::Bytes;
use pingora::Result;
use pingora::proxy::Session;

use crate::api::ollama::client::{self, Capability, Model};
use crate::api::openai::Listed;
use crate::models::{Entry, Models};
use crate::upstream::ClaimError;

use super::context::Context;
use super::fault::Fault;
use super::moment::now;
use super::route::OllamaPage;
use super::shared::Gateway;

impl Gateway {
    /// Answers a page about models.
    pub(super) async fn answer_ollama(
        &self,
        session: &mut Session,
        context: &mut Context,
        page: OllamaPage,
    ) -> Result<()> {
        let body = match page {
            OllamaPage::Root => return self.answer_text(session, context, client::RUNNING).await,
            OllamaPage::Version => {
                let api = context.settings.view.ollama_api.clone().unwrap_or_default();
                client::version(&api.version)
            }
            OllamaPage::Tags => {
                let models = self.models(session, context).await?;
                client::tags(&models.iter().map(|entry| model(context, entry)).collect::<Vec<_>>())
            }
            OllamaPage::Running => {
                let models = self.models(session, context).await?;
                let running = models.iter().filter(|entry| entry.presence.is_none_or(|presence| presence.boxes > 0));
                client::ps(&running.map(|entry| model(context, entry)).collect::<Vec<_>>())
            }
            OllamaPage::Show => {
                let name = self.asked_model(session, context).await?;
                let models = self.models(session, context).await?;
                let Some(entry) = find(&models, &name) else {
                    return Err(context.mistaken(client::unknown_model(&name)));
                };
                let shown = self.shown(context, entry).await;
                client::show(&Model { name, ..shown })
            }
            OllamaPage::Pull => {
                let name = self.asked_model(session, context).await?;
                let models = self.models(session, context).await?;
                if find(&models, &name).is_none() {
                    return Err(context.mistaken(client::UNKNOWN_PULL));
                }
                Bytes::from_static(client::PULLED.as_bytes())
            }
            OllamaPage::Management => return Err(context.mistaken(client::NOT_MANAGED)),
        };
        self.answer_json(session, context, body).await
    }

    /// Whether a model of this name is offered. Where no server tells its models any may be.
    pub(super) async fn offers(&self, session: &Session, context: &Context, name: &str) -> bool {
        told_models(session, context).await.is_none_or(|models| find(&models, name).is_some())
    }

    async fn asked_model(&self, session: &mut Session, context: &mut Context) -> Result<String> {
        let body = self.read_ollama(session, context).await?;
        client::asked_model(&body).map_err(|mistake| context.mistaken(mistake))
    }

    async fn models(&self, session: &Session, context: &mut Context) -> Result<Arc<Models>> {
        let models = told_models(session, context).await;
        models.ok_or_else(|| context.fail(Fault::Claim(ClaimError::Unreachable)))
    }

    /// What is told of a model and of its server.
    async fn shown(&self, context: &Context, entry: &Entry) -> Model {
        let mut model = model(context, entry);
        let pool = context.settings.upstream.pools().iter().find(|pool| pool.name() == entry.pool());
        let Some(pool) = pool else { return model };
        let told = pool.properties(entry.own_name()).await;
        model.context_length = told.context.or(model.context_length);
        model.template = Some(told.chat_template);
        if told.embeds {
            model.capabilities = vec![Capability::Embedding];
        }
        let senses = [(told.sees, Capability::Vision), (told.hears, Capability::Audio)];
        model.capabilities.extend(senses.into_iter().filter(|(has, _)| *has).map(|(_, sense)| sense));
        model
    }
}

/// What the servers tell; `None` where none tells anything.
async fn told_models(session: &Session, context: &Context) -> Option<Arc<Models>> {
    let authorization = session.get_header("authorization").and_then(|value| value.to_str().ok());
    context.settings.models(authorization.map(str::to_owned)).await
}

/// The entry of a model, whichever of its names is said.
fn find<'m>(models: &'m Models, name: &str) -> Option<&'m Entry> {
    models.find(name).or_else(|| models.iter().find(|entry| client::same_name(&entry.id, name)))
}

/// What the list says of a model. Tools are offered to any.
fn model(context: &Context, entry: &Entry) -> Model {
    let told = Listed::read(entry.told());
    let dialect = entry.dialect.as_deref().and_then(|name| context.settings.dialects.get(name));
    let thinks = dialect.is_some_and(|dialect| dialect.spec().reasoning.is_some());
    let capabilities = [Capability::Completion, Capability::Tools].into_iter();
    Model {
        name: entry.id.clone(),
        size: told.size,
        parameters: told.parameters,
        context_length: told.context,
        capabilities: capabilities.chain(thinks.then_some(Capability::Thinking)).collect(),
        modified: told.created.unwrap_or_else(|| now().unix.as_secs()),
        ..Model::default()
    }
}
