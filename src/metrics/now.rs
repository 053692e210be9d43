//! Gauges: what is so at the moment, and how it is written.
//! Counts nothing: whoever knows it hands it in.

use std::collections::{BTreeMap, BTreeSet};

use crate::balance::{HealthState, ModelState, SeatStatus};

use super::models::Models;
use super::page::{Labels, Page};

/// What is so now, and is therefore not counted: whoever knows it hands it in.
#[derive(Debug, Default)]
pub struct Now<'a> {
    /// Requests in the house.
    pub in_flight: usize,
    pub pools: Vec<PoolNow<'a>>,
    pub peers: Vec<PeerNow<'a>>,
    /// Servers of tools, and whether each is connected.
    pub tool_servers: Vec<(String, bool)>,
}

/// A pool as it is now.
#[derive(Debug)]
pub struct PoolNow<'a> {
    pub pool: &'a str,
    /// Requests that wait for a place, by priority.
    pub waiting: BTreeMap<u8, usize>,
}

/// A peer as it is now.
#[derive(Debug)]
pub struct PeerNow<'a> {
    pub pool: &'a str,
    pub name: String,
    pub url: String,
    pub in_flight: u32,
    /// Requests of others, when it was last asked.
    pub elsewhere: u32,
    /// Requests that it may have at once, where that is known.
    pub slots: Option<u32>,
    pub standing: HealthState,
    /// It gets no more requests, and ends with its last.
    pub is_leaving: bool,
    /// Its models, if it loads and unloads them.
    pub seats: Vec<SeatStatus>,
}

impl Now<'_> {
    /// Writes every metric of what is so now. `names` says which models have a label of their own.
    pub fn write(&self, names: &Models, page: &mut Page) {
        self.write_requests(page);
        self.write_models(names, page);
        let mut metric = page.gauge("toolgate_tool_server_up", "Whether a server of tools is connected.");
        for (server, is_up) in &self.tool_servers {
            metric.sample(&Labels::of(&[("server", server)]), u8::from(*is_up));
        }
    }

    fn write_requests(&self, page: &mut Page) {
        let mut metric = page.gauge("toolgate_requests_in_flight", "Requests in the gateway.");
        metric.sample(&Labels::default(), self.in_flight);
        let mut metric =
            page.gauge("toolgate_queue_requests", "Requests that wait for a place, by priority; 0 goes first.");
        for pool in &self.pools {
            for (priority, waiting) in &pool.waiting {
                metric.sample(&Labels::of(&[("pool", pool.pool), ("priority", &priority.to_string())]), waiting);
            }
        }
        let labels = |peer: &PeerNow<'_>| Labels::of(&[("pool", peer.pool), ("peer", &peer.url)]);
        let mut metric = page.gauge("toolgate_peer_requests_in_flight", "Requests at a server.");
        self.peers.iter().for_each(|peer| metric.sample(&labels(peer), peer.in_flight));
        let mut metric =
            page.gauge("toolgate_peer_slots", "Requests that a server may have at once, where that is known.");
        for (peer, slots) in self.peers.iter().filter_map(|peer| Some((peer, peer.slots?))) {
            metric.sample(&labels(peer), slots);
        }
        let mut metric =
            page.gauge("toolgate_peer_requests_elsewhere", "Others' requests at a server, when it was last asked.");
        self.peers.iter().for_each(|peer| metric.sample(&labels(peer), peer.elsewhere));
        let mut metric = page.gauge("toolgate_peer_up", "Whether a server takes connections, as far as is known.");
        self.peers.iter().for_each(|peer| metric.sample(&labels(peer), u8::from(!peer.standing.is_down())));
        let mut metric = page.gauge("toolgate_peer_state", "1 for the state that a server is in, 0 for every other.");
        for peer in &self.peers {
            for state in HealthState::NAMES {
                metric.sample(&labels(peer).and("state", state), u8::from(state == peer.standing.name()));
            }
        }
    }

    fn write_models(&self, names: &Models, page: &mut Page) {
        let (mut states, mut waiting) = (BTreeMap::new(), BTreeMap::new());
        let mut counted = BTreeSet::new();
        for (peer, seat) in self.peers.iter().flat_map(|peer| peer.seats.iter().map(move |seat| (peer, seat))) {
            let labels = Labels::of(&[("pool", peer.pool), ("model", &names.listed(&seat.name))]);
            let seats: &mut BTreeMap<_, u32> = states.entry(labels.clone()).or_default();
            // What a server that is down has loaded is not known.
            if !peer.standing.is_down() {
                *seats.entry(seat.state.name()).or_default() += 1;
            }
            // Who waits for a model waits for it at every server.
            let waiting: &mut usize = waiting.entry(labels).or_default();
            if counted.insert((peer.pool, seat.model)) {
                *waiting += seat.waiting;
            }
        }
        let mut metric = page.gauge("toolgate_model_seats", "Servers at which a model is in each state.");
        for (labels, seats) in &states {
            for state in ModelState::NAMES {
                metric.sample(&labels.and("state", state), seats.get(state).copied().unwrap_or_default());
            }
        }
        let mut metric = page.gauge("toolgate_model_waiting", "Requests that wait for a model.");
        waiting.iter().for_each(|(labels, waiting)| metric.sample(labels, waiting));
    }
}
