//! One model of the router: where it is between disk and memory, and who needs it.
//! Decides nothing: that is the table's.

use std::sync::Arc;

use super::super::model::Model;
use super::super::script::{ModelScript, Script};

/// One model of the router.
#[derive(Debug)]
pub(super) struct Entry {
    pub script: Script,
    pub aliases: Vec<String>,
    pub fails: bool,
    pub state: State,
    /// Of its last end: 0 unless it fell over or was killed.
    pub exit_code: u8,
    /// Requests that wait until it is loaded.
    pub waiting: usize,
    /// Requests that it has.
    pub running: usize,
    /// Whether it is to be loaded though no request waits for it.
    pub is_ordered: bool,
    /// When its last load began, in turns.
    pub started: u64,
    /// When it was last needed, in turns.
    pub used: u64,
    /// How many of its loads came to nothing.
    pub falls: u64,
}

/// Where a model is between disk and memory.
///
/// ```text
/// Unloaded --start--> Loading --loaded--> Loaded <--> Sleeping
///    ^  ^                |                  |            |
///    |  +-----fall-------+                  +----stop----+
///    +--------------------gone--------- Stopping <-------+
/// ```
#[derive(Clone, Debug)]
pub(super) enum State {
    Unloaded,
    Loading(Arc<Model>),
    Loaded(Arc<Model>),
    Sleeping(Arc<Model>),
    /// It has to go, and takes no requests any more.
    Stopping(Arc<Model>),
}

/// What becomes of a request for a model.
#[derive(Debug)]
pub(super) enum Admission {
    /// The model has it; [`Table::answered`](super::table::Table::answered) ends that.
    Go(Arc<Model>),
    Wait,
    /// The load that it waited for came to nothing.
    Failed,
    /// The model loads or has to go.
    Unreachable,
    NotLoaded,
}

impl Entry {
    /// A model that is not loaded. `script` is that of a server that serves it alone.
    pub fn new(script: Script, model: &ModelScript) -> Self {
        Self {
            script,
            aliases: model.aliases.clone(),
            fails: model.fails,
            state: State::Unloaded,
            exit_code: 0,
            waiting: 0,
            running: 0,
            is_ordered: false,
            started: 0,
            used: 0,
            falls: 0,
        }
    }

    /// Whether this is its name or an alias.
    pub fn goes_by(&self, name: &str) -> bool {
        self.script.model == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// Gives it a request, if it takes one now.
    pub fn take(&mut self) -> Admission {
        match &self.state {
            State::Unloaded => Admission::NotLoaded,
            State::Loading(_) | State::Stopping(_) => Admission::Unreachable,
            State::Loaded(model) | State::Sleeping(model) => {
                self.running += 1;
                Admission::Go(Arc::clone(model))
            }
        }
    }

    /// Whether this is the process that it has now.
    pub fn is(&self, model: &Arc<Model>) -> bool {
        self.state.model().is_some_and(|mine| Arc::ptr_eq(mine, model))
    }

    /// Whether it is in memory and nobody needs it.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Loaded(_) | State::Sleeping(_)) && self.running == 0 && self.waiting == 0
    }

    /// Whether it is in memory, or will be, and does not have to go already.
    pub fn may_stop(&self) -> bool {
        !matches!(self.state, State::Unloaded | State::Stopping(_))
    }
}

impl State {
    /// The word for it on the router's pages.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unloaded => "unloaded",
            Self::Loading(_) => "loading",
            // It is told as loaded until it is gone.
            Self::Loaded(_) | Self::Stopping(_) => "loaded",
            Self::Sleeping(_) => "sleeping",
        }
    }

    /// The process that runs, or nothing.
    pub fn model(&self) -> Option<&Arc<Model>> {
        match self {
            Self::Unloaded => None,
            Self::Loading(model) | Self::Loaded(model) | Self::Sleeping(model) | Self::Stopping(model) => Some(model),
        }
    }
}
