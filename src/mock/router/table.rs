//! A router's models: which is in memory, which loads or has to go, who waits for one, and who makes room for whom.
//! Starts and ends nothing by itself: it says what has to be done, and is told what came of it. Speaks no HTTP.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::model::Model;
use super::super::script::{ModelScript, Script, Vice};
use super::entry::{Admission, Entry, State};

#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// How many may be in memory; 0 is as many as there are.
    pub places: usize,
    vice: Vice,
    /// Models that are wanted and have no place, in the order in which they were first wanted.
    queue: VecDeque<usize>,
    /// Starts and ends of answers so far: their order.
    turn: u64,
    effects: Vec<Effect>,
}

/// What has to be done after a change.
#[derive(Debug)]
pub(super) enum Effect {
    /// The model has begun to load: mind it.
    Mind(usize, Arc<Model>),
    /// The model has to go: see that it does.
    End(usize, Arc<Model>),
    /// Whoever listens hears that the model's process was started.
    TellStart(usize),
    /// Whoever listens hears what the model's state has become.
    TellState { at: usize, state: State, exit_code: u8 },
}

/// Why a model is not loaded by order.
#[derive(Debug)]
pub(super) enum Refusal {
    Running,
    Full,
}

impl Table {
    /// A table of models none of which is loaded.
    pub fn new<'a>(script: &Script, models: impl IntoIterator<Item = (&'a String, &'a ModelScript)>) -> Self {
        Self {
            entries: models.into_iter().map(|(name, model)| Entry::new(script.of_model(name, model), model)).collect(),
            places: script.places,
            vice: script.vice,
            queue: VecDeque::new(),
            turn: 0,
            effects: Vec::new(),
        }
    }

    /// The models, by their names.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The model that goes by this name or alias.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.goes_by(name))
    }

    /// The model's own name.
    pub fn name(&self, at: usize) -> &str {
        self.entries.get(at).map_or("", |entry| &entry.script.model)
    }

    /// What has to be done since this was last asked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Counts a request that wants the model, and returns what [`Table::ask`] has to know.
    pub fn join(&mut self, at: usize) -> u64 {
        self.entries.get_mut(at).map_or(0, |entry| {
            entry.waiting += 1;
            entry.falls
        })
    }

    /// What becomes now of a request that has joined.
    pub fn ask(&mut self, at: usize, falls: u64) -> Admission {
        let Some(entry) = self.entries.get_mut(at) else { return Admission::NotLoaded };
        if entry.falls != falls {
            return Admission::Failed;
        }
        match &entry.state {
            State::Loaded(_) | State::Sleeping(_) => return entry.take(),
            State::Stopping(_) if self.vice != Vice::None => return Admission::Unreachable,
            State::Loading(_) => return Admission::Wait,
            State::Unloaded | State::Stopping(_) => {}
        }
        if !self.queue.contains(&at) {
            self.queue.push_back(at);
            if self.vice != Vice::Stalls || self.queue.len() == 1 {
                self.make_room();
            }
        }
        Admission::Wait
    }

    /// Ends what [`Table::join`] began: the request has got the model, or has left.
    pub fn leave(&mut self, at: usize) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        entry.waiting -= 1;
        if entry.waiting == 0 && !entry.is_ordered {
            self.queue.retain(|other| *other != at);
        }
        self.look();
    }

    /// What becomes of a request that loads nothing and waits for nothing.
    pub fn take(&mut self, at: usize) -> Admission {
        self.entries.get_mut(at).map_or(Admission::NotLoaded, Entry::take)
    }

    /// Ends what [`Admission::Go`] began.
    pub fn answered(&mut self, at: usize, model: &Arc<Model>) {
        self.turn += 1;
        if let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.is(model)) {
            entry.running -= 1;
            entry.used = self.turn;
        }
        self.make_room();
    }

    /// Whether the model has requests.
    pub fn is_busy(&self, at: usize) -> bool {
        self.entries.get(at).is_some_and(|entry| entry.running > 0)
    }

    /// Loads a model by order: only an idle one makes room for it, but with the vice of eviction.
    pub fn load(&mut self, at: usize) -> Result<(), Refusal> {
        if !self.is_unloaded(at) {
            return Err(Refusal::Running);
        }
        if self.has_room() {
            self.start(at);
            return Ok(());
        }
        let Some(victim) = self.victim() else { return Err(Refusal::Full) };
        if let Some(entry) = self.entries.get_mut(at) {
            entry.is_ordered = true;
        }
        self.queue.retain(|other| *other != at);
        self.queue.push_front(at);
        self.evict(victim);
        self.make_room();
        Ok(())
    }

    /// Unloads a model by order; one that loads is killed. Says whether there was anything to unload.
    pub fn unload(&mut self, at: usize) -> bool {
        match self.entries.get(at).map(|entry| &entry.state) {
            None | Some(State::Unloaded) => return false,
            Some(State::Loading(_)) => self.fall(at),
            Some(_) => self.stop(at),
        }
        self.look();
        true
    }

    /// The model's load has come to its end.
    pub fn load_ended(&mut self, at: usize, model: &Arc<Model>) {
        let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.is(model)) else { return };
        if entry.fails {
            self.fall(at);
        } else {
            self.enter(at, State::Loaded(Arc::clone(model)));
        }
        self.look();
    }

    /// The model has fallen asleep.
    pub fn slept(&mut self, at: usize, model: &Arc<Model>) {
        if self.entries.get(at).is_some_and(|entry| entry.is(model) && matches!(entry.state, State::Loaded(_))) {
            self.enter(at, State::Sleeping(Arc::clone(model)));
        }
    }

    /// The model has woken.
    pub fn woken(&mut self, at: usize, model: &Arc<Model>) {
        if self.entries.get(at).is_some_and(|entry| entry.is(model) && matches!(entry.state, State::Sleeping(_))) {
            self.enter(at, State::Loaded(Arc::clone(model)));
        }
    }

    /// The model that had to go is gone.
    pub fn gone(&mut self, at: usize, exit_code: u8) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.exit_code = exit_code;
        }
        self.enter(at, State::Unloaded);
        self.make_room();
    }

    /// Looks at the queue after something that is no answer's end: the stalling build does not.
    fn look(&mut self) {
        if self.vice != Vice::Stalls {
            self.make_room();
        }
    }

    /// Gives places to the first in the queue, as long as there are any or somebody can go.
    fn make_room(&mut self) {
        while let Some(next) = self.queue.front().copied() {
            if self.has_room() && self.is_unloaded(next) {
                self.start(next);
            } else if self.entries.iter().any(|entry| matches!(entry.state, State::Stopping(_))) {
                // The next place is that one's.
                return;
            } else if let Some(victim) = self.victim() {
                self.evict(victim);
            } else {
                return;
            }
        }
    }

    fn has_room(&self) -> bool {
        let taken = self.entries.iter().filter(|entry| entry.state.model().is_some()).count();
        self.places == 0 || taken < self.places
    }

    fn is_unloaded(&self, at: usize) -> bool {
        self.entries.get(at).is_some_and(|entry| matches!(entry.state, State::Unloaded))
    }

    /// Who has to go for another.
    fn victim(&self) -> Option<usize> {
        let entries = self.entries.iter().enumerate();
        let victim = match self.vice {
            Vice::None | Vice::Stalls => {
                entries.filter(|(_, entry)| entry.is_idle()).min_by_key(|(_, entry)| entry.used)
            }
            Vice::Evicts => entries.filter(|(_, entry)| entry.may_stop()).min_by_key(|(_, entry)| entry.started),
        };
        victim.map(|(at, _)| at)
    }

    fn evict(&mut self, at: usize) {
        match self.entries.get(at).map(|entry| &entry.state) {
            Some(State::Loading(_)) => self.fall(at),
            _ => self.stop(at),
        }
    }

    fn start(&mut self, at: usize) {
        self.turn += 1;
        self.queue.retain(|other| *other != at);
        let Some(entry) = self.entries.get_mut(at) else { return };
        (entry.started, entry.used) = (self.turn, self.turn);
        (entry.exit_code, entry.running, entry.is_ordered) = (0, 0, false);
        let model = Arc::new(Model::new(entry.script.clone()));
        self.effects.extend([Effect::Mind(at, Arc::clone(&model)), Effect::TellStart(at)]);
        self.enter(at, State::Loading(model));
    }

    fn stop(&mut self, at: usize) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        if let State::Loaded(model) | State::Sleeping(model) = &entry.state {
            self.effects.push(Effect::End(at, Arc::clone(model)));
            entry.state = State::Stopping(Arc::clone(model));
        }
    }

    /// Ends a load that comes to nothing.
    fn fall(&mut self, at: usize) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        if let State::Loading(model) = &entry.state {
            model.machine.kill();
        }
        entry.falls += 1;
        entry.exit_code = 1;
        self.enter(at, State::Unloaded);
    }

    fn enter(&mut self, at: usize, state: State) {
        if let Some(entry) = self.entries.get_mut(at) {
            self.effects.push(Effect::TellState { at, state: state.clone(), exit_code: entry.exit_code });
            entry.state = state;
        }
    }
}
