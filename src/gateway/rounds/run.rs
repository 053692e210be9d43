//! Running of a round's calls: in their order, those that only read side by side, as long as the client waits.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pingora::proxy::Session;
use pingora::{Error, Result};
use tokio::task::JoinSet;

use crate::api::anthropic::{ServerCall, ServerResult};
use crate::api::openai::rounds::RoundCall;
use crate::config::ShowCalls;
use crate::gateway::context::Context;
use crate::gateway::fault::Fault;
use crate::gateway::moment;
use crate::gateway::session::left;
use crate::gateway::shared::Gateway;
use crate::record::ToolRun;
use crate::toolbox::Effect;
use crate::tooling::Outcome;

/// Calls that run at once.
const AT_ONCE_MAX: usize = 4;

impl Gateway {
    /// Runs calls, and returns their results in their order. A client that leaves ends them.
    pub(super) async fn run_calls(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
        calls: Vec<RoundCall>,
    ) -> Result<Vec<String>> {
        context.show_calls(session, &calls).await?;
        let mut results: Vec<Option<String>> = calls.iter().map(|_| None).collect();
        let mut waiting = calls.iter().enumerate().peekable();
        let mut running = JoinSet::new();
        // What changes something runs alone.
        let mut is_alone = false;
        loop {
            while let Some((at, call)) =
                waiting.next_if(|(_, call)| !is_alone && context.may_begin(call, running.len()))
            {
                context.tell(session, &format!("tool {} running", call.name)).await?;
                let Some(turn) = &context.turn else { break };
                let (toolbox, call) = (Arc::clone(&turn.toolbox), call.clone());
                let effect = turn.effect(&call.name);
                running.spawn(async move {
                    let began = Instant::now();
                    let outcome = toolbox.run(&call.name, &call.arguments).await;
                    (at, call.name, outcome, began.elapsed())
                });
                is_alone = effect == Effect::Changes;
            }
            let tell_at = context.keepalive.next().filter(|_| context.shows_running());
            let ran = tokio::select! {
                ran = running.join_next() => ran,
                e = left(session) => return Err(e),
                () = self.lifecycle.is_over() => return Err(context.fail(Fault::Stopping)),
                () = until(tell_at) => {
                    let name = calls.iter().zip(&results).find(|(_, result)| result.is_none()).map(|(call, _)| &call.name);
                    context.tell(session, &format!("tool {} running", name.map_or("", String::as_str))).await?;
                    continue;
                }
            };
            let Some(ran) = ran else { break };
            is_alone = false;
            let Ok((at, name, Outcome { text, is_error }, took)) = ran else {
                return Err(context.fail(Fault::Internal));
            };
            context.record.tool_runs.push(ToolRun { tool: name.clone(), failed: is_error, took });
            let (ms, bytes, failed) = (took.as_millis(), text.len(), if is_error { ", failed" } else { "" });
            log::info!("{}: tool {name} ran for {ms} ms: {bytes} bytes{failed}", context.id);
            let id = calls.get(at).map_or("", |call| call.id.as_str());
            let result = ServerResult { id, text: &text, is_error };
            context.tell_ended(session, result, &format!("tool {name} done ms={ms} bytes={bytes}")).await?;
            if let Some(result) = results.get_mut(at) {
                *result = Some(text);
            }
        }
        Ok(results.into_iter().flatten().collect())
    }
}

impl Context {
    /// Shows the client what runs, where its API has words for that: all calls before the first result, as they stand in
    /// the model's answer.
    async fn show_calls(&mut self, session: &mut Session, calls: &[RoundCall]) -> Result<()> {
        let Self { turn, retelling, .. } = self;
        let (Some(turn), Some(retelling)) = (turn.as_ref().filter(|turn| turn.show != ShowCalls::None), retelling)
        else {
            return Ok(());
        };
        let told = calls.iter().filter_map(|call| {
            let tool = turn.tools.iter().find(|tool| tool.name == call.name)?;
            let (server, name) = (&tool.server, &tool.own_name);
            retelling.server_call(&ServerCall { id: &call.id, server, name, arguments: &call.arguments })
        });
        let told: Vec<_> = told.collect();
        self.say(session, told.concat().into()).await
    }

    /// Whether a call may begin beside so many others: what changes something runs alone.
    fn may_begin(&self, call: &RoundCall, running: usize) -> bool {
        let effect = self.turn.as_ref().map(|turn| turn.effect(&call.name));
        running == 0 || (effect == Some(Effect::Reads) && running < AT_ONCE_MAX)
    }

    /// Whether the client hears of tools that run.
    fn shows_running(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| !turn.is_whole())
    }

    /// Tells the client what came of a call; where its API has no words for it, these.
    async fn tell_ended(&mut self, session: &mut Session, result: ServerResult<'_>, words: &str) -> Result<()> {
        let is_shown = self.turn.as_ref().is_some_and(|turn| turn.show != ShowCalls::None);
        let told = self.retelling.as_mut().filter(|_| is_shown).and_then(|retelling| retelling.server_result(&result));
        match told {
            Some(told) => self.say(session, told).await,
            None => self.tell(session, words).await,
        }
    }

    /// Tells the client of a tool.
    async fn tell(&mut self, session: &mut Session, words: &str) -> Result<()> {
        let Some(turn) = self.turn.as_ref().filter(|_| self.shows_running()) else { return Ok(()) };
        let words = if turn.show == ShowCalls::None { "waiting" } else { words };
        let said = match &mut self.retelling {
            Some(retelling) => retelling.wait().unwrap_or_else(|| self.client.keep_alive(words, moment::now())),
            None => self.client.keep_alive(words, moment::now()),
        };
        self.say(session, said).await
    }

    /// The client hears something that is no server's.
    async fn say(&mut self, session: &mut Session, said: Bytes) -> Result<()> {
        self.keepalive.heard();
        if said.is_empty() {
            // It would be the last chunk.
            return Ok(());
        }
        if self.turn.as_mut().is_some_and(|turn| turn.outlet.keep(&said)) {
            return Ok(());
        }
        session.write_response_body(Some(said), false).await.map_err(Error::into_down)
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
