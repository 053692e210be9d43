//! Models of a box, from its own list to the balancer: who asked tells it here, and it is logged what has changed.
//! Asks nothing by itself.

use std::sync::Arc;

use crate::balance::{Arrival, Catalog, ChangeKind, Departure};
use crate::config;
use crate::upstream::health::check::{self, Runs};
use crate::upstream::health::history::History;

use super::peer::Peer;
use super::places::Places;

/// Asks a box for its models, and tells the balancer. `history` is that of the box, held meanwhile.
pub async fn ask(config: &config::Pool, places: &Arc<Places>, peer: &Arc<Peer>, history: &mut History) {
    if history.known.several.is_none() {
        return;
    }
    let runs = check::models(peer.endpoint(), config.engine, config.timeouts, &mut history.known).await;
    tell(config, places, peer, runs, history);
}

/// Tells the balancer what a server runs. Says whether that are several models.
pub fn tell(config: &config::Pool, places: &Arc<Places>, peer: &Arc<Peer>, runs: Runs, history: &History) -> bool {
    let catalog = match runs {
        Runs::Untold => return false,
        Runs::One => None,
        Runs::Many(catalog) => Some(allowed(peer, catalog)),
    };
    let catalog = catalog.as_ref();
    // Whoever waits for a model wants to know its template when it is there.
    peer.has_told(catalog.map(|_| history.known.inventory.templates()));
    for change in places.catalog(peer.id(), catalog) {
        let report = catalog.and_then(|catalog| catalog.models.iter().find(|model| model.name == change.name));
        let word = report.and_then(|report| report.failure.as_deref());
        log::info!("pool {}: {}: {} {}", config.name, peer.url(), change.name, what(&change.kind, word));
        if let Some(observer) = places.observer() {
            observer.model_changed(&config.name, &change);
        }
    }
    catalog.is_some()
}

/// Of the models of a box those may be loaded that the configuration lets it load.
fn allowed(peer: &Peer, mut catalog: Catalog) -> Catalog {
    for model in &mut catalog.models {
        model.may_load = std::iter::once(&model.name).chain(&model.aliases).any(|name| peer.may_load(name));
    }
    catalog
}

/// What has become of a model, behind its name; `word` is what its box says of a failure.
fn what(kind: &ChangeKind, word: Option<&str>) -> String {
    match kind {
        ChangeKind::Loaded { took, arrival } => {
            let after = took.map(|took| format!(" after {:.1} s", took.as_secs_f64())).unwrap_or_default();
            match arrival {
                Arrival::SwappedOut(out) => format!("is loaded{after}, in the place of {out}"),
                Arrival::FreePlace => format!("is loaded{after}"),
                Arrival::Elsewise => format!("is loaded{after}, by somebody else"),
            }
        }
        ChangeKind::Unloaded { why, room_for } => match (why, room_for) {
            (Departure::Idle, Some(wanted)) => format!("is unloaded: idle, {wanted} is wanted"),
            (Departure::Hunger, Some(wanted)) => format!("is unloaded: {wanted} has waited for too long"),
            _ => "is not loaded any more: somebody else unloaded it, or it fell".to_owned(),
        },
        ChangeKind::Failed => format!("failed to load{}", word.map(|word| format!(": {word}")).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_became_of_a_model_is_said_with_its_reason() {
        let loaded = |ms: Option<u64>, arrival| ChangeKind::Loaded { took: ms.map(Duration::from_millis), arrival };
        let unloaded = |why, wanted: Option<&str>| ChangeKind::Unloaded { why, room_for: wanted.map(Into::into) };
        for (kind, word, expected) in [
            (loaded(Some(2_540), Arrival::FreePlace), None, "is loaded after 2.5 s"),
            (loaded(Some(900), Arrival::SwappedOut("b".into())), None, "is loaded after 0.9 s, in the place of b"),
            (loaded(None, Arrival::Elsewise), None, "is loaded, by somebody else"),
            (unloaded(Departure::Idle, Some("b")), None, "is unloaded: idle, b is wanted"),
            (unloaded(Departure::Hunger, Some("b")), None, "is unloaded: b has waited for too long"),
            (
                unloaded(Departure::Elsewise, None),
                Some("exit code 1"),
                "is not loaded any more: somebody else unloaded it, or it fell",
            ),
            (ChangeKind::Failed, Some("exit code 1"), "failed to load: exit code 1"),
            (ChangeKind::Failed, None, "failed to load"),
        ] {
            assert_eq!(what(&kind, word), expected);
        }
    }
}
