//! Listening sockets: the addresses that are listened at: bound before anything serves, then handed to Pingora.
//! Pingora would bind them later, on another thread, try for half a minute and panic.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening;
use socket2::{Domain, Type};

use crate::config::Address;

use super::Error;

/// None. A client of a chat API sends one request and then listens: 64 KiB for each connection would be for nothing.
/// And what is written must leave: Pingora does not flush an answer that has a length before its end.
const CLIENT_BUFFER: L4BufferSettings = L4BufferSettings { read: Some(0), write: Some(0) };
/// Who connects waits here until a thread has time. Pingora sets its own later.
const BACKLOG: i32 = 1024;

/// A bound address.
pub(super) struct Bound {
    at: At,
    listener: OwnedFd,
}

enum At {
    Ip(SocketAddr),
    Unix { path: PathBuf, mode: u32 },
}

impl Bound {
    /// Binds an address as the configuration writes it.
    pub fn to(text: &str) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: text.to_owned(), source };
        let address = Address::parse(text).map_err(|error| failed(io::Error::other(error.to_string())))?;
        let bound = match address {
            Address::Tcp { host, port } => tcp(&host, port),
            Address::Unix { path, mode } => unix(path, mode),
        };
        bound.map_err(failed)
    }

    /// Where it is bound, with the port that the system chose for port 0. `None` for a socket's file.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self.at {
            At::Ip(addr) => Some(addr),
            At::Unix { .. } => None,
        }
    }

    /// Its file, if it has one.
    pub fn socket(&self) -> Option<Socket> {
        match &self.at {
            At::Unix { path, .. } => Some(Socket(path.clone())),
            At::Ip(_) => None,
        }
    }

    /// What Pingora knows it by.
    fn key(&self) -> String {
        match &self.at {
            At::Ip(addr) => addr.to_string(),
            At::Unix { path, .. } => path.to_string_lossy().into_owned(),
        }
    }

    fn listener(&self) -> ListenerConfig {
        match self.at {
            At::Ip(_) => ListenerConfig::tcp(self.key()),
            At::Unix { mode, .. } => ListenerConfig::uds(self.key()).permissions(Permissions::from_mode(mode)),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Ip(addr) => write!(f, "{addr}"),
            At::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The file of a socket of Unix; it goes when this does.
#[derive(Debug)]
pub(super) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever has removed it has done what was to be done.
        let _ = fs::remove_file(&self.0);
    }
}

/// The first of a host's addresses that can be had.
fn tcp(host: &str, port: u16) -> io::Result<Bound> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in (host, port).to_socket_addrs()? {
        match bind(addr) {
            Ok(listener) => return Ok(Bound { at: At::Ip(listener.local_addr()?), listener: listener.into() }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    if addr.is_ipv6() {
        // Else it would have IPv4's addresses too, and nobody could listen at them beside it.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn unix(path: PathBuf, mode: u32) -> io::Result<Bound> {
    remove_what_is_left(&path)?;
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    Ok(Bound { at: At::Unix { path, mode }, listener: listener.into() })
}

/// A program that was killed leaves its socket. One at which somebody listens is theirs, and what is no socket stays.
fn remove_what_is_left(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() && UnixStream::connect(path).is_err() => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// A service of Pingora's that takes sockets which are bound already, the way it takes those of a process that it
/// replaces.
pub(super) struct Listening<A> {
    service: listening::Service<A>,
    bound: Vec<Bound>,
    /// Closes it before the server ends.
    closed: Option<ShutdownWatch>,
}

impl<A> Listening<A> {
    /// Serves `service` at these addresses, until `closed` rings; without one, until the server ends.
    pub fn new(mut service: listening::Service<A>, bound: Vec<Bound>, closed: Option<ShutdownWatch>) -> Self {
        for bound in &bound {
            service.add_listener(bound.listener().l4_buffer(CLIENT_BUFFER));
        }
        Self { service, bound, closed }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> Service for Listening<A> {
    async fn start_service(&mut self, fds: Option<ListenFds>, shutdown: ShutdownWatch, listeners_per_fd: usize) {
        if let Some(fds) = &fds {
            let mut fds = fds.lock();
            for bound in self.bound.drain(..) {
                fds.add(bound.key(), bound.listener.into_raw_fd());
            }
        }
        let closed = self.closed.take().unwrap_or(shutdown);
        Service::start_service(&mut self.service, fds, closed, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        Service::name(&self.service)
    }

    fn threads(&self) -> Option<usize> {
        Service::threads(&self.service)
    }
}
