//! What Pingora's session says of a request, beyond its head.
//! Changes nothing of it.

use pingora::http::Method;
use pingora::proxy::Session;

/// Whether a request has no body and asks for nothing to be done: it may go to a server twice.
pub fn is_repeatable(session: &mut Session) -> bool {
    matches!(session.req_header().method, Method::GET | Method::HEAD | Method::OPTIONS) && session.is_body_empty()
}

/// Whether the client has got the head of its answer; `100 Continue` is none.
pub fn has_answered(session: &Session) -> bool {
    session.response_written().is_some_and(|response| !response.status.is_informational() || response.status == 101)
}
