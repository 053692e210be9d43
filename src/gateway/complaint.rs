//! Complaints of servers that are asked in an API of their own: a request that its model does not take as it is goes to a
//! server again without what was refused, and the next one for that model does not say it.
//! Makes no plans; `admit` does.

use pingora::Result;
use pingora::proxy::Session;

use crate::api::ollama::server::Complaint;
use crate::balance::Outcome;
use crate::config::ToolsChoice;
use crate::record::Retry;

use super::attempt::{Begun, elsewhere};
use super::context::{Context, Due};
use super::session::is_replayable;
use super::shared::Gateway;

impl Gateway {
    /// The head of an answer has come. Fails when it is a refusal that can be helped, and the request is to go to a server
    /// again. Each complaint is heeded once.
    pub(super) fn judge_complaint(&self, session: &Session, context: &mut Context) -> Result<()> {
        let complaint = context.attempt.heard.own_complaint;
        let Some((complaint, pool)) = complaint.zip(context.terms.pool.clone()) else { return Ok(()) };
        let may_go = context.begun(session) == Begun::No && is_replayable(session);
        let is_configured = complaint == Complaint::Tools && pool.config().tools == ToolsChoice::Native;
        if !may_go || is_configured || context.tries.complaints.contains(&complaint) {
            return Ok(());
        }
        let (Some(draft), Some(mut claim)) = (&mut context.draft, context.attempt.claim.take()) else { return Ok(()) };
        draft.due = Due::Refused;
        context.tries.complaints.push(complaint);
        pool.refuse(claim.peer(), context.plan.model.as_deref().unwrap_or_default(), complaint);
        claim.judge(Outcome::Unjudged);
        let what = format!("{} refuses the request as it is", claim.peer().url());
        context.dispatch(self, session).retry(Retry::Refused);
        Err(elsewhere(what))
    }
}
