//! What is asked of a connected server: its list of tools, and calls of them.
//! A call ends when it is answered, when its time is over, or when nobody waits for it any more: then the server is told.

use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, CancelledNotificationParam, ClientRequest, ContentBlock,
    ListToolsRequest, PaginatedRequestParams, RequestId, ResourceContents, ServerResult, Tool,
};
use rmcp::service::{Peer, PeerRequestOptions, RoleClient, ServiceError};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::streamable;
use crate::tooling::{AnswerPart, Definition, MediaKind, ServerAnswer, TOOLS_MAX};

/// Why a server did not do what it was asked. Its text is for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// In its own words.
    #[error("{0}")]
    Said(String),
    #[error("no answer within {0} s")]
    Late(u64),
    /// Whether the tool did something is not known.
    #[error("the connection was lost before it answered")]
    Lost,
    /// By HTTP, and of what.
    #[error("{0}")]
    Failed(String),
    #[error("it needs to ask something back, which toolgate does not offer")]
    AsksBack,
    #[error("what it answered is no result of a tool")]
    NoResult,
    #[error("it does not end")]
    EndlessList,
}

/// All of a call, however often it shows progress.
const CALL_MAX: Duration = Duration::from_secs(600);
/// One page of a list.
const PAGE_MAX: Duration = Duration::from_secs(30);
/// A server that goes on after that lies.
const PAGES_MAX: usize = 64;

impl Refusal {
    /// Whether the server may be gone.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Lost | Self::Failed(_))
    }

    fn of(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => Self::Said(error.message.into_owned()),
            ServiceError::Timeout { timeout } => Self::Late(timeout.as_secs()),
            ServiceError::TransportSend(error) => streamable::failure(&error).map_or(Self::Lost, Self::Failed),
            ServiceError::InputRequiredRoundsExceeded { .. } => Self::AsksBack,
            ServiceError::UnexpectedResponse => Self::NoResult,
            _ => Self::Lost,
        }
    }
}

/// Asks for all tools, page by page.
pub async fn list(peer: &Peer<RoleClient>) -> Result<Vec<Definition>, Refusal> {
    let mut tools = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(page));
        let options = PeerRequestOptions::with_timeout(PAGE_MAX);
        let sent = peer.send_request_with_option(request, options).await.map_err(Refusal::of)?;
        let ServerResult::ListToolsResult(page) = sent.await_response().await.map_err(Refusal::of)? else {
            return Err(Refusal::NoResult);
        };
        tools.extend(page.tools.into_iter().map(definition));
        cursor = page.next_cursor;
        // Of more, whoever reads the list takes none, and says so.
        if cursor.is_none() || tools.len() > TOOLS_MAX {
            return Ok(tools);
        }
    }
    Err(Refusal::EndlessList)
}

/// Calls a tool. Whoever drops this future cancels the call at the server.
pub async fn call(
    peer: Peer<RoleClient>,
    tool: String,
    arguments: Map<String, Value>,
    patience: Duration,
) -> Result<ServerAnswer, Refusal> {
    let (waiting, abandoned) = oneshot::channel();
    let called = tokio::spawn(run(peer, tool, arguments, patience, abandoned)).await;
    drop(waiting);
    called.unwrap_or(Err(Refusal::Lost))
}

/// Outlives whoever waits, for as long as it takes to tell the server.
async fn run(
    peer: Peer<RoleClient>,
    tool: String,
    arguments: Map<String, Value>,
    patience: Duration,
    abandoned: oneshot::Receiver<()>,
) -> Result<ServerAnswer, Refusal> {
    let params = CallToolRequestParams::new(tool).with_arguments(arguments);
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let options =
        PeerRequestOptions::with_timeout(patience).reset_timeout_on_progress().with_max_total_timeout(CALL_MAX);
    let sent = peer.send_request_with_option(request, options).await.map_err(Refusal::of)?;
    let id = sent.id.clone();
    let mut response = std::pin::pin!(sent.await_response());
    let response = tokio::select! {
        response = &mut response => response,
        _ = abandoned => {
            cancel(&peer, id).await;
            // Awaited, it tidies up after itself.
            response.await
        }
    };
    match response.map_err(Refusal::of)? {
        ServerResult::CallToolResult(result) => Ok(answer(result)),
        ServerResult::EmptyResult(_) | ServerResult::TaskAckResult(_) => Ok(ServerAnswer::default()),
        ServerResult::InputRequiredResult(_) => Err(Refusal::AsksBack),
        _ => Err(Refusal::NoResult),
    }
}

async fn cancel(peer: &Peer<RoleClient>, id: RequestId) {
    let why = CancelledNotificationParam::new(Some(id), Some("nobody waits for the result any more".to_owned()));
    // Where it cannot be told, the connection is lost, and the call with it.
    let _ = peer.notify_cancelled(why).await;
}

fn definition(tool: Tool) -> Definition {
    Definition {
        name: tool.name.into_owned(),
        description: tool.description.unwrap_or_default().into_owned(),
        parameters: std::sync::Arc::unwrap_or_clone(tool.input_schema),
    }
}

fn answer(result: CallToolResult) -> ServerAnswer {
    ServerAnswer {
        parts: result.content.into_iter().map(part).collect(),
        structured: result.structured_content,
        is_error: result.is_error.unwrap_or_default(),
    }
}

fn part(block: ContentBlock) -> AnswerPart {
    let media = |kind, mime_type, base64| AnswerPart::Media { kind, mime_type, base64 };
    match block {
        ContentBlock::Text(text) => AnswerPart::Text(text.text),
        ContentBlock::Image(image) => media(MediaKind::Image, image.mime_type, image.data),
        ContentBlock::Audio(audio) => media(MediaKind::Audio, audio.mime_type, audio.data),
        ContentBlock::ResourceLink(link) => AnswerPart::Resource(link.uri),
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { text, .. } => AnswerPart::Text(text),
            ResourceContents::BlobResourceContents { uri, .. } => AnswerPart::Resource(uri),
            _ => unknown(),
        },
        _ => unknown(),
    }
}

/// Of a later version of the protocol.
fn unknown() -> AnswerPart {
    AnswerPart::Text("[a part of a kind that toolgate does not know]".to_owned())
}
