//! API that a client speaks: how it hears that it is still waited for, of an error, and what its streams are called.
//! What becomes of an answer's words is `answer`'s.

use std::sync::Arc;

use bytes::Bytes;

use super::anthropic;
use super::ollama::client::{self, EmbedPage, Moment, Told};

/// The API that a client speaks.
#[derive(Clone, Debug, Default)]
pub enum ClientApi {
    #[default]
    OpenAi,
    /// Ollama's, at a page of which no model's words come.
    OllamaPage,
    /// Ollama's, and how the answer is told.
    Ollama(Arc<Told>),
    /// Ollama's, and of which model it wants vectors.
    OllamaEmbed(EmbedPage, Arc<str>),
    /// Anthropic's, at a page of which no model's words come.
    AnthropicPage,
    /// Anthropic's, and how the answer is told.
    Anthropic(Arc<anthropic::Told>),
}

/// An error as a client gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldError {
    pub status: u16,
    pub body: Bytes,
    /// Whether the same request is worth another try, where its client asks.
    pub should_retry: Option<bool>,
}

impl ClientApi {
    /// What its streams are called.
    pub fn stream_type(&self) -> &'static str {
        match self {
            Self::OpenAi => "text/event-stream",
            Self::OllamaPage | Self::Ollama(_) | Self::OllamaEmbed(..) => "application/x-ndjson",
            Self::AnthropicPage | Self::Anthropic(_) => "text/event-stream; charset=utf-8",
        }
    }

    /// What its whole answers are called.
    pub fn body_type(&self) -> &'static str {
        if self.is_anthropics() { "application/json" } else { "application/json; charset=utf-8" }
    }

    /// What stands before everything else in a stream that the gateway begins.
    pub fn beginning(&self) -> Bytes {
        match self {
            Self::Anthropic(told) => anthropic::message_start(told),
            _ => Bytes::new(),
        }
    }

    /// What goes into a stream so that its client hears something; `words` say how its request stands.
    pub fn keep_alive(&self, words: &str, now: Moment) -> Bytes {
        match self {
            Self::OpenAi | Self::OllamaPage | Self::OllamaEmbed(..) | Self::AnthropicPage => {
                Bytes::from(format!(": {words}\n\n"))
            }
            Self::Anthropic(_) => Bytes::from(format!(": {words}\n\n{}", anthropic::ping())),
            Self::Ollama(told) => client::keep_alive(told, now),
        }
    }

    /// An error, given as OpenAI's clients get it; some tell the request's id in it.
    pub fn error(&self, status: u16, body: Bytes, request_id: &str) -> ToldError {
        let body = match self {
            Self::OpenAi => body,
            Self::OllamaPage => client::error(status, &body, None),
            Self::Ollama(told) => client::error(status, &body, Some(&told.model)),
            Self::OllamaEmbed(_, model) => client::error(status, &body, Some(model)),
            Self::AnthropicPage | Self::Anthropic(_) => {
                let anthropic::Refusal { status, body, should_retry } = anthropic::error(status, &body, request_id);
                return ToldError { status, body, should_retry };
            }
        };
        ToldError { status, body, should_retry: None }
    }

    /// The status of an error whose body is still to come.
    pub fn status(&self, status: u16) -> u16 {
        if self.is_anthropics() { anthropic::error(status, b"", "").status } else { status }
    }

    /// Whether it is Anthropic's.
    pub fn is_anthropics(&self) -> bool {
        matches!(self, Self::AnthropicPage | Self::Anthropic(_))
    }

    /// Whether its clients get other words than OpenAI's.
    pub fn is_foreign(&self) -> bool {
        !matches!(self, Self::OpenAi)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ollama::client::Page;
    use super::*;

    fn anthropics() -> [ClientApi; 2] {
        let model = "m".to_owned();
        let told = anthropic::Told { model, is_streamed: true, max_tokens: 1, fills_cache: false, prefill: None };
        [ClientApi::AnthropicPage, ClientApi::Anthropic(Arc::new(told))]
    }

    fn all() -> [ClientApi; 4] {
        let told = Told { page: Page::Chat, model: "m".to_owned(), is_streamed: true };
        [
            ClientApi::OpenAi,
            ClientApi::OllamaPage,
            ClientApi::Ollama(Arc::new(told)),
            ClientApi::OllamaEmbed(EmbedPage::Embed, "m".into()),
        ]
    }

    #[test]
    fn each_client_hears_in_its_own_words() {
        const NONE: &str = r#"{"error":{"message":"none","code":"model_not_found"}}"#;
        let own = "{\"error\":\"model 'm' not found\"}";
        let expected = [
            (false, "text/event-stream", NONE),
            (true, "application/x-ndjson", "{\"error\":\"none\"}"),
            (true, "application/x-ndjson", own),
            (true, "application/x-ndjson", own),
        ];
        for (client, (is_foreign, stream_type, error)) in all().into_iter().zip(expected) {
            assert_eq!((client.is_foreign(), client.stream_type()), (is_foreign, stream_type), "{client:?}");
            assert_eq!(client.error(404, Bytes::from_static(NONE.as_bytes()), "req").body, error, "{client:?}");
        }
    }

    #[test]
    fn what_keeps_a_stream_alive_is_a_comment_or_a_line() {
        let now = Moment { unix: Duration::from_secs(1), ..Moment::default() };
        let [events, _, lines, _] = all();
        assert_eq!(events.keep_alive("waiting", now), ": waiting\n\n");
        let line = lines.keep_alive("waiting", now);
        assert!(line.starts_with(b"{\"model\":\"m\",") && line.ends_with(b"\"done\":false}\n"), "{line:?}");
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn anthropics_clients_hear_in_its_words() {
        let body = Bytes::from_static(br#"{"error":{"message":"busy"}}"#);
        for client in anthropics() {
            assert!(client.is_foreign() && client.is_anthropics());
            assert_eq!((client.body_type(), client.status(503)), ("application/json", 529));
            assert_eq!(client.stream_type(), "text/event-stream; charset=utf-8");
            let told = client.error(503, body.clone(), "req_1");
            let expected =
                r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"req_1"}"#;
            assert_eq!((told.status, told.body.as_ref(), told.should_retry), (529, expected.as_bytes(), None));
            assert_eq!(client.error(501, body.clone(), "req_1").should_retry, Some(false));
        }
        assert!(all().iter().all(|client| !client.is_anthropics() && client.status(503) == 503));
    }

    #[test]
    fn a_stream_of_anthropics_begins_with_its_message_and_goes_on_with_pings() {
        let [page, message] = anthropics();
        assert_eq!((page.beginning(), ClientApi::OpenAi.beginning()), (Bytes::new(), Bytes::new()));
        assert!(message.beginning().starts_with(b"event: message_start\ndata: {"));
        let ping = ": waiting\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n";
        assert_eq!(message.keep_alive("waiting", Moment::default()), ping);
    }
}
