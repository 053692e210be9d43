//! Receipt of a choice: which server answered, why that one, and how the others stood.
//! For who asks with `X-Toolgate-Explain: 1`, and for nobody else.

use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use crate::balance::{HealthState, ModelId, SeatStatus, Status};
use crate::record::Record;
use crate::upstream::{Claim, Pool};

use super::tries::Attempt;

/// With more the header would be larger than some clients take.
const OTHERS_MAX: usize = 32;

/// Whether a client asked for a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Explain {
    #[default]
    No,
    Yes,
}

/// Which server has a request, why that one, and how the others stood.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    record: &'a Record,
    others: Option<&'a str>,
}

impl Explain {
    /// What a request says.
    pub fn of(request: &RequestHeader) -> Self {
        let is_asked = request.headers.get("x-toolgate-explain").is_some_and(|value| value == "1");
        if is_asked { Self::Yes } else { Self::No }
    }
}

impl<'a> Receipt<'a> {
    /// The receipt for the attempt that is answered. The other servers are in it only if the attempt noted them.
    pub fn of(record: &'a Record, attempt: &'a Attempt) -> Self {
        Self { record, others: attempt.others.as_deref() }
    }

    /// Puts it into an answer's head, if it was asked for.
    pub fn write(self, explain: Explain, response: &mut ResponseHeader) -> Result<()> {
        if explain == Explain::No {
            return Ok(());
        }
        let (peer, why) = (self.record.peer.as_deref(), self.record.why.as_ref().map(ToString::to_string));
        let told = [
            ("X-Toolgate-Peer", peer),
            ("X-Toolgate-Why", why.as_deref()),
            ("X-Toolgate-Others", self.others),
            ("X-Toolgate-Required-Call", self.record.required_call),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                response.insert_header(name, value)?;
            }
        }
        Ok(())
    }
}

/// How the pool's other servers stand, each by its name, if that was asked for. Of servers of several models that is
/// how they stand with the one that is asked for.
pub(super) fn others(pool: &Pool, claim: &Claim, explain: Explain) -> Option<String> {
    if explain == Explain::No {
        return None;
    }
    let standings = pool.standings();
    let others = standings.iter().filter(|other| other.peer.id() != claim.peer().id()).take(OTHERS_MAX);
    let told = others.map(|other| {
        let stands = how_with(&other.status, &other.seats, claim.model());
        format!("{}={stands}", other.peer.name())
    });
    let told: Vec<_> = told.collect();
    // A name may hold what a header must not.
    (!told.is_empty()).then(|| told.join(", ").replace(char::is_control, " "))
}

/// What spoke against a server for this model, or how busy it was with it.
fn how_with(server: &Status, seats: &[SeatStatus], model: Option<ModelId>) -> String {
    let is_well = server.standing.is_awake() && !server.leaving;
    let Some(model) = model.filter(|_| is_well && !seats.is_empty()) else { return how(server) };
    match seats.iter().find(|seat| seat.model == model) {
        Some(seat) if seat.state.is_here() => how(&seat.status),
        Some(seat) => seat.state.name().to_owned(),
        None => "absent".to_owned(),
    }
}

/// What spoke against a server, or how busy it was.
fn how(status: &Status) -> String {
    let load = status.inflight.saturating_add(status.elsewhere);
    match (status.standing, status.capacity) {
        _ if status.leaving => "leaving".to_owned(),
        (HealthState::Serves, _) if !status.has_room() => "full".to_owned(),
        (HealthState::Serves, Some(capacity)) => format!("{load}/{capacity}"),
        (HealthState::Serves, None) => load.to_string(),
        (standing, _) => standing.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::balance::{ModelState, PeerId};

    #[test]
    fn what_spoke_against_a_server_is_said() {
        let serves = Status {
            id: PeerId::of("a"),
            inflight: 1,
            elsewhere: 2,
            capacity: Some(4),
            standing: HealthState::Serves,
            leaving: false,
        };
        let table = [
            (serves, "3/4"),
            (Status { capacity: None, ..serves }, "3"),
            (Status { capacity: Some(3), ..serves }, "full"),
            (Status { standing: HealthState::Loading, capacity: Some(3), ..serves }, "loading"),
            (Status { standing: HealthState::Trying, ..serves }, "trying"),
            (Status { leaving: true, ..serves }, "leaving"),
        ];
        for (status, expected) in table {
            assert_eq!(how(&status), expected);
        }
    }

    #[test]
    fn what_spoke_against_a_server_is_said_of_the_model_that_is_asked_for() {
        let server = Status {
            id: PeerId::of("a"),
            inflight: 4,
            elsewhere: 0,
            capacity: Some(4),
            standing: HealthState::Serves,
            leaving: false,
        };
        let seat = |name: &str, state: ModelState, inflight: u32, standing: HealthState| SeatStatus {
            model: ModelId::of(name),
            name: name.into(),
            state,
            may_load: true,
            is_pinned: false,
            age: Duration::ZERO,
            load_time: None,
            failure: None,
            waiting: 0,
            status: Status { inflight, standing, ..server },
        };
        let seats = [
            seat("full", ModelState::Loaded, 4, HealthState::Serves),
            seat("busy", ModelState::Loaded, 2, HealthState::Serves),
            seat("ill", ModelState::Loaded, 0, HealthState::Trying),
            seat("away", ModelState::Unloaded, 0, HealthState::Loading),
            seat("coming", ModelState::Loading, 0, HealthState::Loading),
            seat("going", ModelState::Stopping, 1, HealthState::Loading),
            seat("asleep", ModelState::Sleeping, 0, HealthState::Sleeping),
        ];
        let table = [
            ("full", "full"),
            ("busy", "2/4"),
            ("ill", "trying"),
            ("away", "unloaded"),
            ("coming", "loading"),
            ("going", "stopping"),
            ("asleep", "sleeping"),
            ("other", "absent"),
        ];
        for (name, expected) in table {
            assert_eq!(how_with(&server, &seats, Some(ModelId::of(name))), expected, "{name}");
        }
        let dead = Status { standing: HealthState::Failed, ..server };
        assert_eq!(how_with(&dead, &seats, Some(ModelId::of("busy"))), "failed");
        assert_eq!(how_with(&server, &seats, None), "full");
        assert_eq!(how_with(&server, &[], Some(ModelId::of("busy"))), "full");
    }
}
