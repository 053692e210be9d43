//! Errors to clients: every failure as they see it, a status and an error in OpenAI's shape.
//! The one place that maps errors to HTTP; whoever fails says only what happened.

use std::borrow::Cow;

use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorSource, ErrorType};

use crate::api::anthropic;
use crate::api::ollama::client::Mistake;
use crate::api::openai::{self, AssembleError};
use crate::plan::RequestError;
use crate::record::Blame;
use crate::upstream::{ClaimError, Expired};

/// What went wrong with a request, grouped by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the request has {fields} header fields, {fields_max} are allowed")]
    TooManyFields { fields: usize, fields_max: usize },
    #[error("the head of the request has {bytes} bytes, {bytes_max} are allowed")]
    HeadTooLarge { bytes: usize, bytes_max: usize },
    #[error("the head of the request did not come in time")]
    HeadLate,
    #[error("the method {0} is not served here")]
    Method(String),
    #[error("the request has a transfer coding besides `chunked`")]
    UnknownCoding,
    #[error("{connections_max} clients are connected, no more may be")]
    TooManyConnections { connections_max: usize },
    #[error("the bodies of all requests together are larger than {bytes_max} bytes")]
    BodiesFull { bytes_max: usize },
    #[error("the request body is larger than {bytes_max} bytes")]
    BodyTooLarge { bytes_max: usize },
    #[error("the JSON of the request nests more than {depth_max} deep")]
    TooDeep { depth_max: usize },
    #[error("the request body ends before its JSON does")]
    BodyUnclosed,
    #[error("the request body did not come in time")]
    BodyLate,
    #[error("the request is not valid HTTP: {0}")]
    BadRequest(String),
    #[error("the model `{model}` is not served here, the known ones are: {known}")]
    UnknownModel { model: String, known: String },
    #[error("a server is addressed with `Authorization: Bearer KEY`")]
    NoKey,
    #[error("the key is not the one for addressing a server")]
    WrongKey,
    #[error("no server is named `{name}`, the known ones are: {known}")]
    UnknownPeer { name: String, known: String },
    #[error("the page `{0}` is not served here")]
    Hidden(Cow<'static, str>),
    #[error("`{0}` is no server of tools here")]
    UnknownToolServer(String),
    #[error("a server of tools is chosen by its label alone, not by an address such as `{0}`")]
    ToolServerAddress(String),
    #[error("no tools run on the server for this request: {0}")]
    NoServerTools(&'static str),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{}", .0.message)]
    Ollama(Mistake),
    #[error("{}", .0.message)]
    Message(anthropic::Mistake),
    /// Nobody is there to be told.
    #[error("the client left")]
    ClientLeft,
    /// Nobody listens.
    #[error("the client took nothing of its answer for too long")]
    Stalled,

    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("the server cannot be reached")]
    Unreachable,
    #[error("the server cannot be reached in time")]
    ConnectLate,
    #[error("the server is late: {0}")]
    Late(String),
    #[error("the server failed before its answer was complete")]
    Broken,
    /// Its status came too late to be the client's.
    #[error("the server answered with status {0} in place of a stream")]
    Refused(u16),
    /// Its answer cannot be told in other words, for there are none.
    #[error("the server answered with status {0} and said nothing")]
    Wordless(u16),

    #[error(transparent)]
    Assemble(#[from] AssembleError),

    #[error("{servers} servers died of this request, so no other gets it for ten minutes")]
    Felling { servers: u32 },

    #[error("the gateway has no descriptor left for another connection")]
    NoDescriptors,
    #[error("the request could not be handed on")]
    Internal,
    #[error("toolgate stops; send the request again")]
    Stopping,
}

/// Why a request goes no further.
#[derive(Debug)]
pub enum Halt {
    Fault(Fault),
    /// What Pingora says of its client.
    Client(Box<Error>),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Box<Error>> for Halt {
    fn from(e: Box<Error>) -> Self {
        Self::Client(e)
    }
}

/// Those that a refused client may use; servers take others, too.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl Fault {
    /// What an error of Pingora's means, together with what its connection was waiting for.
    pub fn of(e: &Error, expired: Option<Expired>) -> Self {
        if let Some(expired) = expired {
            return Self::Late(expired.to_string());
        }
        match (e.esource(), e.etype()) {
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => Self::BodyLate,
            (
                ErrorSource::Downstream,
                ErrorType::ReadError | ErrorType::WriteError | ErrorType::WriteTimedout | ErrorType::ConnectionClosed,
            ) => Self::ClientLeft,
            (ErrorSource::Downstream, etype) => Self::BadRequest(etype.as_str().to_owned()),
            (ErrorSource::Upstream, ErrorType::ConnectTimedout) => Self::ConnectLate,
            (ErrorSource::Upstream, ErrorType::ReadTimedout) => Self::Late("nothing came in time".to_owned()),
            (
                ErrorSource::Upstream,
                ErrorType::ConnectError
                | ErrorType::ConnectRefused
                | ErrorType::ConnectNoRoute
                | ErrorType::BindError
                | ErrorType::SocketError,
            ) => Self::Unreachable,
            (ErrorSource::Upstream, _) => Self::Broken,
            (ErrorSource::Internal | ErrorSource::Unset, _) => Self::Internal,
        }
    }

    /// The HTTP status that the client gets; for the log alone where it gets none any more.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooManyFields { .. } | Self::HeadTooLarge { .. } => 431,
            Self::BodyTooLarge { .. } | Self::Request(RequestError::TooLarge { .. }) => 413,
            Self::TooDeep { .. } | Self::BodyUnclosed | Self::BadRequest(_) | Self::Request(_) => 400,
            Self::Ollama(mistake) => mistake.status,
            Self::Message(_) | Self::UnknownToolServer(_) | Self::ToolServerAddress(_) | Self::NoServerTools(_) => 400,
            Self::BodyLate | Self::HeadLate => 408,
            Self::Method(_) => 405,
            Self::UnknownCoding => 501,
            Self::NoKey => 401,
            Self::WrongKey => 403,
            Self::UnknownModel { .. } | Self::UnknownPeer { .. } | Self::Hidden(_) => 404,
            // Never sent; what nginx writes into its log for this.
            Self::ClientLeft | Self::Stalled => 499,
            Self::Claim(ClaimError::Full { .. }) => 429,
            Self::Claim(ClaimError::Late { .. } | ClaimError::Unloadable(_)) => 503,
            Self::TooManyConnections { .. } | Self::BodiesFull { .. } | Self::NoDescriptors | Self::Stopping => 503,
            Self::Refused(status @ 400..=599) | Self::Wordless(status @ 400..=599) => *status,
            Self::Refused(_) | Self::Wordless(_) => 502,
            Self::Claim(ClaimError::Unreachable) | Self::Unreachable | Self::Broken | Self::Assemble(_) => 502,
            Self::Felling { .. } => 502,
            Self::ConnectLate | Self::Late(_) => 504,
            Self::Internal => 500,
        }
    }

    /// Whose fault it is, for metrics and the log.
    pub fn blame(&self) -> Blame {
        match self {
            Self::ClientLeft => Blame::Left,
            Self::Stalled => Blame::Stalled,
            Self::Claim(ClaimError::Full { .. } | ClaimError::Late { .. }) => Blame::Busy,
            Self::TooManyConnections { .. } | Self::BodiesFull { .. } => Blame::Busy,
            Self::Internal | Self::NoDescriptors => Blame::Gateway,
            Self::Felling { .. } | Self::UnknownCoding => Blame::Client,
            Self::Stopping => Blame::Stop,
            other if other.status() < 500 => Blame::Client,
            _ => Blame::Upstream,
        }
    }

    /// OpenAI's `code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooManyFields { .. } | Self::HeadTooLarge { .. } => "request_header_too_large",
            Self::BodyTooLarge { .. } | Self::Request(RequestError::TooLarge { .. }) => "request_too_large",
            Self::TooDeep { .. } => "request_too_deep",
            Self::BodyUnclosed => "invalid_json",
            Self::BodyLate | Self::HeadLate => "request_timeout",
            Self::Method(_) => "method_not_allowed",
            Self::UnknownCoding => "unsupported_transfer_encoding",
            Self::TooManyConnections { .. } => "too_many_connections",
            Self::BodiesFull { .. } => "bodies_full",
            Self::Ollama(Mistake { status: 404, .. }) => "model_not_found",
            Self::BadRequest(_) | Self::Ollama(_) | Self::Message(_) => "invalid_request",
            Self::UnknownToolServer(_) | Self::ToolServerAddress(_) | Self::NoServerTools(_) => "invalid_tools",
            Self::UnknownModel { .. } => "model_not_found",
            Self::Hidden(_) => "unknown_url",
            Self::NoKey | Self::WrongKey => "invalid_api_key",
            Self::UnknownPeer { .. } => "unknown_peer",
            Self::Request(RequestError::Format(_)) => "invalid_agent_format",
            Self::Request(RequestError::Unservable(_)) => "invalid_request",
            Self::Request(RequestError::UnknownToolChoice(_) | RequestError::ToolChoice(_)) => "invalid_tool_choice",
            Self::ClientLeft => "client_left",
            Self::Stalled => "client_stalled",
            Self::Claim(ClaimError::Full { .. }) => "queue_full",
            Self::Claim(ClaimError::Late { .. }) => "queue_timeout",
            Self::Claim(ClaimError::Unloadable(_)) => "model_failed_to_load",
            Self::Claim(ClaimError::Unreachable) | Self::Unreachable => "upstream_unreachable",
            Self::ConnectLate | Self::Late(_) => "upstream_timeout",
            Self::Assemble(AssembleError::AnswerTooLarge(_) | AssembleError::EventTooLarge(_)) => "answer_too_large",
            Self::Felling { .. } => "request_fells_servers",
            Self::Broken | Self::Refused(_) | Self::Wordless(_) | Self::Assemble(_) => "upstream_error",
            Self::NoDescriptors => "no_descriptors",
            Self::Internal => "internal_error",
            Self::Stopping => "stopping",
        }
    }

    /// The answer's header, its body still to come.
    pub fn header(&self, request_id: &str, body: &Bytes) -> pingora::Result<ResponseHeader> {
        let mut header = ResponseHeader::build(self.status(), Some(6))?;
        header.insert_header("Content-Type", "application/json")?;
        header.insert_header("Content-Length", body.len())?;
        header.insert_header("Cache-Control", "no-store")?;
        header.insert_header("X-Request-Id", request_id)?;
        if let Some(seconds) = self.retry_after() {
            header.insert_header("Retry-After", seconds)?;
        }
        if matches!(self, Self::Method(_)) {
            header.insert_header("Allow", METHODS)?;
        }
        if matches!(self, Self::Felling { .. }) {
            // OpenAI's own SDKs would send it twice more.
            header.insert_header("X-Should-Retry", "false")?;
        }
        if matches!(self, Self::NoKey) {
            header.insert_header("WWW-Authenticate", "Bearer")?;
        }
        Ok(header)
    }

    /// After how many seconds it is worth another try, where that is known.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Claim(ClaimError::Full { retry_after } | ClaimError::Late { retry_after }) => {
                Some(retry_after.as_secs().max(1))
            }
            Self::TooManyConnections { .. } | Self::BodiesFull { .. } | Self::NoDescriptors | Self::Stopping => Some(1),
            Self::Wordless(503) => Some(1),
            _ => None,
        }
    }

    /// The error as an event, for a client that has got the head of a stream.
    pub fn event(&self) -> Bytes {
        Bytes::from(self.told(&self.to_string()).event())
    }

    /// The answer's body.
    pub fn body(&self) -> Bytes {
        Bytes::from(self.told(&self.to_string()).body())
    }

    /// As OpenAI's clients are told.
    fn told<'a>(&'a self, message: &'a str) -> openai::Error<'a> {
        let param = match self {
            Self::Request(RequestError::Unservable(unservable)) => unservable.param.as_deref(),
            Self::UnknownModel { .. } => Some(openai::param::MODEL),
            Self::Request(RequestError::UnknownToolChoice(_) | RequestError::ToolChoice(_)) => {
                Some(openai::param::TOOL_CHOICE)
            }
            _ => None,
        };
        openai::Error { message, kind: openai::error_type(self.status()), param, code: self.code() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pingora_s_errors_find_their_status() {
        use ErrorSource::{Downstream, Internal, Unset, Upstream};
        let table = [
            (Upstream, ErrorType::ConnectRefused, None, 502),
            (Upstream, ErrorType::ConnectTimedout, None, 504),
            (Upstream, ErrorType::ConnectionClosed, None, 502),
            (Upstream, ErrorType::InvalidHTTPHeader, None, 502),
            (Upstream, ErrorType::ReadTimedout, None, 504),
            (Upstream, ErrorType::ReadError, Some(Expired::Idle(5)), 504),
            (Downstream, ErrorType::ReadTimedout, None, 408),
            (Downstream, ErrorType::ConnectionClosed, None, 499),
            (Downstream, ErrorType::WriteError, None, 499),
            (Downstream, ErrorType::InvalidHTTPHeader, None, 400),
            (Downstream, ErrorType::Custom("InvalidChunk"), None, 400),
            (Internal, ErrorType::InternalError, None, 500),
            (Unset, ErrorType::UnknownError, None, 500),
        ];
        for (source, etype, expired, status) in table {
            let e = Error::create(etype.clone(), source.clone(), None, None);
            assert_eq!(Fault::of(&e, expired).status(), status, "{source:?} {etype:?}");
        }
    }

    #[test]
    fn an_error_is_json_in_openai_s_shape() {
        let fault = Fault::UnknownModel { model: "a\"b".to_owned(), known: "x, y".to_owned() };
        let body: serde_json::Value = serde_json::from_slice(&fault.body()).unwrap();
        let expected = serde_json::json!({"error": {
            "message": "the model `a\"b` is not served here, the known ones are: x, y",
            "type": "invalid_request_error", "param": "model", "code": "model_not_found",
        }});
        assert_eq!(body, expected);
        let event = String::from_utf8(Fault::Refused(400).event().to_vec()).unwrap();
        assert!(event.contains("\"the server answered with status 400 in place of a stream\""), "{event}");
    }
}
