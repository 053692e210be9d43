//! The admin address: whether the process lives, and whether it takes requests.
//! Serves nothing of the pools' own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::Result;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::http::{Method, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use crate::proxy::Lifecycle;

/// The service behind the admin address.
#[derive(Debug)]
pub struct Admin {
    lifecycle: Arc<Lifecycle>,
}

impl Admin {
    pub fn new(lifecycle: Arc<Lifecycle>) -> Self {
        Self { lifecycle }
    }

    fn answer(&self, method: &Method, path: &[u8]) -> (u16, &'static str) {
        match (path, matches!(*method, Method::GET | Method::HEAD)) {
            (b"/health" | b"/ready", false) => (405, r#"{"error":"only GET"}"#),
            (b"/health", true) => (200, r#"{"status":"ok"}"#),
            (b"/ready", true) if self.lifecycle.is_ready() => (200, r#"{"status":"ready"}"#),
            (b"/ready", true) => (503, r#"{"status":"stopping"}"#),
            _ => (404, r#"{"error":"not found"}"#),
        }
    }

    async fn serve(&self, session: &mut ServerSession) -> Result<()> {
        if !session.read_request().await? {
            return Ok(());
        }
        let request = session.req_header();
        let path = request.raw_path().split(|byte| *byte == b'?').next().unwrap_or_default();
        let (status, body) = self.answer(&request.method, path);
        let mut header = ResponseHeader::build(status, Some(3))?;
        header.insert_header("Content-Type", "application/json")?;
        header.insert_header("Content-Length", body.len())?;
        session.set_keepalive(None);
        session.write_response_header(Box::new(header)).await?;
        session.write_response_body(Bytes::from_static(body.as_bytes()), true).await
    }
}

#[async_trait]
impl HttpServerApp for Admin {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if let Err(e) = self.serve(&mut session).await {
            log::debug!("admin: {e}");
        }
        let _ = session.finish().await;
        None
    }
}
