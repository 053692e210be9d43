//! Catalog of one box: which models it has, how each is, and what those that are loaded tell of themselves.
//! Asks nothing that loads or wakes a model, and decides nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::balance::{Catalog, ModelReport, ModelState};
use crate::config;
use crate::engine::{CatalogForm, Form, ModelPages};
use crate::json;
use crate::upstream::wire::ask::{self, AskError, Reply};
use crate::upstream::wire::endpoint::Endpoint;

use super::properties;

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
    /// Since when it does not answer then.
    silent_since: Option<Instant>,
    slots: Option<u32>,
    template: Option<Arc<str>>,
}

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
        let page = ask::page(endpoint, pages.list, None, timeouts).await.ok()?;
        let mut models = list(pages.form, &page)?;
        self.models.retain(|name, _| models.iter().any(|model| *model.name == **name));
        for model in &mut models {
            let told = self.models.entry(model.name.to_string()).or_default();
            if !model.state.is_here() {
                (told.is_known, told.is_doubted, told.silent_since) = (false, false, None);
            } else if !told.is_known {
                let path = pages.properties.replace("{model}", &escaped(&model.name));
                told.properties(ask::page(endpoint, &path, None, timeouts).await);
            }
            if model.state.is_here() && !told.is_known {
                // One that is being stopped is listed as if it were not.
                model.state = if told.is_doubted { ModelState::Stopping } else { ModelState::Loading };
            }
            model.slots = told.slots;
        }
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
    fn properties(&mut self, page: Result<Reply, AskError>) {
        match page {
            Ok(page) if page.status == 200 => {
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

/// The models of a list, as far as they can be read.
fn list(form: CatalogForm, page: &Reply) -> Option<Vec<ModelReport>> {
    let CatalogForm::Router = form;
    let list: List = (page.status == 200).then(|| serde_json::from_slice(&page.body).ok()).flatten()?;
    // One that cannot be read is left out.
    let entries = list.data.into_iter().filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
    Some(entries.map(Entry::report).collect())
}

#[derive(Deserialize)]
struct List {
    data: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    status: Status,
    meta: Option<Meta>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    value: String,
    #[serde(default)]
    failed: bool,
    exit_code: Option<i64>,
}

#[derive(Deserialize)]
struct Meta {
    size: Option<u64>,
}

impl Entry {
    fn report(self) -> ModelReport {
        let state = match (self.status.value.as_str(), self.status.failed) {
            ("loading", _) => ModelState::Loading,
            ("loaded", _) => ModelState::Loaded,
            ("sleeping", _) => ModelState::Sleeping,
            (_, true) => ModelState::Failed,
            _ => ModelState::Unloaded,
        };
        let failure = self.status.exit_code.filter(|_| self.status.failed);
        ModelReport {
            name: self.id.into(),
            aliases: self.aliases.into_iter().map(Into::into).collect(),
            state,
            slots: None,
            bytes: self.meta.and_then(|meta| meta.size),
            failure: failure.map(|code| format!("exit code {code}").into()),
        }
    }
}

/// A name as it stands in a query.
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
    fn a_list_says_how_each_model_is() {
        let body = br#"{"object":"list","data":[
            {"id":"a","aliases":["x"],"status":{"value":"loaded","args":["--model","/m/a.gguf"]},"meta":{"size":5}},
            {"id":"b","status":{"value":"unloaded","failed":true,"exit_code":1}},
            {"id":"c","status":{"value":"loading"}},
            {"id":"d","status":{"value":"sleeping"}},
            {"id":"e","status":{"value":"downloading"}},
            {"id":"f"}, {"status":{"value":"loaded"}}, {"id":"g","status":null}, 7
        ]}"#;
        let models = list(CatalogForm::Router, &Reply { status: 200, body: body.to_vec() }).unwrap();
        let shown = |model: &ModelReport| {
            let failure = model.failure.as_deref().unwrap_or_default();
            format!("{} {:?} {} {:?} {failure}", model.name, model.aliases, model.state.name(), model.bytes)
        };
        assert_eq!(
            models.iter().map(shown).collect::<Vec<_>>(),
            [
                "a [\"x\"] loaded Some(5) ",
                "b [] failed None exit code 1",
                "c [] loading None ",
                "d [] sleeping None ",
                "e [] unloaded None ",
                "f [] unloaded None ",
            ]
        );
        for (status, body) in [(500, &br#"{"data":[]}"#[..]), (200, b"<html>"), (200, br#"{"data":7}"#)] {
            assert!(list(CatalogForm::Router, &Reply { status, body: body.to_vec() }).is_none());
        }
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped("org/m:Q4 \u{e9}&x"), "org%2Fm%3AQ4%20%C3%A9%26x");
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
    }
}
