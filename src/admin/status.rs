//! Status as JSON, what there is and how it goes: for the page, and for whoever writes a better one.
//! docs/OPERATIONS.md says what each member means.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::balance::SeatStatus;
use crate::config::DialectChoice;
use crate::gateway::{Lifecycle, Settings};
use crate::mcp;
use crate::metrics::{self, Incident, Metrics, Now, PeerNow, PoolNow, Totals};
use crate::upstream::{Pool, Standing};

/// What is so now.
pub fn now<'a>(settings: &'a Settings, lifecycle: &Lifecycle) -> Now<'a> {
    let pools = || settings.upstream.pools().iter();
    let servers = settings.toolbox().servers().into_iter();
    Now {
        in_flight: lifecycle.requests(),
        pools: pools().map(|pool| PoolNow { pool: pool.name(), waiting: pool.waiting() }).collect(),
        peers: pools().flat_map(|pool| peers(pool)).collect(),
        tool_servers: servers.map(|status| (status.server, status.standing == mcp::Standing::Up)).collect(),
    }
}

/// Everything that the page shows.
pub fn status(settings: &Settings, metrics: &Metrics, lifecycle: &Lifecycle) -> Value {
    let totals = metrics.totals();
    let now = now(settings, lifecycle);
    let pools = settings.upstream.pools().iter().map(|pool| pool_status(pool, metrics, &totals, &now.peers));
    let pools: Vec<Value> = pools.collect();
    let reloads = metrics.reloads.state();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": lifecycle.is_ready(),
        "uptime_seconds": metrics.uptime().as_secs(),
        "memory_bytes": metrics::resident_bytes(),
        "in_flight": lifecycle.requests(),
        "requests": totals.values().map(|total| total.requests).sum::<u64>(),
        "tool_servers": settings.toolbox().servers().iter().map(tool_server).collect::<Vec<_>>(),
        "configuration": {
            "at": seconds(reloads.at),
            "reloads": reloads.good,
            "refused": reloads.bad,
            "mistake": reloads.mistake,
        },
        "pools": pools,
        "failures": metrics.recent.failures().iter().map(incident).collect::<Vec<_>>(),
        "refusals": metrics.recent.refusals().iter().map(incident).collect::<Vec<_>>(),
    })
}

fn pool_status(
    pool: &Pool,
    metrics: &Metrics,
    totals: &BTreeMap<(String, String), Totals>,
    all: &[PeerNow<'_>],
) -> Value {
    let config = pool.config();
    let also_in = |peer: &PeerNow<'_>| {
        let others = all.iter().filter(|other| other.url == peer.url && other.pool != peer.pool);
        others.map(|other| other.pool.to_owned()).collect::<Vec<_>>()
    };
    let peers: Vec<Value> = all
        .iter()
        .filter(|peer| peer.pool == pool.name())
        .map(|peer| {
            let total = totals.get(&(peer.pool.to_owned(), peer.url.clone())).copied().unwrap_or_default();
            let mut status = json!({
                "name": peer.name,
                "url": peer.url,
                "also_in": also_in(peer),
                "up": !peer.standing.is_down(),
                "state": peer.standing.name(),
                "leaving": peer.is_leaving,
                "in_flight": peer.in_flight,
                "elsewhere": peer.elsewhere,
                "slots": peer.slots,
                "requests": total.requests,
                "failed": total.failed,
                "input_tokens": total.input_tokens,
                "output_tokens": total.output_tokens,
                "generated": metrics.generated(peer.pool, &peer.url).value(),
            });
            if let Some(status) = status.as_object_mut().filter(|_| !peer.seats.is_empty()) {
                status.insert("models".to_owned(), peer.seats.iter().map(seat).collect());
            }
            status
        })
        .collect();
    json!({
        "name": pool.name(),
        "engine": config.engine.name(),
        "models": config.models.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "dialect": match &config.dialect {
            DialectChoice::Auto => "auto",
            DialectChoice::Named(dialect) => dialect.name(),
        },
        "queue": {
            "waiting": pool.waiting().values().sum::<usize>(),
            "max": config.balancing.queue.max,
        },
        "peers": peers,
    })
}

/// A model at a server that has several.
fn seat(seat: &SeatStatus) -> Value {
    json!({
        "name": &*seat.name,
        "state": seat.state.name(),
        "pinned": seat.is_pinned,
        "since": seat.age.as_secs(),
        "failure": seat.failure.as_deref(),
        "in_flight": seat.status.inflight,
        "elsewhere": seat.status.elsewhere,
        "slots": seat.status.capacity,
        "waiting": seat.waiting,
        "load_seconds": seat.load_time.map(|time| time.as_secs_f64()),
    })
}

/// A server of tools.
fn tool_server(status: &mcp::Status) -> Value {
    let is_up = status.standing == mcp::Standing::Up;
    json!({"name": status.server, "up": is_up, "standing": status.standing.to_string(), "tools": status.tools})
}

fn incident(incident: &Incident) -> Value {
    json!({
        "at": seconds(incident.at),
        "id": incident.id,
        "pool": incident.pool,
        "peer": incident.peer,
        "status": incident.code,
        "what": incident.what,
    })
}

fn peers(pool: &Pool) -> impl Iterator<Item = PeerNow<'_>> {
    pool.standings().into_iter().map(|Standing { peer, status, seats }| PeerNow {
        pool: pool.name(),
        name: peer.name().to_owned(),
        url: peer.url().to_owned(),
        in_flight: status.inflight,
        elsewhere: status.elsewhere,
        slots: status.capacity,
        standing: status.standing,
        is_leaving: status.leaving,
        seats,
    })
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
