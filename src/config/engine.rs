//! Engine of a pool: named by the configuration, or to be found by asking; and what of the other keys it has no use for.
//! Asks nobody; `upstream` does.

use super::fields::{Fields, Reader};
use super::mistake::{ConfigErrors, Mistake, suggest};
use super::{Config, ModelsLoaded, Ollama, Pool, ToolsChoice};
use crate::engine::{ChatApi, Engine, Row};
use crate::plan::Chats;

/// Where a pool's engine comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The configuration names it, and nobody is asked.
    #[default]
    Named,
    /// Its servers are asked. The pool's engine is what is assumed until one has answered.
    Auto,
}

/// How the choice is written that names none.
const AUTO: &str = "auto";

/// A key that only some engines have a use for.
struct Use {
    key: &'static str,
    can: fn(&Row) -> bool,
    /// Why the others have none.
    hint: &'static str,
}

const ASSEMBLE: Use =
    Use { key: "assemble", can: |row| row.misses_leavers, hint: "other servers notice when a client leaves" };
const PROGRESS: Use =
    Use { key: "progress", can: |row| row.tells_progress, hint: "other servers do not tell how far they are" };
const PARSE: Use = Use {
    key: "tools: parse",
    can: |row| row.needs.parse.is_some(),
    hint: "inject, or native where the server reads the calls: it writes tools only if it reads them too",
};
const MODELS_LOADED: Use =
    Use { key: "models_loaded", can: |row| row.models.is_some(), hint: "other servers have one model" };

const OLLAMA: Use = Use {
    key: "ollama",
    can: |row| matches!(row.chat_api, ChatApi::Ollama),
    hint: "other servers know none of its keys",
};

impl Use {
    fn names(&self) -> String {
        let able = Engine::ALL.into_iter().filter(|engine| (self.can)(engine.row())).map(Engine::name);
        able.collect::<Vec<_>>().join(", ")
    }
}

impl Config {
    /// The same configuration with the engine of every pool as the command line says it. Fails where it says none.
    pub fn with_engine(mut self, name: &str) -> Result<Self, ConfigErrors> {
        let words = words();
        let Some((_, engine)) = words.iter().find(|(word, _)| *word == name) else {
            let (file, what) = ("--engine".to_owned(), format!("unknown engine `{name}`"));
            let hint = suggest(name, words.iter().map(|(word, _)| *word));
            return Err(ConfigErrors(vec![Mistake { file, place: None, what, hint }]));
        };
        for pool in &mut self.pools {
            pool.engine_choice = if engine.is_some() { EngineChoice::Named } else { EngineChoice::Auto };
            *pool = engine.map_or_else(|| pool.clone(), |engine| pool.suited_to(engine));
        }
        Ok(self)
    }
}

/// What a configuration may say.
fn words() -> Vec<(&'static str, Option<Engine>)> {
    let named = Engine::ALL.map(|engine| (engine.name(), Some(engine)));
    std::iter::once((AUTO, None)).chain(named).collect()
}

impl Pool {
    /// The same pool with the engine that was found. What that has no use for is off.
    pub fn suited_to(&self, engine: Engine) -> Self {
        let mut pool = Self { engine, ..self.clone() };
        let row = engine.row();
        for (choice, key) in [(&mut pool.assemble, ASSEMBLE), (&mut pool.progress, PROGRESS)] {
            if !(key.can)(row) {
                *choice = Chats::Off;
            }
        }
        if pool.tools == ToolsChoice::Parse && !(PARSE.can)(row) {
            pool.tools = ToolsChoice::Inject;
        }
        pool
    }

    /// What was asked for that an engine has no use for, in words. A configuration that names the engine would have a
    /// mistake there.
    pub fn useless_with(&self, engine: Engine) -> impl Iterator<Item = String> {
        let asked = [
            (ASSEMBLE, !matches!(self.assemble, Chats::Off) && self.assemble != Chats::default()),
            (PROGRESS, !matches!(self.progress, Chats::Off) && self.progress != Chats::default()),
            (PARSE, self.tools == ToolsChoice::Parse),
            (MODELS_LOADED, self.models_loaded != ModelsLoaded::default()),
            (OLLAMA, self.ollama != Ollama::default()),
        ];
        let useless = asked.into_iter().filter(move |(key, is_asked)| *is_asked && !(key.can)(engine.row()));
        useless.map(|(key, _)| format!("{} is for {}", key.key, key.names()))
    }
}

impl Reader<'_> {
    /// Which engine a pool has, or that it is to be found.
    pub(super) fn engine(&mut self, fields: &Fields<'_>, pool: &mut Pool) {
        let mut engine = None;
        self.choose(fields, "engine", "engine", &words(), &mut engine);
        pool.engine_choice = if engine.is_some() { EngineChoice::Named } else { EngineChoice::Auto };
        pool.engine = engine.unwrap_or_default();
    }

    /// What an engine that is named has no use for is off, and nobody may ask for it. Of one that is to be found nothing
    /// is known here.
    pub(super) fn hold_to_engine(&mut self, fields: &Fields<'_>, pool: &mut Pool) {
        if pool.engine_choice == EngineChoice::Auto {
            return;
        }
        let row = pool.engine.row();
        let asked = [
            ("assemble", ASSEMBLE, pool.assemble != Chats::Off),
            ("progress", PROGRESS, pool.progress != Chats::Off),
            ("tools", PARSE, pool.tools == ToolsChoice::Parse),
            ("models_loaded", MODELS_LOADED, true),
            ("ollama", OLLAMA, true),
        ];
        for (key, of, _) in asked.into_iter().filter(|(_, of, is_asked)| *is_asked && !(of.can)(row)) {
            if let Some(node) = fields.find(key) {
                self.mistake(node.place, format!("{} is for {}", of.key, of.names()), of.hint);
            }
        }
        *pool = pool.suited_to(pool.engine);
    }
}
