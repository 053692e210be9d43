//! A machine with more models on its disk than in its memory: it loads them when it is told to, or by itself for those
//! that wait inside of it, as llama-swap does.
//! Knows no balancer.

use std::collections::VecDeque;

use toolgate::balance::{Answer, Catalog, ModelReport, ModelState};

/// What a box can do.
#[derive(Clone, Copy, Debug)]
pub struct Make {
    /// Models that are in memory at once.
    pub places: usize,
    /// Requests that a model has at once.
    pub slots: u32,
    /// Microseconds that a load takes.
    pub load: u64,
    /// This model does not load.
    pub broken: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Model {
    state: ModelState,
    busy: u32,
    /// When it was last used, in requests.
    used: u64,
    /// When it was loaded.
    since: u64,
}

#[derive(Debug)]
pub struct Machine {
    make: Make,
    models: Vec<Model>,
    /// Requests that have come to it and the models that they want, the first first.
    waiting: VecDeque<(usize, usize)>,
    requests: u64,
    /// Loads that were begun.
    pub loads: u64,
    /// Of what is in memory: another number each time that all of it is lost.
    pub life: u64,
}

impl Machine {
    pub fn new(make: Make, models: usize) -> Self {
        let model = Model { state: ModelState::Unloaded, busy: 0, used: 0, since: 0 };
        Self { make, models: vec![model; models], waiting: VecDeque::new(), requests: 0, loads: 0, life: 0 }
    }

    /// What it tells of its models.
    pub fn catalog(&self) -> Catalog {
        let report = |(at, model): (usize, &Model)| ModelReport {
            name: name(at).into(),
            aliases: Vec::new(),
            may_load: true,
            state: model.state,
            slots: Some(self.make.slots),
            bytes: None,
            failure: None,
        };
        Catalog {
            places: u32::try_from(self.make.places).ok(),
            models: self.models.iter().enumerate().map(report).collect(),
        }
    }

    /// A request for that model begins.
    fn begin(&mut self, model: usize) {
        self.requests += 1;
        let (used, slots) = (self.requests, self.make.slots);
        let model = &mut self.models[model];
        assert!(model.state == ModelState::Loaded && model.busy < slots);
        model.busy += 1;
        model.used = used;
    }

    pub fn end(&mut self, model: usize) {
        self.models[model].busy -= 1;
    }

    /// It is told to load a model. An idle one makes room.
    pub fn load(&mut self, model: usize) -> Answer {
        if self.models[model].state.is_in_memory() {
            return Answer::Refused;
        }
        if !self.make_room() {
            return Answer::Busy;
        }
        self.models[model].state = ModelState::Loading;
        self.loads += 1;
        Answer::Taken
    }

    /// It is told to unload a model, which it does if nobody has it.
    pub fn unload(&mut self, model: usize) -> Answer {
        let model = &mut self.models[model];
        if model.busy > 0 {
            return Answer::Busy;
        }
        model.state = ModelState::Unloaded;
        Answer::Taken
    }

    /// A load has come to its end.
    pub fn loaded(&mut self, model: usize, now: u64) {
        let state = if self.make.broken == Some(model) { ModelState::Failed } else { ModelState::Loaded };
        self.models[model] = Model { state, since: now, ..self.models[model] };
    }

    /// It falls, and all that is in memory is lost.
    pub fn fall(&mut self) {
        self.life += 1;
        self.models.iter_mut().for_each(|model| *model = Model { state: ModelState::Unloaded, busy: 0, ..*model });
    }

    /// A request comes that may wait inside of it.
    pub fn arrive(&mut self, job: usize, model: usize) {
        self.waiting.push_back((job, model));
    }

    /// Those inside of it that begin now: whose model is loaded goes at once.
    pub fn progress(&mut self) -> Vec<usize> {
        let (mut begin, mut stay) = (Vec::new(), VecDeque::new());
        for (job, model) in std::mem::take(&mut self.waiting) {
            if self.models[model].state == ModelState::Loaded && self.models[model].busy < self.make.slots {
                self.begin(model);
                begin.push(job);
            } else {
                stay.push_back((job, model));
            }
        }
        self.waiting = stay;
        begin
    }

    /// The model that it begins to load by itself for the first inside of it that has none: an idle one makes room.
    pub fn loads_by_itself(&mut self) -> Option<usize> {
        let absent = self.waiting.iter().find(|(_, model)| !self.models[*model].state.is_in_memory());
        absent.map(|(_, model)| *model).filter(|model| self.load(*model) == Answer::Taken)
    }

    /// Whether it could load one more model for those that wait: there is a place, or a model that nobody has or wants
    /// and that has stayed for as long as a load takes.
    pub fn is_idle(&self, is_wanted: impl Fn(usize) -> bool, now: u64) -> bool {
        let is_free = |(at, model): (usize, &Model)| {
            let has_stayed = model.since + self.make.load <= now;
            model.state == ModelState::Loaded && model.busy == 0 && has_stayed && !is_wanted(at)
        };
        let is_loading = self.models.iter().any(|model| model.state == ModelState::Loading);
        !is_loading && (self.has_place() || self.models.iter().enumerate().any(is_free))
    }

    /// Whether a model is there, or on its way.
    pub fn is_coming(&self, model: usize) -> bool {
        self.models[model].state.is_in_memory()
    }

    /// Whether it loads a model.
    pub fn is_loading(&self, model: usize) -> bool {
        self.models[model].state == ModelState::Loading
    }

    fn has_place(&self) -> bool {
        self.models.iter().filter(|model| model.state.is_in_memory()).count() < self.make.places
    }

    /// The one that was not used for longest makes room, of those that nobody has.
    fn make_room(&mut self) -> bool {
        if self.has_place() {
            return true;
        }
        let idle = self.models.iter_mut().filter(|model| model.state == ModelState::Loaded && model.busy == 0);
        let victim = idle.min_by_key(|model| model.used);
        victim.map(|model| model.state = ModelState::Unloaded).is_some()
    }
}

/// What a model is called.
pub fn name(model: usize) -> String {
    format!("model-{model}")
}
