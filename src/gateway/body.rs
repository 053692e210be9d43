//! Request body: reads a request's body before its peer is chosen, and hands over what goes up instead.
//! Does not look inside, but for where its JSON ends.
//!
//! Pingora reads the body itself once a peer is chosen. It calls `request_body_filter` for a body that has been read
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
use super::nesting::Nesting;

/// A length is a claim; only what has come gets memory beyond this.
const FIRST_RESERVE_BYTES: usize = 1 << 20;

/// A request's body as far as it has been read.
#[derive(Debug)]
pub enum Read {
    /// There is none, or it is not JSON: it goes up as it came.
    Nothing,
    /// It was read.
    Whole(Body),
}

/// A body that was read.
#[derive(Debug)]
pub struct Body {
    pub bytes: Bytes,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    /// Chunked; Pingora's buffer has all of it, or none.
    Chunked {
        buffered: Buffered,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffered {
    All,
    None,
}

/// What goes up as the request's body.
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
    /// It came in a way that Pingora cannot hand over; better refused than left hanging.
    Lost,
    Client(Box<Error>),
}

/// A request's body on its way: what has been read of it, what goes up for it, and what it is held to.
#[derive(Debug, Default)]
pub struct RequestBody {
    pub upload: Upload,
    /// How deep it nests, where it has not been read as a whole.
    pub nesting: Option<Nesting>,
    /// What it takes of the memory for all bodies.
    pub held: Option<Reservation>,
    /// How long the client was waited for to send it.
    pub took: Duration,
}

impl RequestBody {
    /// Reads it, within the limits on its own size and depth and on the memory for all of them.
    pub async fn read(&mut self, session: &mut Session, limits: &Limits, all: &BodyMemory) -> Result<Read, Halt> {
        let (bytes_max, all_bytes_max) = (limits.request_body_bytes_max, limits.bodies_bytes_max);
        let began = Instant::now();
        let held = self.held.get_or_insert_with(|| all.begin());
        let read = read(session, bytes_max, |bytes| held.grow(bytes, all_bytes_max)).await;
        self.took = began.elapsed();
        if read.is_err() {
            // What had come of it is dropped.
            self.held = None;
        }
        let read = read.map_err(|e| match e {
            ReadError::TooLarge => Fault::BodyTooLarge { bytes_max }.into(),
            ReadError::Full => Fault::BodiesFull { bytes_max: all_bytes_max }.into(),
            ReadError::Unclosed => Fault::BodyUnclosed.into(),
            ReadError::Lost => Fault::Internal.into(),
            ReadError::Client(e) => Halt::Client(e),
        })?;
        if let Read::Whole(body) = &read {
            // It is not counted again on its way up.
            self.nesting.take().map_or(Ok(()), |mut nesting| nesting.follow_whole(&body.bytes))?;
        }
        Ok(read)
    }

    /// Takes in bytes of it. Fails when they nest too deep.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.nesting.as_mut().map_or(Ok(()), |nesting| nesting.follow(bytes))
    }

    /// As far as it is known before it goes up.
    pub fn known(&self, session: &Session) -> Option<Bytes> {
        match &self.upload {
            Upload::Instead(bytes) | Upload::Handed(bytes) | Upload::Before(bytes) => Some(bytes.clone()),
            Upload::AsRead => session.get_retry_buffer(),
        }
    }

    /// The answer has come: nothing of it is wanted any more.
    pub fn release(&mut self) {
        self.upload.release();
        self.held = None;
    }
}

/// Reads a body of at most `bytes_max` bytes. `grow` is told of each piece, and may be against it.
async fn read(
    session: &mut Session,
    bytes_max: usize,
    grow: impl FnMut(usize) -> Result<(), Full>,
) -> Result<Read, ReadError> {
    let headers = &session.req_header().headers;
    let is_chunked = headers.contains_key("transfer-encoding");
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.trim().parse::<usize>().ok());
    if session.is_body_empty() {
        return Ok(Read::Nothing);
    }
    match length {
        Some(length) if !is_chunked && length > bytes_max => Err(ReadError::TooLarge),
        Some(length) if !is_chunked => {
            welcome(session).await?;
            read_length(session, length, grow).await
        }
        _ => {
            welcome(session).await?;
            read_chunked(session, bytes_max, grow).await
        }
    }
}

impl Body {
    /// Another body in the place of one that was read.
    pub fn instead(bytes: Bytes) -> Self {
        Self { bytes, framing: Framing::Length }
    }

    /// The body as it is to be, where that differs.
    pub fn edited(self, edit: impl FnOnce(&[u8]) -> Option<Bytes>) -> Self {
        edit(&self.bytes).map_or(self, Self::instead)
    }

    /// It goes up as it came.
    pub fn unchanged(self) -> Upload {
        match self.framing {
            Framing::Length => Upload::Instead(self.bytes),
            Framing::Chunked { buffered: Buffered::All } => Upload::AsRead,
            Framing::Chunked { buffered: Buffered::None } => Upload::Before(self.bytes),
        }
    }
}

impl Upload {
    /// The length that goes into the header, where it is known and new.
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::Instead(bytes) | Self::Handed(bytes) => Some(bytes.len()),
            Self::AsRead | Self::Before(_) => None,
        }
    }

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
    mut grow: impl FnMut(usize) -> Result<(), Full>,
) -> Result<Read, ReadError> {
    let mut body = BytesMut::with_capacity(length.min(FIRST_RESERVE_BYTES));
    loop {
        // One read, be it the head's, brings no more than this, so it never crosses this line to the end.
        if length.saturating_sub(body.len()) <= READ_BYTES_MAX {
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
    if session.get_retry_buffer().is_none() {
        return Err(ReadError::Lost);
    }
    Ok(Read::Whole(Body { bytes: body.freeze(), framing: Framing::Length }))
}

async fn read_chunked(
    session: &mut Session,
    bytes_max: usize,
    mut grow: impl FnMut(usize) -> Result<(), Full>,
) -> Result<Read, ReadError> {
    session.enable_retry_buffering();
    let mut extent = Extent::default();
    let mut body = BytesMut::new();
    while !extent.is_closed() {
        let Some(piece) = session.as_downstream_mut().read_request_body().await.map_err(client)? else {
            return if body.is_empty() { Ok(Read::Nothing) } else { Err(ReadError::Unclosed) };
        };
        if body.len() + piece.len() > bytes_max {
            return Err(ReadError::TooLarge);
        }
        grow(piece.len())?;
        body.extend_from_slice(&piece);
        extent.push(&piece);
        if extent.is_endless() {
            break;
        }
    }
    let buffered = if session.get_retry_buffer().is_some() { Buffered::All } else { Buffered::None };
    if buffered == Buffered::None && session.is_body_done() {
        return Err(ReadError::Lost);
    }
    Ok(Read::Whole(Body { bytes: body.freeze(), framing: Framing::Chunked { buffered } }))
}

impl From<Full> for ReadError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

fn client(e: Box<Error>) -> ReadError {
    ReadError::Client(e.into_down())
}
