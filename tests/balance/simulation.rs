//! Agents, replicas of the balancer and boxes on a time of their own: no sockets, no clock, the same run each time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use toolgate::balance::{
    Assignment, Balancer, Decision, Outcome, PeerId, Policy, Report, Request, Reuse, Settings, Sight, Spec, State,
    Ticket, Work,
};

use crate::boxes::{Machine, Make, Run};
use crate::oracle::Oracle;
use crate::traffic::{Agent, Dice, Piece, request, tokens};

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Scene {
    pub name: &'static str,
    pub boxes: Vec<Make>,
    pub agents: u64,
    /// Balancers that do not know of each other; each request goes to one by chance.
    pub replicas: usize,
    pub twist: Twist,
}

/// What is special about a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    None,
    /// Whoever pauses goes on at the next full minute, all at once.
    Bursts,
    /// From the middle on the first two boxes read and write at half their speed.
    Slower,
}

/// Who says which request goes where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    Balancer(Policy),
    Oracle,
}

/// What came of it; shown as a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Of all tokens of the prompts, how many were in the cache, in percent.
    pub cached_percent: f64,
    /// The same, had there been one cache that forgets nothing.
    pub ideal_percent: f64,
    /// Until the first token, in seconds: the median and 99 of a hundred.
    pub first_token: [f64; 2],
    /// In the balancer's queue or the box's, in seconds.
    pub queue_p99: f64,
    /// Until the last answer has ended, in seconds.
    pub took: f64,
    /// The work of the busiest box for its slots, over the mean.
    pub imbalance: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cached_percent, ideal_percent, first_token: [p50, p99], queue_p99, took, imbalance } = self;
        write!(
            f,
            "{cached_percent:.0} % | {ideal_percent:.0} % | {p50:.1} s | {p99:.1} s | {queue_p99:.1} s | {took:.0} s | {imbalance:.2}"
        )
    }
}

/// Of each simulation.
const REQUESTS: usize = 3_000;
/// How often each replica asks the boxes how busy they are.
const ASKED_EVERY: u64 = 1_000_000;
/// A shorter pause is that of a tool that runs.
const PAUSE_MIN: u64 = 5_000_000;
const MINUTE: u64 = 60_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// An agent sends its next request.
    Send {
        agent: usize,
    },
    FirstToken {
        job: usize,
    },
    End {
        job: usize,
    },
    Ask,
    /// Time alone changes something at a balancer.
    Wake {
        replica: usize,
    },
}

struct Job {
    agent: usize,
    replica: usize,
    prompt: Vec<Piece>,
    answer_tokens: u64,
    sent: u64,
    /// The box where it is.
    at: Option<usize>,
    assignment: Option<Assignment>,
    run: Option<(u64, Run)>,
}

struct Simulation {
    scheduler: Scheduler,
    twist: Twist,
    now: u64,
    events: BinaryHeap<Reverse<(u64, usize, Event)>>,
    scheduled: usize,
    dice: Dice,
    agents: Vec<Agent>,
    boxes: Vec<Machine>,
    peers: Vec<PeerId>,
    replicas: Vec<Balancer>,
    oracle: Oracle,
    jobs: Vec<Job>,
    tickets: HashMap<(usize, Ticket), usize>,
    /// The cache that forgets nothing, and how many tokens of the prompts it had.
    ideal: HashSet<Vec<u64>>,
    ideal_cached: u64,
}

pub fn simulate(scene: &Scene, scheduler: Scheduler) -> Figures {
    let ids: Vec<_> = (0..scene.boxes.len()).map(|at| PeerId::of(&format!("http://box-{at}:8080"))).collect();
    let policy = if let Scheduler::Balancer(policy) = scheduler { policy } else { Policy::default() };
    let settings = Settings { policy, ..Settings::default() };
    let mut simulation = Simulation {
        scheduler,
        twist: scene.twist,
        now: 0,
        events: BinaryHeap::new(),
        scheduled: 0,
        dice: Dice::new(1),
        agents: Agent::several(scene.agents, 2),
        boxes: scene.boxes.iter().copied().map(Machine::new).collect(),
        peers: ids.clone(),
        replicas: (0..scene.replicas).map(|seed| Balancer::new(settings.clone(), seed as u64)).collect(),
        oracle: Oracle::default(),
        jobs: Vec::new(),
        tickets: HashMap::new(),
        ideal: HashSet::new(),
        ideal_cached: 0,
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
                Event::FirstToken { job } => self.first_token(job),
                Event::End { job } => self.end(job),
                Event::Ask => self.ask(),
                Event::Wake { replica } => self.wake(replica),
            }
        }
        assert!(self.tickets.is_empty() && self.jobs.iter().all(|job| job.run.is_some() && job.at.is_none()));
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
        self.ideal_cached += self.in_ideal_cache(&prompt);
        let request = match self.scheduler {
            Scheduler::Balancer(Policy::Prefix) => request(&prompt),
            // Only that policy reads it.
            _ => Request::default(),
        };
        let job = self.jobs.len();
        if self.scheduler == Scheduler::Oracle {
            self.oracle.enqueue(job, prompt.clone(), self.now);
        }
        self.jobs.push(Job {
            agent,
            replica,
            prompt,
            answer_tokens,
            sent: self.now,
            at: None,
            assignment: None,
            run: None,
        });
        if self.scheduler == Scheduler::Oracle {
            return self.wake(replica);
        }
        let now = self.time();
        match self.replicas[replica].claim(request, now) {
            Decision::Go(assignment) => self.assigned(job, assignment),
            Decision::Wait(ticket) => {
                self.tickets.insert((replica, ticket), job);
                self.wake_later(replica);
            }
            Decision::Refuse(refusal) => panic!("{refusal:?}"),
        }
    }

    fn in_ideal_cache(&self, prompt: &[Piece]) -> u64 {
        let known = (1..=prompt.len()).rev().find(|len| self.ideal.contains(&ids(&prompt[..*len])));
        tokens(&prompt[..known.unwrap_or(0)])
    }

    fn assigned(&mut self, job: usize, assignment: Assignment) {
        let at = self.at(&assignment);
        self.jobs[job].assignment = Some(assignment);
        self.arrive(job, at);
    }

    fn arrive(&mut self, job: usize, at: usize) {
        self.jobs[job].at = Some(at);
        if self.boxes[at].busy < self.boxes[at].make.slots {
            self.start(at, job);
        } else {
            self.boxes[at].waiting.push_back(job);
        }
    }

    fn start(&mut self, at: usize, job: usize) {
        let run = self.boxes[at].start(&self.jobs[job].prompt, self.jobs[job].answer_tokens, self.now);
        self.jobs[job].run = Some((self.now, run));
        self.schedule(run.first_token - self.now, Event::FirstToken { job });
        self.schedule(run.end - self.now, Event::End { job });
    }

    fn first_token(&mut self, job: usize) {
        let now = self.time();
        let Job { replica, assignment, .. } = &mut self.jobs[job];
        if let Some(assignment) = assignment {
            self.replicas[*replica].first_token(assignment, Sight::Word, now);
        }
    }

    fn end(&mut self, job: usize) {
        let Job { agent, replica, answer_tokens, at, run, ref prompt, .. } = self.jobs[job];
        let (prompt, at, cached) = (prompt.clone(), at.unwrap(), run.unwrap().1.cached);
        self.ideal.extend((1..=prompt.len()).map(|len| ids(&prompt[..len])));
        if self.twist == Twist::Slower && self.jobs.len() == REQUESTS / 2 {
            self.boxes[..2].iter_mut().for_each(|of| of.make = Make { reads: 1_000, writes: 40_000, ..of.make });
        }
        let (prompt_tokens, of) = (tokens(&prompt), &mut self.boxes[at]);
        let took = Duration::from_micros((prompt_tokens - cached) * 1_000_000 / of.make.reads);
        of.finish(prompt, self.now);
        let reuse = if of.make.lies {
            Reuse { cached_tokens: prompt_tokens, prompt_tokens, took: None }
        } else {
            Reuse { cached_tokens: cached, prompt_tokens, took: Some(took) }
        };
        if let Some(next) = self.boxes[at].waiting.pop_front() {
            self.start(at, next);
        }
        if let Some(mut assignment) = self.jobs[job].assignment.take() {
            let now = self.time();
            self.replicas[replica].learn(&mut assignment, reuse);
            self.replicas[replica].release(assignment, Outcome::Served, now);
        }
        self.jobs[job].at = None;
        self.wake(replica);
        let pause = self.agents[agent].answered(answer_tokens);
        let pauses = self.twist == Twist::Bursts && pause >= PAUSE_MIN;
        self.schedule(if pauses { MINUTE - self.now % MINUTE } else { pause }, Event::Send { agent });
    }

    fn wake(&mut self, replica: usize) {
        if self.scheduler == Scheduler::Oracle {
            while let Some((job, at)) = self.oracle.next(&self.boxes, self.now) {
                self.arrive(job, at);
            }
            return;
        }
        let now = self.time();
        assert!(self.replicas[replica].expire(now).is_empty(), "a request waited too long");
        for (ticket, assignment) in self.replicas[replica].next(now) {
            let job = self.tickets.remove(&(replica, ticket)).unwrap();
            self.assigned(job, assignment);
        }
        self.wake_later(replica);
    }

    fn wake_later(&mut self, replica: usize) {
        if let Some(at) = self.replicas[replica].wake_at(self.time()) {
            let at = u64::try_from(at.as_nanos().div_ceil(1_000)).unwrap();
            self.schedule(at.saturating_sub(self.now), Event::Wake { replica });
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
        let goes_on = |Reverse((_, _, event)): &_| !matches!(event, Event::Ask | Event::Wake { .. });
        if self.events.iter().any(goes_on) {
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
            ideal_percent: 100. * self.ideal_cached as f64 / prompt as f64,
            first_token: [percentile(&first_tokens, 50), percentile(&first_tokens, 99)],
            queue_p99: percentile(&queues, 99),
            took: runs().map(|(_, (_, run))| run.end).max().unwrap() as f64 / 1e6,
            imbalance: shares.into_iter().fold(0., f64::max) / mean,
        }
    }
}

fn ids(pieces: &[Piece]) -> Vec<u64> {
    pieces.iter().map(|piece| piece.id).collect()
}

fn sorted(micros: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut micros: Vec<u64> = micros.collect();
    micros.sort_unstable();
    micros
}

fn percentile(sorted: &[u64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100] as f64 / 1e6
}
