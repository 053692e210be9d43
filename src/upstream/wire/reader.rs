//! Reader of an answer: bytes of a connection become heads, data and an end.
//! Reads no socket. As lenient as Pingora is with what servers write, and no more: what has two meanings is refused.

use bytes::{Bytes, BytesMut};
use memchr::memchr_iter;
use pingora::http::{HMap, ResponseHeader, Version, header_value_from_raw};
use pingora::{Error, ErrorType, OrErr, Result};

use super::framing::{Body, Framing, Piece};
use super::part::{Ending, Part};

/// As many as Pingora reads.
const FIELDS_MAX: usize = 256;
/// An end of a head that is cut in two has fewer bytes on each side.
const SEAM_BYTES: usize = 2;
/// No server has longer heads.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// One answer, as far as it has come.
#[derive(Debug)]
pub struct Reader {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// What has come of a head.
    Head(BytesMut),
    Body(Body),
    Over,
}

/// Where the head that these bytes begin with ends. What is before `from` was searched already.
pub fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(2);
    memchr_iter(b'\n', bytes.get(from..)?).map(|at| from + at).find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

impl Reader {
    /// Of which nothing has come.
    pub fn new() -> Self {
        Self { stage: Stage::Head(BytesMut::new()) }
    }

    /// Whether all of it has come.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Takes the next bytes that the server sent. Data that comes at once is one part, however it was chunked. What came
    /// before bytes that cannot be understood is among the parts.
    pub fn push(&mut self, mut bytes: &[u8], parts: &mut Vec<Part>) -> Result<()> {
        let mut data = Gathered::default();
        let mut read = Ok(());
        while !bytes.is_empty() && read.is_ok() {
            match &mut self.stage {
                Stage::Over => break,
                Stage::Head(head) => {
                    // No more of a page is copied than is a head's.
                    let seam = head.len().saturating_sub(SEAM_BYTES);
                    let before = head.len() - seam;
                    let around =
                        [head.get(seam..).unwrap_or_default(), bytes.get(..SEAM_BYTES).unwrap_or(bytes)].concat();
                    let end = head_end(&around, 0).and_then(|end| end.checked_sub(before)).filter(|end| *end > 0);
                    let end = end.or_else(|| head_end(bytes, 0));
                    let (of_head, rest) = end.and_then(|end| bytes.split_at_checked(end)).unwrap_or((bytes, &[]));
                    head.extend_from_slice(of_head);
                    bytes = rest;
                    match end {
                        Some(_) => {
                            let whole = std::mem::take(head).freeze();
                            self.begin(whole, parts)?;
                        }
                        None => self.check_head()?,
                    }
                }
                Stage::Body(body) => {
                    let (length, piece) = body.read(bytes);
                    let is_over = body.is_over();
                    match piece {
                        Piece::Data(piece) => data.add(piece, bytes.len()),
                        Piece::Frame => {}
                        Piece::Last => self.stage = Stage::Over,
                        Piece::Broken => read = Error::e_explain(ErrorType::ReadError, "its chunks are none"),
                    }
                    if is_over {
                        self.stage = Stage::Over;
                    }
                    bytes = bytes.get(length..).unwrap_or_default();
                }
            }
        }
        let is_over = self.is_over();
        parts.extend(data.finish().map(Part::Data));
        if is_over && !matches!(parts.last(), Some(Part::End(_))) {
            parts.push(Part::End(Ending::Framed));
        }
        read
    }

    /// The connection ends. Fails when the answer was to go on.
    pub fn end(&mut self, parts: &mut Vec<Part>) -> Result<()> {
        let why = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => return Ok(()),
            Stage::Body(body) if body.ends_with_connection() => {
                parts.push(Part::End(Ending::Closed));
                return Ok(());
            }
            Stage::Body(_) => "the server closed the connection within its answer",
            Stage::Head(head) if head.is_empty() => "the server closed the connection before its answer",
            Stage::Head(..) => "the server closed the connection within the head of its answer",
        };
        Error::e_explain(ErrorType::ConnectionClosed, why)
    }

    fn check_head(&self) -> Result<()> {
        match &self.stage {
            Stage::Head(head) if head.len() > HEAD_BYTES_MAX => {
                Error::e_explain(ErrorType::InvalidHTTPHeader, "the head of its answer is too long")
            }
            _ => Ok(()),
        }
    }

    /// A head has come.
    fn begin(&mut self, bytes: Bytes, parts: &mut Vec<Part>) -> Result<()> {
        let mut head = read_head(bytes)?;
        self.stage = match head.status.as_u16() {
            101 => return Error::e_explain(ErrorType::InvalidHTTPHeader, "nobody asked for another protocol"),
            100..=199 => Stage::Head(BytesMut::new()),
            204 | 304 => Stage::Over,
            _ => match framing(&mut head)? {
                Framing::Length(0) => Stage::Over,
                framing => Stage::Body(Body::new(framing)),
            },
        };
        parts.push(Part::Head(head));
        Ok(())
    }
}

/// Data that came at once.
#[derive(Debug, Default)]
struct Gathered<'a> {
    first: &'a [u8],
    all: BytesMut,
}

impl<'a> Gathered<'a> {
    /// No more than `room` follows, this included.
    fn add(&mut self, piece: &'a [u8], room: usize) {
        if self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.reserve(self.first.len() + room);
            self.all.extend_from_slice(self.first);
        }
        self.all.extend_from_slice(piece);
    }

    fn finish(self) -> Option<Bytes> {
        match (self.first.is_empty(), self.all.is_empty()) {
            (true, _) => None,
            (false, true) => Some(Bytes::copy_from_slice(self.first)),
            (false, false) => Some(self.all.freeze()),
        }
    }
}

/// Reads a whole head, names as they were written.
fn read_head(bytes: Bytes) -> Result<Box<ResponseHeader>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let mut parser = httparse::ParserConfig::default();
    parser.allow_spaces_after_header_name_in_responses(true);
    parser.allow_obsolete_multiline_headers_in_responses(true);
    let parsed = parser.parse_response(&mut response, &bytes);
    let status = match parsed.or_err(ErrorType::InvalidHTTPHeader, "reading the head of its answer")? {
        httparse::Status::Complete(_) => response.code,
        httparse::Status::Partial => None,
    };
    let Some(status) = status else {
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "the head of its answer is none");
    };
    let mut head = Box::new(ResponseHeader::build(status, Some(response.headers.len()))?);
    head.set_version(if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 });
    head.set_reason_phrase(response.reason)?;
    for field in response.headers.iter() {
        let name = bytes.slice_ref(field.name.as_bytes());
        head.append_header(name, header_value_from_raw(bytes.slice_ref(field.value)))?;
    }
    Ok(head)
}

/// How the body is framed that follows.
fn framing(head: &mut ResponseHeader) -> Result<Framing> {
    if let Some(last) = head.headers.get_all("transfer-encoding").iter().next_back() {
        let is_chunked = is_chunked_last(last.as_bytes());
        // RFC 9112, section 6.3.
        head.remove_header("content-length");
        return Ok(if is_chunked { Framing::Chunked } else { Framing::Close });
    }
    length(&head.headers).map(|length| length.map_or(Framing::Close, Framing::Length))
}

/// Whether the last of these transfer codings is `chunked`.
pub fn is_chunked_last(codings: &[u8]) -> bool {
    let last = codings.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    last.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

/// The length that a head says. Fails when it says two, or none that is a number.
fn length(headers: &HMap) -> Result<Option<usize>> {
    let mut said = None;
    for value in headers.get_all("content-length") {
        for number in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(number).ok().filter(|_| is_number).and_then(|number| number.parse().ok());
            if length.is_none() || said.is_some_and(|said| Some(said) != length) {
                return Error::e_explain(ErrorType::InvalidHTTPHeader, "the length of its answer is none");
            }
            said = length;
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests;
