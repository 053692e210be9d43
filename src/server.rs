//! Server: starts the gateway: binds its addresses, and has it serve until `stop` has stopped it.
//! Reads no file; the command line does, at first and whenever it is asked to.

mod bound;
mod engines;
mod reload;
mod stop;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use pingora::services::listening;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin::Admin;
use crate::config::{Config, DialectChoice};
use crate::gateway::{ClientListener, Current, Gateway, Lifecycle, Settings, descriptors};
use crate::metrics::{self, Metrics};
use crate::toolbox::Toolbox;
use crate::workspace::OpenError;

use bound::{Bound, Listening, Socket};
use engines::Engines;
use reload::Keeper;
use stop::Stop;

/// What Pingora waits for its threads; by then every request has gone or has had its time.
const RUNTIME_STOP_SECONDS: u64 = 1;
/// A gateway that nobody has connected to has thirty descriptors open, and where threads share no work, each has four
/// of its own.
const DESCRIPTORS_BASE: u64 = 32;
const DESCRIPTORS_A_THREAD: u64 = 4;
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on `{address}`: {source}")]
    Listen { address: String, source: io::Error },
    #[error("{max} files and sockets may be open, and serving needs {least} at least (`ulimit -n`, `LimitNOFILE=`)")]
    Descriptors { max: u64, least: u64 },
    #[error(transparent)]
    Tools(#[from] OpenError),
    #[error("cannot start a thread or its signals: {0}")]
    Thread(io::Error),
}

/// Serves until SIGTERM or SIGINT, then returns. A second signal stops at once. On SIGHUP the configuration is read
/// `again`; one that is bad says so, and changes nothing.
pub fn run(config: Config, again: impl Fn() -> Result<Config, String> + Send + 'static) -> Result<(), Error> {
    check_descriptors(&config)?;
    let (configs, newer) = watch::channel(None);
    let metrics = metrics_of(&config);
    let told = signals(again, configs, Arc::clone(&metrics))?;
    Prepared::new(config, metrics, newer)?.serve(told);
    Ok(())
}

/// Serves on a thread of its own until it is told to stop.
pub fn spawn(config: Config) -> Result<Running, Error> {
    let (configs, newer) = watch::channel(None);
    let metrics = metrics_of(&config);
    let prepared = Prepared::new(config, metrics, newer)?;
    let (addr, admin_addr, ollama_addr) = (prepared.addr, prepared.admin_addr, prepared.ollama_addr);
    let (stop, told) = watch::channel(0);
    let thread = std::thread::Builder::new()
        .name("gateway".to_owned())
        .spawn(move || prepared.serve(told))
        .map_err(Error::Thread)?;
    Ok(Running { addr, admin_addr, ollama_addr, stop, configs, thread: Some(thread) })
}

/// A gateway that serves on a thread of its own.
#[derive(Debug)]
pub struct Running {
    /// The first address that clients connect to; unspecified when there are only sockets of Unix.
    pub addr: SocketAddr,
    pub admin_addr: Option<SocketAddr>,
    /// The first that clients of Ollama's API have for themselves.
    pub ollama_addr: Option<SocketAddr>,
    stop: watch::Sender<u32>,
    configs: watch::Sender<Option<Arc<Config>>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Puts another configuration in place, as on SIGHUP; soon, and not before this returns.
    pub fn reload(&self, config: Config) {
        self.configs.send_replace(Some(Arc::new(config)));
    }

    /// Stops as on SIGTERM, and returns when it has.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stop.send(1);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the gateway's thread panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server whose addresses are bound.
struct Prepared {
    server: Server,
    stop: Stop,
    addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    ollama_addr: Option<SocketAddr>,
    /// Their files go with it.
    _sockets: Vec<Socket>,
}

impl Prepared {
    fn new(config: Config, metrics: Arc<Metrics>, newer: watch::Receiver<Option<Arc<Config>>>) -> Result<Self, Error> {
        let bound: Vec<Bound> = config.listen.iter().map(|address| Bound::to(address)).collect::<Result<_, _>>()?;
        let admin = config.admin.as_deref().map(Bound::to).transpose()?;
        let sockets = bound.iter().chain(&admin).filter_map(Bound::socket).collect();
        let engines = find_engines(config)?;
        let config = engines.config();

        let toolbox = Arc::new(Toolbox::open(&config.tools)?);
        let current = Arc::new(Current::new(Settings::new(&config).with_toolbox(toolbox)));
        let lifecycle = Arc::new(Lifecycle::default());
        let pages = Admin::new(Arc::clone(&current), Arc::clone(&metrics), Arc::clone(&lifecycle));
        let keeper =
            background_service("upstream", Keeper::new(Arc::clone(&current), Arc::clone(&metrics), engines, newer));
        let ollama_at = ollama_at(&config, &bound);
        let ollama_addr = ollama_at.first().copied();
        let gateway = Gateway::new(Arc::clone(&current), metrics, Arc::clone(&lifecycle)).with_ollama_at(ollama_at);
        let mut server = Server::new_with_opt_and_conf(None, server_conf(&config));

        let addr = bound.iter().find_map(Bound::ip).unwrap_or(NOWHERE);
        let admin_addr = admin.as_ref().and_then(Bound::ip);

        let listening: Vec<String> = bound.iter().map(Bound::to_string).collect();
        log::info!("listening on {}", listening.join(", "));
        match &admin {
            Some(bound) if bound.ip().is_some() => log::info!("status page and metrics at http://{bound}/"),
            Some(bound) => log::info!("status page and metrics at {bound}"),
            None => {}
        }
        config.warnings().iter().for_each(|warning| log::warn!("{warning}"));
        say_pools(&config);

        let (close, closed) = watch::channel(false);
        let clients = ClientListener::new(&server.configuration, gateway);
        let proxy = listening::Service::new("gateway".to_owned(), clients);
        server.add_service(Listening::new(proxy, bound, Some(closed)));
        server.add_service(keeper);
        if let Some(bound) = admin {
            let mut service = listening::Service::new("admin".to_owned(), pages);
            service.threads = Some(1);
            server.add_service(Listening::new(service, vec![bound], None));
        }
        let stop = Stop::new(&config.server, current, lifecycle, close);
        Ok(Self { server, stop, addr, admin_addr, ollama_addr, _sockets: sockets })
    }

    fn serve(self, told: watch::Receiver<u32>) {
        self.server.run(RunArgs { shutdown_signal: Box::new(self.stop.when(told)) });
    }
}

/// Where clients of Ollama's API are served, if they have addresses of their own.
fn ollama_at(config: &Config, bound: &[Bound]) -> Vec<SocketAddr> {
    let own = config.view.ollama_api.as_ref().map(|api| api.listen.as_slice()).unwrap_or_default();
    let both = config.listen.iter().zip(bound);
    both.filter(|(address, _)| own.contains(address)).filter_map(|(_, bound)| bound.ip()).collect()
}

/// Asks the servers of pools whose engine is not named what they are, before anything serves.
fn find_engines(config: Config) -> Result<Engines, Error> {
    let mut engines = Engines::new(config);
    if engines.are_open() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
        runtime.block_on(engines.find());
    }
    Ok(engines)
}

/// Pingora panics in each thread for which the system has no descriptors left.
fn check_descriptors(config: &Config) -> Result<(), Error> {
    descriptors::raise();
    let threads = if config.server.work_stealing { 0 } else { config.server.threads };
    let threads = u64::try_from(threads).unwrap_or(u64::MAX);
    let least = DESCRIPTORS_BASE.saturating_add(threads.saturating_mul(DESCRIPTORS_A_THREAD));
    match metrics::descriptors_max() {
        Some(max) if max < least => Err(Error::Descriptors { max, least }),
        _ => Ok(()),
    }
}

fn server_conf(config: &Config) -> ServerConf {
    ServerConf {
        threads: config.server.threads,
        work_stealing: config.server.work_stealing,
        listener_tasks_per_fd: config.server.listener_tasks_per_fd,
        upstream_keepalive_pool_size: config.server.upstream_keepalive_pool_size,
        // The proxy itself knows when to stop: each peer fails a request once, and one that loads has its time.
        max_retries: usize::MAX,
        // Slept through whole by Pingora, after the requests have gone: the waiting is done here.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(RUNTIME_STOP_SECONDS),
        ..ServerConf::default()
    }
}

fn say_pools(config: &Config) {
    for pool in &config.pools {
        let models: Vec<_> = pool.models.iter().map(ToString::to_string).collect();
        let entries = pool.entries();
        let urls = entries.peers.iter().map(|peer| peer.url.clone());
        let names = entries.names.iter().map(|name| format!("dns {}", name.each.name));
        let peers: Vec<_> = urls.chain(names).collect();
        log::info!(
            "pool {}: {} at {}, models {}, dialect {}, tools {}{}",
            pool.name,
            pool.engine.name(),
            peers.join(", "),
            if models.is_empty() { "any".to_owned() } else { models.join(", ") },
            match &pool.dialect {
                DialectChoice::Auto => "auto",
                DialectChoice::Named(dialect) => dialect.name(),
            },
            pool.tools.name(),
            match pool.server_tools.names.as_slice() {
                [] => String::new(),
                names =>
                    format!(", and of its own {}", names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            },
        );
    }
}

fn metrics_of(config: &Config) -> Arc<Metrics> {
    let metrics = Metrics::new();
    metrics.models.configure(config.models(), config.limits.metrics_models_max);
    Arc::new(metrics)
}

fn say_mistakes(mistakes: &str) {
    for mistake in mistakes.lines() {
        log::error!("{mistake}");
    }
    log::error!("the configuration stays as it was");
}

/// Counts SIGTERM and SIGINT from here on, and reads the configuration again on SIGHUP, before anything serves: a signal
/// that came earlier than its handler would end the process in mid-answer.
fn signals(
    again: impl Fn() -> Result<Config, String> + Send + 'static,
    configs: watch::Sender<Option<Arc<Config>>>,
    metrics: Arc<Metrics>,
) -> Result<watch::Receiver<u32>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(Error::Thread)?;
    let inside = runtime.enter();
    let listen = |kind| signal(kind).map_err(Error::Thread);
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hangup = listen(SignalKind::hangup())?;
    // Other programs open their logs anew, or start their successor.
    let (mut user1, mut user2) = (listen(SignalKind::user_defined1())?, listen(SignalKind::user_defined2())?);
    drop(inside);
    let (tell, told) = watch::channel(0);
    let count = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = user1.recv() => {
                    log::info!("SIGUSR1 changes nothing");
                    continue;
                }
                _ = user2.recv() => {
                    log::info!("SIGUSR2 changes nothing");
                    continue;
                }
                _ = hangup.recv() => {
                    match again() {
                        Ok(config) => drop(configs.send_replace(Some(Arc::new(config)))),
                        Err(mistakes) => {
                            metrics.reloads.bad(&mistakes);
                            say_mistakes(&mistakes);
                        }
                    }
                    continue;
                }
            }
            tell.send_modify(|times| *times += 1);
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || runtime.block_on(count)).map_err(Error::Thread)?;
    Ok(told)
}
