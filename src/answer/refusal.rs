//! Refused stream: an answer that is none, for a client that has already got the head of one; it ends as an error
//! event. Knows no connection; it is fed the answer's body.

use bytes::{Bytes, BytesMut};

use crate::api::openai::refusal;

/// No server explains itself at greater length.
const BODY_BYTES_MAX: usize = 1 << 16;

/// An answer that cannot go on as it is.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    /// The event for a body that tells no error.
    unsaid: Bytes,
    body: BytesMut,
}

impl Refusal {
    pub(super) fn new(status: u16, unsaid: Bytes) -> Self {
        Self { status, unsaid, body: BytesMut::new() }
    }

    /// Takes a piece of the body. One byte more than may be is enough to know that it is too long.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = (BODY_BYTES_MAX + 1).saturating_sub(self.body.len());
        self.body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The event that says what the server said.
    pub(super) fn event(self) -> Bytes {
        let is_read = self.body.len() <= BODY_BYTES_MAX;
        let own = is_read.then(|| refusal(&self.body, self.status)).flatten();
        own.map_or(self.unsaid, Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_own_error_goes_on_and_anything_else_is_said_for_it() {
        let unsaid = "data: {\"error\":{\"message\":\"the server answered with status 400\"}}\n\n";
        let said = |pieces: &[&str]| {
            let mut refusal = Refusal::new(400, unsaid.into());
            pieces.iter().for_each(|piece| refusal.push(piece.as_bytes()));
            String::from_utf8(refusal.event().to_vec()).unwrap()
        };
        let own = r#"data: {"error":{   "code": 7,"message":"no","type":"invalid_request_error","param":null}}"#;
        assert_eq!(said(&["{\"error\":", "{\r\n \"code\": 7,\"message\":\"no\"}}"]), format!("{own}\n\n"));
        let long = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "x".repeat(BODY_BYTES_MAX));
        for body in ["", "<html>", "{\"error\":null}", "{\"detail\":\"no\"}", "{\"error\":\"a\nb\"}", &long] {
            assert_eq!(said(&[body]), unsaid, "{body}");
        }
    }
}
