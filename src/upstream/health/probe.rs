//! Probe of a pool's servers: asks them for their chat template and for what it writes, and keeps what that shows.
//! Once a pool, when it is first needed, and again when a server has come, left or come back: the models may be others
//! then.

use std::collections::HashMap;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::balance::{ModelId, State};
use crate::config;
use crate::dialect::Dialects;
use crate::engine::{Constraint, Page, Rehearsal};
use crate::upstream::lock::lock;
use crate::upstream::wire::ask::{self, Question, Reply};
use crate::upstream::wire::endpoint::Endpoint;

use super::catalog::escaped;
use super::description::Descriptions;
use super::family::{self, Shown};
use super::properties;
use super::template::{self, Silent, Template, Writes};

/// After a probe that left something open, requests go by what is known for so long.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What was found out of a pool, and when.
#[derive(Debug, Default)]
pub struct Probe {
    last: Mutex<Option<Finding>>,
    pub descriptions: Descriptions,
    models: std::sync::Mutex<HashMap<ModelId, Known>>,
    rehearsed: std::sync::Mutex<HashMap<ModelId, Rehearsed>>,
    /// Who has refused a constraint for a model; `None` is the only model.
    unconstrained: std::sync::Mutex<HashMap<Option<ModelId>, Refuser>>,
}

/// What the templates of one model show.
#[derive(Debug)]
struct Known {
    templates: Vec<Template>,
    shown: Option<Shown>,
}

/// What a model's template writes, as one of its servers showed.
#[derive(Debug)]
struct Rehearsed {
    text: Arc<str>,
    writes: Option<Writes>,
    /// Who showed it, and how often it had come back by then.
    by: (Arc<Endpoint>, u32),
    /// A server that did not answer is asked again from here on.
    until: Option<Instant>,
}

/// A server that has refused a constraint.
#[derive(Debug)]
struct Refuser {
    endpoint: Arc<Endpoint>,
    /// The strongest that it may take.
    takes: Constraint,
    /// How often it had come back by then.
    returns: u32,
}

#[derive(Debug)]
struct Finding {
    shown: Option<Shown>,
    /// Who was there by then, and how often each had come back.
    of: Vec<(Arc<Endpoint>, u32)>,
    /// What was left open is asked again from here on.
    until: Option<Instant>,
}

/// A server's chat template, and whether the server is awake.
struct Told {
    endpoint: Arc<Endpoint>,
    template: Template,
    state: State,
}

impl Told {
    /// One that shows no template, nor whether it sleeps; asking it what it writes wakes none.
    fn hidden(endpoint: &Arc<Endpoint>) -> Self {
        Self { endpoint: Arc::clone(endpoint), template: Template::hidden(), state: State::Ready }
    }
}

impl Probe {
    /// What the servers' templates show. Requests that come while a probe runs wait for it.
    pub async fn of_servers(
        &self,
        pool: &config::Pool,
        endpoints: &[Arc<Endpoint>],
        dialects: &Dialects,
    ) -> Option<Shown> {
        let row = pool.engine.row();
        (row.properties.is_some() || row.rehearsal.is_some()).then_some(())?;
        let mut last = self.last.lock().await;
        if let Some(finding) = last.as_ref().filter(|finding| finding.holds_of(endpoints)) {
            return finding.shown.clone();
        }
        let of = endpoints.iter().map(|endpoint| (Arc::clone(endpoint), endpoint.returns())).collect();
        let mut told = match &row.properties {
            Some(page) => templates(pool, page, endpoints).await,
            None => endpoints.iter().map(Told::hidden).collect(),
        };
        let is_complete = !told.is_empty() && rehearse(pool, &mut told).await.is_ok();
        told.retain(|told| !told.template.is_hidden() || told.template.writes.is_some());
        let templates: Vec<_> = told.into_iter().map(|told| (told.endpoint.url().to_owned(), told.template)).collect();
        let shown = agree(pool, &templates, dialects);
        match &shown {
            Some(shown) => log::info!("pool {}: {shown}", pool.name),
            None => log::info!("pool {}: no chat template; going by the model's name", pool.name),
        }
        let until = (!is_complete).then(|| Instant::now() + RETRY_AFTER);
        *last = Some(Finding { shown: shown.clone(), of, until });
        shown
    }

    /// What the templates of one model show, each with its server's URL. A model of one name is one model.
    pub fn of_model(
        &self,
        pool: &config::Pool,
        (id, name): (ModelId, &str),
        texts: Vec<(String, Arc<str>)>,
        dialects: &Dialects,
    ) -> Option<Shown> {
        let templates: Vec<_> = texts.into_iter().map(|(url, text)| (url, self.with_writes(id, text))).collect();
        let mut models = lock(&self.models);
        let is_same = |known: &&Known| known.templates.iter().eq(templates.iter().map(|(_, template)| template));
        if let Some(known) = models.get(&id).filter(is_same) {
            return known.shown.clone();
        }
        let shown = agree(pool, &templates, dialects);
        if let Some(shown) = &shown {
            log::info!("pool {}: {name}: {shown}", pool.name);
        }
        let templates = templates.into_iter().map(|(_, template)| template).collect();
        models.insert(id, Known { templates, shown: shown.clone() });
        shown
    }

    /// Whether it is still to be found out what this template of a model writes.
    pub fn is_unrehearsed(&self, pool: &config::Pool, id: ModelId, text: &Arc<str>) -> bool {
        let is_asked = pool.engine.row().models.is_some_and(|pages| pages.rehearsal.is_some());
        is_asked && family::is_written_by_template(pool) && {
            let rehearsed = lock(&self.rehearsed);
            !rehearsed.get(&id).is_some_and(|known| known.text == *text && known.holds())
        }
    }

    /// Has a model's server write with its template, unless that was done. The model is loaded there, and awake.
    pub async fn rehearse(
        &self,
        pool: &config::Pool,
        (id, name): (ModelId, &str),
        text: Arc<str>,
        endpoint: &Arc<Endpoint>,
    ) {
        let path = pool.engine.row().models.and_then(|pages| pages.rehearsal);
        let Some(path) = path.filter(|_| self.is_unrehearsed(pool, id, &text)) else { return };
        let by = (Arc::clone(endpoint), endpoint.returns());
        let path = path.replace("{model}", &escaped(name));
        let writes = template::writes(endpoint, (&path, None), Some(name), pool).await;
        let until = writes.is_err().then(|| Instant::now() + RETRY_AFTER);
        let rehearsed = Rehearsed { text, writes: writes.unwrap_or_default(), by, until };
        lock(&self.rehearsed).insert(id, rehearsed);
    }

    /// A server takes no stronger constraint for a model. Until it comes back none of the model's servers is given one.
    pub fn limit_constraint(&self, model: Option<ModelId>, endpoint: &Arc<Endpoint>, takes: Constraint) {
        let refuser = Refuser { endpoint: Arc::clone(endpoint), takes, returns: endpoint.returns() };
        lock(&self.unconstrained).insert(model, refuser);
    }

    /// The strongest constraint that a model's servers are given.
    pub fn constraint(&self, model: Option<ModelId>) -> Constraint {
        let refused = lock(&self.unconstrained);
        let holds = |refuser: &&Refuser| refuser.returns == refuser.endpoint.returns();
        refused.get(&model).filter(holds).map_or(Constraint::STRONGEST, |refuser| refuser.takes)
    }

    fn with_writes(&self, id: ModelId, text: Arc<str>) -> Template {
        let rehearsed = lock(&self.rehearsed);
        let writes = rehearsed.get(&id).filter(|known| known.text == text).and_then(|known| known.writes);
        Template { text, writes }
    }
}

impl Rehearsed {
    /// Whether the server that showed it has not come back since, or could not be expected to answer by now.
    fn holds(&self) -> bool {
        let (endpoint, returns) = &self.by;
        *returns == endpoint.returns() && self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl Finding {
    /// Whether these are still the servers that it was found of, none of them has come back since, and nothing was left
    /// open that could be known by now.
    fn holds_of(&self, endpoints: &[Arc<Endpoint>]) -> bool {
        let is_same = |((known, returns), now): (&(Arc<Endpoint>, u32), &Arc<Endpoint>)| {
            Arc::ptr_eq(known, now) && *returns == now.returns()
        };
        self.of.len() == endpoints.len()
            && self.of.iter().zip(endpoints).all(is_same)
            && self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// The templates of the servers that answer in time.
async fn templates(pool: &config::Pool, page: &Page, endpoints: &[Arc<Endpoint>]) -> Vec<Told> {
    let mut templates = Vec::new();
    let pages = ask::all(pool, endpoints.iter(), &Question::page(page.path), None).await;
    for (endpoint, body) in endpoints.iter().zip(pages).filter_map(|(endpoint, body)| Some((endpoint, body?))) {
        let reply = Reply { status: 200, body };
        match properties::chat_template(page.form, &reply.body) {
            Ok(text) => templates.push(Told {
                endpoint: Arc::clone(endpoint),
                template: Template::unused(text),
                state: properties::report(page.form, &reply).state,
            }),
            Err(e) => log::warn!("pool {}: `{}` of {} has no chat template: {e}", pool.name, page.path, endpoint.url()),
        }
    }
    templates
}

/// Has one server for each template write with it. Those that have the same template write the same. Fails where one was
/// used by nobody: each of its servers sleeps, or did not answer.
async fn rehearse(pool: &config::Pool, told: &mut [Told]) -> Result<(), Silent> {
    let page = pool.engine.row().rehearsal.filter(|_| family::is_written_by_template(pool));
    let Some(page) = page else { return Ok(()) };
    let mut all = Ok(());
    let mut left: Vec<_> = told.iter_mut().rev().collect();
    while let Some(one) = left.pop() {
        // Of those that are not shown each may be another.
        let is_same = |other: &&mut Told| !one.template.is_hidden() && other.template.text == one.template.text;
        let (same, others) = left.into_iter().partition::<Vec<_>, _>(is_same);
        left = others;
        let mut same: Vec<_> = iter::once(one).chain(same.into_iter().rev()).collect();
        let writes = written(pool, page, &same).await;
        all = all.and(writes.map(|_| ()));
        same.iter_mut().for_each(|told| told.template.writes = writes.unwrap_or_default());
    }
    all
}

/// What servers of one template write, as the first shows that is awake and answers.
async fn written(pool: &config::Pool, page: Rehearsal, servers: &[&mut Told]) -> Result<Option<Writes>, Silent> {
    for server in servers.iter().filter(|server| server.state == State::Ready) {
        let writes = template::writes(&server.endpoint, (page.path, page.spelling), None, pool).await;
        if writes.is_ok() {
            return writes;
        }
    }
    Err(Silent)
}

/// What the first of the templates that is of a known family shows, else the first; says so when another differs.
fn agree(pool: &config::Pool, templates: &[(String, Template)], dialects: &Dialects) -> Option<Shown> {
    let mut shown = templates.iter().map(|(url, template)| (url, Shown::of(pool, template, dialects)));
    let (first_url, mut chosen) = shown.next()?;
    for (url, other) in shown {
        if other != chosen {
            log::warn!("pool {}: at {first_url} {chosen}, at {url} {other}; a pool is read as one", pool.name);
        }
        chosen = if chosen.is_known() { chosen } else { other };
    }
    Some(chosen)
}
