//! Roster: the peers of a pool, how much each can take and how much it has.
//! Chooses none of them.

use std::time::Duration;

use super::health::{Health, HealthState, State};
use super::pace::Pace;
use super::prefix;

/// What tells a peer from others: a hash of its name, the same on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub(super) u64);

impl PeerId {
    /// Of a name that stays when the configuration is read again: its URL.
    pub fn of(name: &str) -> Self {
        Self(prefix::key(name.as_bytes()))
    }
}

/// What the configuration says of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its share of the requests, relative to the others; 0 counts as 1.
    pub weight: u32,
    /// Lower goes first: a peer of a higher tier is taken only when nobody below can.
    pub tier: u8,
    /// Requests that it may have at once, whatever it says itself.
    pub max_inflight: Option<u32>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { weight: 1, tier: 0, max_inflight: None }
    }
}

/// What a peer told when it was asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub state: State,
    /// llama.cpp's `total_slots`; none leaves what was known.
    pub slots: Option<u32>,
    pub work: Work,
}

/// What a peer told of the requests that it works on, everybody's: llama.cpp's `requests_processing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Nothing, so nobody else is assumed: an old number that no new one replaces would keep places for ever.
    #[default]
    Untold,
    /// It was not asked for it this time, and what it told last holds.
    Unasked,
    Told(u32),
}

/// How a peer stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub id: PeerId,
    /// Requests of ours that are there.
    pub inflight: u32,
    /// Requests of others, when it was last asked.
    pub elsewhere: u32,
    /// Requests that it can have at once; none means no limit.
    pub capacity: Option<u32>,
    pub standing: HealthState,
    /// Removed; it ends with its last request.
    pub leaving: bool,
}

impl Status {
    /// Whether it had room for one request more when this was read.
    pub fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.inflight.saturating_add(self.elsewhere) < capacity)
    }
}

/// What a peer without a limit counts for beside peers that have one: as many slots as llama.cpp has by default.
pub const SLOTS_NOMINAL: u32 = 4;

/// One peer.
#[derive(Clone, Debug)]
pub struct Peer {
    pub id: PeerId,
    pub spec: Spec,
    pub health: Health,
    pub pace: Pace,
    pub inflight: u32,
    /// The most that it had at once since it was last asked.
    inflight_max: u32,
    /// When it was last taken, in claims: among equals the one that waited longest is next.
    pub taken_at: u64,
    slots: Option<u32>,
    elsewhere: u32,
    presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Here,
    Leaving,
}

impl Peer {
    fn new(id: PeerId, spec: Spec) -> Self {
        Self {
            id,
            spec,
            health: Health::default(),
            pace: Pace::default(),
            inflight: 0,
            inflight_max: 0,
            taken_at: 0,
            slots: None,
            elsewhere: 0,
            presence: Presence::Here,
        }
    }

    /// Requests that it can have at once; none means no limit.
    pub fn capacity(&self) -> Option<u32> {
        self.spec.max_inflight.or(self.slots).map(|capacity| capacity.max(1))
    }

    /// Requests that it has, ours and others'.
    pub fn load(&self) -> u32 {
        self.inflight.saturating_add(self.elsewhere)
    }

    /// Whether it can take one request more, by what is known of its places.
    pub fn has_room(&self) -> bool {
        self.capacity().is_none_or(|capacity| self.load() < capacity)
    }

    /// What it counts for beside others.
    pub fn size(&self) -> u64 {
        u64::from(self.capacity().unwrap_or(SLOTS_NOMINAL)) * u64::from(self.spec.weight.max(1))
    }

    /// A request of ours goes there.
    pub fn take(&mut self) {
        self.inflight += 1;
        self.inflight_max = self.inflight_max.max(self.inflight);
    }

    /// It is about to be asked what it works on: from here on the most requests of ours are counted that it can have
    /// seen.
    pub fn asking(&mut self) {
        self.inflight_max = self.inflight;
    }

    /// Between the question and the answer requests of ours may have come and gone, and nobody knows which of them the
    /// peer has counted. Taking all of them for counted errs by a request too many at the peer; the other way
    /// round, ours would be somebody else's and keep a place that nobody uses.
    pub fn asked(&mut self, report: Report, now: Duration) {
        self.health.asked(report.state, now);
        self.slots = report.slots.or(self.slots);
        self.elsewhere = match report.work {
            Work::Untold => 0,
            Work::Unasked => self.elsewhere,
            Work::Told(requests) => requests.saturating_sub(self.inflight_max),
        };
    }

    fn is_here(&self) -> bool {
        self.presence == Presence::Here
    }
}

/// The peers, in the order in which they were named.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    peers: Vec<Peer>,
}

impl Roster {
    /// Exactly these exist. Who was known keeps its counts and its health; who is not named any more gets no new
    /// request and ends with its last one. The ids of those that are gone are returned.
    pub fn set(&mut self, named: impl IntoIterator<Item = (PeerId, Spec)>) -> Vec<PeerId> {
        let mut former = std::mem::take(&mut self.peers);
        for (id, spec) in named {
            if self.get(id).is_some() {
                continue;
            }
            let known = former.iter().position(|peer| peer.id == id).map(|at| former.remove(at));
            let peer = known.unwrap_or_else(|| Peer::new(id, spec));
            self.peers.push(Peer { spec, presence: Presence::Here, ..peer });
        }
        let gone = former.iter().map(|peer| peer.id).collect();
        let busy = former.into_iter().filter(|peer| peer.inflight > 0);
        self.peers.extend(busy.map(|peer| Peer { presence: Presence::Leaving, ..peer }));
        gone
    }

    /// Those that may get requests.
    pub fn here(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.is_here())
    }

    /// Those that leave are among them.
    pub fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.id == id)
    }

    /// The peer with this id, to be changed; it may be one that leaves. `None` when it is gone.
    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.id == id)
    }

    /// Ends those that leave and have no request any more.
    pub fn sweep(&mut self) {
        self.peers.retain(|peer| peer.is_here() || peer.inflight > 0);
    }

    /// How each stands, in the order in which they were named; those that leave come last.
    pub fn statuses(&self, now: Duration) -> impl Iterator<Item = Status> {
        self.peers.iter().map(move |peer| Status {
            id: peer.id,
            inflight: peer.inflight,
            elsewhere: peer.elsewhere,
            capacity: peer.capacity(),
            standing: peer.health.standing(now),
            leaving: !peer.is_here(),
        })
    }
}
