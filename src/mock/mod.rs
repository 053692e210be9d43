//! A scripted upstream shaped like llama-server, alone or as a router of many models, so that a gateway can be tried
//! without a model.
//! It runs no model and reads no tools: a script says what it writes, piece by piece.
//!
//! One thread runs it, with a runtime of its own; a connection is a task.
//! The wire is that of build b11669: one event in an HTTP chunk, the connection closed after a stream.

mod chat;
mod http;
mod machine;
mod model;
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

use http::{Connection, Reply, Request};
use model::Model;
use router::Router;
pub use script::{Answer, Failure, ModelScript, Pages, Script, ScriptError, Vice, When, Written};

/// A mock that serves until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The scripted upstream.
#[derive(Debug)]
pub struct Mock {
    played: Played,
    served: AtomicU64,
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
        // Its clock begins here: it may have to load.
        let played = match &script.models {
            Some(models) => Played::Router(Arc::new(Router::new(&script, models))),
            None => Played::Model(Box::new(Model::new(script))),
        };
        let mock = Arc::new(Self { played, served: AtomicU64::new(0) });
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
        Ok(Running { addr, stop: Some(stop), thread: Some(thread) })
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
        let mut connection = Connection::new(stream);
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

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Keep,
    Close,
}
