//! Clients of Ollama's API: what they ask of a model is asked of its servers in OpenAI's words, unless those are Ollama's
//! and nothing needs doing; what they ask about models is answered here.
//! Knows no member of either API; `api` does.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora::Result;
use pingora::proxy::Session;

use crate::api::ClientApi;
use crate::api::ollama::client::{self, EmbedPage, Page, Request};

use super::body::{Body, Read};
use super::context::Context;
use super::fault::Fault;
use super::route::{OllamaClients, OllamaPage, Route};
use super::settings::Settings;
use super::shared::Gateway;

impl Gateway {
    /// Whether clients of Ollama's API are served where this connection came in.
    pub(super) fn ollama_clients(&self, session: &Session, settings: &Settings) -> OllamaClients {
        let Some(api) = &settings.view.ollama_api else { return OllamaClients::Unknown };
        let came_in_at = || session.server_addr().and_then(|address| address.as_inet());
        let is_served = api.listen.is_empty() || came_in_at().is_some_and(|at| self.is_ollamas(*at));
        if is_served { OllamaClients::Served } else { OllamaClients::Unknown }
    }

    fn is_ollamas(&self, at: SocketAddr) -> bool {
        let leads = |own: &SocketAddr| own.port() == at.port() && (own.ip().is_unspecified() || own.ip() == at.ip());
        self.ollama_at.iter().any(leads)
    }

    /// Reads a chat and admits it as one of OpenAI's. Whether it has been answered.
    pub(super) async fn admit_ollama_chat(
        &self,
        session: &mut Session,
        context: &mut Context,
        page: Page,
    ) -> Result<bool> {
        let body = self.read_ollama(session, context).await?;
        todo!()
    }

    /// The same of texts that are to be embedded.
    pub(super) async fn admit_ollama_embed(
        &self,
        session: &mut Session,
        context: &mut Context,
        page: EmbedPage,
    ) -> Result<bool> {
        let body = self.read_ollama(session, context).await?;
        todo!()
    }

    /// Answers a page about models.
    pub(super) async fn answer_ollama(
        &self,
        session: &mut Session,
        context: &mut Context,
        page: OllamaPage,
    ) -> Result<()> {
        todo!()
    }

    async fn read_ollama(&self, session: &mut Session, context: &mut Context) -> Result<Body> {
        match self.read(session, context).await? {
            Read::Whole(body) => Ok(body),
            Read::Nothing => Ok(Body::instead(bytes::Bytes::new())),
        }
    }
}
