//! Sticky sessions and prefix affinity: the session that a request's client names, and what its prompt begins with.
//! Chooses no server; the pool does.

use pingora::http::RequestHeader;

use crate::api::openai::Request;
use crate::balance::Fingerprint;
use crate::balance::prefix::{self, Hasher};

/// The session in the header of this name.
pub fn session(request: &RequestHeader, header: &str) -> Option<u64> {
    let name = request.headers.get(header)?.as_bytes();
    (!name.is_empty()).then(|| prefix::key(name))
}

/// What the prompt of a chat request begins with: model, tools and messages, each as it was written. Turns of one
/// conversation repeat them to the byte, and what a client writes anew is read anew by its server too.
/// `None` when the request has no messages.
pub fn fingerprint(request: &Request<'_>) -> Option<Fingerprint> {
    let messages = request.messages()?;
    let mut hasher = Hasher::default();
    for part in request.preamble() {
        hasher.part(part.as_bytes());
    }
    for message in messages {
        hasher.part(message.text().as_bytes());
        if message.is_user() {
            hasher.anchor();
        }
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Option<Fingerprint> {
        fingerprint(&Request::read(body)?)
    }

    fn of(messages: &str) -> Fingerprint {
        read(format!(r#"{{"model":"m","messages":[{messages}]}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn a_conversation_keeps_its_beginning() {
        let system = format!(r#"{{"role":"system","content":"{}"}}"#, "be brief. ".repeat(300));
        let first = of(&format!(r#"{system},{{"role":"user","content":"hi"}}"#));
        let later = of(&format!(
            r#"{system},{{"role":"user","content":"hi"}},{{"role":"assistant","content":"{}"}}"#,
            "x".repeat(2000)
        ));
        let other = of(&format!(r#"{system},{{"role":"user","content":"ho"}}"#));
        assert_eq!(first.anchor(), later.anchor());
        assert!(later.blocks().starts_with(first.blocks()) && later.blocks().len() > first.blocks().len());
        assert!(other.anchor() != first.anchor() && other.blocks().len() == 2);
    }

    #[test]
    fn what_is_no_chat_has_none() {
        for body in [&b"{}"[..], b"[]", b"\xff", br#"{"messages":3}"#, br#"{"messages":["#] {
            assert!(read(body).is_none());
        }
        assert!(read(br#"{"messages":[3,{"role":"user"}]}"#).is_some());
    }
}
