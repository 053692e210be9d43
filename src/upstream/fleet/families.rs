//! Families of a pool's models: how each writes, what is done with tools for it, and what its servers refuse of it.
//! Asks what `health` asks; what follows is `health::family`'s.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::api::ollama::server::{Complaint, Description, Thinking};
use crate::api::openai::{counting, rehearsal};
use crate::balance::{ModelId, ModelState};
use crate::config::{DialectChoice, ToolsChoice};
use crate::engine::Constraint;
use crate::upstream::health::catalog::escaped;
use crate::upstream::health::family::{self, Family, Shown};
use crate::upstream::health::properties::{self, ModelProperties};
use crate::upstream::wire::ask::{self, Question};

use super::claim::Claim;
use super::knowledge::Knowledge;
use super::peer::Peer;
use super::pool::Pool;

/// How long a request waits for what the template says, where its dialect is known and its tools can be injected: a
/// server that is well says it in milliseconds, and most prompts leave it to the model how reasoning begins.
const TEMPLATE_MAX: Duration = Duration::from_millis(200);

impl Pool {
    /// How one of its models writes, and what is done with tools for it. What the configuration leaves open the servers'
    /// chat template decides, then the model's name. Takes 4 s at most. `None` only when there is no dialect at all.
    pub async fn family(&self, model: Option<&str>) -> Option<Family> {
        let config = &self.config;
        if self.describes_models()
            && let Some(model) = model
        {
            let (description, offered) = (self.description(model).await, self.probe.descriptions.limits(model).tools);
            let family = Family::described(config, (model, description.as_deref()), offered, &self.dialects)?;
            return Some(Family { constraint: self.probe.constraint(self.known_model(Some(model))), ..family });
        }
        let shown = match &config.dialect {
            _ if !family::is_open(config) => None,
            // A server that leaves tools out of its prompt would tell its model of none.
            DialectChoice::Named(_) if config.tools == ToolsChoice::Parse => self.shown(model).await,
            DialectChoice::Auto => self.shown(model).await,
            DialectChoice::Named(_) => timeout(TEMPLATE_MAX, self.shown(model)).await.unwrap_or_default(),
        };
        let family = Family::of(config, shown.as_ref(), model, &self.dialects)?;
        Some(Family { constraint: self.probe.constraint(self.known_model(model)), ..family })
    }

    /// How a model takes `think`, by its description and by what was refused for it.
    pub async fn thinking(&self, model: &str) -> Thinking {
        match (self.probe.descriptions.limits(model).thinking, self.description(model).await) {
            (Thinking::Levels, Some(told)) if !told.thinks => Thinking::None,
            (thinking, _) => thinking,
        }
    }

    /// A server has refused a request for what it says to a model: the next one does not say it.
    pub fn refuse(&self, peer: &Peer, model: &str, complaint: Complaint) {
        let what = match complaint {
            Complaint::Tools => "takes no tools: they are injected",
            Complaint::Thinking => "cannot be told to think",
            Complaint::ThinkLevel => "thinks or does not, whatever the effort",
            Complaint::Parser => "writes calls that its server cannot read: they are asked for in other words, once",
            Complaint::Empty => "was only loaded, and wrote nothing: it is asked again, once",
        };
        log::warn!("pool {}: {}: {model} {what}", self.config.name, peer.url());
        self.probe.descriptions.refuse(model, peer.endpoint(), complaint);
    }

    /// The family for a request whose calls its server could not read: in words that no server reads.
    pub fn injected(&self, family: Family) -> Family {
        family.injected(&self.config, &self.dialects)
    }

    /// What the servers say of a model that is loaded, where they say anything: those that read tell.
    pub async fn properties(&self, model: &str) -> ModelProperties {
        let row = self.config.engine.row();
        if self.describes_models() {
            let told = self.description(model).await.unwrap_or_default();
            return ModelProperties {
                chat_template: told.template.clone(),
                context: told.context,
                sees: told.sees,
                hears: told.hears,
                embeds: told.embeds,
            };
        }
        let Some(page) = &row.properties else { return ModelProperties::default() };
        let of_each = row.models.and_then(|pages| pages.properties).filter(|_| self.has_models());
        let path = of_each.map_or_else(|| page.path.to_owned(), |path| path.replace("{model}", &escaped(model)));
        let pages = self.ask_all(&Question::page(&path), None).await;
        pages.first().map(|(_, body)| properties::of_model(page.form, body)).unwrap_or_default()
    }

    /// Whether a model is known to see images.
    pub async fn sees(&self, model: &str) -> Option<bool> {
        let properties = self.properties(model).await;
        // A server that shows no template shows nothing of its model.
        (!properties.chat_template.is_empty() && !self.describes_models()).then_some(properties.sees)
    }

    /// How many tokens the prompt of a chat has, as a server counts them; `None` where none does. Takes no slot, loads
    /// and wakes no model. A peer without a key of its own is shown the client's `authorization`.
    pub async fn count(&self, chat: &[u8], model: Option<&str>, authorization: Option<&str>) -> Option<u64> {
        let row = self.config.engine.row();
        let page = row.counting.as_ref()?;
        let known = self.known_model(model);
        let peers = self.answering();
        let has_it = |peer: &&Arc<Peer>| known.is_none_or(|id| peer.template(id).is_some());
        let endpoint = peers.iter().find(has_it)?.endpoint();
        let guard = row.models.and_then(|pages| pages.guard).filter(|_| self.has_models());
        let guarded = |path: &str| guard.map_or_else(|| path.to_owned(), |guard| format!("{path}?{guard}"));
        let ask = async |path: &str, body: String| {
            let question = Question::order(&guarded(path), body);
            ask::ask(endpoint, &question, authorization.map(str::to_owned), self.config.timeouts).await.ok()
        };
        let beside = page.beside.as_ref().map(|member| (member.key, member.value));
        let reply = ask(page.path, counting::question(chat, page.members, beside)?).await?;
        match (reply.status, page.spelling, row.rehearsal) {
            (200, ..) => counting::count(&reply.body, page.count),
            (404, Some(spelling), Some(rehearsal)) => {
                let written = ask(rehearsal.path, counting::question(chat, None, None)?).await?;
                let prompt = rehearsal::prompt(&written.body).filter(|_| written.status == 200)?;
                let spelled = ask(spelling, counting::spelled(&prompt)).await?;
                counting::listed(&spelled.body).filter(|_| spelled.status == 200)
            }
            _ => None,
        }
    }

    /// Whether its servers tell of each model what it can do.
    fn describes_models(&self) -> bool {
        self.config.engine.row().models.is_some_and(|pages| pages.description.is_some())
    }

    /// How its servers describe a model. Those that are known to have it are asked first.
    async fn description(&self, model: &str) -> Option<Arc<Description>> {
        let mut peers = self.answering();
        let id = ModelId::of(model);
        peers.sort_by_key(|peer| self.lasting.places.model_name(peer.id(), id).is_none());
        let endpoints: Vec<_> = peers.iter().map(|peer| Arc::clone(peer.endpoint())).collect();
        self.probe.descriptions.of(&self.config, &endpoints, model).await
    }

    /// A server takes no stronger constraint for a model: it answers what it has refused with one.
    pub fn limit_constraint(&self, peer: &Peer, model: Option<&str>, takes: Constraint) {
        let (url, name) = (peer.url(), model.unwrap_or("its model"));
        let what = match takes {
            Constraint::Grammar => return,
            Constraint::Schema => "takes no grammar: its calls are forced as JSON objects",
            Constraint::None => "takes no grammar and no JSON schema: its calls are not forced",
        };
        log::warn!("pool {}: {url}, for {name}, {what}", self.config.name);
        self.probe.limit_constraint(self.known_model(model), peer.endpoint(), takes);
    }

    /// The model of this name, where its servers have several.
    fn known_model(&self, name: Option<&str>) -> Option<ModelId> {
        name.filter(|_| self.has_models()).and_then(|name| self.lasting.places.model(ModelId::of(name)))
    }

    /// The same, of a model that has a place: where it is loaded and awake, its server is asked what its template writes.
    pub async fn family_at(&self, claim: &Claim, model: Option<&str>) -> Option<Family> {
        if let Some(id) = claim.model().filter(|_| claim.model_state() == Some(ModelState::Loaded))
            && let Some(text) = claim.peer().template(id)
            && let Some(name) = self.lasting.places.model_name(claim.peer().id(), id)
        {
            self.probe.rehearse(&self.config, (id, &name), text, claim.peer().endpoint()).await;
        }
        self.family(model).await
    }

    /// Whether how a model writes, or what its template does, will be known only once it has a place.
    pub async fn awaits_template(&self, model: Option<&str>) -> bool {
        let knowledge = self.lasting.learn().await;
        let are_told = self.config.engine.row().models.is_some_and(|pages| pages.properties.is_some());
        // Where the server reads the calls, what is known by now has to do for an error of its.
        if !are_told || self.config.tools == ToolsChoice::Native || !family::is_open(&self.config) {
            return false;
        }
        let id = model.and_then(|name| self.lasting.places.model(ModelId::of(name)));
        // A server that has not said yet how it is may have the model.
        let Some(id) = id else { return knowledge == Knowledge::Late };
        // A model of one name is one model: what one of its templates writes is enough.
        self.templates(id).iter().all(|(_, text)| self.probe.is_unrehearsed(&self.config, id, text))
    }

    fn templates(&self, model: ModelId) -> Vec<(String, Arc<str>)> {
        let peers = self.lasting.places.peers();
        peers.iter().filter_map(|peer| Some((peer.url().to_owned(), peer.template(model)?))).collect()
    }

    /// What the templates show of a model, or else of the servers.
    async fn shown(&self, model: Option<&str>) -> Option<Shown> {
        // Only then it is known who has several models.
        self.lasting.learn().await;
        if !self.has_models() {
            return self.probed().await;
        }
        let name = model?;
        let id = self.lasting.places.model(ModelId::of(name))?;
        self.probe.of_model(&self.config, (id, name), self.templates(id), &self.dialects)
    }

    /// What the servers' templates show. Goes on to ask them when nobody waits for it any more.
    async fn probed(&self) -> Option<Shown> {
        let (probe, config) = (Arc::clone(&self.probe), Arc::clone(&self.config));
        let (lasting, dialects) = (Arc::clone(&self.lasting), Arc::clone(&self.dialects));
        let asking = async move {
            let endpoints: Vec<_> = lasting.places.peers().iter().map(|peer| Arc::clone(peer.endpoint())).collect();
            probe.of_servers(&config, &endpoints, &dialects).await
        };
        tokio::spawn(asking).await.unwrap_or_default()
    }
}
