//! Model list over all servers, as `GET /v1/models` and `/v1/models/{id}` show it.
//! Merges nothing itself, and knows nothing of what is private; `models` does.

use std::sync::Arc;

use bytes::Bytes;
use pingora::Result;
use pingora::http::{Method, ResponseHeader};
use pingora::proxy::Session;
use tokio::task::JoinSet;

use crate::balance::{ModelId, ModelState, SeatStatus};
use crate::config::ToolsChoice;
use crate::engine::ToolsMode;
use crate::models::{Entry, Group, Listed, Models, Presence, State};
use crate::upstream::{ClaimError, Pool, Standing};

use super::context::Context;
use super::fault::Fault;
use super::headers::insert_all;
use super::route::ModelsAsked;
use super::settings::Settings;
use super::shared::Gateway;

impl Gateway {
    /// Answers with the list, or with one entry of it.
    pub(super) async fn list_models(
        &self,
        session: &mut Session,
        context: &mut Context,
        asked: ModelsAsked,
    ) -> Result<()> {
        let authorization = session.get_header("authorization").and_then(|value| value.to_str().ok());
        let authorization = authorization.map(str::to_owned);
        let Some(models) = context.settings.models(authorization).await else {
            return Err(context.fail(Fault::Claim(ClaimError::Unreachable)));
        };
        let body = match asked {
            ModelsAsked::All => models.to_json(),
            ModelsAsked::One(model) => match context.settings.listed(&models, &model) {
                Some(entry) => entry.to_json(),
                None => {
                    let known = models.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(", ");
                    return Err(context.fail(Fault::UnknownModel { model, known }));
                }
            },
        };
        self.answer_json(session, context, body).await
    }

    /// Answers with JSON in place of the servers.
    pub(super) async fn answer_json(
        &self,
        session: &mut Session,
        context: &Context,
        body: impl Into<Bytes>,
    ) -> Result<()> {
        answer(session, context, "application/json", body.into()).await
    }

    /// The same of plain text.
    pub(super) async fn answer_text(&self, session: &mut Session, context: &Context, text: &'static str) -> Result<()> {
        answer(session, context, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes())).await
    }
}

async fn answer(session: &mut Session, context: &Context, content_type: &str, body: Bytes) -> Result<()> {
    let mut header = ResponseHeader::build(200, Some(3))?;
    header.insert_header("Content-Type", content_type)?;
    header.insert_header("Content-Length", body.len())?;
    header.insert_header("X-Request-Id", context.id.as_str())?;
    insert_all(&context.fields, &mut header)?;
    let is_head = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(header), is_head).await?;
    if !is_head {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

impl Settings {
    /// `None` when no server tells its models. Requests that come while the servers are asked wait for the answer.
    pub(super) async fn models(&self, authorization: Option<String>) -> Option<Arc<Models>> {
        let ask = self.ask_for_models(authorization.as_deref());
        self.models.get_or_ask(authorization.as_deref(), ask).await
    }

    /// The entry of a model that goes by this name.
    fn listed<'m>(&self, models: &'m Models, name: &str) -> Option<&'m Entry> {
        models.find(name).or_else(|| models.find(self.behind(name)?))
    }

    async fn ask_for_models(&self, authorization: Option<&str>) -> Option<Models> {
        let mut asking = JoinSet::new();
        for (place, pool) in self.upstream.pools().iter().enumerate() {
            let (pool, authorization) = (Arc::clone(pool), authorization.map(str::to_owned));
            asking.spawn(async move { (place, group(&pool, authorization.as_deref()).await, pool) });
        }
        let mut groups = asking.join_all().await;
        groups.sort_by_key(|(place, ..)| *place);
        if groups.iter().all(|(_, group, _)| group.listed.is_empty()) {
            return None;
        }
        let mut models = Models::default();
        let several = groups.len() > 1;
        for (_, group, pool) in groups {
            // An id that leads elsewhere when it is asked for is not this pool's to offer.
            let standings = pool.standings();
            let runs = |id: &str| {
                (!several || self.upstream.running(id).is_some_and(|other| Arc::ptr_eq(other, &pool)))
                    && !is_forbidden(&standings, id)
            };
            for entry in models.add(&group, runs) {
                if let Some(family) = pool.family(Some(&entry.id)).await {
                    entry.tools = family.tools.name();
                    let is_read = family.tools != ToolsMode::Native;
                    entry.dialect = is_read.then(|| family.dialect.name().to_owned());
                }
                entry.presence = presence(&standings, &entry.id);
            }
        }
        for alias in &self.view.aliases {
            models.alias(&alias.name, &alias.model);
        }
        Some(models)
    }
}

/// What the servers of a pool list; one that does not answer is left out.
async fn group(pool: &Pool, authorization: Option<&str>) -> Group {
    let config = pool.config();
    // A probe for the dialect takes as long as the lists, so it runs beside them.
    let probe = async {
        if config.tools != ToolsChoice::Native {
            pool.family(None).await;
        }
    };
    let (pages, ()) = tokio::join!(pool.pages("/v1/models", authorization), probe);
    Group {
        pool: config.name.clone(),
        engine: config.engine.name(),
        tools: config.tools.name(),
        names: config.models.iter().filter_map(|glob| glob.literal().map(str::to_owned)).collect(),
        listed: pages.into_iter().map(|(peer, body)| Listed { peer: peer.name().to_owned(), body }).collect(),
    }
}

/// Whether some server of the pool has the model on its disk, and none has it loaded or may load it.
fn is_forbidden(standings: &[Standing], id: &str) -> bool {
    let seats = || standings.iter().flat_map(|one| &one.seats).filter(|seat| seat.model == ModelId::of(id));
    seats().next().is_some() && seats().all(|seat| !seat.may_load && !seat.state.is_in_memory())
}

/// How a model stands at the servers of its pool that load and unload models; `None` when none of them has it.
fn presence(standings: &[Standing], id: &str) -> Option<Presence> {
    let living = standings.iter().filter(|one| one.status.standing.is_awake() && !one.status.leaving);
    let seats = living.flat_map(|one| &one.seats).filter(|seat| seat.model == ModelId::of(id));
    let seats: Vec<_> = seats.collect();
    let state = |seat: &&SeatStatus| match seat.state {
        ModelState::Loaded => State::Loaded,
        ModelState::Sleeping => State::Sleeping,
        ModelState::Loading => State::Loading,
        ModelState::Unloaded | ModelState::Stopping => State::Unloaded,
        ModelState::Failed => State::Failed,
    };
    let here = || seats.iter().filter(|seat| seat.state.is_here());
    Some(Presence {
        state: seats.iter().map(state).min()?,
        boxes: here().count(),
        slots: here().map(|seat| seat.status.capacity).sum(),
    })
}
