//! Addresses of a server: where its name leads, refreshed now and then.
//! Keeps the last good answer when a name server fails: a box does not move because its name cannot be read.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::upstream::lock::lock;

/// How long an answer holds. Names of boxes change seldom; a minute is how long a moved one stays unreachable.
const REFRESH: Duration = Duration::from_secs(60);
/// How long a former answer holds while a newer one is asked for, or could not be had: a name server that fails or
/// hangs would otherwise delay every request.
const REFRESH_WHEN_STALE: Duration = Duration::from_secs(10);
/// What is waited for a newer answer than the one that there is. Less than for a server that is asked how it is, which
/// is not to look dead because its name cannot be read.
const NEWER_MAX: Duration = Duration::from_secs(1);
/// A resolver that does not answer would otherwise hold a request for its own, much longer, time.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Where one peer listens.
#[derive(Debug)]
pub struct Addresses {
    host: String,
    port: u16,
    known: Arc<Mutex<Option<Answer>>>,
}

#[derive(Clone, Debug)]
struct Answer {
    list: Arc<[SocketAddr]>,
    /// `None`: an address, which never changes.
    until: Option<Instant>,
}

impl Addresses {
    /// Looks nothing up.
    pub fn new(host: &str, port: u16) -> Self {
        let literal = host.parse::<IpAddr>().ok();
        let known = literal.map(|ip| Answer { list: Arc::new([SocketAddr::new(ip, port)]), until: None });
        Self { host: host.to_owned(), port, known: Arc::new(Mutex::new(known)) }
    }

    /// At least one address, the one that worked last in front.
    pub async fn resolve(&self) -> io::Result<Arc<[SocketAddr]>> {
        let stale = match &mut *lock(&self.known) {
            Some(Answer { list, until }) => match until {
                Some(at) if *at <= Instant::now() => {
                    // One asks; whoever comes meanwhile takes what there is.
                    *at = Instant::now() + REFRESH_WHEN_STALE;
                    Some(Arc::clone(list))
                }
                _ => return Ok(Arc::clone(list)),
            },
            None => None,
        };
        let newer = newer(self.host.clone(), self.port, Arc::clone(&self.known));
        let Some(stale) = stale else { return newer.await };
        // On its own, so that an answer that comes later still counts.
        match timeout(NEWER_MAX, tokio::spawn(newer)).await {
            Ok(Ok(Ok(list))) => Ok(list),
            _ => Ok(stale),
        }
    }

    /// Puts the address that answered in front, so that the next connection tries it first.
    pub fn prefer(&self, address: SocketAddr) {
        if let Some(known) = lock(&self.known).as_mut() {
            let others = known.list.iter().copied().filter(|other| *other != address);
            known.list = std::iter::once(address).chain(others).collect();
        }
    }
}

/// Looks a name up, and remembers where it leads.
async fn newer(host: String, port: u16, known: Arc<Mutex<Option<Answer>>>) -> io::Result<Arc<[SocketAddr]>> {
    let list = look_up(&host, port).await?;
    *lock(&known) = Some(Answer { list: Arc::clone(&list), until: Some(Instant::now() + REFRESH) });
    Ok(list)
}

/// At least one address.
pub async fn look_up(host: &str, port: u16) -> io::Result<Arc<[SocketAddr]>> {
    let found: Vec<SocketAddr> = match timeout(LOOKUP_MAX, tokio::net::lookup_host((host, port))).await {
        Ok(found) => found?.collect(),
        Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the name server does not answer")),
    };
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_its_own_answer() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            let list = Addresses::new(host, 80).resolve().await.unwrap();
            assert_eq!(list.as_ref(), [expected.parse::<SocketAddr>().unwrap()]);
        }
    }

    #[tokio::test]
    async fn a_former_answer_holds_while_there_is_no_newer_one() {
        // No name server is asked for a name that is none.
        let addresses = Addresses::new(&"x".repeat(300), 80);
        assert!(addresses.resolve().await.is_err());
        let list: Arc<[SocketAddr]> = Arc::new(["127.0.0.1:80".parse().unwrap()]);
        *lock(&addresses.known) = Some(Answer { list: Arc::clone(&list), until: Some(Instant::now()) });
        assert_eq!(addresses.resolve().await.unwrap(), list);
        let until = lock(&addresses.known).as_ref().and_then(|known| known.until);
        assert!(until > Some(Instant::now()), "each request asks the name server");

        let addresses = Addresses::new("localhost", 80);
        *lock(&addresses.known) = Some(Answer { list, until: Some(Instant::now()) });
        addresses.resolve().await.unwrap();
        let until = lock(&addresses.known).as_ref().and_then(|known| known.until);
        assert!(until > Some(Instant::now() + REFRESH_WHEN_STALE), "the newer answer is forgotten");
    }

    #[tokio::test]
    async fn the_address_that_worked_comes_first() {
        let addresses = Addresses::new("127.0.0.1", 80);
        let second: SocketAddr = "127.0.0.2:80".parse().unwrap();
        *lock(&addresses.known) =
            Some(Answer { list: Arc::new(["127.0.0.1:80".parse().unwrap(), second]), until: None });
        addresses.prefer(second);
        assert_eq!(addresses.resolve().await.unwrap().first(), Some(&second));
    }
}
