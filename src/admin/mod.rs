//! The admin address: whether the process lives and takes requests, what it does, and a page to watch it with.
//! Changes nothing, and shows no content: no prompt, no answer, no key.

mod status;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::Result;
use pingora::apps::{HttpServerApp, ReusedHttpStream};
use pingora::http::{Method, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use crate::gateway::{Current, Lifecycle};
use crate::metrics::{self, Metrics};

/// The page to watch with. It brings everything along and asks this address alone.
const PAGE: &str = include_str!("page.html");
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'";
const JSON: &str = "application/json";

/// The service behind the admin address.
#[derive(Debug)]
pub struct Admin {
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    lifecycle: Arc<Lifecycle>,
}

/// What is answered.
struct Answer {
    status: u16,
    content_type: &'static str,
    body: Bytes,
}

impl Answer {
    fn json(status: u16, body: &'static str) -> Self {
        Self { status, content_type: JSON, body: Bytes::from_static(body.as_bytes()) }
    }

    fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: 200, content_type, body: body.into() }
    }
}

impl Admin {
    /// The service over what the gateway shares; it reads them at each request, so a reload shows at once.
    pub fn new(current: Arc<Current>, metrics: Arc<Metrics>, lifecycle: Arc<Lifecycle>) -> Self {
        Self { current, metrics, lifecycle }
    }

    fn answer(&self, method: &Method, path: &[u8]) -> Answer {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match path {
            b"/" | b"/health" | b"/ready" | b"/metrics" | b"/status" if !is_read => {
                Answer::json(405, r#"{"error":"only GET"}"#)
            }
            b"/" => Answer::ok("text/html; charset=utf-8", PAGE),
            b"/health" => Answer::json(200, r#"{"status":"ok"}"#),
            b"/ready" if self.lifecycle.is_ready() => Answer::json(200, r#"{"status":"ready"}"#),
            b"/ready" => Answer::json(503, r#"{"status":"stopping"}"#),
            b"/metrics" => {
                let settings = self.current.settings();
                let now = status::now(&settings, &self.lifecycle);
                Answer::ok(metrics::CONTENT_TYPE, self.metrics.page(&now))
            }
            b"/status" => {
                let settings = self.current.settings();
                let status = status::status(&settings, &self.metrics, &self.lifecycle);
                Answer::ok(JSON, status.to_string())
            }
            _ => Answer::json(404, r#"{"error":"not found"}"#),
        }
    }

    async fn serve(&self, session: &mut ServerSession) -> Result<()> {
        if !session.read_request().await? {
            return Ok(());
        }
        let request = session.req_header();
        let path = request.raw_path().split(|byte| *byte == b'?').next().unwrap_or_default();
        let answer = self.answer(&request.method, path);
        let mut header = ResponseHeader::build(answer.status, Some(5))?;
        header.insert_header("Content-Type", answer.content_type)?;
        header.insert_header("Content-Length", answer.body.len())?;
        header.insert_header("Cache-Control", "no-store")?;
        header.insert_header("Content-Security-Policy", PAGE_POLICY)?;
        header.insert_header("X-Content-Type-Options", "nosniff")?;
        session.set_keepalive(None);
        session.write_response_header(Box::new(header)).await?;
        session.write_response_body(answer.body, true).await
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
