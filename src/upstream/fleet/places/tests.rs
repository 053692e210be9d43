//! Places as requests see them, while peers come and go.

use proptest::prelude::*;

use super::*;
use crate::balance::State;
use crate::config;

fn peers(names: &[&str], slots: u32) -> Arc<[Arc<Peer>]> {
    let urls: Vec<_> = names.iter().map(|name| format!("http://{name}")).collect();
    let config = config::Config::from_upstreams(&urls, &[], None).unwrap();
    let peers = config.pools[0].peers.iter().cloned();
    peers.map(|peer| Arc::new(Peer::new(config::Peer { max_inflight: Some(slots), ..peer }))).collect()
}

fn places(settings: Settings, slots: u32) -> Arc<Places> {
    let places = Arc::new(Places::new(settings));
    places.set_peers(peers(&["a"], slots), Report::default());
    places
}

fn enter(places: &Arc<Places>) -> Entry {
    places.enter(Request::default())
}

fn inflight(places: &Places) -> u32 {
    places.statuses().iter().map(|status| status.inflight).sum()
}

#[tokio::test]
async fn a_place_given_back_wakes_the_first_who_waits() {
    let places = places(Settings::default(), 1);
    let Entry::Place(first) = enter(&places) else { panic!() };
    let (Entry::Waiting(mut second), Entry::Waiting(third)) = (enter(&places), enter(&places)) else { panic!() };
    assert_eq!((second.position(), third.position(), places.waiting()), (Some(0), Some(1), 2));
    drop(first);
    let second = second.place().await.unwrap();
    assert_eq!((third.position(), inflight(&places)), (Some(0), 1));
    drop(second);
    // Its place had come when it left.
    drop(third);
    assert_eq!((inflight(&places), places.waiting()), (0, 0));
    assert!(matches!(enter(&places), Entry::Place(_)));
}

#[tokio::test]
async fn who_leaves_the_queue_is_passed_over() {
    let places = places(Settings::default(), 1);
    let Entry::Place(first) = enter(&places) else { panic!() };
    let (Entry::Waiting(second), Entry::Waiting(mut third)) = (enter(&places), enter(&places)) else { panic!() };
    drop(second);
    drop(first);
    let _third = third.place().await.unwrap();
    assert_eq!((inflight(&places), places.waiting()), (1, 0));
}

#[tokio::test]
async fn a_wait_ends_in_time() {
    let places = places(Settings { wait_max: Duration::from_millis(5), ..Settings::default() }, 1);
    let Entry::Place(_first) = enter(&places) else { panic!() };
    let keeper = Arc::clone(&places);
    let keeper = tokio::spawn(async move { keeper.keep_time().await });
    let Entry::Waiting(mut second) = enter(&places) else { panic!() };
    assert!(second.place().await.is_err());
    assert_eq!(places.waiting(), 0);
    keeper.abort();
}

fn standings(places: &Places) -> Vec<String> {
    let standings = places.standings().into_iter();
    standings.map(|one| format!("{} {} {}", one.peer.name(), one.status.inflight, one.status.leaving)).collect()
}

#[tokio::test]
async fn peers_come_and_go_and_a_place_stays_good() {
    let places = places(Settings::default(), 1);
    let Entry::Place(first) = enter(&places) else { panic!() };
    let Entry::Waiting(mut second) = enter(&places) else { panic!() };
    let loading = Report { state: State::Loading, ..Report::default() };
    places.set_peers(peers(&["b"], 1), loading);
    assert_eq!(standings(&places), ["b:80 0 false", "a:80 1 true"]);
    assert_eq!((places.waiting(), places.peer(first.peer()).unwrap().name()), (1, "a:80"));
    // Nobody knows yet whether the new one is ready.
    places.asked(PeerId::of("http://b"), Report::default());
    let second = second.place().await.unwrap();
    assert_eq!(places.peer(second.peer()).unwrap().name(), "b:80");
    let a = first.peer();
    drop(first);
    assert_eq!(standings(&places), ["b:80 1 false"]);
    assert!(places.peer(a).is_none());
    places.set_peers(peers(&["b", "c"], 1), loading);
    let Entry::Waiting(mut third) = enter(&places) else { panic!() };
    places.trust_all();
    assert_eq!(places.peer(third.place().await.unwrap().peer()).unwrap().name(), "c:80");
    // Without any peer requests wait for one.
    places.set_peers(Arc::default(), Report::default());
    let Entry::Waiting(mut third) = enter(&places) else { panic!() };
    places.set_peers(peers(&["b"], 2), loading);
    drop((second, third.place().await.unwrap()));
    assert_eq!(standings(&places), ["b:80 0 false"]);
}

#[derive(Clone, Debug)]
enum Event {
    Enter,
    /// Gives a place back, or leaves the queue.
    Leave(usize),
    Take,
    SetPeers {
        which: u8,
        slots: u32,
    },
    Configure {
        queue_max: usize,
    },
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_place_is_lost_while_peers_come_and_go(events in prop::collection::vec(prop_oneof![
        4 => Just(Event::Enter),
        3 => any::<usize>().prop_map(Event::Leave),
        2 => Just(Event::Take),
        1 => (0..8_usize).prop_map(|queue_max| Event::Configure { queue_max }),
        2 => (0..8_u8, 1..3_u32).prop_map(|(which, slots)| Event::SetPeers { which, slots }),
    ], 0..100)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let places = places(Settings { queue_max: 4, ..Settings::default() }, 2);
        let (mut running, mut waiting, mut room) = (Vec::new(), Vec::new(), 4);
        for event in events {
            match event {
                Event::Enter => match enter(&places) {
                    Entry::Place(place) => running.push(place),
                    Entry::Waiting(entry) => waiting.push(entry),
                    Entry::Refused(_) => assert!(places.waiting() >= room),
                },
                Event::Leave(which) if which % 2 == 0 && !running.is_empty() => {
                    running.swap_remove(which % running.len());
                }
                Event::Leave(which) if !waiting.is_empty() => drop(waiting.swap_remove(which % waiting.len())),
                Event::Leave(_) => {}
                Event::Take => waiting.retain_mut(|entry| match entry.given.try_recv() {
                    Ok(place) => {
                        running.push(place.expect("somebody waits for it"));
                        false
                    }
                    Err(_) => true,
                }),
                Event::Configure { queue_max } => {
                    room = queue_max;
                    places.configure(Settings { queue_max, ..Settings::default() });
                }
                Event::SetPeers { which, slots } => {
                    let named = ["a", "b", "c"].into_iter().enumerate().filter(|(at, _)| which & 1 << at != 0);
                    places.set_peers(peers(&named.map(|(_, name)| name).collect::<Vec<_>>(), slots), Report::default());
                }
            }
            let given = waiting.len() - places.waiting();
            assert_eq!(usize::try_from(inflight(&places)).unwrap(), running.len() + given);
            assert!(running.iter().all(|place| places.peer(place.peer()).is_some()), "a place without its peer");
            assert_eq!(places.standings().len(), places.statuses().len());
        }
        drop((running, waiting));
        places.set_peers(Arc::default(), Report::default());
        assert_eq!(lock(&places.ledger).known.len(), 0);
    }
}
