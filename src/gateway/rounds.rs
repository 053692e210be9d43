//! Rounds of a request whose tools run on the server: each is an exchange of its own, with a place of its own; between
//! them the tools run, and the client hears that they do.
//! What a round's answer means is `turn`'s, and what a tool does `toolbox`'s.
//!
//! A request goes through a round as any other does: the plan, the queue, retries and failover. Its client has heard the
//! gateway before all rounds but the first, as one that waits for its first word has; so another server may take a round
//! over, and an error that comes in one is told in the stream.

mod offer;
mod run;

use pingora::proxy::Session;
use pingora::{Error, Result};

use crate::api::anthropic::Folder;
use crate::api::openai::AssembleError;
use crate::balance::{Policy, prefix};
use crate::turn::{After, Next, Time};

use super::attempt::{Attempt, Tries};
use super::context::Context;
use super::exchange::Flow;
use super::fault::Fault;
use super::headers;
use super::running_turn::{Outlet, RunningTurn, Whole};
use super::session::has_answered;
use super::shared::Gateway;

impl Context {
    /// The client has something of its answer, and waits for more of it.
    fn go_on(&mut self) {
        if self.turn.as_ref().is_some_and(|turn| !turn.is_whole()) {
            self.keepalive.go_on();
        }
    }
}

impl Gateway {
    /// Goes through the rounds of a turn. Fails with what ends the request.
    pub(super) async fn go_rounds(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        loop {
            self.exchange(session, context).await?;
            let Some(Next::Run(calls)) = context.turn.as_mut().and_then(|turn| turn.next.take()) else { break };
            context.go_on();
            let results = Box::pin(self.run_calls(session, context, calls)).await?;
            let Some(turn) = &mut context.turn else { break };
            let is_late = turn.began.elapsed() >= context.settings.turn_limits.time_max;
            let (shown, after) = turn.ran(results, if is_late { Time::Over } else { Time::Left });
            if after == After::Over {
                let rest = context.retell_end(shown);
                context.write(session, None, Some(rest).filter(|rest| !rest.is_empty()), Flow::Over).await?;
                break;
            }
            let shown = context.retell(shown)?;
            if !shown.is_empty() {
                context.write(session, None, Some(shown), Flow::On).await?;
            }
            self.begin_round(session, context).await?;
        }
        self.give_whole(session, context).await
    }

    /// The next round is planned as a request of its own.
    async fn begin_round(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        let limits = context.settings.limits.clone();
        let Some(turn) = &mut context.turn else { return Ok(()) };
        let body = turn.turn.ask(&limits);
        let home = turn.home.take();
        let terms = (context.terms.session, context.terms.priority);
        context.tries = Tries::again();
        let others = context.attempt.others.take();
        context.attempt = Attempt { others, ..Attempt::default() };
        Box::pin(self.admit_body(session, context, body)).await?;
        (context.terms.session, context.terms.priority) = terms;
        if let (None, Some(home), Some(pool)) = (context.terms.session, home, &context.terms.pool)
            && pool.config().balancing.policy != Policy::Prefix
        {
            // That one has read all that came before.
            let key = prefix::key(format!("turn {}", context.id).as_bytes());
            pool.settle_session(key, home);
            context.terms.session = Some(key);
        }
        Ok(())
    }

    /// Gives a client that wants its answer whole what the rounds have brought.
    async fn give_whole(&self, session: &mut Session, context: &mut Box<Context>) -> Result<()> {
        let is_answered = has_answered(session);
        let turn = context.turn.as_deref_mut().filter(|_| !is_answered);
        let Some(RunningTurn { outlet: Outlet::Whole(whole), .. }) = turn else { return Ok(()) };
        let Whole { assembler, folder, failed, head } = &mut **whole;
        let (Some(assembler), Some(mut head)) = (assembler.take(), head.take()) else { return Ok(()) };
        let assembled = match failed.take() {
            Some(failed) => Err(failed),
            None => assembler.finish(),
        };
        let message = folder.take().and_then(Folder::finish).filter(|_| assembled.is_ok());
        context.turn = None;
        headers::call_json(&mut head, context.client.body_type())?;
        let body = match (assembled, message) {
            (_, Some(message)) => message,
            (Ok(body), None) => {
                context.retelling = None;
                context.retell_head(&mut head)?;
                context.retell_end(body)
            }
            (Err(AssembleError::Reported(reported)), None) => {
                head.set_status(reported.status)?;
                context.retelling = None;
                context.retell_head(&mut head)?;
                context.retell_end(reported.body.into())
            }
            (Err(e), None) => return Err(context.fail(Fault::Assemble(e))),
        };
        head.remove_header("Transfer-Encoding");
        head.insert_header("Content-Length", body.len())?;
        session.write_response_header(head, false).await.map_err(Error::into_down)?;
        session.write_response_body(Some(body), true).await.map_err(Error::into_down)
    }
}
