//! Verdict on a server: what an answer's head, or the want of one, says of its health.
//! Counts nothing; `balance` does.

use std::time::Duration;

use pingora::http::ResponseHeader;

use crate::balance::{Failure, Outcome};
use crate::engine::Engine;
use crate::gateway::fault::Fault;
use crate::upstream::Expired;

/// What a failure says of the peer.
pub fn blame_peer(fault: &Fault, expired: Option<Expired>) -> Outcome {
    match (fault, expired) {
        (_, Some(Expired::Total(_))) => Outcome::Unjudged,
        (Fault::Late(_), _) => Outcome::Failed(Failure::Stall),
        (Fault::Broken, _) => Outcome::Failed(Failure::Reset),
        _ => Outcome::Unjudged,
    }
}

/// Whether an answer's head shows that its server is of this engine.
pub(super) fn shows(response: &ResponseHeader, engine: Engine) -> bool {
    let server = response.headers.get("server").map(|value| value.as_bytes());
    server.is_some() && server == engine.row().signature.map(str::as_bytes)
}

/// What an answer's head says of its peer; `None` when it began well. A 4xx is the client's own doing.
pub(super) fn of_head(response: &ResponseHeader, engine: Engine) -> Option<Outcome> {
    let after = response.headers.get("retry-after");
    let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    let loading = engine.row().loading.as_ref().map(|loading| loading.status);
    match response.status.as_u16() {
        // Who is busy says for how long, if it says anything.
        status if Some(status) == loading && after.is_none() => Some(Outcome::Loading),
        429 | 503 => Some(Outcome::Busy { retry_after }),
        501 => Some(Outcome::Unjudged),
        500.. => Some(Outcome::Failed(Failure::Status)),
        400.. => Some(Outcome::Unjudged),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_its_peer_is() {
        let busy = |seconds: Option<u64>| Some(Outcome::Busy { retry_after: seconds.map(Duration::from_secs) });
        let failed = Some(Outcome::Failed(Failure::Status));
        let table = [
            (200, None, Engine::LlamaCpp, None),
            (101, None, Engine::LlamaCpp, None),
            (304, None, Engine::LlamaCpp, None),
            (400, None, Engine::LlamaCpp, Some(Outcome::Unjudged)),
            (429, None, Engine::LlamaCpp, busy(None)),
            (429, Some("7"), Engine::OpenAi, busy(Some(7))),
            (500, None, Engine::LlamaCpp, failed),
            (501, None, Engine::LlamaCpp, Some(Outcome::Unjudged)),
            (502, None, Engine::Vllm, failed),
            (503, None, Engine::LlamaCpp, Some(Outcome::Loading)),
            (503, Some("2"), Engine::LlamaCpp, busy(Some(2))),
            (503, Some("Fri, 20 Nov 2026 15:00:00 GMT"), Engine::LlamaCpp, busy(None)),
            (503, Some("soon"), Engine::Vllm, busy(None)),
        ];
        for (status, after, engine, expected) in table {
            let mut response = ResponseHeader::build(status, None).unwrap();
            if let Some(after) = after {
                response.insert_header("Retry-After", after).unwrap();
            }
            assert_eq!(of_head(&response, engine), expected, "{status} {after:?} {engine:?}");
        }
    }
}
