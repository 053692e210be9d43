//! Dialling a server: connects at whichever of its addresses answers.
//! A name that leads to two addresses of which one is dead (`localhost` is the usual one) must still work.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::VirtualSocketStream;
use pingora::{Error, ErrorType, OrErr};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Timeouts;

use super::endpoint::Endpoint;
use super::socket::WatchedSocket;
use super::transport::Transport;
use super::watch::Watch;

/// How one connection to a server is made.
#[derive(Debug)]
pub struct Dial {
    pub endpoint: Arc<Endpoint>,
    pub addresses: Arc<[SocketAddr]>,
    /// For all of them. One address that says nothing is not to take all of it.
    pub connect_max: Duration,
}

impl Dial {
    /// To this server. Resolves its name.
    pub async fn to(endpoint: &Arc<Endpoint>, timeouts: Timeouts) -> io::Result<Self> {
        let addresses = endpoint.addresses().await?;
        Ok(Self { endpoint: Arc::clone(endpoint), addresses, connect_max: Duration::from_millis(timeouts.connect_ms) })
    }

    /// Connects, at whichever address answers. Somebody else keeps to the time for all of them.
    pub async fn open(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let share = self.connect_max / u32::try_from(self.addresses.len()).unwrap_or(u32::MAX).max(1);
        for (at, &address) in self.addresses.iter().enumerate() {
            let is_last = at + 1 == self.addresses.len();
            let patience = if is_last { Duration::MAX } else { share };
            match timeout(patience, open(address)).await {
                Ok(Ok(transport)) => {
                    self.endpoint.connected();
                    if self.addresses.first() != Some(&address) {
                        self.endpoint.prefer(address);
                    }
                    return Ok(transport);
                }
                Ok(Err(e)) => last = e,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    /// Connects for a request whose answer is read by whoever waits for it, within the time for that. Fails with an error
    /// of Pingora's, like its own connections.
    pub async fn connect_within(&self) -> pingora::Result<TcpStream> {
        let what = || format!("connecting to {}", self.endpoint.url());
        let opened = match timeout(self.connect_max, self.open()).await {
            Ok(opened) => opened.or_err_with(ErrorType::ConnectError, what),
            Err(_) => Error::e_explain(ErrorType::ConnectTimedout, what()),
        };
        let transport = opened.map_err(|e| e.into_up())?;
        // Without it a request waits a little longer.
        let _ = Transport::set_nodelay(&transport);
        Ok(transport)
    }
}

/// A connection of Pingora's, which keeps to the time for all of them.
#[derive(Debug)]
pub struct PingoraDial {
    pub dial: Dial,
    /// Absent for a connection that goes back to Pingora's pool, which takes only plain ones.
    pub watch: Option<Arc<Watch>>,
}

#[async_trait]
impl L4Connect for PingoraDial {
    async fn connect(&self, _: &socket::SocketAddr) -> pingora::Result<Stream> {
        let transport = self.dial.open().await;
        let what = || format!("connecting to {}", self.dial.endpoint.url());
        let transport = transport.or_err_with(ErrorType::ConnectError, what)?;
        Ok(match &self.watch {
            Some(watch) => {
                let socket = WatchedSocket::new(transport, Arc::clone(watch));
                VirtualSocketStream::new(Box::new(socket)).into()
            }
            None => transport.into(),
        })
    }
}

/// Opens what a connection goes over. TLS to servers belongs here, below whoever reads plain HTTP.
async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(address).await
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn an_address_that_says_nothing_leaves_time_for_the_next() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = socket.listen(1).unwrap();
        let silent_address = silent.local_addr().unwrap();
        // One more than it says, on Linux; nobody accepts them.
        let _waiting = [TcpStream::connect(silent_address).await, TcpStream::connect(silent_address).await];
        let living = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = living.local_addr().unwrap();
        let config = Config::from_upstreams(&[format!("http://{address}")], &[], None).unwrap();
        let endpoint = Arc::new(Endpoint::new(&config.pools[0].peers[0]));
        let addresses = Arc::new([silent_address, address]);
        let dial = Dial { endpoint, addresses, connect_max: Duration::from_millis(100) };
        dial.open().await.unwrap();
        living.accept().await.unwrap();
    }
}
