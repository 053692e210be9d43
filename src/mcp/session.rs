//! A session with a server: from its start to whatever ends it.
//! Decides neither when the next one begins nor what of its tools is offered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::RoleClient;
use rmcp::model::{ProtocolVersion, SubscriptionFilter};
use rmcp::service::{ClientInitializeError, ClientLifecycleMode, Peer, serve_client_with_lifecycle};
use rmcp::transport::IntoTransport;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep_until, timeout};

use super::child::Child;
use super::guarded::Guarded;
use super::handler::Handler;
use super::http::Place;
use super::meter::{Breach, DEAF_MAX, MESSAGE_BYTES_MAX, Meter};
use super::requests::{self, Refusal};
use super::stdio::{Metered, Patient};
use super::streamable::{self, HttpClient, Reconnects};
use crate::config::{Reach, ToolServer};
use crate::tooling::Definition;

/// What ended a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// Nobody wants it any more.
    #[error("it was stopped")]
    Stopped,
    #[error("it cannot be started: {0}")]
    NotStarted(String),
    #[error("it did not begin within {} s", BEGIN_MAX.as_secs())]
    Late,
    #[error("it closed the connection")]
    Closed,
    /// A process, and what it wrote last.
    #[error("it ended; the last that it logged: {0}")]
    Ended(String),
    #[error("{0}")]
    Breach(Breach),
    /// By HTTP, in a few words.
    #[error("{0}")]
    Trouble(String),
    /// It answered the beginning with an error of its own.
    #[error("it refuses to begin: {0}")]
    Refused(String),
    #[error("it does not speak the protocol")]
    Foreign,
    #[error("its list of tools: {0}")]
    List(Refusal),
}

/// How a session begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beginning {
    /// With `initialize`, as all servers know it that are not newer than 2026-07-28.
    #[default]
    Initialize,
    /// With `server/discover`, as servers know it that have no other.
    Discover,
}

/// Who is told what a session brings.
pub trait Audience: Send + Sync {
    /// The server is there, and these are its tools.
    fn listed(&self, peer: &Peer<RoleClient>, tools: Vec<Definition>);
}

/// A first list included. Programs that are fetched before they start take that long.
const BEGIN_MAX: Duration = Duration::from_secs(60);
/// How long the library may take to say goodbye; a process is made to end after it.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// A server by HTTP may be gone without a sign, and may have no way to say that its list has changed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// However often a server says that its list has changed.
const LIST_PAUSE: Duration = Duration::from_secs(1);
const ERROR_CHARS_MAX: usize = 200;

/// What a session is told while it lasts.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Whether to end.
    pub stop: watch::Receiver<bool>,
    /// Rung when a call makes doubtful whether the server is still there.
    pub doubt: Arc<Notify>,
}

/// Runs one session to its end.
pub async fn run(server: &ToolServer, beginning: Beginning, audience: &dyn Audience, orders: Orders) -> End {
    let meter = Arc::new(Meter::new(Instant::now()));
    let session = |look_again| Session { beginning, audience, orders, meter: Arc::clone(&meter), look_again };
    match &server.reach {
        Reach::Command { program, arguments, environment } => {
            let (child, input, output) = match Child::start(&server.name, program, arguments, environment) {
                Ok(started) => started,
                Err(error) => return End::NotStarted(error.to_string()),
            };
            let reader = Metered::new(output, Arc::clone(&meter));
            let writer = Patient::new(input, Arc::clone(&meter), DEAF_MAX);
            let end = tokio::select! {
                end = session(None).over(AsyncRwTransport::new_client(reader, writer)) => end,
                () = child.exited() => End::Closed,
            };
            match (end, child.end().await) {
                (End::Closed, Some(last)) => End::Ended(last),
                (end, _) => end,
            }
        }
        Reach::Url { at, path, headers } => {
            let place = Place::new(at, path, headers);
            let client = HttpClient::new(place, Arc::clone(&meter));
            let mut config = StreamableHttpClientTransportConfig::with_uri(at.url.as_str());
            config.retry_config = Arc::new(Reconnects);
            let config = config.max_sse_event_size(MESSAGE_BYTES_MAX).max_json_response_size(MESSAGE_BYTES_MAX);
            let transport = StreamableHttpClientTransport::with_client(client, config);
            session(Some(LOOK_AGAIN)).over(transport).await
        }
    }
}

/// A session that has not begun.
pub struct Session<'a> {
    pub beginning: Beginning,
    pub audience: &'a dyn Audience,
    pub orders: Orders,
    pub meter: Arc<Meter>,
    /// How often the list of tools is asked for without a reason.
    pub look_again: Option<Duration>,
}

impl Session<'_> {
    /// Runs it to its end, over whatever carries its messages.
    pub async fn over<T, E, A>(self, transport: T) -> End
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut stop = self.orders.stop.clone();
        let list_changed = Arc::new(Notify::new());
        let handler = Handler { list_changed: Arc::clone(&list_changed) };
        let transport = Guarded::new(transport.into_transport(), Arc::clone(&self.meter));
        let begin = timeout(BEGIN_MAX, serve_client_with_lifecycle(handler, transport, self.beginning.mode()));
        let begun = tokio::select! {
            biased;
            () = stopped(&mut stop) => return End::Stopped,
            breach = self.meter.broken() => return End::Breach(breach),
            begun = begin => begun,
        };
        let service = match begun {
            Err(_) => return End::Late,
            // It may be broken off by the very read that ends here.
            Ok(Err(error)) => return self.meter.breach().map_or_else(|| End::of(&error), End::Breach),
            Ok(Ok(service)) => service,
        };
        let peer = service.peer().clone();
        let goodbye = service.cancellation_token();
        let mut over = std::pin::pin!(service.waiting());
        let end = tokio::select! {
            biased;
            () = stopped(&mut stop) => End::Stopped,
            breach = self.meter.broken() => End::Breach(breach),
            _ = &mut over => return End::Closed,
            refusal = self.follow(&peer, &list_changed) => match refusal {
                Refusal::Lost => End::Closed,
                Refusal::Failed(what) => End::Trouble(what),
                refusal => End::List(refusal),
            },
        };
        goodbye.cancel();
        let _ = timeout(GOODBYE_MAX, over).await;
        end
    }

    /// Keeps the list of tools what it is, until the server does not give it.
    async fn follow(&self, peer: &Peer<RoleClient>, list_changed: &Notify) -> Refusal {
        let listening = listen(peer, list_changed);
        let keeping = async {
            loop {
                match requests::list(peer).await {
                    Ok(tools) => self.audience.listed(peer, tools),
                    Err(refusal) => return refusal,
                }
                let listed = tokio::time::Instant::now();
                let look_again = async {
                    match self.look_again {
                        Some(pause) => sleep_until(listed + pause).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = list_changed.notified() => {}
                    () = self.orders.doubt.notified() => {}
                    () = look_again => {}
                }
                sleep_until(listed + LIST_PAUSE).await;
            }
        };
        tokio::select! {
            refusal = keeping => refusal,
            never = listening => never,
        }
    }
}

/// Asks a server to say when its list changes, where the protocol wants that asked. Never ends.
async fn listen(peer: &Peer<RoleClient>, list_changed: &Notify) -> Refusal {
    let is_asked = peer.peer_info().is_some_and(|info| info.protocol_version >= ProtocolVersion::V_2026_07_28);
    if is_asked {
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        if let Ok(mut subscription) = peer.listen(filter).await {
            while let Ok(Some(_)) = subscription.next().await {
                list_changed.notify_one();
            }
        }
    }
    std::future::pending().await
}

/// Waits until somebody wants it to stop, or nobody is left who could.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_over| *is_over).await;
}

impl Beginning {
    /// The other one, where this one was refused.
    pub fn other(self) -> Self {
        match self {
            Self::Initialize => Self::Discover,
            Self::Discover => Self::Initialize,
        }
    }

    fn mode(self) -> ClientLifecycleMode {
        match self {
            Self::Initialize => ClientLifecycleMode::Initialize,
            Self::Discover => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
        }
    }
}

impl End {
    fn of(error: &ClientInitializeError) -> Self {
        match error {
            ClientInitializeError::JsonRpcError(error) => {
                Self::Refused(error.message.chars().take(ERROR_CHARS_MAX).collect())
            }
            ClientInitializeError::ConnectionClosed(_) => Self::Closed,
            ClientInitializeError::TransportError { error, .. } => {
                streamable::failure(error).map_or(Self::Closed, Self::Trouble)
            }
            _ => Self::Foreign,
        }
    }
}
