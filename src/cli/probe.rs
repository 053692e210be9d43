//! `toolgate probe`: asks one server what it is, what its models' templates can do, and says what follows for tools.
//! Asks nothing itself; `upstream` does, as the gateway does.

use std::fmt::Write;

use structopt::StructOpt;

use super::{CliError, print};
use crate::config::{Config, Secret};
use crate::dialect::Past;
use crate::engine::ToolsMode;
use crate::upstream::{Likeness, Likenesses, Obedience, Portrait, Shown, portray};

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// Where the server listens, as in http://127.0.0.1:8080
    #[structopt(value_name = "URL")]
    url: String,

    /// The server's own key, if it wants one
    #[structopt(long, value_name = "KEY")]
    api_key: Option<String>,
}

impl Options {
    /// Prints what the server shows. Fails when the URL is none, and when nobody answers there.
    pub fn run(self) -> Result<(), CliError> {
        let mut config = Config::from_upstreams(std::slice::from_ref(&self.url), &[], None)?;
        let Some(mut pool) = config.pools.pop() else { return Ok(()) };
        for peer in &mut pool.peers {
            peer.api_key = self.api_key.clone().map(Secret::new);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
        let portrait = runtime.block_on(portray(pool, &config.dialects));
        let portrait = portrait.map_err(|error| CliError::Probe { url: self.url.clone(), error })?;
        print(describe(&portrait, &self.url).as_bytes())
    }
}

fn describe(portrait: &Portrait, url: &str) -> String {
    let Portrait { engine, version, proof, state, slots, runs } = portrait;
    let mut out = String::new();
    let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let slots = counted(*slots);
    line(&mut out, "server", &format!("{}{version}, {}{slots}", engine.name(), state.name()));
    let proof = proof.map_or_else(|| "nothing: it shows no sign of any engine".to_owned(), |proof| proof.to_string());
    line(&mut out, "known by", &proof);
    match runs {
        Likenesses::One(model) => {
            line(&mut out, "model", model.name.as_deref().unwrap_or("none is listed"));
            describe_model(&mut out, model);
        }
        Likenesses::Many { places, models } => {
            let places =
                places.map_or_else(|| "as many at once as fit".to_owned(), |places| format!("{places} at once"));
            line(&mut out, "models", &format!("{}, {places}", models.len()));
            for model in models {
                out.push('\n');
                let state = model.state.map(|state| format!(", {}", state.name())).unwrap_or_default();
                let slots = counted(model.slots);
                line(&mut out, "model", &format!("{}{state}{slots}", model.name.as_deref().unwrap_or_default()));
                describe_model(&mut out, model);
            }
        }
    }
    out.push('\n');
    line(&mut out, "configure", &configuration(portrait, url));
    out
}

fn describe_model(out: &mut String, model: &Likeness) {
    let Some(family) = &model.family else { return };
    let name = family.dialect.name();
    let dialect = match &model.shown {
        Some(shown) if shown.is_known() => format!("{name}, by its chat template"),
        Some(shown) if shown.is_hidden() => format!("{name}, by its name; no chat template is to be seen"),
        Some(_) => format!("{name}; the chat template is of no family that is known"),
        None if model.state.is_some_and(|state| !state.is_here()) => {
            format!("{name}, until it is loaded: then its chat template says it")
        }
        None => format!("{name}, by its name; no chat template is to be seen"),
    };
    line(out, "dialect", &dialect);
    let why = model.shown.as_ref().map(|shown| format!(": {}", shown.why())).unwrap_or_default();
    line(out, "tools", &format!("{}{why}", family.tools.name()));
    if let Some(past) = family.kept {
        let why = match past {
            Past::Native(_) => "of that the template drops nothing",
            Past::Text => "the template drops some of any other",
        };
        line(out, "history", &format!("{}: {why}", past.name()));
    }
    line(out, "reasoning", family.reasoning.name());
    match model.grammar {
        _ if family.tools == ToolsMode::Native => {}
        Obedience::Obeyed => line(out, "grammar", "obeyed: a call that is required is forced"),
        Obedience::Ignored => line(out, "grammar", "not obeyed: only the prompt asks for a call that is required"),
        Obedience::Untold => {}
    }
}

/// What to write into the configuration: only what is not found there by itself.
fn configuration(portrait: &Portrait, url: &str) -> String {
    let mut pool = format!("name: default, peers: [\"{url}\"]");
    if portrait.proof.is_none() {
        let _ = write!(pool, ", engine: {}", portrait.engine.name());
    }
    if let Likenesses::One(Likeness { shown, family: Some(family), .. }) = &portrait.runs
        && shown.as_ref().is_none_or(Shown::is_hidden)
    {
        let _ = write!(pool, ", dialect: {}", family.dialect.name());
    }
    format!("pools: [{{ {pool} }}]")
}

/// Slots, behind something else.
fn counted(slots: Option<u32>) -> String {
    match slots {
        None => String::new(),
        Some(1) => ", 1 slot".to_owned(),
        Some(slots) => format!(", {slots} slots"),
    }
}

fn line(out: &mut String, label: &str, text: &str) {
    let _ = writeln!(out, "{label:<10} {text}");
}
