//! Agents, replicas of the balancer and boxes on a time of their own: no sockets, no clock, the same run each time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::time::Duration;

use toolgate::balance::{
    Assignment, Balancer, Decision, Outcome, PeerId, Policy, Report, Request, Reuse, Settings, Spec, State, Ticket,
    Work,
};

use crate::boxes::{Machine, Make, Run};
use crate::traffic::{Agent, Dice, Piece, request, tokens};

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Scene {
    pub name: &'static str,
    pub boxes: Vec<Make>,
    pub agents: u64,
    /// Balancers that do not know of each other; each request goes to one by chance.
    pub replicas: usize,
}

/// What came of it; shown as a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Of all tokens of the prompts, how many were in the cache, in percent.
    pub cached_percent: f64,
    /// Until the first token, in seconds: the median and 99 of a hundred.
    pub first_token: [f64; 2],
    /// In the balancer's queue or the box's, in seconds.
    pub queue_p99: f64,
    /// The work of the busiest box for its slots, over the mean.
    pub imbalance: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cached_percent, first_token: [p50, p99], queue_p99, imbalance } = self;
        write!(f, "{cached_percent:.0} % | {p50:.1} s | {p99:.1} s | {queue_p99:.1} s | {imbalance:.2}")
    }
}

/// Of each simulation.
const REQUESTS: usize = 3_000;
/// How often each replica asks the boxes how busy they are.
const ASKED_EVERY: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An agent sends its next request.
    Send {
        agent: usize,
    },
    End {
        job: usize,
    },
    Ask,
}

struct Job {
    agent: usize,
    replica: usize,
    prompt: Vec<Piece>,
    answer_tokens: u64,
    sent: u64,
    assignment: Option<Assignment>,
    run: Option<(u64, Run)>,
}

struct Simulation {
    policy: Policy,
    now: u64,
    events: BinaryHeap<Reverse<(u64, usize, Event)>>,
    scheduled: usize,
    dice: Dice,
    agents: Vec<Agent>,
    boxes: Vec<Machine>,
    peers: Vec<PeerId>,
    replicas: Vec<Balancer>,
    jobs: Vec<Job>,
    tickets: HashMap<(usize, Ticket), usize>,
}

pub fn simulate(scene: &Scene, policy: Policy) -> Figures {
    let ids: Vec<_> = (0..scene.boxes.len()).map(|at| PeerId::of(&format!("http://box-{at}:8080"))).collect();
    let settings = Settings { policy, ..Settings::default() };
    let mut simulation = Simulation {
        policy,
        now: 0,
        events: BinaryHeap::new(),
        scheduled: 0,
        dice: Dice::new(1),
        agents: Agent::several(scene.agents, 2),
        boxes: scene.boxes.iter().copied().map(Machine::new).collect(),
        peers: ids.clone(),
        replicas: (0..scene.replicas).map(|seed| Balancer::new(settings.clone(), seed as u64)).collect(),
        jobs: Vec::new(),
        tickets: HashMap::new(),
    };
    for replica in &mut simulation.replicas {
        replica.set_peers(ids.iter().map(|id| (*id, Spec::default())));
    }
    simulation.run();
    simulation.figures()
}

impl Simulation {
    fn run(&mut self) {
        self.schedule(0, Event::Ask);
        for agent in 0..self.agents.len() {
            let begins = self.dice.within(0..30_000_000);
            self.schedule(begins, Event::Send { agent });
        }
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            self.now = time;
            match event {
                Event::Send { agent } if self.jobs.len() < REQUESTS => self.send(agent),
                Event::Send { .. } => {}
                Event::End { job } => self.end(job),
                Event::Ask => self.ask(),
            }
        }
        assert!(self.tickets.is_empty() && self.jobs.iter().all(|job| job.run.is_some() && job.assignment.is_none()));
    }

    fn schedule(&mut self, after: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((self.now + after, self.scheduled, event)));
    }

    fn at(&self, assignment: &Assignment) -> usize {
        self.peers.iter().position(|peer| *peer == assignment.peer()).unwrap()
    }

    fn time(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    fn send(&mut self, agent: usize) {
        let (prompt, answer_tokens) = (self.agents[agent].prompt(), self.agents[agent].answer_tokens());
        let replica = self.dice.next() as usize % self.replicas.len();
        let now = self.time();
        // Only that policy reads it.
        let request = if self.policy == Policy::Prefix { request(&prompt) } else { Request::default() };
        let decision = self.replicas[replica].claim(request, now);
        let job = self.jobs.len();
        self.jobs.push(Job { agent, replica, prompt, answer_tokens, sent: self.now, assignment: None, run: None });
        match decision {
            Decision::Go(assignment) => self.arrive(job, assignment),
            Decision::Wait(ticket) => {
                self.tickets.insert((replica, ticket), job);
            }
            Decision::Refuse(refusal) => panic!("{refusal:?}"),
        }
    }

    fn arrive(&mut self, job: usize, assignment: Assignment) {
        let at = self.at(&assignment);
        self.jobs[job].assignment = Some(assignment);
        if self.boxes[at].busy < self.boxes[at].make.slots {
            self.start(at, job);
        } else {
            self.boxes[at].waiting.push_back(job);
        }
    }

    fn start(&mut self, at: usize, job: usize) {
        let run = self.boxes[at].start(&self.jobs[job].prompt, self.jobs[job].answer_tokens, self.now);
        self.jobs[job].run = Some((self.now, run));
        self.schedule(run.end - self.now, Event::End { job });
    }

    fn end(&mut self, job: usize) {
        let assignment = self.jobs[job].assignment.take().unwrap();
        let at = self.at(&assignment);
        let (agent, replica, answer_tokens) =
            (self.jobs[job].agent, self.jobs[job].replica, self.jobs[job].answer_tokens);
        let cached_tokens = self.jobs[job].run.unwrap().1.cached;
        let reuse = Reuse { cached_tokens, prompt_tokens: tokens(&self.jobs[job].prompt) };
        self.boxes[at].finish(self.jobs[job].prompt.clone());
        if let Some(next) = self.boxes[at].waiting.pop_front() {
            self.start(at, next);
        }
        self.replicas[replica].learn(&assignment, reuse);
        let now = self.time();
        self.replicas[replica].release(assignment, Outcome::Served, now);
        self.wake(replica);
        let pause = self.agents[agent].answered(answer_tokens);
        self.schedule(pause, Event::Send { agent });
    }

    fn wake(&mut self, replica: usize) {
        let now = self.time();
        assert!(self.replicas[replica].expire(now).is_empty(), "a request waited too long");
        for (ticket, assignment) in self.replicas[replica].next(now) {
            let job = self.tickets.remove(&(replica, ticket)).unwrap();
            self.arrive(job, assignment);
        }
    }

    fn ask(&mut self) {
        let now = self.time();
        for replica in 0..self.replicas.len() {
            for (id, of) in self.peers.iter().zip(&self.boxes) {
                let waiting = of.waiting.len() as u32;
                let report =
                    Report { state: State::Ready, slots: Some(of.make.slots), work: Work::Told(of.busy + waiting) };
                self.replicas[replica].asking(*id);
                self.replicas[replica].asked(*id, report, now);
            }
            self.wake(replica);
        }
        if !self.events.is_empty() {
            self.schedule(ASKED_EVERY, Event::Ask);
        }
    }

    fn figures(&self) -> Figures {
        let runs = || self.jobs.iter().map(|job| (job, job.run.unwrap()));
        let prompt: u64 = self.jobs.iter().map(|job| tokens(&job.prompt)).sum();
        let cached: u64 = runs().map(|(_, (_, run))| run.cached).sum();
        let first_tokens = sorted(runs().map(|(job, (_, run))| run.first_token - job.sent));
        let queues = sorted(runs().map(|(job, (started, _))| started - job.sent));
        let shares: Vec<f64> = self.boxes.iter().map(|of| of.worked as f64 / f64::from(of.make.slots)).collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        Figures {
            cached_percent: 100. * cached as f64 / prompt as f64,
            first_token: [percentile(&first_tokens, 50), percentile(&first_tokens, 99)],
            queue_p99: percentile(&queues, 99),
            imbalance: shares.into_iter().fold(0., f64::max) / mean,
        }
    }
}

fn sorted(micros: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut micros: Vec<u64> = micros.collect();
    micros.sort_unstable();
    micros
}

fn percentile(sorted: &[u64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100] as f64 / 1e6
}
