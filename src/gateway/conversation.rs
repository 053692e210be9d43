//! Requests about resumable streams, and those whose stream may be kept: what becomes of them. What is asked is `kept_stream`'s.

use std::sync::Arc;

use pingora::Result;
use pingora::http::Method;
use pingora::proxy::Session;

use crate::config::Conversations;
use crate::upstream::{Claim, ClaimError, Pool, Question};

use super::body::Read;
use super::context::Context;
use super::fault::Fault;
use super::kept_stream::{Asked, Conversation, HEADER, Resumption};
use super::settings::keeps;
use super::shared::Gateway;

impl Gateway {
    /// Answers a request about kept streams, or directs it at the server that has the stream.
    pub(super) async fn resume(&self, session: &mut Session, context: &mut Context, asked: Asked) -> Result<Resumed> {
        let settings = Arc::clone(&context.settings);
        let keepers = settings.keepers();
        match asked {
            Asked::Lookup => self.look_up(session, context, &keepers).await,
            Asked::Stream(conversation) => {
                let has_it = keepers.iter().find(|pool| pool.home(conversation.key).is_some());
                let runs_it = || conversation.model().and_then(|model| settings.upstream.running(model));
                if let Some(pool) = has_it.or_else(runs_it).or(keepers.first()) {
                    context.goes_to(pool);
                }
                context.terms.resumption = Some(match (&session.req_header().method, has_it) {
                    (&Method::DELETE, Some(_)) => Resumption::End,
                    (&Method::DELETE, None) => Resumption::EndEverywhere,
                    _ => Resumption::Read,
                });
                context.terms.session = Some(conversation.key);
                Ok(Resumed::Directed)
            }
        }
    }

    /// What all servers say of the conversations that the client asks about, as one list.
    async fn look_up(&self, session: &mut Session, context: &mut Context, keepers: &[Arc<Pool>]) -> Result<Resumed> {
        let Read::Whole(body) = self.read(session, context).await? else { return Ok(Resumed::No) };
        let question = Question { method: Method::POST, path: "/v1/streams/lookup".to_owned(), body: body.clone() };
        let authorization = session.get_header("authorization").and_then(|value| value.to_str().ok());
        let mut found: Vec<serde_json::Value> = Vec::new();
        let mut answers = 0;
        for pool in keepers {
            for (_, page) in pool.ask_all(&question, authorization).await {
                answers += 1;
                found.extend(serde_json::from_slice::<Vec<serde_json::Value>>(&page).unwrap_or_default());
            }
        }
        if answers == 0 {
            return Err(context.fail(Fault::Claim(ClaimError::Unreachable)));
        }
        self.answer_json(session, context, serde_json::Value::from(found).to_string()).await?;
        Ok(Resumed::Answered)
    }

    /// A request is over before its answer: who is left goes, and a server that would go on for a client that may
    /// come back is told to stop, unless it is to wait. Its place is counted until it has answered.
    pub(super) fn abandon(&self, session: &Session, context: &mut Context, claim: Claim) {
        let policy = context.terms.pool.as_ref().map(|pool| pool.config().conversations);
        let Some(conversation) = context.terms.conversation.take().filter(|_| policy == Some(Conversations::Cancel))
        else {
            return;
        };
        let authorization = session.get_header("authorization").and_then(|value| value.to_str().ok());
        let authorization = authorization.map(str::to_owned);
        let (busy, id) = (self.lifecycle.enter(), context.id.clone());
        tokio::spawn(async move {
            if let Err(e) = claim.ask(&conversation.end(), authorization).await {
                log::warn!("{id}: {} could not be told to stop: {e}", claim.peer().url());
            }
            drop((claim, busy));
        });
    }
}

/// Notes the conversation of a request that goes to this pool, and keeps it from the server where its stream may not be
/// kept.
pub fn converse(session: &mut Session, context: &mut Context, pool: &Pool) {
    let Some(conversation) = Conversation::named(session.req_header()).filter(|_| keeps(pool)) else { return };
    context.terms.session = context.terms.session.or(Some(conversation.key));
    if context.plan.is_kept() {
        log::debug!("{}: its stream is kept by a server of pool {}", context.id, pool.name());
        context.terms.conversation = Some(conversation);
    } else {
        session.req_header_mut().remove_header(HEADER);
    }
}

/// What became of a request about kept streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It says nothing of what it asks for.
    No,
    /// Its pool is known, and that it goes to the server that has the stream.
    Directed,
    Answered,
}
