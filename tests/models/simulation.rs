//! Requests, replicas of the balancer and boxes of many models on a time of their own: no sockets, no clock, the same
//! run each time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use toolgate::balance::{
    Action, Answer, Assignment, Balancer, Decision, Failure, ModelId, Outcome, PeerId, Policy, Reason, Report, Request,
    Settings, Spec, State, Ticket, Work,
};

use crate::boxes::{Machine, Make, name};
use crate::traffic::{Dice, HOUR, Job, Pattern, SECOND, Traffic};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub name: &'static str,
    pub boxes: usize,
    pub make: Make,
    pub models: usize,
    pub pattern: Pattern,
    /// Balancers that do not know of each other; each request goes to one by chance.
    pub replicas: usize,
    pub twist: Twist,
}

/// What is special about a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    None,
    /// A box falls while it loads a model, once after ten minutes, and is back a minute later.
    Falls,
}

/// Who says what is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// The boxes, for those that wait inside of them; the balancer sends each request to the least busy one.
    Boxes,
    Balancer,
}

/// What came of it; shown as a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub loads: f64,
    /// Until the first token, in seconds.
    pub mean: f64,
    pub p99: f64,
    pub worst: f64,
    /// Until the last answer has ended, in seconds.
    pub took: f64,
    /// Requests whose model did not load.
    pub failed: f64,
}

impl Figures {
    /// The mean of several runs.
    pub fn mean(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| runs.iter().map(figure).sum::<f64>() / runs.len() as f64;
        Self {
            loads: of(|run| run.loads),
            mean: of(|run| run.mean),
            p99: of(|run| run.p99),
            worst: of(|run| run.worst),
            took: of(|run| run.took),
            failed: of(|run| run.failed),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loads, mean, p99, worst, took, failed } = self;
        write!(f, "{loads:.0} | {mean:.1} s | {p99:.0} s | {worst:.0} s | {took:.0} s | {failed:.0}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Send {
        job: usize,
    },
    End {
        job: usize,
        at: usize,
        life: u64,
    },
    Loaded {
        at: usize,
        model: usize,
        life: u64,
    },
    Fall,
    Rise {
        at: usize,
    },
    /// Time alone changes something at a balancer.
    Wake {
        replica: usize,
    },
}

struct Sent {
    job: Job,
    replica: usize,
    assignment: Option<Assignment>,
    began: Option<u64>,
    ended: Option<u64>,
    has_failed: bool,
}

struct Simulation {
    scene: Scene,
    scheduler: Scheduler,
    now: u64,
    events: BinaryHeap<Reverse<(u64, usize, Event)>>,
    scheduled: usize,
    dice: Dice,
    traffic: Traffic,
    boxes: Vec<Machine>,
    peers: Vec<PeerId>,
    replicas: Vec<Balancer>,
    sent: Vec<Sent>,
    tickets: HashMap<(usize, Ticket), usize>,
    /// When somebody began to wait for a model although a box could have loaded it, by replica.
    neglected: Vec<Option<u64>>,
    /// Replicas at which something has changed.
    changed: VecDeque<usize>,
    woken_at: Vec<Option<u64>>,
}

/// Longer than any request waits.
const WAIT_MAX: Duration = Duration::from_secs(7_200);
const AWAY: u64 = 60 * SECOND;
const FALLS_AFTER: u64 = 600 * SECOND;

/// One run with that seed.
pub fn simulate(scene: &Scene, scheduler: Scheduler, seed: u64) -> Figures {
    let peers: Vec<_> = (0..scene.boxes).map(|at| PeerId::of(&format!("http://box-{at}:8080"))).collect();
    let policy = if scheduler == Scheduler::Boxes { Policy::Slots } else { Policy::default() };
    let settings = Settings { policy, wait_max: WAIT_MAX, ..Settings::default() };
    let mut simulation = Simulation {
        scene: *scene,
        scheduler,
        now: 0,
        events: BinaryHeap::new(),
        scheduled: 0,
        dice: Dice::new(seed + 100),
        traffic: Traffic::new(seed),
        boxes: (0..scene.boxes).map(|_| Machine::new(scene.make, scene.models)).collect(),
        peers: peers.clone(),
        replicas: (0..scene.replicas).map(|at| Balancer::new(settings.clone(), at as u64)).collect(),
        sent: Vec::new(),
        tickets: HashMap::new(),
        neglected: vec![None; scene.replicas],
        changed: VecDeque::new(),
        woken_at: vec![None; scene.replicas],
    };
    for replica in &mut simulation.replicas {
        replica.set_peers(peers.iter().map(|peer| (*peer, Spec::default())));
    }
    simulation.run();
    simulation.figures()
}

impl Simulation {
    fn run(&mut self) {
        (0..self.boxes.len()).for_each(|at| self.tell(at));
        for job in self.traffic.begin(self.scene.pattern, self.scene.models) {
            self.send_later(job);
        }
        if self.scene.twist == Twist::Falls {
            self.schedule(FALLS_AFTER, Event::Fall);
        }
        self.settle();
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            self.now = time;
            match event {
                Event::Send { job } => self.send(job, Vec::new()),
                Event::End { job, at, life } if self.boxes[at].life == life => self.end(job, at),
                Event::Loaded { at, model, life } if self.boxes[at].life == life => {
                    self.boxes[at].loaded(model, self.now);
                    self.tell(at);
                    self.progress(at);
                }
                Event::Fall => self.fall(),
                Event::Rise { at } => self.rise(at),
                Event::Wake { replica } if self.woken_at[replica] == Some(time) => {
                    self.woken_at[replica] = None;
                    self.changed.push_back(replica);
                }
                Event::End { .. } | Event::Loaded { .. } | Event::Wake { .. } => continue,
            }
            self.settle();
        }
        assert!(self.tickets.is_empty(), "somebody waits for ever");
        assert!(self.sent.iter().all(|sent| sent.ended.is_some() || sent.has_failed));
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    fn send_later(&mut self, job: Job) {
        let replica = self.dice.next() as usize % self.replicas.len();
        self.sent.push(Sent { job, replica, assignment: None, began: None, ended: None, has_failed: false });
        self.schedule(job.at, Event::Send { job: self.sent.len() - 1 });
    }

    fn time(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    /// A request comes, or comes again after those have failed it.
    fn send(&mut self, job: usize, tried: Vec<PeerId>) {
        let Sent { job: Job { model, .. }, replica, .. } = self.sent[job];
        let request = Request { model: Some(ModelId::of(&name(model))), tried, ..Request::default() };
        let now = self.time();
        match self.replicas[replica].claim(request, now) {
            Decision::Go(assignment) => self.goes(job, assignment),
            Decision::Wait(ticket) => {
                self.tickets.insert((replica, ticket), job);
            }
            Decision::Refuse(refusal) => self.refused(job, refusal.reason),
        }
        self.changed.push_back(replica);
    }

    fn refused(&mut self, job: usize, reason: Reason) {
        let model = self.sent[job].job.model;
        assert!(reason == Reason::Unloadable && self.scene.make.broken == Some(model), "{reason}");
        self.sent[job].has_failed = true;
    }

    fn goes(&mut self, job: usize, assignment: Assignment) {
        let at = self.peers.iter().position(|peer| *peer == assignment.peer()).unwrap();
        self.sent[job].assignment = Some(assignment);
        self.boxes[at].arrive(job, self.sent[job].job.model);
        self.progress(at);
        // What another replica has there is not known, so that slots may be given twice; nothing else waits in a box.
        let is_alone = self.scheduler == Scheduler::Balancer && self.replicas.len() == 1;
        assert!(!is_alone || self.sent[job].began.is_some(), "a request that waits in a box");
    }

    fn end(&mut self, job: usize, at: usize) {
        let sent = &mut self.sent[job];
        let (replica, model) = (sent.replica, sent.job.model);
        sent.ended = Some(self.now);
        let assignment = sent.assignment.take().unwrap();
        self.boxes[at].end(model);
        let now = self.time();
        self.replicas[replica].release(assignment, Outcome::Served, now);
        self.changed.push_back(replica);
        if let Some(next) = self.traffic.answered(self.sent[job].job, self.now) {
            self.send_later(next);
        }
        self.progress(at);
    }

    /// A box goes on by itself for those inside of it.
    fn progress(&mut self, at: usize) {
        for job in self.boxes[at].progress() {
            self.sent[job].began = Some(self.now);
            let ends = self.now + self.sent[job].job.answer;
            self.schedule(ends, Event::End { job, at, life: self.boxes[at].life });
        }
        if self.scheduler == Scheduler::Boxes
            && let Some(model) = self.boxes[at].loads_by_itself()
        {
            self.loads(at, model);
        }
    }

    fn loads(&mut self, at: usize, model: usize) {
        self.schedule(self.now + self.scene.make.load, Event::Loaded { at, model, life: self.boxes[at].life });
    }

    /// The first box that loads a model falls, or, if none does, the next that begins to.
    fn fall(&mut self) {
        let is_loading = |of: &Machine| (0..self.scene.models).any(|model| of.is_loading(model));
        let Some(at) = self.boxes.iter().position(is_loading) else {
            return self.schedule(self.now + SECOND, Event::Fall);
        };
        self.boxes[at].fall();
        self.says(at, State::Failed);
        self.schedule(self.now + AWAY, Event::Rise { at });
        let lost = |sent: &Sent| sent.assignment.as_ref().is_some_and(|place| place.peer() == self.peers[at]);
        let lost: Vec<_> = (0..self.sent.len()).filter(|job| lost(&self.sent[*job])).collect();
        for job in lost {
            let assignment = self.sent[job].assignment.take().unwrap();
            let now = self.time();
            self.replicas[self.sent[job].replica].release(assignment, Outcome::Failed(Failure::Reset), now);
            self.send(job, vec![self.peers[at]]);
        }
    }

    fn rise(&mut self, at: usize) {
        self.says(at, State::Ready);
        self.tell(at);
    }

    fn says(&mut self, at: usize, state: State) {
        let now = self.time();
        for replica in &mut self.replicas {
            replica.asking(self.peers[at]);
            replica.asked(self.peers[at], Report { state, slots: None, work: Work::Unasked }, now);
        }
        self.changed.extend(0..self.replicas.len());
    }

    /// All replicas hear how the models of a box are.
    fn tell(&mut self, at: usize) {
        if self.scheduler == Scheduler::Boxes {
            return;
        }
        let (catalog, now) = (self.boxes[at].catalog(), self.time());
        for replica in &mut self.replicas {
            replica.catalog(self.peers[at], Some(&catalog), now);
        }
        self.changed.extend(0..self.replicas.len());
    }

    /// What follows from all that has changed, until nothing does.
    fn settle(&mut self) {
        while let Some(replica) = self.changed.pop_front() {
            self.settle_one(replica);
            if self.changed.contains(&replica) {
                continue;
            }
            let now = self.time();
            if let Some(at) = self.replicas[replica].wake_at(now) {
                let at = u64::try_from(at.as_nanos().div_ceil(1_000)).unwrap().max(self.now);
                self.woken_at[replica] = Some(at);
                self.schedule(at, Event::Wake { replica });
            }
        }
        (0..self.replicas.len()).for_each(|replica| self.nobody_is_neglected(replica));
    }

    fn settle_one(&mut self, replica: usize) {
        let now = self.time();
        for (ticket, reason) in self.replicas[replica].expire(now) {
            let job = self.tickets.remove(&(replica, ticket)).unwrap();
            self.refused(job, reason);
        }
        for (ticket, assignment) in self.replicas[replica].next(now) {
            let job = self.tickets.remove(&(replica, ticket)).unwrap();
            self.goes(job, assignment);
        }
        for order in self.replicas[replica].orders(now) {
            let at = self.peers.iter().position(|peer| *peer == order.peer).unwrap();
            let model = (0..self.scene.models).find(|model| name(*model) == *order.name).unwrap();
            let answer = match order.action {
                Action::Load => self.boxes[at].load(model),
                Action::Unload => self.boxes[at].unload(model),
            };
            self.replicas[replica].answered(&order, answer, now);
            self.changed.push_back(replica);
            if answer == Answer::Taken {
                if order.action == Action::Load {
                    self.loads(at, model);
                }
                self.tell(at);
            }
        }
    }

    /// Nobody waits for a model that is nowhere while a box stands by that could load it, but for as long as a box is
    /// left alone that another replica has.
    fn nobody_is_neglected(&mut self, replica: usize) {
        if self.scheduler == Scheduler::Boxes {
            return;
        }
        let waiting: Vec<_> = self.tickets.values().map(|job| self.sent[*job].job.model).collect();
        let of_it = self.tickets.iter().filter(|((at, _), _)| *at == replica);
        let is_coming = |model: usize| self.boxes.iter().any(|of| of.is_coming(model));
        let mut absent = of_it.map(|(_, job)| self.sent[*job].job.model).filter(|model| !is_coming(*model));
        let is_idle = self.boxes.iter().any(|of| of.is_idle(|model| waiting.contains(&model), self.now));
        // What does not load, or was on a box that is away, may wait.
        let may_wait = self.scene.make.broken.is_some() || self.scene.twist == Twist::Falls;
        if absent.next().is_none() || !is_idle || may_wait {
            self.neglected[replica] = None;
            return;
        }
        let since = *self.neglected[replica].get_or_insert(self.now);
        let most = 2 * SECOND * (self.replicas.len() as u64 - 1);
        assert!(self.now - since <= most, "{} at {}: a box idles and somebody waits", self.scene.name, self.now);
    }

    fn figures(&self) -> Figures {
        let served = || self.sent.iter().filter(|sent| !sent.has_failed);
        let mut waits: Vec<_> = served().map(|sent| sent.began.unwrap() - sent.job.at).collect();
        waits.sort_unstable();
        let seconds = |micros: u64| micros as f64 / SECOND as f64;
        Figures {
            loads: self.boxes.iter().map(|of| of.loads).sum::<u64>() as f64,
            mean: seconds(waits.iter().sum()) / waits.len() as f64,
            p99: seconds(waits[(waits.len() - 1) * 99 / 100]),
            worst: seconds(*waits.last().unwrap()),
            took: seconds(served().filter_map(|sent| sent.ended).max().unwrap_or(HOUR)),
            failed: self.sent.iter().filter(|sent| sent.has_failed).count() as f64,
        }
    }
}
