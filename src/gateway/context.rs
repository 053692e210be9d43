//! The state of one request on its way through the phases.
//! Decides nothing; it is what the phases tell each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use crate::answer::{ModelRewriter, Summary};
use crate::balance::{Fingerprint, PeerId, Why};
use crate::plan::Plan;
use crate::upstream::{Claim, Expired, Pool, Watch};

use super::addressed::Addressed;
use super::body::{End, Upload};
use super::client::Line;
use super::fault::Fault;
use super::felling::{Sent, Trial};
use super::held::Held;
use super::kept_stream::{Conversation, Resumption};
use super::lifecycle::Busy;
use super::nesting::Nesting;
use super::reply::Reply;
use super::route::{Route, ServerPath};
use super::seen::Seen;
use super::settings::Settings;
use super::wait::Wait;

/// One request.
#[derive(Debug)]
pub struct Context {
    /// As they were when it began.
    pub settings: Arc<Settings>,
    pub began: Instant,
    /// Its connection.
    pub line: Arc<Line>,
    /// `X-Request-Id`.
    pub id: String,
    pub route: Route,
    pub plan: Plan,
    /// Says the alias in the answer.
    pub renaming: Option<ModelRewriter>,
    /// The conversation whose stream the server keeps for the client.
    pub conversation: Option<Conversation>,
    pub upload: Upload,
    /// Of a body that has not been read as a whole.
    pub nesting: Option<Nesting>,
    /// What it takes of the memory for all bodies.
    pub held: Option<Held>,
    /// The body as it went to the server that has it now.
    pub sent: Option<Sent>,
    pub trial: Option<Trial>,
    pub reply: Reply,
    pub target: Target,
    pub wait: Wait,
    pub seen: Seen,
    pub summary: Option<Summary>,
    pub fault: Option<Fault>,
    /// Taken at the first phase, given back when the request is over.
    pub busy: Option<Busy>,
}

/// Where a request goes.
#[derive(Debug, Default)]
pub struct Target {
    pub pool: Option<Arc<Pool>>,
    /// The peer that has it now.
    pub claim: Option<Claim>,
    /// The one server that was asked for by its name.
    pub addressed: Option<Addressed>,
    /// What is asked of a stream that some server has kept.
    pub resumption: Option<Resumption>,
    /// The session that the client named, and what the prompt begins with.
    pub session: Option<u64>,
    pub prefix: Option<Fingerprint>,
    /// Its place among those that wait: lower goes first.
    pub priority: u8,
    /// The peers that failed it.
    pub tried: Vec<PeerId>,
    /// A peer that broke off before it answered: the request goes elsewhere if it is gone.
    pub suspect: Option<Claim>,
    /// How often it did, after such a peer.
    pub failovers: u32,
    /// Since when it has been held for a peer that is not ready yet.
    pub held_since: Option<Instant>,
    /// How long it waited in the queue, if it did.
    pub queued: Option<Duration>,
    /// The deadlines of a connection of its own.
    pub watch: Option<Arc<Watch>>,
    /// A shared connection turned out dead: the next is fresh.
    pub distrust: Distrust,
    /// The last peer, for the log; the claim has gone by then.
    pub peer_url: Option<String>,
    /// Why that peer.
    pub why: Option<Why>,
    /// How the others stood, for a client that asks.
    pub others: Option<String>,
}

impl Target {
    /// Whether the answer was ended because nothing more of it is needed.
    pub fn is_stopped(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.is_stopped())
    }

    /// Whether there is a peer that has not failed this request. What is asked of one server is no other's to answer.
    pub fn has_untried(&self) -> bool {
        match &self.addressed {
            Some(addressed) => !self.tried.contains(&addressed.peer.id()),
            None => self.pool.as_ref().is_some_and(|pool| pool.has_untried(&self.tried)),
        }
    }
}

/// Whether a connection that others have used may be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distrust {
    #[default]
    None,
    Shared,
}

impl Context {
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            began: Instant::now(),
            line: Arc::default(),
            id: String::new(),
            route: Route::default(),
            plan: Plan::default(),
            renaming: None,
            conversation: None,
            upload: Upload::default(),
            nesting: None,
            held: None,
            sent: None,
            trial: None,
            reply: Reply::default(),
            target: Target::default(),
            wait: Wait::default(),
            seen: Seen::default(),
            summary: None,
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
        self.target.pool = Some(pool);
        self.target.addressed = Some(addressed);
        Ok(())
    }

    /// Puts the alias into a piece of the answer; the last brings what is left.
    pub fn rename(&mut self, piece: &mut Option<Bytes>, is_last: End) {
        let Some(renaming) = &mut self.renaming else { return };
        let mut out = BytesMut::new();
        renaming.push(piece.take().unwrap_or_default(), &mut out);
        if is_last == End::Here
            && let Some(renaming) = self.renaming.take()
        {
            renaming.finish(&mut out);
        }
        *piece = Some(out.freeze());
    }

    /// Takes in bytes of the request's body. An error when they nest too deep.
    pub fn follow(&mut self, bytes: &[u8]) -> pingora::Result<()> {
        let followed = self.nesting.as_mut().map_or(Ok(()), |nesting| nesting.follow(bytes));
        followed.map_err(|fault| self.fail(fault))
    }

    /// What an error of Pingora's means, together with what is known of its connection.
    pub fn fault_of(&self, e: &Error) -> Fault {
        match self.target.watch.as_ref().and_then(|watch| watch.failed()) {
            Some(failed) => Fault::Assemble(failed),
            None => Fault::of(e, self.expired()),
        }
    }

    /// The wait that ended the connection to the server, if one did.
    pub fn expired(&self) -> Option<Expired> {
        self.target.watch.as_ref().and_then(|watch| watch.expired())
    }

    /// Remembers why, and gives Pingora an error that ends the request.
    pub fn fail(&mut self, fault: Fault) -> Box<Error> {
        let e = Error::explain(ErrorType::Custom("Refused"), fault.to_string());
        self.fault = Some(fault);
        e.into_in()
    }
}
