//! Model list that clients see, merged from what several servers list.
//! Asks nobody: who lists what is handed in, and an entry keeps all that its server said of the model.

mod private;

use std::fmt::Write as _;

pub use private::without_private;

use crate::json::{self, Edit, Object};

/// What is known of a group of servers that run the same models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The pool's name.
    pub pool: String,
    pub engine: &'static str,
    /// What is done with a request's tools, as far as it is the same for all of its models.
    pub tools: &'static str,
    /// The names by which its models can be asked for, besides those that its servers list.
    pub names: Vec<String>,
    pub listed: Vec<Listed>,
}

/// What one server told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub peer: String,
    /// In the shape of OpenAI's list.
    pub body: Vec<u8>,
}

/// The models of all servers; ids are unique.
#[derive(Debug, Default)]
pub struct Models {
    entries: Vec<Entry>,
}

/// How a model stands at those servers that load and unload it, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    pub state: State,
    /// At how many it is loaded.
    pub boxes: usize,
    /// Requests that it can have at once there; none when some do not say.
    pub slots: Option<u32>,
}

/// The best of a model's states at several servers, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Loaded,
    /// The next request wakes it.
    Sleeping,
    Loading,
    Unloaded,
    /// It was to be loaded and has failed, wherever it could be.
    Failed,
}

/// One model.
#[derive(Debug)]
pub struct Entry {
    pub id: String,
    /// How its calls are written, where they are read.
    pub dialect: Option<String>,
    /// What is done with a request's tools.
    pub tools: &'static str,
    /// Absent where its servers run it and no other.
    pub presence: Option<Presence>,
    pool: String,
    /// As its server wrote it, but for what is private, and for the id of one that goes by another name.
    raw: String,
    peers: Vec<String>,
    engine: &'static str,
    alias_of: Option<String>,
}

impl Models {
    /// Adds a group's models, those that `runs` says the group is asked for, and answers the new entries.
    pub fn add(&mut self, group: &Group, runs: impl Fn(&str) -> bool) -> &mut [Entry] {
        let start = self.entries.len();
        let lists: Vec<_> = group.listed.iter().map(|listed| (&listed.peer, entries(&listed.body))).collect();
        for (peer, list) in &lists {
            for (id, raw) in list.iter().filter(|(id, _)| runs(id)) {
                self.put(group, id, raw.clone(), peer);
            }
        }
        // A server of one model answers for it under any name, so what it says of that one holds for its other names.
        let only =
            lists.iter().map(|(_, list)| if let [(_, raw)] = list.as_slice() { Some(raw.as_str()) } else { None });
        let like = only.collect::<Option<Vec<_>>>().and_then(|only| only.first().copied()).unwrap_or(UNKNOWN);
        for name in group.names.iter().filter(|name| runs(name)) {
            if self.find(name).is_none() {
                lists.iter().for_each(|(peer, _)| self.put(group, name, renamed(like, name), peer));
            }
        }
        self.entries.get_mut(start..).unwrap_or_default()
    }

    /// Adds another name for a model; a model that is not listed has none.
    pub fn alias(&mut self, name: &str, model: &str) {
        let Some(entry) = self.find(model) else { return };
        let entry = Entry {
            id: name.to_owned(),
            pool: entry.pool.clone(),
            raw: renamed(&entry.raw, name),
            peers: entry.peers.clone(),
            engine: entry.engine,
            tools: entry.tools,
            dialect: entry.dialect.clone(),
            presence: entry.presence,
            alias_of: Some(entry.id.clone()),
        };
        self.entries.retain(|other| !same(&other.id, name));
        self.entries.push(entry);
    }

    /// The entry of a model, without regard to case as all names of models.
    pub fn find(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id).or_else(|| self.entries.iter().find(|e| same(&e.id, id)))
    }

    /// All entries in the order in which clients see them.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// OpenAI's list.
    pub fn to_json(&self) -> String {
        let mut out = String::from(r#"{"object":"list","data":["#);
        for (at, entry) in self.entries.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            out.push_str(&entry.to_json());
        }
        out.push_str("]}");
        out
    }

    fn put(&mut self, group: &Group, id: &str, raw: String, peer: &str) {
        if let Some(known) = self.entries.iter_mut().find(|entry| entry.id == id) {
            if known.pool == group.pool && !known.peers.iter().any(|other| other == peer) {
                known.peers.push(peer.to_owned());
                if !is_described(&known.raw) && is_described(&raw) {
                    known.raw = raw;
                }
            }
            return;
        }
        self.entries.push(Entry {
            id: id.to_owned(),
            dialect: None,
            presence: None,
            pool: group.pool.clone(),
            raw,
            peers: vec![peer.to_owned()],
            engine: group.engine,
            tools: group.tools,
            alias_of: None,
        });
    }
}

impl Entry {
    /// As its server wrote it, without what is private.
    pub fn told(&self) -> &str {
        &self.raw
    }

    /// The pool that runs it.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// The name by which its servers know it.
    pub fn own_name(&self) -> &str {
        self.alias_of.as_deref().unwrap_or(&self.id)
    }

    /// The entry as its server wrote it, without what is private, with what it can do here in the member `toolgate`.
    pub fn to_json(&self) -> String {
        let text = |text: &str| {
            let mut out = String::new();
            json::write_string(text, &mut out);
            out
        };
        let optional = |value: &Option<String>| value.as_deref().map_or_else(|| "null".to_owned(), text);
        let peers: Vec<_> = self.peers.iter().map(|peer| text(peer)).collect();
        let mut about = String::new();
        let _ = write!(
            about,
            r#"{{"pool":{},"peers":[{}],"engine":"{}","tools":"{}","dialect":{},"alias_of":{}"#,
            text(&self.pool),
            peers.join(","),
            self.engine,
            self.tools,
            optional(&self.dialect),
            optional(&self.alias_of),
        );
        let status = self.presence.map(|presence| {
            let Presence { state, boxes, slots } = presence;
            let slots = slots.map_or_else(|| "null".to_owned(), |slots| slots.to_string());
            let _ = write!(about, r#","state":"{}","boxes":{boxes},"slots":{slots}"#, state.name());
            // What one server wrote there holds for that one.
            ("status", Edit::Set(state.status().into()))
        });
        about.push('}');
        let object = Object::parse(&self.raw).unwrap_or_else(Object::empty);
        let edits: Vec<_> = status.into_iter().chain([("toolgate", Edit::Set(about.into()))]).collect();
        object.edited(&edits)
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Sleeping => "sleeping",
            Self::Loading => "loading",
            Self::Unloaded => "unloaded",
            Self::Failed => "failed",
        }
    }

    /// As llama.cpp's router writes it, to whom a failure is a kind of being unloaded.
    fn status(self) -> String {
        match self {
            Self::Failed => r#"{"value":"unloaded","failed":true}"#.to_owned(),
            state => format!(r#"{{"value":"{}"}}"#, state.name()),
        }
    }
}

/// Whether an entry says what the model is like: llama.cpp knows it only of one that is loaded.
fn is_described(raw: &str) -> bool {
    Object::parse(raw).is_some_and(|entry| entry.get("meta").is_some_and(|meta| meta != "null"))
}

/// The entries of a list that have an id, each with its text.
fn entries(body: &[u8]) -> Vec<(String, String)> {
    let list = std::str::from_utf8(body).ok().and_then(Object::parse);
    let data = list.as_ref().and_then(|list| json::array(list.get("data")?)).unwrap_or_default();
    let entry = |raw: &str| Some((Object::parse(raw)?.string("id")?.into_owned(), without_private(raw).into_owned()));
    data.into_iter().filter_map(entry).collect()
}

fn renamed(raw: &str, id: &str) -> String {
    let mut value = String::new();
    json::write_string(id, &mut value);
    Object::parse(raw).unwrap_or_else(Object::empty).edited(&[("id", Edit::Set(value.into()))])
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// An entry for a name of which no server says anything.
const UNKNOWN: &str = r#"{"id":"","object":"model","created":0,"owned_by":"toolgate"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn group(pool: &str, names: &[&str], listed: &[(&str, &str)]) -> Group {
        Group {
            pool: pool.to_owned(),
            engine: "llama.cpp",
            tools: "inject",
            names: names.iter().map(ToString::to_string).collect(),
            listed: listed
                .iter()
                .map(|(peer, data)| Listed {
                    peer: (*peer).to_owned(),
                    body: format!("{{\"object\":\"list\",\"models\":[],\"data\":[{data}]}}").into_bytes(),
                })
                .collect(),
        }
    }

    fn rows(models: &Models) -> Vec<String> {
        let row = |e: &Entry| {
            let alias = e.alias_of.as_ref().map_or_else(String::new, |model| format!(" = {model}"));
            format!("{}{alias}: {} at {}", e.id, e.pool, e.peers.join(" "))
        };
        models.iter().map(row).collect()
    }

    #[test]
    fn lists_are_merged_by_id() {
        let mut models = Models::default();
        let lists = [("1", r#"{"id":"a"},{"id":"b"}"#), ("2", r#"{"id":"b"},{"no":"id"},7,{"id":"c/d"}"#), ("3", "no")];
        let new = models.add(&group("p", &["B", "e"], &lists), |_| true);
        assert_eq!(new.len(), 4);
        new[1].dialect = Some("d".to_owned());
        let lists = [("4", r#"{"id":"a"},{"id":"f"},{"id":"x"}"#)];
        assert_eq!(models.add(&group("q", &[], &lists), |id| id != "x").len(), 1);
        models.alias("g", "C/D");
        models.alias("a", "e");
        models.alias("h", "nothing");
        let expected =
            ["b: p at 1 2", "c/d: p at 2", "e: p at 1 2 3", "f: q at 4", "g = c/d: p at 2", "a = e: p at 1 2 3"];
        assert_eq!(rows(&models), expected);
        assert_eq!(models.find("C/d").map(|entry| entry.id.as_str()), Some("c/d"));
        assert!(models.find("x").is_none());
        let list: serde_json::Value = serde_json::from_str(&models.to_json()).unwrap();
        assert_eq!((&list["object"], list["data"].as_array().map(Vec::len)), (&"list".into(), Some(6)));
        assert_eq!(list["data"][0]["toolgate"]["dialect"], "d");
    }

    #[test]
    fn an_entry_is_of_a_server_that_knows_what_the_model_is_like() {
        let mut models = Models::default();
        let lists = [
            ("1", r#"{"id":"a","x":1}"#),
            ("2", r#"{"id":"a","x":2,"meta":null}"#),
            ("3", r#"{"id":"a","meta":{}}"#),
            ("4", r#"{"id":"a","x":4,"meta":{}}"#),
        ];
        models.add(&group("p", &[], &lists), |_| true);
        assert_eq!(rows(&models), ["a: p at 1 2 3 4"]);
        assert!(models.find("a").unwrap().to_json().starts_with(r#"{"id":"a","meta":{},"toolgate""#));
    }

    #[test]
    fn an_entry_keeps_what_its_server_said() {
        let mut models = Models::default();
        let raw = r#"{ "id": "f.gguf", "meta": {"n_ctx": 4096.0}, "x":null }"#;
        models.add(&group("p", &["named"], &[("1", raw)]), |id| id == "named");
        models.alias("other", "named");
        let about = |alias: &str| {
            format!(
                r#""toolgate":{{"pool":"p","peers":["1"],"engine":"llama.cpp","tools":"inject","dialect":null,"alias_of":{alias}}} }}"#
            )
        };
        let entry = |id: &str| models.find(id).unwrap().to_json();
        assert_eq!(
            entry("named"),
            raw.replace("f.gguf", "named").replace("null }", &format!("null,{}", about("null")))
        );
        assert_eq!(
            entry("other"),
            raw.replace("f.gguf", "other").replace("null }", &format!("null,{}", about("\"named\"")))
        );
    }

    #[test]
    fn an_entry_says_how_the_model_stands_at_all_servers_and_nothing_of_their_machines() {
        // As llama.cpp's router lists it.
        let raw = r#"{"id":"qwen","aliases":["q"],"tags":[],"object":"model","owned_by":"llamacpp","created":1764318000,"status":{"value":"unloaded","args":["/app/llama-server","--host","127.0.0.1","--alias","qwen","--model","/srv/qwen.gguf","--api-key","k"],"preset":"[qwen]\nmodel = /srv/qwen.gguf\n","exit_code":1,"failed":true},"architecture":{"input_modalities":["text"],"output_modalities":["text"]},"source":"preset","path":"/srv/qwen.gguf","can_remove":false}"#;
        let of = |presence| {
            let mut models = Models::default();
            models.add(&group("p", &[], &[("1", raw)]), |_| true)[0].presence = Some(presence);
            models.alias("gpt", "qwen");
            models
        };
        let table = [
            (State::Loaded, 2, Some(8), r#"{"value":"loaded"}"#, r#""state":"loaded","boxes":2,"slots":8"#),
            (State::Sleeping, 1, None, r#"{"value":"sleeping"}"#, r#""state":"sleeping","boxes":1,"slots":null"#),
            (State::Loading, 0, Some(0), r#"{"value":"loading"}"#, r#""state":"loading","boxes":0,"slots":0"#),
            (State::Unloaded, 0, Some(0), r#"{"value":"unloaded"}"#, r#""state":"unloaded","boxes":0,"slots":0"#),
            (
                State::Failed,
                0,
                Some(0),
                r#"{"value":"unloaded","failed":true}"#,
                r#""state":"failed","boxes":0,"slots":0"#,
            ),
        ];
        for (state, boxes, slots, status, about) in table {
            let models = of(Presence { state, boxes, slots });
            for (id, alias) in [("qwen", "null"), ("gpt", r#""qwen""#)] {
                let expected = format!(
                    r#"{{"id":"{id}","aliases":["q"],"tags":[],"object":"model","owned_by":"llamacpp","created":1764318000,"status":{status},"architecture":{{"input_modalities":["text"],"output_modalities":["text"]}},"source":"preset","can_remove":false,"toolgate":{{"pool":"p","peers":["1"],"engine":"llama.cpp","tools":"inject","dialect":null,"alias_of":{alias},{about}}}}}"#
                );
                assert_eq!(models.find(id).unwrap().to_json(), expected);
            }
        }
    }
}
