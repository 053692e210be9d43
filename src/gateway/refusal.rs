//! An answer that is no stream, for a client that has already got the head of one: it ends as an error event.
//! Knows no connection; it is fed the answer's body.

use bytes::{Bytes, BytesMut};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::answer;
use crate::metrics::Reading;

use super::context::Context;
use super::fault::Fault;
use super::reply::Reply;

/// No server explains itself at greater length.
const BODY_BYTES_MAX: usize = 1 << 16;

/// An answer that cannot go on as it is.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    body: BytesMut,
}

impl Refusal {
    fn new(status: u16) -> Self {
        Self { status, body: BytesMut::new() }
    }

    /// Takes a piece of the body. One byte more than may be is enough to know that it is too long.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = (BODY_BYTES_MAX + 1).saturating_sub(self.body.len());
        self.body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The event that says what the server said.
    pub fn event(&self) -> Bytes {
        self.servers_own().unwrap_or_else(|| Fault::Refused(self.status).event())
    }

    /// Its own error.
    fn servers_own(&self) -> Option<Bytes> {
        let text = (self.body.len() <= BODY_BYTES_MAX).then(|| std::str::from_utf8(&self.body).ok()).flatten()?;
        Some(format!("data: {{\"error\":{}}}\n\n", answer::told(text, self.status)?).into())
    }
}

impl Context {
    /// The client waits for a stream, and this is none. Fails when nothing more of it will come.
    pub fn refuse(&mut self, response: &ResponseHeader) -> Result<()> {
        let status = response.status.as_u16();
        if self.plan.exchange.is_some() {
            self.seen.reading = Some(Reading::Unread);
        }
        self.reply = Reply::Refused(Box::new(Refusal::new(status)));
        let e = self.fail(Fault::Refused(status));
        let is_empty = response.headers.get("content-length").is_some_and(|length| length.as_bytes() == b"0");
        if is_empty || matches!(status, 204 | 304) {
            return Err(e);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_own_error_goes_on_and_anything_else_is_said_for_it() {
        let said = |pieces: &[&str]| {
            let mut refusal = Refusal::new(400);
            pieces.iter().for_each(|piece| refusal.push(piece.as_bytes()));
            String::from_utf8(refusal.event().to_vec()).unwrap()
        };
        let own = r#"data: {"error":{   "code": 7,"message":"no","type":"invalid_request_error","param":null}}"#;
        assert_eq!(said(&["{\"error\":", "{\r\n \"code\": 7,\"message\":\"no\"}}"]), format!("{own}\n\n"));
        let generic = String::from_utf8(Fault::Refused(400).event().to_vec()).unwrap();
        let long = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "x".repeat(BODY_BYTES_MAX));
        for body in ["", "<html>", "{\"error\":null}", "{\"detail\":\"no\"}", "{\"error\":\"a\nb\"}", &long] {
            assert_eq!(said(&[body]), generic, "{body}");
        }
        assert!(generic.contains("\"the server answered with status 400 in place of a stream\""), "{generic}");
    }
}
