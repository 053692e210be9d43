//! Request body: read before the request's pool is chosen, or before its peer is, and handed over to Pingora then.
//! Does not look inside, but for where its JSON ends.
//!
//! A body that is read for its route goes up in an `exchange`, and Pingora never sees it. One that is read ahead while
//! its request waits for a peer is Pingora's to send. It calls `request_body_filter` for a body that has been read
//! already only with what its retry buffer holds, which takes 64 KiB and is void once more was put in. So the buffer
//! is turned on for the last of the body, and no sooner, since what is in it stays there: the filter is then called
//! with that rest and the end of the stream, and there the whole body takes its place.
//! A chunked body has no length that would tell when; it is read to the end of its JSON only, and the filter is called
//! with what follows, the last chunk at least.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pingora::Error;
use pingora::http::Version;
use pingora::proxy::Session;

use crate::json::Extent;
use crate::limits::Limits;

use super::body_memory::{BodyMemory, Full, Reservation};
use super::client::READ_BYTES_MAX;
use super::fault::{Fault, Halt};
use super::long_work;
use super::nesting::Nesting;

/// A length is a claim; only what has come gets memory beyond this.
const FIRST_RESERVE_BYTES: usize = 1 << 20;

/// A request's body as far as it has been read.
#[derive(Debug)]
pub enum Read {
    /// There is none.
    Nothing,
    /// It was read to its end.
    Whole(Bytes),
}

/// How far a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// To its end.
    End,
    /// As far as Pingora can hand it over.
    HandOver,
}

/// What goes up of a body that Pingora sends.
#[derive(Debug, Default)]
pub enum Upload {
    /// What Pingora reads.
    #[default]
    AsRead,
    /// These bytes, instead of all of it.
    Instead(Bytes),
    /// The same, once it has been handed on; a retry wants it again.
    Handed(Bytes),
    /// These bytes, then what Pingora goes on to read.
    Before(Bytes),
}

/// Why a body could not be read.
#[derive(Debug)]
enum ReadError {
    TooLarge,
    /// With it all bodies together would be.
    Full,
    /// It ended before its JSON did.
    Unclosed,
    Client(Box<Error>),
}

/// A request's body on its way: what has been read of it, what goes up for it, and what it is held to.
#[derive(Debug, Default)]
pub struct RequestBody {
    /// What goes up of a body that was read for its route.
    pub whole: Option<Bytes>,
    /// What goes up of any other.
    pub upload: Upload,
    /// How deep it nests, where it has not been read as a whole.
    pub nesting: Option<Nesting>,
    /// What it takes of the memory for all bodies.
    pub held: Option<Reservation>,
    /// How long the client was waited for to send it.
    pub took: Duration,
}

impl RequestBody {
    /// Reads all of it, within the limits on its own size and depth and on the memory for all of them.
    pub async fn read(&mut self, session: &mut Session, limits: &Limits, all: &BodyMemory) -> Result<Read, Halt> {
        let body = self.take_in(session, limits, all, Until::End).await?;
        Ok(body.map_or(Read::Nothing, Read::Whole))
    }

    /// Reads it within the same limits, so that Pingora hands it over.
    pub async fn read_ahead(&mut self, session: &mut Session, limits: &Limits, all: &BodyMemory) -> Result<(), Halt> {
        let is_chunked = is_chunked(session);
        let Some(bytes) = self.take_in(session, limits, all, Until::HandOver).await? else { return Ok(()) };
        self.upload = match (is_chunked, session.get_retry_buffer()) {
            (false, Some(_)) => Upload::Instead(bytes),
            (true, Some(_)) => Upload::AsRead,
            (true, None) if !session.is_body_done() => Upload::Before(bytes),
            // It came in a way that Pingora cannot hand over; better refused than left hanging.
            (_, None) => return Err(Fault::Internal.into()),
        };
        Ok(())
    }

    async fn take_in(
        &mut self,
        session: &mut Session,
        limits: &Limits,
        all: &BodyMemory,
        until: Until,
    ) -> Result<Option<Bytes>, Halt> {
        let (bytes_max, all_bytes_max) = (limits.request_body_bytes_max, limits.bodies_bytes_max);
        let began = Instant::now();
        let held = self.held.get_or_insert_with(|| all.begin());
        let read = read(session, bytes_max, until, |bytes| held.grow(bytes, all_bytes_max)).await;
        self.took = began.elapsed();
        if read.is_err() {
            // What had come of it is dropped.
            self.held = None;
        }
        let read = read.map_err(|e| match e {
            ReadError::TooLarge => Fault::BodyTooLarge { bytes_max }.into(),
            ReadError::Full => Fault::BodiesFull { bytes_max: all_bytes_max }.into(),
            ReadError::Unclosed => Fault::BodyUnclosed.into(),
            ReadError::Client(e) => Halt::Client(e),
        })?;
        if let Some(body) = &read {
            // It is not counted again on its way up.
            let count = |mut nesting: Nesting| long_work::over(body.len(), || nesting.follow_whole(body));
            self.nesting.take().map_or(Ok(()), count)?;
        }
        Ok(read)
    }

    /// Takes in bytes of it. Fails when they nest too deep.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.nesting.as_mut().map_or(Ok(()), |nesting| nesting.follow(bytes))
    }

    /// As far as it is known before it goes up.
    pub fn known(&self, session: &Session) -> Option<Bytes> {
        match (&self.whole, &self.upload) {
            (Some(bytes), _) | (None, Upload::Instead(bytes) | Upload::Handed(bytes) | Upload::Before(bytes)) => {
                Some(bytes.clone())
            }
            (None, Upload::AsRead) => session.get_retry_buffer(),
        }
    }

    /// The length that goes into the header, where it is known and new.
    pub fn length(&self) -> Option<usize> {
        match (&self.whole, &self.upload) {
            (Some(bytes), _) | (None, Upload::Instead(bytes) | Upload::Handed(bytes)) => Some(bytes.len()),
            (None, Upload::AsRead | Upload::Before(_)) => None,
        }
    }

    /// The answer has come: nothing of it is wanted any more.
    pub fn release(&mut self) {
        self.upload.release();
        (self.whole, self.held) = (None, None);
    }
}

fn is_chunked(session: &Session) -> bool {
    session.req_header().headers.contains_key("transfer-encoding")
}

/// Reads a body of at most `bytes_max` bytes. `grow` is told of each piece, and may be against it.
async fn read(
    session: &mut Session,
    bytes_max: usize,
    until: Until,
    grow: impl FnMut(usize) -> Result<(), Full>,
) -> Result<Option<Bytes>, ReadError> {
    let length = session.get_header("content-length");
    let length = length.and_then(|value| value.to_str().ok()?.trim().parse::<usize>().ok());
    if session.is_body_empty() {
        return Ok(None);
    }
    match length.filter(|_| !is_chunked(session)) {
        Some(length) if length > bytes_max => Err(ReadError::TooLarge),
        Some(length) => {
            welcome(session).await?;
            read_length(session, length, until, grow).await.map(Some)
        }
        None => {
            welcome(session).await?;
            read_chunked(session, bytes_max, until, grow).await
        }
    }
}

impl Upload {
    /// Puts into `piece`, which Pingora read, what goes up for it. A retry calls this again from the start.
    pub fn replace(&mut self, piece: &mut Option<Bytes>, is_last: End) {
        match self {
            Self::AsRead => {}
            // `None` would end the upload, so what is not last is empty.
            Self::Instead(_) | Self::Handed(_) if is_last == End::Later => *piece = Some(Bytes::new()),
            Self::Instead(bytes) | Self::Handed(bytes) => {
                *piece = Some(bytes.clone());
                *self = Self::Handed(std::mem::take(bytes));
            }
            Self::Before(bytes) => {
                let mut whole = BytesMut::from(std::mem::take(bytes));
                whole.extend_from_slice(piece.as_deref().unwrap_or_default());
                *piece = Some(whole.freeze());
                *self = Self::AsRead;
            }
        }
    }

    /// The answer has come, so there will be no retry: what was handed on need not be kept beside a long stream.
    fn release(&mut self) {
        if matches!(self, Self::Handed(_)) {
            *self = Self::AsRead;
        }
    }
}

/// Whether a piece of a body is its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Here,
    Later,
}

/// Answers `Expect: 100-continue`, which Pingora leaves to whoever reads the body, and keeps it from being answered
/// again by the server.
async fn welcome(session: &mut Session) -> Result<(), ReadError> {
    let expects =
        session.get_header("expect").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects {
        // A client of HTTP/1.0 takes the first head that comes for its answer.
        if session.req_header().version != Version::HTTP_10 {
            session.as_downstream_mut().write_continue_response().await.map_err(client)?;
        }
        session.req_header_mut().remove_header("Expect");
    }
    Ok(())
}

async fn read_length(
    session: &mut Session,
    length: usize,
    until: Until,
    mut grow: impl FnMut(usize) -> Result<(), Full>,
) -> Result<Bytes, ReadError> {
    let mut body = BytesMut::with_capacity(length.min(FIRST_RESERVE_BYTES));
    loop {
        // One read, be it the head's, brings no more than this, so it never crosses this line to the end.
        if until == Until::HandOver && length.saturating_sub(body.len()) <= READ_BYTES_MAX {
            session.enable_retry_buffering();
        }
        if session.is_body_done() {
            break;
        }
        match session.as_downstream_mut().read_request_body().await.map_err(client)? {
            Some(piece) => {
                grow(piece.len())?;
                body.extend_from_slice(&piece);
            }
            None => break,
        }
    }
    Ok(body.freeze())
}

async fn read_chunked(
    session: &mut Session,
    bytes_max: usize,
    until: Until,
    mut grow: impl FnMut(usize) -> Result<(), Full>,
) -> Result<Option<Bytes>, ReadError> {
    if until == Until::HandOver {
        session.enable_retry_buffering();
    }
    let mut extent = Extent::default();
    let mut body = BytesMut::new();
    while until == Until::End || !(extent.is_closed() || extent.is_endless()) {
        let Some(piece) = session.as_downstream_mut().read_request_body().await.map_err(client)? else { break };
        if body.len() + piece.len() > bytes_max {
            return Err(ReadError::TooLarge);
        }
        grow(piece.len())?;
        body.extend_from_slice(&piece);
        if !extent.is_closed() && !extent.is_endless() {
            extent.push(&piece);
        }
    }
    match (body.is_empty(), extent.is_closed() || extent.is_endless()) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(body.freeze())),
        (false, false) => Err(ReadError::Unclosed),
    }
}

impl From<Full> for ReadError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

fn client(e: Box<Error>) -> ReadError {
    ReadError::Client(e.into_down())
}
