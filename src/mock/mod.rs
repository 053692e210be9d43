//! A scripted upstream shaped like llama-server, alone or as a router of many models, or like an Ollama, so that a gateway
//! can be tried without a model.
//! It runs no model and reads no tools: a script says what it writes, piece by piece.
//!
//! One thread runs it, with a runtime of its own; a connection is a task.
//! llama-server's wire is that of build b11669: one event in an HTTP chunk, the connection closed after a stream.

mod api;
mod chat;
mod heard;
mod http;
mod machine;
mod model;
mod ollama;
mod pages;
mod router;
mod script;
mod stream;
mod template;
#[cfg(test)]
mod tests;
mod vllm;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

pub use api::Api;
pub use heard::Heard;
use heard::Memory;
use http::{Connection, Manner, Reply, Request};
use model::Model;
pub use ollama::script::{About, Call, Oddity, Part};
use router::Router;
pub use script::{Answer, Failure, ModelScript, Pages, Script, ScriptError, Vice, When, Written};

/// A mock that serves until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    memory: Arc<Memory>,
}

/// The scripted upstream.
#[derive(Debug)]
pub struct Mock {
    played: Played,
    manner: Manner,
    served: AtomicU64,
    memory: Arc<Memory>,
}

#[derive(Debug)]
enum Played {
    Model(Box<Model>),
    Router(Arc<Router>),
}

impl Mock {
    /// Starts to serve at `addr`; port 0 takes a free one.
    pub fn start(addr: impl ToSocketAddrs, script: Script) -> io::Result<Running> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let manner = if script.whose_pages() == Pages::Ollama { Manner::Plain } else { Manner::LlamaCpp };
        // Its clock begins here: it may have to load.
        let played = match script.routed() {
            Some(models) => Played::Router(Arc::new(Router::new(&script, &models))),
            None => Played::Model(Box::new(Model::new(script))),
        };
        let memory = Arc::new(Memory::default());
        let mock = Arc::new(Self { played, manner, served: AtomicU64::new(0), memory: Arc::clone(&memory) });
        let thread = std::thread::Builder::new().name("mock".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = mock.accept(listener) => if let Err(error) = result {
                        log::error!("mock: no more connections: {error}");
                    },
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Running { addr, stop: Some(stop), thread: Some(thread), memory })
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let mock = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(error) = mock.serve(stream).await {
                    log::debug!("mock: connection lost: {error}");
                }
            });
        }
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut connection = Connection::new(stream, self.manner);
        for _ in 0..http::REQUESTS_MAX {
            let request = match connection.read_request().await {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let reply = Reply::error(400, "invalid_request_error", &error.to_string());
                    return connection.write_reply(&Request::default(), &reply).await;
                }
                Err(error) => return Err(error),
            };
            if self.answer(&mut connection, &request).await? == After::Close || request.closes {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn answer(&self, connection: &mut Connection, request: &Request) -> io::Result<After> {
        if (request.method.as_str(), request.path()) == ("GET", HEARD) {
            return write(connection, request, &self.memory.page()).await;
        }
        self.memory.add(request);
        let number = self.served.fetch_add(1, Ordering::Relaxed);
        match &self.played {
            Played::Model(model) => model.answer(connection, request, number).await,
            Played::Router(router) => router.answer(connection, request, number).await,
        }
    }
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The last requests that it has read, the newest last: at most a hundred with 4 MiB of bodies, and the newest
    /// whatever its size.
    pub fn heard(&self) -> Vec<Heard> {
        self.memory.all()
    }

    /// Stops it and closes its connections.
    pub fn stop(mut self) {
        self.end();
    }

    /// Serves until the program ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by its own hook.
            let _ = thread.join();
        }
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens when the thread has ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

async fn write(connection: &mut Connection, request: &Request, reply: &Reply) -> io::Result<After> {
    log::debug!("mock: {} {} {}", request.method, request.path(), reply.status);
    connection.write_reply(request, reply).await?;
    Ok(After::Keep)
}

/// The page that shows what was asked, which no real server has.
const HEARD: &str = "/mock/heard";

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Keep,
    Close,
}
