//! Models of a box, from its own list to the balancer: who asked tells it here, and it is logged what has changed.
//! Asks nothing by itself.

use std::sync::Arc;

use crate::balance::{Arrival, ChangeKind};
use crate::config;
use crate::upstream::health::check::{self, Runs};
use crate::upstream::health::history::History;

use super::peer::Peer;
use super::places::Places;

/// Asks a box for its models, and tells the balancer. `history` is that of the box, held meanwhile.
pub async fn ask(config: &config::Pool, places: &Arc<Places>, peer: &Arc<Peer>, history: &mut History) {
    let runs = check::models(peer.endpoint(), config.engine, config.timeouts, &mut history.known).await;
    tell(config, places, peer, &runs, history);
}

/// Tells the balancer what a server runs. Says whether that are several models.
pub fn tell(config: &config::Pool, places: &Arc<Places>, peer: &Arc<Peer>, runs: &Runs, history: &History) -> bool {
    let catalog = match runs {
        Runs::Untold => return false,
        Runs::One => None,
        Runs::Many(catalog) => Some(catalog),
    };
    // Whoever waits for a model wants to know its template when it is there.
    peer.has_told(catalog.map(|_| history.known.inventory.templates()));
    for change in places.catalog(peer.id(), catalog) {
        log::info!("pool {}: {}: {} {}", config.name, peer.url(), change.name, what(&change.kind));
    }
    catalog.is_some()
}

/// What has become of a model, behind its name.
fn what(kind: &ChangeKind) -> String {
    match kind {
        ChangeKind::Loaded { took: Some(took), arrival: Arrival::SwappedOut(out) } => {
            format!("is loaded in the place of {out}, after {:.1} s", took.as_secs_f64())
        }
        ChangeKind::Loaded { took: Some(took), .. } => format!("is loaded after {:.1} s", took.as_secs_f64()),
        ChangeKind::Loaded { took: None, .. } => "is loaded".to_owned(),
        ChangeKind::Unloaded { .. } => "is not loaded any more".to_owned(),
        ChangeKind::Failed => "failed to load".to_owned(),
    }
}
