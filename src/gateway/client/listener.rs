//! Client listener: takes the connections of clients, and reads the head of each of their requests.
//! Answers nothing itself; each request is the gateway's, those that are refused here too.
//!
//! Pingora would read heads itself: for as long as they take, up to a MiB each, and what it cannot read it answers by
//! itself, which nobody would see. So a head is read here, within its limits, and handed to Pingora when it is whole.
//! In the place of one that is refused Pingora gets the shortest that says as much, and the request ends in the first of
//! the gateway's phases: with an id, an error of our shape, a line in the log, and counted like any other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use tokio::time::{Instant, timeout};

use crate::limits::Limits;

use super::connection::ClientConnection;
use super::descriptors;
use super::head::{self, Framing, Head, Refused, Rest};
use super::pace::Pace;
use super::shutdown_signal::ShutdownSignal;
use super::socket::ClientSocket;
use crate::gateway::fault::Fault;
use crate::gateway::lifecycle::Lifecycle;
use crate::gateway::settings::Current;
use crate::gateway::shared::Gateway;
use crate::upstream::head_end;

/// How long an idle client's connection is kept.
pub const IDLE_SECONDS: u64 = 75;
/// How long a client that has connected may take to begin its first request.
const FIRST_REQUEST_SECONDS: u64 = 60;

/// The gateway, as what takes connections.
pub struct ClientListener {
    proxy: Arc<HttpProxy<Gateway>>,
    current: Arc<Current>,
    lifecycle: Arc<Lifecycle>,
    connections: AtomicUsize,
    /// As many as there are descriptors for.
    connections_max: usize,
}

/// What comes with a request on its connection.
#[derive(Debug)]
pub struct Arrival {
    pub connection: Arc<ClientConnection>,
    /// Why it is refused, if it is.
    pub fault: Option<Fault>,
}

/// The next request of a connection.
enum Next {
    Head(Head),
    Refused(Refused, Rest),
    /// There is none.
    Gone,
}

impl ClientListener {
    /// Raises the limit of descriptors as far as the system lets it, and takes as many connections as there are then.
    /// Warns when the settings want more.
    pub fn new(conf: &Arc<ServerConf>, gateway: Gateway) -> Self {
        let (current, lifecycle) = (Arc::clone(&gateway.current), Arc::clone(&gateway.lifecycle));
        let proxy = Arc::new(http_proxy(conf, gateway));
        let connections_max = descriptors::raise();
        if let Some(wanted) = current.settings().limits.connections_max.filter(|wanted| *wanted > connections_max) {
            log::warn!("connections_max is {wanted}, but there are descriptors for {connections_max} clients only");
        }
        Self { proxy, current, lifecycle, connections: AtomicUsize::new(0), connections_max }
    }

    fn socket(&self, stream: Stream, connection: &Arc<ClientConnection>) -> ClientSocket {
        ClientSocket::new(stream, Arc::clone(connection), ShutdownSignal::new(Arc::clone(&self.lifecycle)))
    }

    /// One request on its way through Pingora. Answers with the connection if another may follow.
    async fn request(
        &self,
        mut socket: Box<ClientSocket>,
        next: Next,
        connection: &Arc<ClientConnection>,
        shutdown: &ShutdownWatch,
    ) -> Option<Box<ClientSocket>> {
        let pace = pace(&self.current.settings().limits);
        let (head, fault) = match next {
            Next::Head(head) => {
                socket.begin(head.body, pace);
                // The page that it came in goes.
                (BytesMut::from(head.bytes.as_ref()), None)
            }
            Next::Refused(refused, rest) => {
                let pace = Pace { period: Duration::MAX, ..pace };
                let body = if rest == Rest::Heard { Framing::Open } else { Framing::Length(0) };
                socket.begin(body, pace);
                (BytesMut::from(refused.shown(rest).as_ref()), Some(refused.fault))
            }
            Next::Gone => return None,
        };
        connection.expect();
        let may_stay = !*shutdown.borrow();
        let mut session = ServerSession::new_http1(socket);
        if let ServerSession::H1(http1) = &mut session {
            // What Pingora reads itself it reads into a page, which it keeps.
            http1.set_pipelined_prefix(head);
        }
        session.set_keepalive(may_stay.then_some(IDLE_SECONDS));
        session.set_connection_user_context(Some(Box::new(Arrival { connection: Arc::clone(connection), fault })));
        let (stream, _) = self.proxy.process_new_http(session, shutdown).await?.consume();
        let socket = stream.into_any().downcast::<ClientSocket>().ok()?;
        socket.is_between_requests().then_some(socket)
    }
}

impl fmt::Debug for ClientListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientListener").finish_non_exhaustive()
    }
}

#[async_trait]
impl ServerApp for ClientListener {
    /// As Pingora does it for HTTP/1; that it can also do HTTP/2 would be 3 KiB more in each connection.
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let connection = Arc::new(ClientConnection::default());
        let mut socket = Box::new(self.socket(stream, &connection));
        let _counted = Counted::new(&self.connections);
        let connections_max = self.current.settings().limits.connections_max.unwrap_or(self.connections_max);
        if self.connections.load(Ordering::Relaxed) > connections_max {
            let refused = Refused::new(Fault::TooManyConnections { connections_max }, b"");
            self.request(socket, Next::Refused(refused, Rest::Ignored), &connection, shutdown).await;
            return None;
        }
        let mut idle = FIRST_REQUEST_SECONDS;
        loop {
            let next = {
                let limits = &self.current.settings().limits.clone();
                let mut shutdown = shutdown.clone();
                tokio::select! {
                    biased;
                    next = read_head(&mut socket, Duration::from_secs(idle), limits) => next,
                    _ = shutdown.wait_for(|is_over| *is_over) => Next::Gone,
                }
            };
            if let Some(kept) = self.request(socket, next, &connection, shutdown).await {
                (socket, idle) = (kept, IDLE_SECONDS);
                continue;
            }
            // A head that Pingora did not take.
            let stream = connection.take_back()?;
            let refused = Refused::new(Fault::BadRequest("its head is none".to_owned()), b"");
            let socket = Box::new(self.socket(stream, &connection));
            self.request(socket, Next::Refused(refused, Rest::Heard), &connection, shutdown).await;
            return None;
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// Reads the head of the next request, within its limits.
async fn read_head(socket: &mut ClientSocket, idle: Duration, limits: &Limits) -> Next {
    let patience = Duration::from_millis(limits.header_ms_max);
    let mut began = None;
    let mut searched = 0;
    loop {
        let ahead = socket.ahead();
        if !ahead.is_empty() {
            began.get_or_insert_with(Instant::now);
        }
        // Some clients end a body with an empty line that does not belong to it (RFC 9112, section 2.2).
        if searched == 0 {
            let blank = ahead.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            ahead.advance(blank);
        }
        if let Some(next) = whole_head(ahead, searched, limits) {
            return next;
        }
        searched = ahead.len();
        let patience = began.map_or(idle, |began| patience.saturating_sub(began.elapsed()));
        match timeout(patience, socket.more()).await {
            Ok(Ok(1..)) => {}
            Err(_) if !socket.ahead().is_empty() => {
                let refused = Refused::new(Fault::HeadLate, socket.ahead());
                return Next::Refused(refused, Rest::Ignored);
            }
            Ok(Ok(0) | Err(_)) | Err(_) => return Next::Gone,
        }
    }
}

/// What has come, if that is a whole head or more than one may be.
fn whole_head(ahead: &mut BytesMut, searched: usize, limits: &Limits) -> Option<Next> {
    let bytes_max = limits.header_bytes_max;
    let end = head_end(ahead, searched);
    let bytes = end.unwrap_or(ahead.len());
    if bytes > bytes_max {
        let refused = Refused::new(Fault::HeadTooLarge { bytes, bytes_max }, ahead);
        return Some(Next::Refused(refused, Rest::Heard));
    }
    // No head of any kind: TLS, for one.
    if ahead.first().is_some_and(|byte| !byte.is_ascii_graphic()) {
        let fault = Fault::BadRequest("it is not HTTP".to_owned());
        return Some(Next::Refused(Refused::new(fault, b""), Rest::Heard));
    }
    let head = ahead.split_to(end?).freeze();
    if ahead.is_empty() {
        *ahead = BytesMut::new();
    }
    Some(head::read(head).map_or_else(|refused| Next::Refused(refused, Rest::Heard), Next::Head))
}

fn pace(limits: &Limits) -> Pace {
    Pace { period: Duration::from_millis(limits.upload_ms), bytes_per_second: limits.upload_bytes_per_second_min }
}

/// A connection that is counted for as long as this is there.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
