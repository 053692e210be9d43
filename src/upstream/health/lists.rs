//! Lists of the models of a box, as engines write them: asks for those that the row names, and reads them.
//! Knows a model only by what is listed of it; `catalog` knows more.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::balance::{ModelReport, ModelState};
use crate::config;
use crate::engine::{CatalogForm, Listing, ModelPages};
use crate::upstream::wire::ask::{self, Reply};
use crate::upstream::wire::endpoint::Endpoint;

/// All models with their states; `None` when a list is not had, or cannot be read.
pub async fn ask(endpoint: &Arc<Endpoint>, pages: &ModelPages, timeouts: config::Timeouts) -> Option<Vec<ModelReport>> {
    let page = async |listing: &Listing| {
        let page = ask::page(endpoint, listing.path, None, timeouts).await.ok()?;
        read(listing.form, &page)
    };
    let all = page(&pages.list).await?;
    match &pages.in_memory {
        None => Some(all),
        Some(listing) => Some(join(all, page(listing).await?)),
    }
}

/// The names of the models that a server lists as OpenAI does.
pub async fn names(endpoint: &Arc<Endpoint>, timeouts: config::Timeouts) -> Vec<Arc<str>> {
    let page = ask::page(endpoint, "/v1/models", None, timeouts).await.ok();
    let models = page.and_then(|page| read(CatalogForm::OpenAi, &page)).unwrap_or_default();
    models.into_iter().map(|model| model.name).collect()
}

/// Who owns each model of a list as OpenAI writes it, as far as that is said; `None` when it is no list.
pub fn owners(page: &Reply) -> Option<Vec<Option<String>>> {
    let list: Value = serde_json::from_slice(&page.body).ok().filter(|_| page.status == 200)?;
    match list.get("data")? {
        // A list of none, as Ollama writes it.
        Value::Null => Some(Vec::new()),
        Value::Array(models) => {
            let owner = |model: &Value| Some(model.get("owned_by")?.as_str()?.to_owned());
            Some(models.iter().map(owner).collect())
        }
        _ => None,
    }
}

/// What is in memory may be listed there alone, and takes a place all the same.
fn join(mut all: Vec<ModelReport>, in_memory: Vec<ModelReport>) -> Vec<ModelReport> {
    for model in in_memory {
        match all.iter_mut().find(|other| other.name == model.name) {
            Some(other) => other.state = model.state,
            None => all.push(model),
        }
    }
    all
}

/// The models of a list, as far as they can be read.
fn read(form: CatalogForm, page: &Reply) -> Option<Vec<ModelReport>> {
    let body = (page.status == 200).then_some(page.body.as_slice())?;
    match form {
        CatalogForm::OpenAi => {
            let list: List = serde_json::from_slice(body).ok()?;
            Some(readable(list.data).filter(Entry::is_here).map(Entry::report).collect())
        }
        CatalogForm::Running => {
            let list: Running = serde_json::from_slice(body).ok()?;
            Some(readable(list.running).map(Process::report).collect())
        }
        CatalogForm::Tags | CatalogForm::Processes => {
            let list: Tags = serde_json::from_slice(body).ok()?;
            let state = if form == CatalogForm::Processes { ModelState::Loaded } else { ModelState::Unloaded };
            let here = readable::<Tag>(list.models).filter(|tag| tag.remote_host.is_empty());
            Some(here.map(|tag| tag.report(state)).collect())
        }
    }
}

/// What cannot be read of a list is left out.
fn readable<T: DeserializeOwned>(entries: Vec<Value>) -> impl Iterator<Item = T> {
    entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok())
}

#[derive(Deserialize)]
struct List {
    data: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    status: Status,
    #[serde(default)]
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
    llamaswap: Option<Swapped>,
}

#[derive(Deserialize)]
struct Swapped {
    /// The other machine's name.
    #[serde(rename = "peerID")]
    peer: Option<String>,
}

#[derive(Deserialize)]
struct Running {
    running: Vec<Value>,
}

#[derive(Deserialize)]
struct Process {
    model: String,
    state: String,
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<Value>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    size: Option<u64>,
    #[serde(default)]
    remote_host: String,
}

impl Entry {
    /// Whether it is this machine's.
    fn is_here(&self) -> bool {
        let swapped = self.meta.as_ref().and_then(|meta| meta.llamaswap.as_ref());
        swapped.is_none_or(|swapped| swapped.peer.is_none())
    }

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
            aliases: self.aliases.into_iter().map(Into::into).collect(),
            bytes: self.meta.and_then(|meta| meta.size),
            failure: failure.map(|code| format!("exit code {code}").into()),
            ..named(&self.id, state)
        }
    }
}

impl Process {
    fn report(self) -> ModelReport {
        let state = match self.state.as_str() {
            "starting" => ModelState::Loading,
            "ready" => ModelState::Loaded,
            "stopping" => ModelState::Stopping,
            _ => ModelState::Unloaded,
        };
        named(&self.model, state)
    }
}

impl Tag {
    fn report(self, state: ModelState) -> ModelReport {
        let short = self.name.strip_suffix(":latest");
        ModelReport {
            aliases: short.into_iter().map(Into::into).collect(),
            bytes: self.size,
            ..named(&self.name, state)
        }
    }
}

fn named(name: &str, state: ModelState) -> ModelReport {
    ModelReport {
        name: name.into(),
        aliases: Vec::new(),
        state,
        may_load: true,
        slots: None,
        bytes: None,
        failure: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(models: &[ModelReport]) -> Vec<String> {
        let shown = |model: &ModelReport| {
            let failure = model.failure.as_deref().unwrap_or_default();
            format!("{} {:?} {} {:?} {failure}", model.name, model.aliases, model.state.name(), model.bytes)
        };
        models.iter().map(shown).collect()
    }

    fn page(body: &str) -> Reply {
        Reply { status: 200, body: body.into() }
    }

    #[test]
    fn a_list_says_which_models_there_are_and_how_each_is() {
        let table: [(CatalogForm, &str, &[&str]); 5] = [
            (
                CatalogForm::OpenAi,
                r#"{"object":"list","data":[
                    {"id":"a","aliases":["x"],"status":{"value":"loaded","args":["--model","/m/a.gguf"]},"meta":{"size":5}},
                    {"id":"b","status":{"value":"unloaded","failed":true,"exit_code":1}},
                    {"id":"c","status":{"value":"loading"}},
                    {"id":"d","status":{"value":"sleeping"}},
                    {"id":"e","status":{"value":"downloading"}},
                    {"id":"f"}, {"status":{"value":"loaded"}}, {"id":"g","status":null}, 7
                ]}"#,
                &[
                    "a [\"x\"] loaded Some(5) ",
                    "b [] failed None exit code 1",
                    "c [] loading None ",
                    "d [] sleeping None ",
                    "e [] unloaded None ",
                    "f [] unloaded None ",
                ],
            ),
            (
                CatalogForm::OpenAi,
                r#"{"object":"list","data":[
                    {"id":"org/a","object":"model","created":1,"owned_by":"llama-swap","name":"A","meta":{"llamaswap":{}}},
                    {"id":"b","object":"model","meta":{"llamaswap":{"peerID":"other"}}}
                ]}"#,
                &["org/a [] unloaded None "],
            ),
            (
                CatalogForm::Running,
                r#"{"running":[
                    {"model":"a","state":"starting","cmd":"x","proxy":"http://h","ttl":0,"name":"","description":""},
                    {"model":"b","state":"ready"},
                    {"model":"c","state":"stopping"},
                    {"model":"d","state":"shutdown"}, {"model":7}
                ]}"#,
                &["a [] loading None ", "b [] loaded None ", "c [] stopping None ", "d [] unloaded None "],
            ),
            (
                CatalogForm::Tags,
                r#"{"models":[
                    {"name":"a:latest","model":"a:latest","size":7,"digest":"d","details":{"family":"f"}},
                    {"name":"a:8b","model":"a:8b","size":9},
                    {"name":"b:cloud","remote_model":"b","remote_host":"https://h","size":300}
                ]}"#,
                &["a:latest [\"a\"] unloaded Some(7) ", "a:8b [] unloaded Some(9) "],
            ),
            (
                CatalogForm::Processes,
                r#"{"models":[{"name":"a:8b","size":9,"size_vram":9,"expires_at":"2026-01-01T00:00:00Z","context_length":4096}]}"#,
                &["a:8b [] loaded Some(9) "],
            ),
        ];
        for (form, body, expected) in table {
            assert_eq!(shown(&read(form, &page(body)).unwrap()), expected, "{form:?}");
        }
    }

    #[test]
    fn what_is_no_list_says_nothing() {
        for form in [CatalogForm::OpenAi, CatalogForm::Running, CatalogForm::Tags, CatalogForm::Processes] {
            let no = [
                (500, r#"{"data":[],"running":[],"models":[]}"#),
                (200, "<html>"),
                (200, r#"{"data":7}"#),
                (200, "{}"),
            ];
            for (status, body) in no {
                assert!(read(form, &Reply { status, body: body.into() }).is_none(), "{form:?} {status} {body}");
            }
        }
    }

    #[test]
    fn what_is_in_memory_is_said_by_the_other_list() {
        let all = r#"{"models":[{"name":"a:latest","size":7},{"name":"b:8b","size":9}]}"#;
        let in_memory = r#"{"models":[{"name":"a:latest","size":8},{"name":"c:8b","size":3}]}"#;
        let all = read(CatalogForm::Tags, &page(all)).unwrap();
        let joined = join(all, read(CatalogForm::Processes, &page(in_memory)).unwrap());
        assert_eq!(
            shown(&joined),
            ["a:latest [\"a\"] loaded Some(7) ", "b:8b [] unloaded Some(9) ", "c:8b [] loaded Some(3) "]
        );
    }
}
