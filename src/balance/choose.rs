//! Choice of a peer for a request: who could take it, and the place that it gets there.
//! Who is before whom, and where the first token comes the soonest, is decided elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Request;
use super::balancer::{Assignment, Balancer, Reason};
use super::dispatch::Choice;
use super::health::HealthState;
use super::model::Arrival;
use super::policy::{self, Bound, Candidate, Policy};
use super::queue::Waiting;
use super::roster::{Peer, PeerId};
use super::seat::{ModelId, Seat, Want};
use super::why::Why;

/// Who could take a request now.
pub enum Options {
    /// At least one has room.
    Now(Candidates),
    /// Nobody, but somebody will; also where there is no peer at all, since one may come.
    Later,
    /// There is nobody whom it has not tried.
    Nobody,
    /// Its model cannot be loaded anywhere.
    Unloadable,
}

/// Those that are not worse than the best that has room: by tier, and in a tier those that are awake before those that
/// sleep.
pub struct Candidates {
    pub want: Want,
    pub room: Vec<Candidate>,
    /// Those that could take it but have no room now.
    pub full: Vec<Candidate>,
}

/// Who could take each of those that wait. It is the same for all that want the same and that nobody has failed, so
/// that a long queue asks once.
pub struct Known<'b> {
    balancer: &'b Balancer,
    now: Duration,
    /// What a name stands for. Where no peer has a choice of models none matters, and the map stays empty.
    wants: Option<HashMap<ModelId, Want>>,
    options: Vec<(Want, Options)>,
}

impl<'b> Known<'b> {
    /// As they stand now.
    pub fn new(balancer: &'b Balancer, now: Duration) -> Self {
        let wants = balancer.roster.has_models().then(HashMap::new);
        Self { balancer, now, wants, options: Vec::new() }
    }

    /// What a request wants.
    pub fn want(&mut self, model: Option<ModelId>) -> Want {
        let (Some(wants), Some(name)) = (&mut self.wants, model) else { return Want::Any };
        *wants.entry(name).or_insert_with(|| self.balancer.roster.want(model))
    }

    /// Who could take a request. `own` is where the answer is put that holds for no other.
    pub fn of<'o>(&'o mut self, request: &Request, own: &'o mut Option<Options>) -> &'o Options {
        let want = self.want(request.model);
        if !request.tried.is_empty() {
            return own.insert(self.balancer.options(want, &request.tried, self.now));
        }
        let known = self.options.iter().position(|(known, _)| *known == want);
        let at = known.unwrap_or_else(|| {
            self.options.push((want, self.balancer.options(want, &[], self.now)));
            self.options.len() - 1
        });
        self.options.get(at).map_or(&Options::Later, |(_, options)| options)
    }
}

/// A peer, its seat for a request, and how both stand.
type Asked<'p> = (&'p Peer, &'p Seat, HealthState);

impl Options {
    /// Why there will be no place, if there will be none.
    pub fn hopeless(&self) -> Option<Reason> {
        match self {
            Self::Nobody => Some(Reason::Unreachable),
            Self::Unloadable => Some(Reason::Unloadable),
            Self::Now(_) | Self::Later => None,
        }
    }
}

impl Balancer {
    /// Who could take a request, best ranks only.
    /// Who is thought to be dead is taken only when there is nobody else at all, not even to wait for: a breaker
    /// spares requests a bad peer where there is a better one, and must not refuse them where there is none.
    pub(super) fn options(&self, want: Want, tried: &[PeerId], now: Duration) -> Options {
        let untried = || {
            let seats = self.roster.seats(want).filter(|(peer, _)| !tried.contains(&peer.id));
            seats.map(|(peer, seat)| (peer, seat, peer.standing(want, now)))
        };
        if untried().next().is_none() {
            return if self.roster.here().next().is_some() { Options::Nobody } else { Options::Later };
        }
        let living = best(want, untried().filter_map(|asked| Some((asked, alive(asked.2)?))));
        if !living.room.is_empty() {
            return Options::Now(living);
        }
        if let Some(loader) = self.loader(want, tried, now) {
            return Options::Now(Candidates { want, room: vec![loader], full: Vec::new() });
        }
        let rests = |(peer, ..): &Asked<'_>| peer.cannot_load(want, now);
        let not_dead = || untried().filter(|(_, _, standing)| !is_dead(*standing));
        // Who is being tried may turn out to be up, and is not known to be.
        let any_up = untried().any(|(_, _, standing)| !standing.is_down());
        if any_up && not_dead().all(|asked| rests(&asked)) || untried().all(|asked| rests(&asked)) {
            return Options::Unloadable;
        }
        if not_dead().next().is_some() {
            return Options::Later;
        }
        let dead = best(want, untried().map(|asked| (asked, 0)));
        if dead.room.is_empty() { Options::Later } else { Options::Now(dead) }
    }

    /// A place for one that waited or has just come. `choice` is where it goes, if that was decided.
    pub(super) fn assign(&mut self, waiting: &Waiting, choice: Option<Choice>, now: Duration) -> Option<Assignment> {
        let request = &waiting.request;
        let want = self.roster.want(request.model);
        let Options::Now(Candidates { room, full, .. }) = self.options(want, &request.tried, now) else { return None };
        let Choice { peer: chosen, why } = choice.or_else(|| self.choose(request, &room))?;
        let why =
            self.arrived(waiting, chosen, now).unwrap_or_else(|| self.outranked(why, request, &room, chosen, now));
        let all: Vec<_> = room.into_iter().chain(full).collect();
        let home = self.home(request, &all);
        let seat = self.roster.get(chosen)?.seat(want)?;
        let (_, fresh) = self.knowledge(request, seat.id);
        let (block, seat) = (self.block(seat, self.usual_block(want), now), seat.id);
        if let Some(key) = request.session {
            self.affinity.note_session(key, chosen);
        }
        let prefix = request.prefix.as_ref().filter(|_| self.settings.policy == Policy::Prefix);
        let belief = prefix.map(|prefix| self.affinity.note(prefix, seat, Self::sent_to(chosen, home)));
        self.claims += 1;
        self.loads_on_demand(chosen, want, now);
        let peer = self.roster.get_mut(chosen)?;
        // Where there is one model, it does not matter which was wanted.
        let want = if peer.models().is_some() { want } else { Want::Any };
        let kinds = peer.begin(want, self.claims, now);
        let reading = peer.seat_mut(want)?.pace.begin(fresh, block, now);
        // One that is loaded for it is the one that comes.
        let arrivals =
            peer.model(want).map_or(0, |model| model.arrivals.wrapping_add(u32::from(!model.state.is_here())));
        Some(Assignment { peer: chosen, want, seat, arrivals, why, kinds, reading, belief, told: None })
    }

    fn choose(&mut self, request: &Request, candidates: &[Candidate]) -> Option<Choice> {
        if let Some(key) = request.session {
            return self.by_session(key, candidates);
        }
        match self.settings.policy {
            Policy::Slots | Policy::Prefix => least_busy(candidates),
            Policy::RandomTwo => {
                let Candidate { id, load, capacity, .. } = policy::random_two(candidates, &mut self.random)?;
                Some(Choice { peer: id, why: Why::RandomTwo { load, capacity } })
            }
            Policy::RoundRobin => {
                let weight = |id| self.roster.get(id).map_or(1, |peer| peer.spec.weight);
                self.turns.take(candidates, weight).map(|chosen| Choice { peer: chosen.id, why: Why::Turn })
            }
        }
    }

    /// Where a session is at home, or else where its hash says.
    pub(super) fn by_session(&self, key: u64, candidates: &[Candidate]) -> Option<Choice> {
        let known = self.affinity.session(key);
        if let Some(home) = candidates.iter().find(|candidate| Some(candidate.id) == known) {
            return Some(Choice { peer: home.id, why: Why::Session });
        }
        let home = policy::home(key, candidates, Bound::over(candidates, self.settings.load_percent_max))?;
        Some(Choice { peer: home.id, why: Why::Hash })
    }

    /// How the model came that a request has waited for.
    fn arrived(&self, waiting: &Waiting, chosen: PeerId, now: Duration) -> Option<Why> {
        let want @ Want::Model(model) = self.roster.want(waiting.request.model) else { return None };
        let peer = self.roster.get(chosen).filter(|peer| peer.standing(want, now).is_awake())?;
        let model = peer.models()?.get(model)?;
        let has_waited = waiting.since < model.since && waiting.request.tried.is_empty();
        has_waited.then(|| match &model.arrival {
            _ if model.is_used => Why::Loading,
            Arrival::FreePlace => Why::FreePlace,
            Arrival::SwappedOut(out) => Why::SwappedOut { model: Arc::clone(out) },
            Arrival::Elsewise => Why::Loading,
        })
    }

    /// What explains a choice better than the policy does.
    fn outranked(&self, why: Why, request: &Request, candidates: &[Candidate], chosen: PeerId, now: Duration) -> Why {
        let want = self.roster.want(request.model);
        match self.roster.get(chosen).map(|peer| peer.standing(want, now)) {
            Some(HealthState::Trial) => return Why::Trial,
            Some(standing) if is_dead(standing) => return Why::LastResort,
            Some(HealthState::Loading) => return Why::OnDemand,
            _ => {}
        }
        if !request.tried.is_empty() {
            return Why::Failover { failed: request.tried.len() };
        }
        match why {
            Why::Session | Why::Prefix { .. } | Why::Waited { .. } => why,
            _ if candidates.len() > 1 => why,
            _ => {
                let is_alive = |(peer, _): &(&Peer, &Seat)| alive(peer.standing(want, now)).is_some();
                match (self.roster.seats(want).filter(is_alive).count(), want) {
                    (2.., _) => Why::OnlyOneFree,
                    (_, Want::Any) => Why::OnlyOneAlive,
                    (_, Want::Model(_)) => Why::Loaded,
                }
            }
        }
    }
}

/// Where the smallest share of the places is taken.
pub fn least_busy(candidates: &[Candidate]) -> Option<Choice> {
    let Candidate { id, load, capacity, .. } = policy::least_busy(candidates)?;
    Some(Choice { peer: id, why: Why::LeastBusy { load, capacity } })
}

/// Those of the first tier, and of the first rank in it, that have room, and those of no worse one that have none.
fn best<'p>(want: Want, ranked: impl Iterator<Item = (Asked<'p>, u8)>) -> Candidates {
    let ranked: Vec<_> =
        ranked.map(|((peer, seat, _), rank)| ((peer.spec.tier, rank), peer.has_room(seat), peer, seat)).collect();
    let first = ranked.iter().filter(|(_, has_room, ..)| *has_room).map(|(rank, ..)| *rank).min();
    let of = |fits: &dyn Fn((u8, u8), bool) -> bool| {
        let fitting = ranked.iter().filter(|(rank, has_room, ..)| fits(*rank, *has_room));
        fitting.map(|(_, _, peer, seat)| Candidate::new(peer, seat)).collect()
    };
    Candidates {
        want,
        room: of(&|rank, has_room| Some(rank) == first && has_room),
        full: of(&|rank, has_room| Some(rank) <= first && !has_room),
    }
}

/// In which order those that can be asked are asked.
fn alive(standing: HealthState) -> Option<u8> {
    match standing {
        HealthState::Serves | HealthState::Trial => Some(0),
        HealthState::Sleeping => Some(1),
        _ => None,
    }
}

fn is_dead(standing: HealthState) -> bool {
    matches!(standing, HealthState::Open(_) | HealthState::Failed)
}
