//! The client of a request, as far as an attempt must know it: whether it has left, what it can be told meanwhile, and
//! what it sends.
//! A session of Pingora's is one; so is whatever makes requests of its own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use pingora::{Error, Result};

use crate::api::Progress;
use crate::gateway::fault::Halt;

/// Whoever waits for an answer.
#[async_trait]
pub trait Client: Send {
    /// Returns when the client has left, with what ends its request. One whose body is still to come is not listened
    /// to: that would be reading it.
    async fn left(&mut self) -> Box<Error>;

    /// When it is to hear next how its request stands; `None` for a client that hears nothing.
    fn tell_at(&self) -> Option<Instant>;

    /// Tells it how its request stands. Fails when it has left.
    async fn tell(&mut self, standing: WaitStatus) -> Result<()>;

    /// The request's body, as far as it is known before it goes up. What is still to come is read for that, if
    /// `intake` says so.
    async fn body(&mut self, intake: Intake) -> Result<Option<Bytes>, Halt>;
}

/// Which bodies are read before a server is chosen although their route does not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// None.
    Known,
    /// Those whose length is known: whether a client has left is seen only behind its body.
    WithLength,
    /// Chunked JSON too.
    All,
}

/// How a request stands.
#[derive(Clone, Debug)]
pub enum WaitStatus {
    /// In the queue, with so many before it.
    Queued { before: Option<usize> },
    /// Its model is not loaded; so many are before it that want the same.
    Awaiting { model: Arc<str>, before: usize },
    /// Its model is being loaded at that server, and how long that takes is a guess.
    Loading { model: Arc<str>, peer: String, since: Duration, takes: Duration },
    /// A server has it.
    Asked(Option<Progress>),
}

impl fmt::Display for WaitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued { before: Some(before) } => write!(f, "queued position={}", before + 1),
            Self::Awaiting { model, before } => write!(f, "waiting model={} position={}", word(model), before + 1),
            Self::Loading { model, peer, since, takes } => {
                let (model, peer) = (word(model), word(peer));
                write!(f, "loading model={model} box={peer} seconds={} of about {}", since.as_secs(), takes.as_secs())
            }
            Self::Asked(Some(Progress { processed, total })) => {
                write!(f, "prefill processed={processed} total={total}")
            }
            Self::Queued { before: None } | Self::Asked(None) => f.write_str("waiting"),
        }
    }
}

/// A name as one word of a comment, which is one line.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c }).collect()
}

/// Waits for something as long as the client does. `None` when the client is to be told first how its request stands.
pub(super) async fn wait_with<T>(client: &mut dyn Client, something: impl Future<Output = T>) -> Result<Option<T>> {
    let tell_at = client.tell_at();
    wait_until(client, tell_at, something).await
}

/// The same, until the client is to be told at this moment.
pub async fn wait_until<T>(
    client: &mut dyn Client,
    tell_at: Option<Instant>,
    something: impl Future<Output = T>,
) -> Result<Option<T>> {
    tokio::select! {
        done = something => Ok(Some(done)),
        e = client.left() => Err(e),
        () = until(tell_at) => Ok(None),
    }
}

/// Returns at this moment, if there is one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
