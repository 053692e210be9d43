//! The reference: a Pingora proxy that does nothing but pass through, as its documentation writes it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use pingora::Result;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::upstreams::peer::HttpPeer;
use toolgate::config::Config;

struct Bare {
    upstream: SocketAddr,
    keeping: Keeping,
    requests: AtomicU64,
}

/// What is kept of a request that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// llama-server closes each connection after its stream without saying so; the next request must not get it.
    Nothing,
    /// Its connection to the server.
    Connections,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        if self.keeping == Keeping::Nothing {
            peer.group_key = self.requests.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Box::new(peer))
    }
}

/// Serves until the process is ended, with so many threads, or as many as toolgate has.
pub fn serve(
    addr: &str,
    upstream: SocketAddr,
    threads: Option<usize>,
    keeping: Keeping,
) -> Result<(), Box<dyn std::error::Error>> {
    let like = Config::from_upstreams(&[format!("http://{upstream}")], &[], None)?.server;
    let conf = ServerConf {
        threads: threads.unwrap_or(like.threads),
        work_stealing: like.work_stealing,
        listener_tasks_per_fd: like.listener_tasks_per_fd,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service =
        http_proxy_service(&server.configuration, Bare { upstream, keeping, requests: AtomicU64::new(0) });
    service.add_tcp(addr);
    server.add_service(service);
    server.run(RunArgs::default());
    Ok(())
}
