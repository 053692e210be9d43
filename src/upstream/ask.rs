//! Asks a server for one of its own pages.
//! Takes no place there: what is asked says nothing about the server's slots, and wakes none that sleeps.

use std::sync::Arc;

use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;

use crate::config;

use super::claim::Connection;
use super::peer::Peer;
use super::watch::Watch;

/// Templates of 20 KiB are usual; an answer over this is none.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// A page as it came.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why a server did not show a page.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{0}")]
    Address(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] Box<pingora::Error>),
    #[error("the page is over {PAGE_BYTES_MAX} bytes")]
    TooLarge,
}

/// Fetches one page, on a connection of its own. The caller says how long that may take.
pub async fn page(peer: &Arc<Peer>, path: &str, timeouts: config::Timeouts) -> Result<Page, AskError> {
    let connection = Connection::Own(Arc::new(Watch::new(timeouts)));
    let http_peer = connection.to(peer, timeouts).await?;
    let connector: Connector = Connector::new(None);
    let (mut session, _) = connector.get_http_session(&http_peer).await?;
    let path = format!("{}{path}", peer.prefix());
    let mut request = RequestHeader::build("GET", path.as_bytes(), Some(3))?;
    request.insert_header("Host", peer.authority())?;
    request.insert_header("Connection", "close")?;
    if let Some(authorization) = peer.authorization() {
        request.insert_header("Authorization", authorization)?;
    }
    session.write_request_header(Box::new(request)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().map_or(0, |header| header.status.as_u16());
    let mut body = Vec::new();
    while let Some(bytes) = session.read_response_body().await? {
        if body.len() + bytes.len() > PAGE_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Page { status, body })
}
