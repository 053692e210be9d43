//! Catalog of one box: which models it has, how each is, and what those that are loaded tell of themselves.
//! Asks nothing that loads or wakes a model, and decides nothing.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::balance::{Catalog, ModelReport, ModelState};
use crate::config;
use crate::engine::{Form, ModelPages};
use crate::json;
use crate::upstream::wire::ask::{self, AskError, Reply};
use crate::upstream::wire::endpoint::Endpoint;

use super::{lists, properties};

/// What a box has told of its models so far. A model's slots and template are kept while it is away.
#[derive(Debug, Default)]
pub struct Inventory {
    models: HashMap<String, Told>,
    /// When the box was last asked.
    asked_at: Option<Instant>,
}

#[derive(Clone, Debug, Default)]
struct Told {
    /// Whether it has told of itself since it was loaded, or will not.
    is_known: bool,
    /// Whether it did before, and has gone silent.
    is_doubted: bool,
    /// When it was last asked to tell of itself.
    asked_at: Option<Instant>,
    /// Since when it does not answer then.
    silent_since: Option<Instant>,
    slots: Option<u32>,
    template: Option<Arc<str>>,
    /// Held by who has it loaded by an order that the box has not answered yet.
    order: Weak<Ordered>,
    /// What the box said of the last load, if that came to nothing.
    failure: Option<Arc<str>>,
    naming: Naming,
}

/// Whether a model is listed by the name that it is loaded by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Naming {
    #[default]
    Assumed,
    /// The box said that it is there; its list is to show it.
    Awaited,
    /// The list did not: it is there by another name, and nobody can see when it goes.
    Other,
}

/// A model is being loaded by an order, for as long as this is kept.
#[derive(Debug)]
pub struct Ordered;

/// A model that was loaded and has not told of itself yet is not waited for any longer.
const SILENCE_MAX: Duration = Duration::from_secs(5);

impl Inventory {
    /// What the box tells now; `None` when it does not answer, or not as it should. `places` is how many models can be
    /// loaded at once, as it said.
    pub async fn ask(
        &mut self,
        endpoint: &Arc<Endpoint>,
        pages: &ModelPages,
        places: Option<u32>,
        timeouts: config::Timeouts,
    ) -> Option<Catalog> {
        self.asked_at = Some(Instant::now());
        let mut models = lists::ask(endpoint, pages, timeouts).await?;
        self.models.retain(|name, _| models.iter().any(|model| *model.name == **name));
        for model in &mut models {
            let told = self.models.entry(model.name.to_string()).or_default();
            told.amend(model);
            if !model.state.is_here() {
                (told.is_known, told.is_doubted, told.silent_since) = (false, false, None);
            } else if !told.is_known {
                match pages.properties {
                    Some(path) => {
                        told.asked_at = Some(Instant::now());
                        let path = path.replace("{model}", &escaped(&model.name));
                        told.properties(ask::page(endpoint, &path, None, timeouts).await);
                    }
                    None => (told.is_known, told.is_doubted) = (true, false),
                }
            }
            if model.state.is_here() && !told.is_known {
                // One that is being stopped is listed as if it were not.
                model.state = if told.is_doubted { ModelState::Stopping } else { ModelState::Loading };
            }
            model.slots = told.slots;
        }
        let is_followed =
            |model: &ModelReport| self.models.get(&*model.name).is_none_or(|told| told.naming != Naming::Other);
        models.retain(is_followed);
        Some(Catalog { places, models })
    }

    /// A model that should be loaded did not answer: it is to tell of itself again.
    pub fn doubt(&mut self, name: &str) {
        if let Some(told) = self.models.get_mut(name) {
            (told.is_doubted, told.is_known) = (true, false);
        }
    }

    /// When the box was last asked.
    pub fn asked_at(&self) -> Option<Instant> {
        self.asked_at
    }

    /// When one of its models was last asked to tell of itself.
    pub fn model_asked_at(&self, name: &str) -> Option<Instant> {
        self.models.get(name)?.asked_at
    }

    /// A model is being loaded, for as long as what is returned is kept, whatever the box lists meanwhile.
    pub fn ordered(&mut self, name: &str) -> Arc<Ordered> {
        let order = Arc::new(Ordered);
        let told = self.models.entry(name.to_owned()).or_default();
        (told.order, told.failure) = (Arc::downgrade(&order), None);
        order
    }

    /// The load that was ordered has come to its end.
    pub fn loaded(&mut self, name: &str) {
        self.models.entry(name.to_owned()).or_default().naming = Naming::Awaited;
    }

    /// The load that was ordered came to nothing.
    pub fn failed(&mut self, name: &str, word: &str) {
        self.models.entry(name.to_owned()).or_default().failure = Some(word.into());
    }

    /// Whether any is to tell of itself still.
    pub fn is_incomplete(&self) -> bool {
        self.models.values().any(|told| told.silent_since.is_some())
    }

    /// The chat templates of those that were loaded once, by name.
    pub fn templates(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.models.iter().filter_map(|(name, told)| Some((name.as_str(), told.template.as_ref()?)))
    }
}

impl Told {
    /// What is known of a model beside what its box lists.
    fn amend(&mut self, model: &mut ModelReport) {
        if self.order.strong_count() > 0 {
            model.state = ModelState::Loading;
        } else if model.state.is_in_memory() {
            (self.failure, self.naming) = (None, Naming::Assumed);
        } else if self.naming == Naming::Awaited {
            self.naming = Naming::Other;
        } else if let Some(word) = &self.failure {
            (model.state, model.failure) = (ModelState::Failed, Some(Arc::clone(word)));
        }
    }

    fn properties(&mut self, page: Result<Reply, AskError>) {
        match page {
            // Whoever has no such page will not tell.
            Ok(page) if matches!(page.status, 200 | 404) => {
                (self.is_known, self.is_doubted, self.silent_since) = (true, false, None);
                self.slots = properties::report(Form::Props, &page).slots;
                let template = properties::chat_template(Form::Props, &page.body).ok();
                if template.as_deref() != self.template.as_deref() {
                    self.template = template.map(Into::into);
                }
            }
            // One that was well and is late is only busy.
            Err(_) if self.is_doubted => (self.is_known, self.is_doubted) = (true, false),
            Ok(_) | Err(_) => {
                let since = *self.silent_since.get_or_insert_with(Instant::now);
                // Of one that was well it is known that it can.
                if !self.is_doubted && since.elapsed() >= SILENCE_MAX {
                    (self.is_known, self.silent_since) = (true, None);
                }
            }
        }
    }
}

/// A name as it stands in a path or a query.
pub fn escaped(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// A name as a JSON string.
pub fn quoted(name: &str) -> String {
    let mut out = String::new();
    json::write_string(name, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped("org/m:Q4 \u{e9}&x"), "org%2Fm%3AQ4%20%C3%A9%26x");
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
    }
}
