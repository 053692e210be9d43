//! Connects to a peer at whichever of its addresses answers.
//! A name that leads to two addresses of which one is dead (`localhost` is the usual one) must still work.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::VirtualSocketStream;
use pingora::{Error, ErrorType};
use tokio::net::TcpStream;

use super::peer::Peer;
use super::watch::{Watch, WatchedSocket};

/// How one connection to a peer is made.
#[derive(Debug)]
pub struct Dial {
    pub peer: Arc<Peer>,
    pub addresses: Arc<[SocketAddr]>,
    /// Absent for a connection that goes back to Pingora's pool, which takes only plain ones.
    pub watch: Option<Arc<Watch>>,
}

#[async_trait]
impl L4Connect for Dial {
    async fn connect(&self, _: &socket::SocketAddr) -> pingora::Result<Stream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for &address in self.addresses.iter() {
            match TcpStream::connect(address).await {
                Ok(tcp) => {
                    self.peer.connected();
                    if self.addresses.first() != Some(&address) {
                        self.peer.addresses.prefer(address);
                    }
                    return Ok(match &self.watch {
                        Some(watch) => {
                            VirtualSocketStream::new(Box::new(WatchedSocket::new(tcp, Arc::clone(watch)))).into()
                        }
                        None => tcp.into(),
                    });
                }
                Err(e) => last = e,
            }
        }
        Error::e_because(ErrorType::ConnectError, format!("connecting to {}", self.peer.url()), last)
    }
}
