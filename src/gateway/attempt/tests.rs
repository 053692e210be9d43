//! Attempts made for a client that is no session of Pingora's.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::{Error, ErrorType, Result};
use tokio::sync::Notify;

use super::{Attempt, Client, Dispatch, Intake, Terms, Tries, WaitStatus};
use crate::config::Config;
use crate::engine::Engine;
use crate::gateway::fault::{Fault, Halt};
use crate::gateway::settings::{Current, Settings};
use crate::gateway::shared::Gateway;
use crate::record::Record;

/// A client that hears once how its request stands.
#[derive(Default)]
struct Listener {
    told: Vec<String>,
    has_heard: Arc<Notify>,
    /// Whether it leaves once it has heard.
    leaves: bool,
}

#[async_trait]
impl Client for Listener {
    async fn left(&mut self) -> Box<Error> {
        if self.leaves && !self.told.is_empty() {
            return Error::new(ErrorType::ConnectionClosed).into_down();
        }
        std::future::pending().await
    }

    fn tell_at(&self) -> Option<Instant> {
        self.told.is_empty().then(Instant::now)
    }

    async fn tell(&mut self, standing: WaitStatus) -> Result<()> {
        self.told.push(standing.to_string());
        self.has_heard.notify_one();
        Ok(())
    }

    async fn body(&mut self, _: Intake) -> Result<Option<Bytes>, Halt> {
        Ok(Some(Bytes::from_static(b"{}")))
    }
}

/// A request without a session.
struct Request {
    record: Record,
    terms: Terms,
    tries: Tries,
    attempt: Attempt,
    is_replayable: bool,
}

impl Request {
    fn new(gateway: &Gateway) -> Self {
        let pool = gateway.current.settings().upstream.first().cloned();
        Self {
            record: Record::default(),
            terms: Terms { pool, ..Terms::default() },
            tries: Tries::default(),
            attempt: Attempt::default(),
            is_replayable: true,
        }
    }

    async fn connect(&mut self, gateway: &Gateway, client: &mut Listener) -> Result<(), Halt> {
        let Self { record, terms, tries, attempt, is_replayable } = self;
        let mut dispatch = Dispatch { gateway, record, terms, tries, attempt, is_replayable: *is_replayable };
        dispatch.dial(client).await.map(drop)
    }

    fn server(&self) -> String {
        self.attempt.claim.as_ref().unwrap().peer().url().to_owned()
    }

    /// Its server breaks off.
    fn break_off(&mut self) {
        self.tries.suspect = self.attempt.claim.take();
    }
}

/// A gateway before servers with one place each.
fn gateway(servers: &[String]) -> Gateway {
    let mut config = Config::from_upstreams(servers, &[], Some("hermes")).unwrap();
    let pool = &mut config.pools[0];
    pool.engine = Engine::OpenAi;
    pool.peers.iter_mut().for_each(|peer| peer.max_inflight = Some(1));
    Gateway::new(Arc::new(Current::new(Settings::new(&config))), Arc::default(), Arc::default())
}

/// Where nobody listens.
fn gone() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[tokio::test]
async fn a_request_waits_for_a_place_and_its_client_hears_so() {
    let gateway = gateway(&[gone()]);
    let (mut first, mut second) = (Request::new(&gateway), Request::new(&gateway));
    first.connect(&gateway, &mut Listener::default()).await.unwrap();
    let mut client = Listener::default();
    let has_heard = Arc::clone(&client.has_heard);
    let give_back = async {
        has_heard.notified().await;
        first.attempt.claim = None;
    };
    let (connected, ()) = tokio::join!(second.connect(&gateway, &mut client), give_back);
    connected.unwrap();
    assert_eq!(client.told, ["queued position=1"]);
    assert!(second.attempt.claim.is_some());
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_ends_its_attempt() {
    let gateway = gateway(&[gone()]);
    let (mut first, mut second) = (Request::new(&gateway), Request::new(&gateway));
    first.connect(&gateway, &mut Listener::default()).await.unwrap();
    let mut client = Listener { leaves: true, ..Listener::default() };
    let end = second.connect(&gateway, &mut client).await;
    assert!(matches!(end, Err(Halt::Client(_))), "{end:?}");
    let waiting: usize = second.terms.pool.as_ref().unwrap().waiting().values().sum();
    assert_eq!((waiting, second.attempt.claim.is_some()), (0, false));
}

#[tokio::test]
async fn a_request_fails_over_when_its_server_is_gone_and_only_as_often_as_it_may() {
    let gateway = gateway(&[gone(), gone(), gone()]);
    let mut request = Request::new(&gateway);
    let failovers_max = request.terms.failovers_max();
    let mut servers = Vec::new();
    for _ in 0..failovers_max {
        request.connect(&gateway, &mut Listener::default()).await.unwrap();
        servers.push(request.server());
        request.break_off();
    }
    servers.sort();
    servers.dedup();
    assert_eq!(servers.len(), usize::try_from(failovers_max).unwrap());
    request.tries.failovers = failovers_max;
    let end = request.connect(&gateway, &mut Listener::default()).await;
    assert!(matches!(end, Err(Halt::Fault(Fault::Broken | Fault::Felling { .. }))), "{end:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_again_does_not_fail_over() {
    let gateway = gateway(&[gone(), gone()]);
    let mut request = Request { is_replayable: false, ..Request::new(&gateway) };
    request.connect(&gateway, &mut Listener::default()).await.unwrap();
    request.break_off();
    let end = request.connect(&gateway, &mut Listener::default()).await;
    assert!(matches!(end, Err(Halt::Fault(Fault::Broken))), "{end:?}");
}
