//! Probe of a pool's servers: asks them for their chat template, by which a family of models is known, and how its
//! reasoning begins.
//! Once a pool, when it is first needed, and again when a server has come, left or come back: the models may be others
//! then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::balance::ModelId;
use crate::config::{self, DialectChoice};
use crate::decode::Reasoning;
use crate::dialect::{Dialect, Dialects};
use crate::engine::Page;
use crate::upstream::lock::lock;
use crate::upstream::wire::ask::{self, Question};
use crate::upstream::wire::endpoint::Endpoint;

use super::properties;

/// How a pool's models write.
#[derive(Clone, Debug)]
pub struct Family {
    pub dialect: Arc<Dialect>,
    pub reasoning: Reasoning,
}

/// After a probe that no server answered, requests go by the model's name for so long.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What was found out of a pool, and when.
#[derive(Debug, Default)]
pub struct Probe {
    last: Mutex<Option<Finding>>,
    models: std::sync::Mutex<HashMap<ModelId, FamilyOf>>,
}

/// What the templates of one model show.
#[derive(Debug)]
struct FamilyOf {
    templates: Vec<Arc<str>>,
    family: Option<Family>,
}

#[derive(Debug)]
struct Finding {
    family: Option<Family>,
    /// Who was there by then, and how often each had come back.
    of: Vec<(Arc<Endpoint>, u32)>,
    /// A probe that got no answer holds only until here.
    until: Option<Instant>,
}

impl Probe {
    /// The family that the servers' templates show. Requests that come while a probe runs wait for it.
    pub async fn family(
        &self,
        pool: &config::Pool,
        endpoints: &[Arc<Endpoint>],
        dialects: &Dialects,
    ) -> Option<Family> {
        let properties = pool.engine.row().properties.as_ref()?;
        let mut last = self.last.lock().await;
        if let Some(finding) = last.as_ref().filter(|finding| finding.holds_of(endpoints)) {
            return finding.family.clone();
        }
        let of = endpoints.iter().map(|endpoint| (Arc::clone(endpoint), endpoint.returns())).collect();
        let templates = templates(pool, properties, endpoints).await;
        let family = agree(pool, &templates, dialects);
        match (&family, &pool.dialect) {
            (Some(family), _) => log::info!(
                "pool {}: the chat template says dialect {}, reasoning {}",
                pool.name,
                family.dialect.name(),
                family.reasoning.name()
            ),
            (None, DialectChoice::Auto) => {
                log::info!("pool {}: no known chat template; going by the model's name", pool.name);
            }
            (None, DialectChoice::Named(_)) => log::info!("pool {}: no chat template", pool.name),
        }
        let until = templates.is_empty().then(|| Instant::now() + RETRY_AFTER);
        *last = Some(Finding { family: family.clone(), of, until });
        family
    }
}

impl Probe {
    /// The family that the templates of one model show, each with its server's URL. A model of one name is one model.
    pub fn family_of(
        &self,
        pool: &config::Pool,
        (id, name): (ModelId, &str),
        templates: &[(String, Arc<str>)],
        dialects: &Dialects,
    ) -> Option<Family> {
        let mut models = lock(&self.models);
        let is_same = |known: &&FamilyOf| known.templates.iter().eq(templates.iter().map(|(_, template)| template));
        if let Some(known) = models.get(&id).filter(is_same) {
            return known.family.clone();
        }
        let family = agree(pool, templates, dialects);
        if let Some(family) = &family {
            let (dialect, reasoning) = (family.dialect.name(), family.reasoning.name());
            log::info!("pool {}: {name}: the chat template says dialect {dialect}, reasoning {reasoning}", pool.name);
        }
        let templates = templates.iter().map(|(_, template)| Arc::clone(template)).collect();
        models.insert(id, FamilyOf { templates, family: family.clone() });
        family
    }
}

impl Finding {
    /// Whether these are still the servers that it was found of, none of them has come back since, and one of them
    /// answered, or could not be expected to by now.
    fn holds_of(&self, endpoints: &[Arc<Endpoint>]) -> bool {
        let is_same = |((known, returns), now): (&(Arc<Endpoint>, u32), &Arc<Endpoint>)| {
            Arc::ptr_eq(known, now) && *returns == now.returns()
        };
        self.of.len() == endpoints.len()
            && self.of.iter().zip(endpoints).all(is_same)
            && self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// The templates of the servers that answer in time, each with its server's URL.
async fn templates(pool: &config::Pool, page: &Page, endpoints: &[Arc<Endpoint>]) -> Vec<(String, Arc<str>)> {
    let mut templates = Vec::new();
    let pages = ask::all(pool, endpoints.iter(), &Question::page(page.path), None).await;
    for (endpoint, body) in endpoints.iter().zip(pages).filter_map(|(endpoint, body)| Some((endpoint, body?))) {
        match properties::chat_template(page.form, &body) {
            Ok(template) => templates.push((endpoint.url().to_owned(), template.into())),
            Err(e) => log::warn!("pool {}: `{}` of {} has no chat template: {e}", pool.name, page.path, endpoint.url()),
        }
    }
    templates
}

/// The family of the first server that has a known one; says so when another differs. A dialect that was named stays.
fn agree(pool: &config::Pool, templates: &[(String, Arc<str>)], dialects: &Dialects) -> Option<Family> {
    let known = |template: &str| {
        let dialect = match &pool.dialect {
            DialectChoice::Named(dialect) => dialect,
            DialectChoice::Auto => dialects.by_template(template)?,
        };
        Some(Family { dialect: Arc::clone(dialect), reasoning: prompt_reasoning(dialect, template) })
    };
    let mut families = templates.iter().map(|(url, template)| (url, known(template)));
    let (first_url, first) = families.next()?;
    let mut chosen = first;
    for (url, other) in families {
        let name = |family: &Option<Family>| {
            let named = |family: &Family| format!("{}, reasoning {}", family.dialect.name(), family.reasoning.name());
            family.as_ref().map_or_else(|| "something unknown".to_owned(), named)
        };
        if name(&other) != name(&chosen) {
            log::warn!(
                "pool {}: {first_url} writes {}, {url} writes {}; a pool is read as one",
                pool.name,
                name(&chosen),
                name(&other),
            );
        }
        chosen = chosen.or(other);
    }
    chosen
}

/// Whether the template's generation prompt ends inside reasoning: what follows its last `add_generation_prompt`
/// names an opener and no closer.
fn prompt_reasoning(dialect: &Dialect, template: &str) -> Reasoning {
    let Some(reasoning) = &dialect.spec().reasoning else { return Reasoning::Auto };
    let Some((_, tail)) = template.rsplit_once("add_generation_prompt") else { return Reasoning::Auto };
    let names = |markers: &[String]| markers.iter().any(|marker| !marker.is_empty() && tail.contains(marker.as_str()));
    if names(&reasoning.open) && !names(&reasoning.close) { Reasoning::Open } else { Reasoning::Auto }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_prompt_that_opens_reasoning_is_seen() {
        let dialects = Dialects::builtin();
        let dialect = dialects.get("hermes").unwrap();
        let table = [
            ("{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}", Reasoning::Open),
            ("{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}", Reasoning::Auto),
            ("{% if add_generation_prompt %}{% if x %}<think>\n\n</think>{% endif %}{% endif %}", Reasoning::Auto),
            ("<think> everywhere else {% if add_generation_prompt %}{% endif %}", Reasoning::Auto),
            ("<think>", Reasoning::Auto),
        ];
        for (template, expected) in table {
            assert_eq!(prompt_reasoning(dialect, template), expected, "{template}");
        }
    }
}
