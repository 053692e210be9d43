//! The played server's slots, what each has in its cache, and whether it is loading, asleep or killed.
//! Speaks no HTTP and writes no answers.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use super::script::Script;

#[derive(Debug)]
pub(super) struct Machine {
    /// One permit a slot. Who has none waits in turn, and gets no byte, as on the real server.
    permits: Semaphore,
    slots: Mutex<Vec<Slot>>,
    waiting: AtomicUsize,
    loading: Duration,
    ready_at: Instant,
    sleeps_after: Option<Duration>,
    rest: watch::Sender<Rest>,
    killed: watch::Sender<bool>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    is_busy: bool,
    /// The conversation in its cache.
    text: String,
    /// When it was last taken, in turns.
    turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    /// The end of the last work.
    since: Instant,
    /// When what woke it may begin.
    awake_at: Instant,
}

/// Slots that are taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    machine: &'a Machine,
    _permits: Option<SemaphorePermit<'a>>,
    places: Vec<usize>,
    /// How much of the prompt was in the slot's cache.
    pub cached_bytes: usize,
}

impl Machine {
    /// A server that starts now: it loads for as long as the script says, and its caches are empty.
    pub fn new(script: &Script) -> Self {
        let now = Instant::now();
        let loading = Duration::from_millis(script.loading_ms);
        Self {
            permits: Semaphore::new(script.slots.into()),
            slots: Mutex::new(vec![Slot::default(); script.slots.into()]),
            waiting: AtomicUsize::new(0),
            loading,
            ready_at: now + loading,
            sleeps_after: script.sleep_after_ms.map(Duration::from_millis),
            rest: watch::Sender::new(Rest { since: now + loading, awake_at: now }),
            killed: watch::Sender::new(false),
        }
    }

    /// Whether its model is still loading, so that it answers 503.
    pub fn is_loading(&self) -> bool {
        Instant::now() < self.ready_at
    }

    /// Returns when its model is loaded.
    pub async fn ready(&self) {
        tokio::time::sleep_until(self.ready_at).await;
    }

    /// Whether it has had nothing to do for so long that it sleeps; the next request has to wake it.
    pub fn is_sleeping(&self) -> bool {
        let is_idle = self.deferred() == 0 && self.processing() == 0;
        is_idle && self.sleeps_at().is_some_and(|at| at <= Instant::now())
    }

    /// When it falls asleep, if it has nothing to do until then.
    fn sleeps_at(&self) -> Option<Instant> {
        let Rest { since, awake_at } = *self.rest.borrow();
        self.sleeps_after.map(|after| since.max(awake_at) + after)
    }

    /// Returns when it is awake: a sleeping one loads its model first.
    pub async fn wake(&self) {
        let since = Instant::now();
        let awake_at = if self.is_sleeping() { since + self.loading } else { self.rest.borrow().awake_at };
        self.rest.send_replace(Rest { since, awake_at });
        tokio::time::sleep_until(awake_at).await;
    }

    /// Returns when it has fallen asleep.
    pub async fn slept(&self) {
        let mut rest = self.rest.subscribe();
        while !self.is_sleeping() {
            let now = Instant::now();
            // One that is busy falls asleep some time after its last work, whose end is told.
            match self.sleeps_at().filter(|at| *at > now) {
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    _ = rest.changed() => {}
                },
                None => _ = rest.changed().await,
            }
        }
    }

    /// Returns when it has woken.
    pub async fn woken(&self) {
        let mut rest = self.rest.subscribe();
        if self.is_sleeping() {
            // Only what has woken changes it, though it may be asleep again by the time this is polled.
            let _ = rest.changed().await;
        }
        let awake_at = rest.borrow().awake_at;
        tokio::time::sleep_until(awake_at).await;
    }

    /// Ends it, whatever it does.
    pub fn kill(&self) {
        self.killed.send_replace(true);
    }

    /// Returns when it was killed.
    pub async fn killed(&self) {
        // Its own sender lives as long as it does.
        let _ = self.killed.subscribe().wait_for(|killed| *killed).await;
    }

    /// Takes so many slots, the first that with the most of the prompt in its cache; when that is less than a tenth of
    /// the prompt, the one unused for longest, as the real server does.
    pub async fn claim(&self, prompt: &str, count: u32) -> Lease<'_> {
        let waits = Waits::new(&self.waiting);
        // It is never closed.
        let permits = self.permits.acquire_many(count).await.ok();
        let mut slots = lock(&self.slots);
        drop(waits);
        let turn = slots.iter().map(|slot| slot.turn).max().unwrap_or(0) + 1;
        let mut lease = Lease { machine: self, _permits: permits, places: Vec::new(), cached_bytes: 0 };
        for _ in 0..count {
            let shared = |slot: &Slot| common(&slot.text, prompt);
            let free = slots.iter_mut().enumerate().filter(|(_, slot)| !slot.is_busy);
            let alike = |slot: &Slot| Some(shared(slot)).filter(|shared| shared * 10 > prompt.len());
            let best = free.max_by_key(|(_, slot)| (alike(slot), Reverse(slot.turn)));
            let Some((place, slot)) = best else { break };
            if lease.places.is_empty() {
                lease.cached_bytes = shared(slot);
            }
            *slot = Slot { is_busy: true, text: prompt.to_owned(), turn };
            lease.places.push(place);
        }
        lease
    }

    /// Whether each slot is busy.
    pub fn busy(&self) -> Vec<bool> {
        lock(&self.slots).iter().map(|slot| slot.is_busy).collect()
    }

    /// How many slots are taken.
    pub fn processing(&self) -> usize {
        lock(&self.slots).iter().filter(|slot| slot.is_busy).count()
    }

    /// Requests that wait for a slot.
    pub fn deferred(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

impl Lease<'_> {
    /// What was answered is in the cache too.
    pub fn remember(&self, answer: &str) {
        let mut slots = lock(&self.machine.slots);
        if let Some(slot) = self.places.first().and_then(|place| slots.get_mut(*place)) {
            slot.text.push_str(answer);
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut slots = lock(&self.machine.slots);
        for place in &self.places {
            if let Some(slot) = slots.get_mut(*place) {
                slot.is_busy = false;
            }
        }
        self.machine.rest.send_modify(|rest| rest.since = Instant::now());
    }
}

/// One that waits, until it is dropped: it may leave.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How many bytes two texts begin with in common.
fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
