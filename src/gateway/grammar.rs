//! Grammars that servers refuse: a request goes to its server again without, and what becomes of that tells whether it was
//! the grammar that was refused.
//! Makes no plans; `admit` does.

use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::balance::Outcome;
use crate::record::Retry;

use super::attempt::{Begun, elsewhere};
use super::context::{Context, Due};
use super::session::is_replayable;
use super::shared::Gateway;

impl Gateway {
    /// The head of an answer has come. Fails when a request with a grammar of the gateway's was refused, and is to go to
    /// a server again without. Where that is answered, its model's servers are given none any more.
    pub(super) fn judge_grammar(
        &self,
        session: &Session,
        response: &ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let begun = context.begun(session);
        let Some(draft) = &mut context.draft else { return Ok(()) };
        let status = response.status.as_u16();
        // A 500 may come of anything, so it has to say so.
        let names_grammar = || context.attempt.watch.as_ref().is_some_and(|watch| watch.names_grammar());
        let is_refusal = status == 400 || (status == 500 && names_grammar());
        match draft.due {
            Due::AtRefusal if is_refusal && begun == Begun::No && is_replayable(session) => {
                draft.due = Due::Refused;
                let Some(mut claim) = context.attempt.claim.take() else { return Ok(()) };
                claim.judge(Outcome::Unjudged);
                let what = format!("{} refuses a request that has a grammar", claim.peer().url());
                context.dispatch(self, session).retry(Retry::Ungrammatical);
                Err(elsewhere(what))
            }
            Due::Ungrammatical if status == 200 => {
                if let (Some(pool), Some(claim)) = (&context.terms.pool, &context.attempt.claim) {
                    pool.refuse_grammars(claim.peer(), context.plan.model.as_deref());
                }
                Ok(())
            }
            Due::AtItsPlace | Due::AtRefusal | Due::Refused | Due::Ungrammatical => Ok(()),
        }
    }
}
