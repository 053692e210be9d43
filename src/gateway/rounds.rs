//! Rounds of a request whose tools run on the server: each is an exchange of its own, with a place of its own; between
//! them the tools run, and the client hears that they do.
//! What a round's answer means is `turn`'s, and what a tool does `toolbox`'s.
//!
//! A request goes through a round as any other does: the plan, the queue, retries and failover. Its client has heard the
//! gateway before all rounds but the first, as one that waits for its first word has; so another server may take a round
//! over, and an error that comes in one is told in the stream.

mod offer;
mod run;

use std::sync::PoisonError;

use pingora::proxy::Session;
use pingora::{Error, Result};

use crate::turn::{After, Next, Room, Time};

use super::attempt::{Attempt, Tries};
use super::context::Context;
use super::exchange::Flow;
use super::fault::Fault;
use super::headers;
use super::running_turn::{Outlet, RunningTurn};
use super::session::has_answered;
use super::shared::Gateway;

impl Gateway {
    /// Goes through the rounds of a turn. Fails with what ends the request.
    pub(super) async fn go_rounds(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        loop {
            self.exchange(session, context).await?;
            let Some(Next::Run(calls)) = context.turn.as_mut().and_then(|turn| turn.next.take()) else { break };
            let results = Box::pin(self.run_calls(session, context, calls)).await?;
            let Some(turn) = &mut context.turn else { break };
            let is_late = turn.began.elapsed() >= context.settings.turn_limits.time_max;
            let (bytes, after) = turn.turn.ran(results, if is_late { Time::Over } else { Time::Left });
            let is_whole = turn.is_whole();
            let shown = turn.outlet.take(bytes);
            let shown = shown.map_err(|e| context.fail(Fault::Assemble(e)))?;
            if after == After::Over {
                let rest = context.retell_end(shown);
                if !is_whole {
                    context.write(session, None, Some(rest), Flow::Over).await?;
                }
                break;
            }
            let shown = context.retell(shown)?;
            if !shown.is_empty() {
                context.write(session, None, Some(shown), Flow::On).await?;
            }
            self.begin_round(session, context).await?;
        }
        self.remember(context);
        self.give_whole(session, context).await
    }

    /// The next round is planned as a request of its own.
    async fn begin_round(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        let limits = context.settings.limits.clone();
        let Some(turn) = &mut context.turn else { return Ok(()) };
        let body = turn.turn.ask(&limits);
        if !turn.is_whole() {
            context.keepalive.go_on();
        }
        let terms = (context.terms.session, context.terms.priority);
        context.tries = Tries::again();
        let others = context.attempt.others.take();
        context.attempt = Attempt { others, ..Attempt::default() };
        Box::pin(self.admit_body(session, context, body)).await?;
        (context.terms.session, context.terms.priority) = terms;
        Ok(())
    }

    /// What the client did not see of the turn is kept for its next request.
    fn remember(&self, context: &Context) {
        let Some((trail, hidden)) = context.turn.as_ref().and_then(|turn| Some((&turn.trail, turn.turn.hidden()?)))
        else {
            return;
        };
        let room = room(context);
        log::debug!("{}: {} messages are remembered", context.id, hidden.messages.len());
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.remember(trail, hidden, room, self.started.elapsed());
    }

    /// Gives a client that wants its answer whole what the rounds have brought.
    async fn give_whole(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        let is_answered = has_answered(session);
        let turn = context.turn.as_deref_mut().filter(|_| !is_answered);
        let Some(RunningTurn { outlet: Outlet::Whole { assembler, head }, .. }) = turn else { return Ok(()) };
        let (Some(assembler), Some(mut head)) = (assembler.take(), head.take()) else { return Ok(()) };
        let body = assembler.finish().map_err(|e| context.fail(Fault::Assemble(e)))?;
        headers::call_json(&mut head)?;
        context.turn = None;
        context.retell_head(&mut head)?;
        let body = context.retell_end(body);
        head.insert_header("Content-Length", body.len())?;
        session.write_response_header(head, false).await.map_err(Error::into_down)?;
        session.write_response_body(Some(body), true).await.map_err(Error::into_down)
    }
}

/// What may be remembered.
fn room(context: &Context) -> Room {
    let memory = context.settings.turn_memory;
    Room { bytes_max: memory.bytes, age_max: memory.age }
}
