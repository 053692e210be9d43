//! Retelling of answers: for a client that speaks another API than the answer does, head and body become its own.
//! The words are `answer::Retelling`'s; this says when, and from which moment the client's time counts.

use bytes::Bytes;
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::answer::{Heard, Retelling};
use crate::api::ClientApi;
use crate::api::anthropic::Facts;
use crate::api::openai::Complaint;

use super::context::Context;
use super::fault::Fault;
use super::headers;
use super::moment::moment;
use super::reply::{is_empty, is_json, is_plain_stream};

impl Context {
    /// The head of an answer has come. Fails when it would be told in other words, and nothing follows of which they could
    /// be made.
    pub fn expect_words(&mut self, response: &ResponseHeader) -> Result<()> {
        let stays = match self.client {
            ClientApi::OpenAi => true,
            ClientApi::OllamaPage => passes(response),
            _ => false,
        };
        if stays || !is_empty(response) { Ok(()) } else { Err(self.fail(Fault::Wordless(response.status.as_u16()))) }
    }

    /// The head of an answer has come, which is read as it is read: what of it changes for a client of another API.
    pub fn retell_head(&mut self, response: &mut ResponseHeader) -> Result<()> {
        let limits = &self.settings.limits;
        let is_encoded = response
            .headers
            .get("content-encoding")
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if let Some(turn) = &mut self.turn {
            let is_success = response.status.is_success();
            turn.expect(is_success && is_plain_stream(response));
            if turn.is_put_together() && !turn.is_retold() {
                return Ok(());
            }
            headers::unframe_response(response);
            if is_success && !is_plain_stream(response) {
                return Err(self.fail(Fault::Refused(response.status.as_u16())));
            }
        }
        if is_encoded || !self.client.is_foreign() {
            return Ok(());
        }
        let own = response.status.as_u16();
        let complaint = self.attempt.heard.complaint;
        // It would come again.
        let is_hopeless = own == 500 && matches!(complaint, Some(Complaint::Request | Complaint::Length));
        let status = if is_hopeless { 400 } else { own };
        let content_type = match &self.client {
            ClientApi::OllamaPage if passes(response) => return Ok(()),
            client if is_plain_stream(response) => {
                let begun = self.retelling.take().filter(|_| self.turn.is_some());
                let retelling = begun.or_else(|| Retelling::of_stream(client, self.heard(), self.facts(), limits));
                self.retelling = retelling;
                headers::keep_streaming(response)?;
                client.stream_type()
            }
            client => {
                self.retelling = Some(Retelling::of_body(client, status, &self.id, self.facts(), limits));
                client.body_type()
            }
        };
        if own >= 400 {
            response.set_status(self.client.status(status))?;
            if self.client.is_anthropics() {
                headers::say_whether_again(response, own)?;
            }
        }
        headers::unframe_response(response);
        response.insert_header("Content-Type", content_type)
    }

    /// A piece of the server's answer: what goes to the client.
    pub fn push_answer(&mut self, bytes: Bytes) -> Result<Bytes> {
        let out = self.answer.push(bytes).map_err(|e| self.fail(Fault::Assemble(e.into())))?;
        let out = match &mut self.turn {
            Some(turn) => turn.push(out),
            None => out,
        };
        self.retell(out)
    }

    /// What goes to the client, in its API.
    pub fn retell(&mut self, bytes: Bytes) -> Result<Bytes> {
        let Some(retelling) = &mut self.retelling else { return Ok(bytes) };
        retelling.push(bytes, moment(&self.record)).map_err(|e| self.fail(Fault::Assemble(e.into())))
    }

    /// The same of the last of a server's answer, behind which other rounds may follow.
    pub fn retell_last(&mut self, bytes: Bytes) -> Bytes {
        let Some(turn) = &mut self.turn else { return self.retell_end(bytes) };
        let shown = turn.push(bytes);
        let rest = turn.end_round();
        let bytes: Bytes = [shown, rest].concat().into();
        if turn.goes_on() { self.retell(bytes).unwrap_or_default() } else { self.retell_end(bytes) }
    }

    /// The same of the last that goes to it.
    pub fn retell_end(&mut self, bytes: Bytes) -> Bytes {
        let Some(retelling) = &mut self.retelling else { return bytes };
        let now = moment(&self.record);
        let told = retelling.push(bytes, now).unwrap_or_default();
        [told, retelling.finish(now)].concat().into()
    }

    /// An answer to a client that waits for a stream and gets none of a server's.
    pub fn retell_own_stream(&mut self) {
        if self.retelling.is_none() {
            self.retelling = Retelling::of_stream(&self.client, self.heard(), self.facts(), &self.settings.limits);
        }
    }

    /// What is known of the server that answers.
    fn facts(&self) -> Facts {
        let context = self.attempt.claim.as_ref().and_then(|claim| claim.peer().context());
        Facts { context, is_assembled: self.plan.is_assembled() }
    }

    /// What its client has heard of the gateway's own.
    fn heard(&self) -> Heard {
        if self.keepalive.has_commented() { Heard::Beginning } else { Heard::Nothing }
    }
}

/// Whether what passes through is in its client's words, as it is unless it is an error of something before the server.
fn passes(response: &ResponseHeader) -> bool {
    response.status.as_u16() < 400 || is_json(response)
}
