//! State of a client connection: what a client's connection and the requests on it tell each other.
//! Moves no byte; `socket` does, and asks here how long it may wait.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pingora::protocols::Stream;

use crate::gateway::fault::Fault;

/// One connection.
#[derive(Debug, Default)]
pub struct ClientConnection {
    /// How long the client may take nothing of an answer, in milliseconds; 0 is for ever.
    patience_ms: AtomicU64,
    /// What ended the connection, as a number of `Violation::ALL`, or none.
    slip: AtomicU8,
    /// Whether the gateway has seen the current request.
    is_admitted: AtomicBool,
    /// Whether Pingora answered it before.
    is_taken_back: AtomicBool,
    back: Mutex<Option<Stream>>,
    /// Whether what is written waits for what follows.
    gathers: AtomicBool,
}

/// What ended a connection: what its client did, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    UploadLate,
    /// It took nothing of its answer.
    Stalled,
    BadChunk,
    /// The gateway's own stop.
    Stopped,
}

impl ClientConnection {
    /// Another request is read; the gateway has not seen it yet.
    pub fn expect(&self) {
        self.is_admitted.store(false, Ordering::Release);
    }

    /// The gateway has the request, and answers from here on.
    pub fn admit(&self) {
        self.is_admitted.store(true, Ordering::Release);
    }

    /// Whether what is written is Pingora's own answer, which nobody is to get. The connection is given back then.
    pub fn takes_back(&self) -> bool {
        let is_own = !self.is_admitted.load(Ordering::Acquire);
        if is_own {
            self.is_taken_back.store(true, Ordering::Release);
        }
        is_own
    }

    /// Whether Pingora answered the current request by itself: that answer does not go out.
    pub fn is_taken_back(&self) -> bool {
        self.is_taken_back.load(Ordering::Acquire)
    }

    /// The connection, for who asks with `take_back`; none when it is of no use any more.
    pub fn give_back(&self, stream: Option<Stream>) {
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = stream;
    }

    /// The connection of a request that Pingora refused.
    pub fn take_back(&self) -> Option<Stream> {
        self.is_taken_back.store(false, Ordering::Release);
        self.back.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How long the client may take nothing of an answer from here on.
    pub fn be_patient(&self, ms: Option<u64>) {
        self.patience_ms.store(ms.unwrap_or(0), Ordering::Relaxed);
    }

    /// How long the client may take nothing of its answer. `None` is for ever.
    pub fn patience(&self) -> Option<Duration> {
        let ms = self.patience_ms.load(Ordering::Relaxed);
        (ms > 0).then(|| Duration::from_millis(ms))
    }

    /// From here on what is written waits, if it is to, for what is written then.
    pub fn gather(&self, gathers: bool) {
        self.gathers.store(gathers, Ordering::Release);
    }

    /// Whether what is written waits.
    pub fn gathers(&self) -> bool {
        self.gathers.load(Ordering::Acquire)
    }

    /// Notes it, and gives the error that ends the connection. The first counts.
    pub fn slip(&self, slip: Violation) -> io::Error {
        let _ = self.slip.compare_exchange(0, slip.number(), Ordering::AcqRel, Ordering::Acquire);
        io::Error::other(slip.fault().to_string())
    }

    /// What ended the connection first, if anything did.
    pub fn slipped(&self) -> Option<Violation> {
        let number = self.slip.load(Ordering::Acquire);
        Violation::ALL.into_iter().find(|slip| slip.number() == number)
    }

    /// Fails when the connection is ended.
    pub fn check(&self) -> io::Result<()> {
        match self.slipped() {
            // An answer to the others can still be written.
            Some(Violation::Stalled) => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

impl Violation {
    const ALL: [Self; 4] = [Self::UploadLate, Self::Stalled, Self::BadChunk, Self::Stopped];

    fn number(self) -> u8 {
        match self {
            Self::UploadLate => 1,
            Self::Stalled => 2,
            Self::BadChunk => 3,
            Self::Stopped => 4,
        }
    }

    /// What the client is told of it, as far as it can be told.
    pub fn fault(self) -> Fault {
        match self {
            Self::UploadLate => Fault::BodyLate,
            Self::Stalled => Fault::Stalled,
            Self::Stopped => Fault::Stopping,
            Self::BadChunk => Fault::BadRequest("a line of its chunked body is none".to_owned()),
        }
    }
}
