//! What is told of seats: how each model stands, and whether one is still the one that a request was sent to.

use super::*;

const LOAD: Duration = Duration::from_secs(20);

fn wants(model: &str) -> Request {
    Request { model: Some(ModelId::of(model)), ..any() }
}

/// The one box, of one place, tells that its models `x` and `y` are so.
fn tell(pool: &mut Pool, x: ModelState, y: ModelState) -> Vec<Change> {
    let report = |(name, state): (&str, ModelState)| ModelReport {
        name: name.into(),
        aliases: vec![format!("{name}-alias").into()],
        may_load: true,
        state,
        slots: Some(2),
        bytes: None,
        failure: (state == ModelState::Failed).then(|| "exit code 1".into()),
    };
    let catalog = Catalog { places: Some(1), models: [("x", x), ("y", y)].map(report).into() };
    pool.balancer.catalog(id("a"), Some(&catalog), pool.now)
}

fn seats(pool: &Pool) -> Vec<String> {
    let seats = pool.balancer.seats(pool.now).into_iter();
    let shown = |seat: SeatStatus| {
        let Status { inflight, capacity, standing, .. } = seat.status;
        let (age, load) = (seat.age.as_secs(), seat.load_time.map(|time| time.as_secs()));
        let (state, failure) = (seat.state.name(), seat.failure.as_deref().unwrap_or_default());
        format!(
            "{} {state} {age} s, {inflight}/{capacity:?} {}, {} wait, {load:?} {failure}",
            seat.name,
            standing.name(),
            seat.waiting
        )
    };
    seats.map(shown).collect()
}

#[test]
fn each_step_of_a_swap_is_seen() {
    use ModelState::{Failed, Loaded, Loading, Unloaded};
    let mut pool = Pool::new(Settings::default(), &[("a", Spec::default())]);
    assert!(pool.balancer.seats(pool.now).is_empty(), "it has one model, as far as is known");
    tell(&mut pool, Loaded, Unloaded);
    let held = pool.go(wants("x-alias"));
    pool.pass(LOAD);
    let _waits = [pool.wait(wants("y")), pool.wait(wants("y-alias"))];
    assert_eq!(
        seats(&pool),
        ["x loaded 20 s, 1/Some(2) ready, 0 wait, None ", "y unloaded 20 s, 0/Some(2) loading, 2 wait, None "]
    );
    pool.end(held, Outcome::Served);
    assert_eq!(pool.balancer.orders(pool.now).len(), 1);
    // Its box lists it as if it stayed.
    tell(&mut pool, Loaded, Unloaded);
    assert!(seats(&pool)[0].starts_with("x stopping 20 s, 0/Some(2) loading"), "{:?}", seats(&pool));
    let changes = tell(&mut pool, Unloaded, Unloaded);
    assert_eq!(changes[0].kind, ChangeKind::Unloaded { why: Departure::Idle, room_for: Some("y".into()) });
    assert_eq!(pool.balancer.orders(pool.now).len(), 1);
    tell(&mut pool, Unloaded, Loading);
    pool.pass(LOAD);
    assert_eq!(seats(&pool)[1], "y loading 20 s, 0/Some(2) loading, 2 wait, None ");
    tell(&mut pool, Unloaded, Loaded);
    assert_eq!(seats(&pool)[1], "y loaded 0 s, 0/Some(2) ready, 2 wait, Some(20) ");
    assert_eq!(pool.next().len(), 2);
    assert_eq!(seats(&pool)[1], "y loaded 0 s, 2/Some(2) ready, 0 wait, Some(20) ");
    tell(&mut pool, Loading, Loaded);
    tell(&mut pool, Failed, Loaded);
    assert_eq!(seats(&pool)[0], "x failed 0 s, 0/Some(2) loading, 0 wait, None exit code 1");
}

#[test]
fn a_model_that_has_come_back_is_not_the_one_that_a_request_was_sent_to() {
    use ModelState::{Loaded, Loading, Sleeping, Unloaded};
    let mut pool = Pool::new(Settings::default(), &[("a", Spec::default())]);
    tell(&mut pool, Loaded, Unloaded);
    let place = pool.go(wants("x"));
    for (told, expected) in [
        (Loaded, Some(Loaded)),
        (Sleeping, Some(Sleeping)),
        (Loaded, Some(Loaded)),
        (Unloaded, Some(Unloaded)),
        (Loading, Some(Loading)),
        (Loaded, None),
        (Sleeping, None),
    ] {
        tell(&mut pool, told, Unloaded);
        assert_eq!(pool.balancer.model_state(&place), expected, "{}", told.name());
    }
    let again = pool.go(wants("x"));
    assert_eq!(pool.balancer.model_state(&again), Some(Sleeping));
    pool.end(place, Outcome::Served);
    pool.end(again, Outcome::Served);
}
