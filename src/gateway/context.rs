//! Context of a request: its state on its way through the phases.
//! Decides nothing; it is what the phases tell each other.

use std::sync::Arc;

use bytes::Bytes;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use crate::answer::{Pipeline, Retelling};
use crate::api::ClientApi;
use crate::engine::Constraint;
use crate::plan::{AgentFormat, Head, Plan};
use crate::record::Record;
use crate::upstream::Expired;

use super::addressed::Addressed;
use super::attempt::{Attempt, Begun, Dispatch, Terms, Tries};
use super::body::RequestBody;
use super::client::ClientConnection;
use super::fault::{Fault, Halt};
use super::headers::Fields;
use super::keepalive::{KeepAlive, SessionClient};
use super::lifecycle::Busy;
use super::route::{Route, ServerPath};
use super::running_turn::RunningTurn;
use super::session::{has_answered, is_replayable};
use super::settings::Settings;
use super::shared::Gateway;

/// One request.
#[derive(Debug)]
pub struct Context {
    /// As they were when it began.
    pub settings: Arc<Settings>,
    /// Its connection.
    pub connection: Arc<ClientConnection>,
    /// `X-Request-Id`.
    pub id: String,
    pub route: Route,
    pub plan: Plan,
    pub body: RequestBody,
    /// What it is planned of once more.
    pub draft: Option<Draft>,
    /// The API that its client speaks.
    pub client: ClientApi,
    /// Fields of each head that its client gets.
    pub fields: Fields,
    pub answer: Pipeline,
    /// Absent for clients of OpenAI's API, and until an answer has come.
    pub retelling: Option<Retelling>,
    /// Present where tools run on the server.
    pub turn: Option<Box<RunningTurn>>,
    pub terms: Terms,
    pub tries: Tries,
    pub attempt: Attempt,
    pub keepalive: KeepAlive,
    pub record: Record,
    pub fault: Option<Fault>,
    /// Taken at the first phase, given back when the request is over.
    pub busy: Option<Busy>,
}

/// What a plan is made of.
#[derive(Debug)]
pub struct Draft {
    pub head: Head,
    pub body: Bytes,
    /// The model behind the alias that it names, if it does.
    pub alias_for: Option<String>,
    /// How the client wants calls.
    pub format: AgentFormat,
    pub due: Due,
}

/// When a request is planned once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// When its model is there.
    AtItsPlace,
    /// When its server refuses what it says of the answer.
    AtRefusal,
    /// At once, without what its server has refused.
    Refused,
    /// At once, with less of a constraint.
    Weaken(Weaker),
    /// It was, with no more than this.
    Weakened(Weaker),
}

/// What is left of a constraint that a server has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weaker {
    /// The strongest that the request may have now.
    pub next: Constraint,
    /// The strongest that its server may take, if it answers then.
    pub proven: Constraint,
}

impl Context {
    /// A request that has just come. It keeps these settings to its end.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            connection: Arc::default(),
            id: String::new(),
            route: Route::default(),
            plan: Plan::default(),
            body: RequestBody::default(),
            draft: None,
            client: ClientApi::default(),
            fields: Fields::default(),
            answer: Pipeline::default(),
            retelling: None,
            turn: None,
            terms: Terms::default(),
            tries: Tries::default(),
            attempt: Attempt::default(),
            keepalive: KeepAlive::default(),
            record: Record::default(),
            fault: None,
            busy: None,
        }
    }
}

impl Context {
    /// Sends the request to the one server that it names.
    pub fn address(&mut self, session: &Session, path: ServerPath) -> pingora::Result<()> {
        let settings = Arc::clone(&self.settings);
        let Some(key) = &settings.view.addressed else { return Err(self.fail(Fault::Internal)) };
        let authorization = session.get_header("authorization").map(|value| value.as_bytes());
        let found = Addressed::find(path, &settings.upstream, key, authorization);
        let (pool, addressed) = found.map_err(|fault| self.fail(fault))?;
        self.goes_to(&pool);
        self.terms.addressed = Some(addressed);
        Ok(())
    }

    /// The request as two: what finds a server for it, and the client that waits for that.
    pub fn halves<'a>(
        &'a mut self,
        gateway: &'a Gateway,
        session: &'a mut Session,
    ) -> (Dispatch<'a>, SessionClient<'a>) {
        let Self { settings, id, record, terms, tries, attempt, keepalive, body, .. } = self;
        let is_replayable = is_replayable(session);
        let is_first = attempt.sent.is_none();
        let limits = &settings.limits;
        let client = SessionClient { session, keepalive, body, limits, bodies: &gateway.bodies, id, is_first };
        (Dispatch { gateway, record, terms, tries, attempt, is_replayable }, client)
    }

    /// What finds a server for it, where nobody is waited for.
    pub fn dispatch<'a>(&'a mut self, gateway: &'a Gateway, session: &Session) -> Dispatch<'a> {
        let Self { record, terms, tries, attempt, .. } = self;
        Dispatch { gateway, record, terms, tries, attempt, is_replayable: is_replayable(session) }
    }

    /// Whether the client has got anything of a server's answer, or one in its place.
    pub fn begun(&self, session: &Session) -> Begun {
        if has_answered(session) && !self.keepalive.is_commented() { Begun::Yes } else { Begun::No }
    }

    /// Gives Pingora the error that ends the request.
    pub fn halt(&mut self, halt: Halt) -> Box<Error> {
        match halt {
            Halt::Fault(fault) => self.fail(fault),
            Halt::Client(e) => e,
        }
    }

    /// What an error of Pingora's means, together with what is known of its connection.
    pub fn fault_of(&self, e: &Error) -> Fault {
        match &self.attempt.heard.failed {
            Some(failed) => Fault::Assemble(failed.clone()),
            None => Fault::of(e, self.expired()),
        }
    }

    /// The wait that ended the connection to the server, if one did.
    pub fn expired(&self) -> Option<Expired> {
        self.attempt.expired.or_else(|| self.attempt.watch.as_ref()?.expired())
    }

    /// Remembers why, and gives Pingora an error that ends the request.
    pub fn fail(&mut self, fault: Fault) -> Box<Error> {
        let e = Error::explain(ErrorType::Custom("Refused"), fault.to_string());
        self.fault = Some(fault);
        e.into_in()
    }
}
