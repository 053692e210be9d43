//! What happens to a request before a peer is chosen: measured, read if it must be, sent to a pool, rewritten.
//! Rewrites nothing itself; `plan` does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::balance;
use crate::config::{Chats, Queue, View};
use crate::engine::ToolsMode;
use crate::plan::{self, Delivery, Outline, Policy, Progress, ResponseFormat, Rewritten};
use crate::upstream::{Pool, Upstream};

use super::body::{Read, Upload};
use super::context::Context;
use super::conversation::converse;
use super::fault::Fault;
use super::priority::priority;
use super::route::Kind;
use super::shared::Gateway;
use super::waiting::Wait;
use super::{affinity, headers};

impl Gateway {
    pub(super) fn check_head(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        let (fields, bytes) = headers::size(session)?;
        let (fields_max, bytes_max) = (context.settings.limits.headers_max, context.settings.limits.header_bytes_max);
        if fields > fields_max {
            return Err(context.fail(Fault::TooManyFields { fields, fields_max }));
        }
        if bytes > bytes_max {
            return Err(context.fail(Fault::HeadTooLarge { bytes, bytes_max }));
        }
        headers::single_length(session.req_header_mut())
    }

    /// Reads the request as far as its route asks, chooses its pool, and rewrites it if it offers tools.
    pub(super) async fn admit(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        let settings = Arc::clone(&context.settings);
        let is_chat = context.route.kind == Kind::Chat;
        let read = if is_chat || context.route.kind == Kind::Named {
            self.read(session, context).await?
        } else {
            Read::Nothing
        };
        let Read::Whole(body) = read else {
            if let Some(pool) = settings.upstream.first() {
                direct(session, context, pool);
                converse(session, context, pool);
            }
            return Ok(());
        };
        let outline = Outline::of(&body.bytes);
        context.plan.model.clone_from(&outline.model);
        let renamed = resolve_alias(&settings.view, &body.bytes, context);
        context.record.model.clone_from(&context.plan.model);
        let pool = pool_for(&settings.upstream, context)?;
        direct(session, context, &pool);
        if is_chat && pool.config().balancing.policy == balance::Policy::Prefix {
            context.terms.prefix = affinity::fingerprint(&body.bytes);
        }
        let mut instead = renamed;
        if is_chat {
            if outline.concerns_tools {
                instead = self.rewrite(instead.as_ref().unwrap_or(&body.bytes), &pool, context).await?.or(instead);
            }
            // What asks for a stream by itself is not read for that once more.
            if !outline.is_streamed {
                instead = streamed(instead.as_ref().unwrap_or(&body.bytes), &pool, context).or(instead);
            }
        }
        converse(session, context, &pool);
        context.plan.delivery = delivery(session.req_header(), &outline, &pool, context);
        if is_chat {
            instead = asking_for_progress(instead.as_ref().unwrap_or(&body.bytes), &pool, context).or(instead);
        }
        context.wait = Wait::of(&context.plan, &settings.limits);
        context.body.upload = match instead {
            Some(bytes) => Upload::Instead(bytes),
            None => body.unchanged(),
        };
        Ok(())
    }

    /// Reads the body of a request before its pool is chosen.
    pub(super) async fn read(&self, session: &mut Session, context: &mut Context) -> Result<Read> {
        let read = context.body.read(session, &context.settings.limits, &self.bodies).await;
        read.map_err(|halt| context.halt(halt))
    }

    /// The body that goes up instead, and the exchange into the context, if the answer may call tools.
    async fn rewrite(&self, body: &Bytes, pool: &Pool, context: &mut Context) -> Result<Option<Bytes>> {
        let config = pool.config();
        let mode = config.tools.mode();
        if mode == ToolsMode::Native {
            return Ok(None);
        }
        let Some(family) = pool.family(context.plan.model.as_deref()).await else { return Ok(None) };
        let policy = Policy {
            dialect: family.dialect,
            mode,
            engine: config.engine,
            reasoning: family.reasoning,
            unknown_tools: config.unknown_tools,
        };
        match plan::rewrite(body, &policy, &context.settings.limits) {
            Err(e) => Err(context.fail(Fault::Request(e))),
            Ok(Rewritten::Untouched) => Ok(None),
            Ok(Rewritten::Unread(bytes)) => Ok(Some(bytes)),
            Ok(Rewritten::Body { bytes, exchange, response_format }) => {
                match response_format {
                    ResponseFormat::Unconcerned => {}
                    ResponseFormat::Kept => log::info!("{}: response_format beside tools was kept", context.id),
                    ResponseFormat::Dropped => log::info!("{}: response_format was dropped for a call", context.id),
                }
                context.record.dialect = Some(exchange.decoding.dialect.name().to_owned());
                context.plan.exchange = Some(exchange);
                Ok(Some(bytes))
            }
        }
    }
}

/// The body with the model behind an alias, if it names one.
fn resolve_alias(view: &View, body: &Bytes, context: &mut Context) -> Option<Bytes> {
    let model = view.behind(context.plan.model.as_deref()?)?;
    let renamed = plan::with_model(body, model)?;
    context.plan.alias = context.plan.model.replace(model.to_owned());
    Some(renamed)
}

fn pool_for(upstream: &Upstream, context: &mut Context) -> Result<Arc<Pool>> {
    let several = upstream.pools().len() > 1;
    let pool = match &context.plan.model {
        Some(model) if several => upstream.running(model),
        _ => upstream.first(),
    };
    pool.cloned().ok_or_else(|| {
        let model = context.plan.model.clone().unwrap_or_default();
        context.fail(Fault::UnknownModel { model, known: upstream.known_models().join(", ") })
    })
}

/// The body that asks for a stream instead, if the answer is to be assembled from one.
fn streamed(body: &Bytes, pool: &Pool, context: &mut Context) -> Option<Bytes> {
    let streamed = is_among(pool.config().assemble, context).then(|| plan::streamed(body)).flatten()?;
    context.plan.delivery = Delivery::Assembled { choices: streamed.choices };
    Some(streamed.body)
}

/// The body that asks the server to say how far it is with the prompt, if the client can be told.
fn asking_for_progress(body: &Bytes, pool: &Pool, context: &mut Context) -> Option<Bytes> {
    let comments = context.plan.comments().filter(|_| is_among(pool.config().progress, context));
    let asking = comments.and_then(|_| plan::asking_for_progress(body))?;
    context.plan.delivery = Delivery::OnceSpoken { comments, progress: Progress::Gateways };
    Some(asking)
}

fn is_among(chats: Chats, context: &Context) -> bool {
    match chats {
        Chats::Tools => context.plan.exchange.is_some(),
        Chats::All => true,
        Chats::Off => false,
    }
}

/// How the answer gets to the client: a stream once it says something, and a client that asked for one hears something
/// meanwhile. Whatever else is read is held until it is known whether it is a stream.
fn delivery(request: &RequestHeader, outline: &Outline, pool: &Pool, context: &Context) -> Delivery {
    let generates = context.route.generates();
    // Whoever may not hear the gateway is to hear at least the server, from its head on.
    let may_hear = outline.is_streamed && !headers::is_of_another_page(request);
    match context.plan.delivery {
        Delivery::Assembled { choices } => Delivery::Assembled { choices },
        // Places in a stream that a server keeps are counted in bytes.
        _ if !generates || context.terms.conversation.is_some() => Delivery::AtOnce,
        _ if may_hear => Delivery::OnceSpoken {
            comments: pool.config().keepalive_ms.map(Duration::from_millis),
            progress: Progress::Clients,
        },
        _ if context.plan.touches_answer() => Delivery::OnceKnown,
        _ => Delivery::AtOnce,
    }
}

/// Sends the request to this pool, with what its head says to the pool's balancing.
fn direct(session: &Session, context: &mut Context, pool: &Arc<Pool>) {
    let (request, balancing) = (session.req_header(), &pool.config().balancing);
    context.terms.session = affinity::session(request, &balancing.session_header);
    let priority = balancing.queue.priority_header.as_ref().map(|header| priority(request, header));
    context.terms.priority = priority.unwrap_or(Queue::PRIORITY_DEFAULT);
    context.record.priority = context.terms.priority;
    context.goes_to(pool);
}
