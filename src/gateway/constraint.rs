//! Constraints that servers refuse: a request goes to its server again with a weaker one or none, and what becomes of that
//! tells whether it was the constraint that was refused.
//! Makes no plans; `admit` does.

use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::api::openai::Complaint;
use crate::balance::Outcome;
use crate::engine::Constraint;
use crate::record::Retry;

use super::attempt::{Begun, elsewhere};
use super::context::{Context, Due, Weaker};
use super::session::is_replayable;
use super::shared::Gateway;

impl Gateway {
    /// The head of an answer has come. Fails when a request with a constraint of the gateway's was refused, and is to go
    /// to a server again with less of one. Where that is answered, its model's servers are given no stronger any more.
    pub(super) fn judge_constraint(
        &self,
        session: &Session,
        response: &ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let begun = context.begun(session);
        let constraint = context.plan.constraint;
        let Some(draft) = &mut context.draft else { return Ok(()) };
        let complaint = context.attempt.heard.complaint;
        match draft.due {
            Due::AtRefusal | Due::Weakened(_)
                if is_refusal(response.status.as_u16(), complaint)
                    && constraint != Constraint::None
                    && begun == Begun::No
                    && is_replayable(session) =>
            {
                draft.due = Due::Weaken(weaker(constraint, complaint));
                let Some(mut claim) = context.attempt.claim.take() else { return Ok(()) };
                claim.judge(Outcome::Unjudged);
                let what = format!("{} refuses a request that says what the answer may be", claim.peer().url());
                context.dispatch(self, session).retry(Retry::Ungrammatical);
                Err(elsewhere(what))
            }
            Due::Weakened(weaker) if response.status == 200 => {
                if let (Some(pool), Some(claim)) = (&context.terms.pool, &context.attempt.claim) {
                    pool.limit_constraint(claim.peer(), context.plan.model.as_deref(), weaker.proven);
                }
                Ok(())
            }
            Due::AtItsPlace | Due::AtRefusal | Due::Refused | Due::Weaken(_) | Due::Weakened(_) => Ok(()),
        }
    }
}

/// Whether it may be the constraint that is refused. A 500 may come of anything, so it has to say so; of a 400 only what
/// has another reason for certain is none.
fn is_refusal(status: u16, complaint: Option<Complaint>) -> bool {
    match status {
        400 => complaint != Some(Complaint::Length),
        500 => complaint == Some(Complaint::Constraint),
        _ => false,
    }
}

/// With what a refused request is asked again: where it may have had another fault, with none, so that one that is
/// refused in any case is asked twice and no more.
fn weaker(refused: Constraint, complaint: Option<Complaint>) -> Weaker {
    let proven = refused.weaker();
    Weaker { next: if complaint == Some(Complaint::Constraint) { proven } else { Constraint::None }, proven }
}
