//! Admission of a request, before a server is chosen for it: its head is measured, its body read if it must be, its
//! pool found, and its plan made.
//! Decides nothing about its answer itself; `plan` does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::api::ollama::server::{Complaint, Thinking, is_about_thinking};
use crate::api::openai::Request;
use crate::balance::{self, ModelId};
use crate::config::Queue;
use crate::engine::{ChatApi, Constraint};
use crate::plan::{
    self, AgentFormat, Head, Ollama, Operation, Page, Plan, Planned, Policy, RequiredCall, Shape, Tools,
};
use crate::record;
use crate::upstream::{Family, Pool, Upstream};

use super::body::Read;
use super::context::{Context, Draft, Due};
use super::conversation::{Resumed, converse};
use super::fault::Fault;
use super::keepalive::KeepAlive;
use super::kept_stream::Conversation;
use super::priority::priority;
use super::route::Kind;
use super::shared::Gateway;
use super::{affinity, agent, headers, long_work};

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

    /// Answers the request, or has it go to a server, as its route says.
    pub(super) async fn admit_route(&self, session: &mut Session, context: &mut Context) -> Result<Admitted> {
        match context.route.kind.clone() {
            Kind::Hidden(page) => return Err(context.fail(Fault::Hidden(page.into()))),
            Kind::Models(asked) => self.list_models(session, context, asked).await?,
            Kind::OllamaPage(page) => self.answer_ollama(session, context, page).await?,
            Kind::OllamaChat(page) => return self.admit_ollama_chat(session, context, page).await,
            Kind::OllamaEmbed(page) => return self.admit_ollama_embed(session, context, page).await,
            Kind::Messages => return self.admit_messages(session, context).await,
            Kind::CountTokens => return self.count_tokens(session, context).await,
            Kind::AnthropicModels(asked) => self.list_models_for_anthropic(session, context, asked).await?,
            Kind::AnthropicUnknown => return Err(context.unserved(session)),
            Kind::Server(path) => {
                context.address(session, path)?;
                return Ok(Admitted::Directed);
            }
            Kind::KeptStreams(asked) => match self.resume(session, context, asked).await? {
                Resumed::Answered => {}
                Resumed::Directed => return Ok(Admitted::Directed),
                Resumed::No => return self.admit(session, context).await,
            },
            Kind::ServersModels | Kind::Chat | Kind::Named | Kind::BesideSlots | Kind::Pass => {
                return self.admit(session, context).await;
            }
        }
        Ok(Admitted::Answered)
    }

    /// Reads the request as far as its route asks, chooses its pool, and plans what becomes of it.
    async fn admit(&self, session: &mut Session, context: &mut Context) -> Result<Admitted> {
        let is_chat = context.route.kind == Kind::Chat;
        let read = if is_chat || context.route.kind == Kind::Named {
            self.read(session, context).await?
        } else {
            Read::Nothing
        };
        let settings = Arc::clone(&context.settings);
        let head = head(session.req_header(), context.route.operation);
        let Read::Whole(body) = read else {
            if let Some(pool) = settings.upstream.first() {
                direct(session, context, pool);
                context.plan = Plan::of_unread(head, &policy(pool, None));
                converse(session, context, pool);
            }
            return Ok(Admitted::Directed);
        };
        self.admit_body(session, context, body).await?;
        Ok(Admitted::Directed)
    }

    /// The same of a request whose body has been read.
    pub(super) async fn admit_body(&self, session: &mut Session, context: &mut Context, body: Bytes) -> Result<()> {
        let settings = Arc::clone(&context.settings);
        let mut head = head(session.req_header(), context.route.operation);
        if context.turn.is_some() {
            // No server has the answer that its client gets.
            head.conversation = plan::Conversation::Unnamed;
        }
        let is_chat = context.route.kind == Kind::Chat;
        let request = long_work::over(body.len(), || Request::read(&body));
        let named = request.as_ref().and_then(Request::model);
        let behind = named.as_deref().and_then(|name| settings.behind(name));
        let model = behind.or(named.as_deref());
        context.plan.model = model.map(Into::into);
        context.record.model.clone_from(&context.plan.model);
        let pool = pool_for(&settings.upstream, context)?;
        direct(session, context, &pool);
        context.terms.model = model.filter(|_| pool.has_queue()).map(ModelId::of);
        let chat = request.as_ref().filter(|_| is_chat);
        // One server is chosen in any case, and its queue keeps its order.
        if pool.config().balancing.policy == balance::Policy::Prefix && pool.peers().len() > 1 {
            context.terms.prefix = long_work::over(body.len(), move || chat.and_then(affinity::fingerprint));
        }
        let format =
            chat.map(|chat| agent::format(session.req_header(), chat, named.as_deref(), &context.client, &settings));
        let format = format.transpose().map_err(|e| context.fail(Fault::Request(e.into())))?.unwrap_or_default();
        if is_chat && let Some(first) = self.begin_rounds(session, context, &pool, &format, &body)? {
            return Box::pin(self.admit_body(session, context, first)).await;
        }
        let told_to_think = chat.filter(|chat| is_about_thinking(chat)).and(model);
        // Only who offers tools waits for what the servers say of their templates.
        let is_about_tools = chat.is_some_and(Request::is_about_tools);
        // What its template is found to be meanwhile is in one of the two plans at least.
        let is_draft = is_about_tools && pool.awaits_template(model).await;
        let family = if is_about_tools { pool.family(model).await } else { None };
        let draft = |due| {
            let (body, alias_for, format) = (body.clone(), behind.map(str::to_owned), format.clone());
            Draft { head, body, alias_for, format, due }
        };
        context.draft = is_draft.then(|| draft(Due::AtItsPlace));
        let ollama = if is_chat { ollama(&pool, told_to_think).await } else { None };
        let mut policy = Policy { format: format.clone(), ollama, ..policy(&pool, family) };
        if let Some(turn) = &context.turn {
            policy.comments = policy.comments.filter(|_| !turn.is_whole());
        }
        let planned = match request {
            Some(request) => long_work::over(body.len(), || Plan::of(head, request, behind, &policy, &settings.limits)),
            None => Ok(Planned { plan: Plan::of_unread(head, &policy), body: None }),
        };
        let Planned { plan, body: instead } = planned.map_err(|e| context.fail(Fault::Request(e)))?;
        match plan.shape {
            Shape::Unconcerned => {}
            Shape::Kept => log::info!("{}: the shape of the answer beside tools was kept", context.id),
            Shape::Dropped => log::info!("{}: the shape of the answer was dropped for a call", context.id),
        }
        if (plan.constraint != Constraint::None || plan.is_translated()) && !is_draft {
            context.draft = Some(draft(Due::AtRefusal));
        }
        context.plan = plan;
        note(context);
        converse(session, context, &pool);
        if context.turn.is_some() {
            context.record.begin_round();
        }
        let goes_on = context.keepalive.is_commented();
        context.keepalive = KeepAlive::of(&context.plan, &settings.limits).for_client(&context.client, &context.fields);
        if goes_on {
            context.keepalive.go_on();
        }
        context.body.whole = Some(instead.unwrap_or(body));
        Ok(())
    }

    /// What the first round asks of a request that is offered tools of the server's.
    fn begin_rounds(
        &self,
        session: &Session,
        context: &mut Context,
        pool: &Pool,
        format: &AgentFormat,
        body: &[u8],
    ) -> Result<Option<Bytes>> {
        if context.turn.is_some() || pool.config().server_tools.names.is_empty() {
            return Ok(None);
        }
        let Some(chat) = long_work::over(body.len(), || Request::read(body)) else { return Ok(None) };
        let begun = self.begin_turn(session, context, pool, format, chat).map_err(|fault| context.fail(fault))?;
        let Some((turn, first)) = begun else { return Ok(None) };
        context.record.recalled = turn.is_recalled;
        context.turn = Some(Box::new(turn));
        Ok(Some(first))
    }

    /// Sends a request to this pool as its client wrote it, and reads nothing of its answer.
    pub(super) async fn pass(
        &self,
        session: &mut Session,
        context: &mut Context,
        (pool, name): (&Arc<Pool>, &str),
        passing: Passing,
    ) {
        let Passing { body, generates } = passing;
        context.record.model = Some(name.to_owned());
        direct(session, context, pool);
        context.terms.model = pool.has_queue().then(|| ModelId::of(name));
        if generates && pool.config().balancing.policy == balance::Policy::Prefix && pool.peers().len() > 1 {
            context.terms.prefix = Request::read(&body).as_ref().and_then(affinity::fingerprint);
        }
        context.plan = Plan { model: Some(name.to_owned()), ..Plan::default() };
        context.body.whole = Some(body);
    }

    /// Plans a request anew that was planned before it was known how its model writes, or that its server refuses what it
    /// says of the answer.
    pub(super) async fn plan_again(&self, context: &mut Context) -> Result<()> {
        let is_due = |draft: &mut Draft| matches!(draft.due, Due::AtItsPlace | Due::Refused | Due::Weaken(_));
        let (Some(mut draft), Some(pool)) = (context.draft.take_if(is_due), context.terms.pool.clone()) else {
            return Ok(());
        };
        let bytes = draft.body.len();
        let Some(request) = long_work::over(bytes, || Request::read(&draft.body)) else { return Ok(()) };
        let model = context.plan.model.as_deref();
        let told_to_think = model.filter(|_| is_about_thinking(&request));
        let family = match &context.attempt.claim {
            Some(claim) => pool.family_at(claim, model).await,
            None => pool.family(model).await,
        };
        let is_unreadable = context.tries.complaints.contains(&Complaint::Parser);
        let family = if is_unreadable { family.map(|family| pool.injected(family)) } else { family };
        let ollama = ollama(&pool, told_to_think).await;
        let mut policy = Policy { format: draft.format.clone(), ollama, ..policy(&pool, family) };
        if let Due::Weaken(weaker) = draft.due {
            policy.tools.iter_mut().for_each(|tools| tools.constraint = weaker.next);
        }
        let settings = Arc::clone(&context.settings);
        // The client may have heard the gateway by now: a stream whose bytes are the server's own is none any more.
        let conversation = if context.plan.is_kept() { draft.head.conversation } else { plan::Conversation::Unnamed };
        let head = Head { conversation, ..draft.head };
        let plan = || Plan::of(head, request, draft.alias_for.as_deref(), &policy, &settings.limits);
        let planned = long_work::over(bytes, plan);
        let Planned { plan, body } = planned.map_err(|e| context.fail(Fault::Request(e)))?;
        context.plan = plan;
        note(context);
        context.keepalive.plan_anew(&context.plan, &settings.limits);
        context.body.whole = Some(body.unwrap_or_else(|| draft.body.clone()));
        draft.due = match (draft.due, context.plan.constraint) {
            (Due::Weaken(weaker), _) => Due::Weakened(weaker),
            (_, Constraint::Grammar | Constraint::Schema) => Due::AtRefusal,
            (_, Constraint::None) if context.plan.is_translated() => Due::AtRefusal,
            (_, Constraint::None) => return Ok(()),
        };
        context.draft = Some(draft);
        Ok(())
    }

    /// Reads the body of a request before its pool is chosen.
    pub(super) async fn read(&self, session: &mut Session, context: &mut Context) -> Result<Read> {
        let read = context.body.read(session, &context.settings.limits, &self.bodies).await;
        read.map_err(|halt| context.halt(halt))
    }
}

/// What has become of a request in its first phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// A server is to answer it.
    Directed,
    Answered,
}

/// A body that goes up as its client wrote it.
#[derive(Debug)]
pub(super) struct Passing {
    pub body: Bytes,
    /// Whether a model writes for it.
    pub generates: bool,
}

impl Passing {
    /// For which no model writes.
    pub fn of(body: Bytes) -> Self {
        Self { body, generates: false }
    }
}

/// Notes what a plan says of how the answer is read.
fn note(context: &mut Context) {
    let plan = &context.plan;
    context.record.dialect = plan.dialect().map(str::to_owned);
    context.record.required_call = plan.required_call.name();
    let what = match plan.required_call {
        RequiredCall::No | RequiredCall::Forced => return,
        RequiredCall::AsObject(_) => "forced as a JSON object",
        RequiredCall::Prompted(_) => "asked for by the prompt and nothing else",
    };
    match plan.required_call.why() {
        Some(why) => log::info!("{}: a call is required, and {what}: {why}", context.id),
        None => log::info!("{}: a call is required, and {what}", context.id),
    }
}

pub(super) fn pool_for(upstream: &Upstream, context: &mut Context) -> Result<Arc<Pool>> {
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

/// What a plan asks of the head.
fn head(request: &RequestHeader, operation: record::Operation) -> Head {
    Head {
        operation: match operation {
            record::Operation::Chat => Operation::Chat,
            record::Operation::Completion => Operation::Completion,
            record::Operation::Embeddings | record::Operation::Other => Operation::Other,
        },
        page: if headers::is_of_another_page(request) { Page::Foreign } else { Page::Own },
        conversation: match Conversation::named(request) {
            Some(_) => plan::Conversation::Named,
            None => plan::Conversation::Unnamed,
        },
    }
}

/// What a pool wants done with its requests. `family` is that of its models, where it matters.
fn policy(pool: &Pool, family: Option<Family>) -> Policy {
    let config = pool.config();
    Policy {
        engine: config.engine,
        tools: family.map(|family| Tools {
            mode: family.tools,
            dialect: family.dialect,
            kept: family.kept,
            reasoning: family.reasoning,
            unknown_tools: config.unknown_tools,
            constraint: family.constraint,
            system: family.system,
        }),
        assemble: config.assemble,
        progress: config.progress,
        comments: config.keepalive_ms.map(Duration::from_millis),
        format: AgentFormat::Calls,
        ollama: None,
    }
}

/// How the pool's servers are asked for chats, where that is in Ollama's API. Of a model that is told how to think they
/// say what it takes.
async fn ollama(pool: &Pool, told_to_think: Option<&str>) -> Option<Ollama> {
    let config = pool.config();
    (config.chat_api() == ChatApi::Ollama).then_some(())?;
    let thinking = match told_to_think {
        Some(model) => pool.thinking(model).await,
        None => Thinking::default(),
    };
    Some(Ollama { defaults: Arc::clone(&config.ollama.defaults), thinking })
}

/// Sends the request to this pool, with what its head says to the pool's balancing.
pub(super) fn direct(session: &Session, context: &mut Context, pool: &Arc<Pool>) {
    let (request, balancing) = (session.req_header(), &pool.config().balancing);
    context.terms.session = affinity::session(request, &balancing.session_header);
    let priority = balancing.queue.priority_header.as_ref().map(|header| priority(request, header));
    context.terms.priority = priority.unwrap_or(Queue::PRIORITY_DEFAULT);
    context.record.priority = context.terms.priority;
    context.goes_to(pool);
}
