//! Session facts: what Pingora's session says of a request, beyond its head.
//! Changes nothing of it.

use pingora::Error;
use pingora::http::Method;
use pingora::proxy::Session;

use crate::upstream::{Need, is_chunked_last};

use super::attempt::{Explain, Repeat, Terms};
use super::headers::asks_for_tunnel;
use super::route::{Kind, Route};

/// The terms that a request's head sets; where it may go is found later.
pub fn terms(session: &mut Session, route: &Route) -> Terms {
    let is_idle = matches!(session.req_header().method, Method::GET | Method::HEAD | Method::OPTIONS);
    let repeat = if is_idle && session.is_body_empty() { Repeat::Always } else { Repeat::Unbegun };
    let is_upgrade = session.is_upgrade_req();
    let takes_no_slot = repeat == Repeat::Always || route.kind == Kind::BesideSlots;
    Terms {
        need: if takes_no_slot && !is_upgrade { Need::NoSlot } else { Need::Slot },
        repeat,
        is_upgrade,
        is_tunnel: asks_for_tunnel(session.req_header()),
        explain: Explain::of(session.req_header()),
        ..Terms::default()
    }
}

/// Returns when the client of a request that was read has left, with what ends the request. May be dropped and called
/// again.
pub async fn left(session: &mut Session) -> Box<Error> {
    loop {
        if let Err(e) = session.as_downstream_mut().read_body_or_idle(true).await {
            return e.into_down();
        }
    }
}

/// Whether the client has got the head of its answer; `100 Continue` is none.
pub fn has_answered(session: &Session) -> bool {
    session.response_written().is_some_and(|response| !response.status.is_informational() || response.status == 101)
}

/// Whether the answer goes to the client in chunks.
pub fn is_chunked(session: &Session) -> bool {
    let codings = session
        .response_written()
        .and_then(|response| response.headers.get_all("transfer-encoding").iter().next_back());
    codings.is_some_and(|codings| is_chunked_last(codings.as_bytes()))
}

/// Whether the body can be sent again: there is none, or all of it was kept.
pub fn is_replayable(session: &Session) -> bool {
    !session.as_ref().retry_buffer_truncated()
}
