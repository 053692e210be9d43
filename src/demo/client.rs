//! A client with nothing but a socket: one chat request, and the streamed reply as its bytes arrive.
//! Knows as much of HTTP/1.1 as a gateway on loopback answers with.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far longer than the scripted answers take; a demo must not hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// A head longer than this, or a chunk, is not from the gateway.
const BYTES_MAX: u64 = 1 << 20;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the gateway's connection: {0}")]
    Io(#[from] io::Error),
    #[error("the gateway answers `{status}`: {body}")]
    Status { status: String, body: String },
    #[error("the gateway's chunk has no length: `{0}`")]
    Chunk(String),
}

/// Posts a request, and hands over the bytes of the reply's body.
pub(super) fn post(addr: SocketAddr, path: &str, body: &str, mut take: impl FnMut(Vec<u8>)) -> Result<(), ClientError> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let status = line(&mut reader)?;
    let mut is_chunked = false;
    loop {
        let field = line(&mut reader)?.to_ascii_lowercase();
        is_chunked |= field.starts_with("transfer-encoding:") && field.ends_with("chunked");
        if field.is_empty() {
            break;
        }
    }
    if status.split(' ').nth(1) != Some("200") {
        let mut body = String::new();
        reader.take(BYTES_MAX).read_to_string(&mut body)?;
        return Err(ClientError::Status { status, body });
    }
    if is_chunked {
        return chunks(&mut reader, take);
    }
    let mut whole = Vec::new();
    reader.take(BYTES_MAX).read_to_end(&mut whole)?;
    take(whole);
    Ok(())
}

fn chunks(reader: &mut impl BufRead, mut take: impl FnMut(Vec<u8>)) -> Result<(), ClientError> {
    loop {
        let size = line(reader)?;
        let length = u64::from_str_radix(&size, 16).ok().filter(|length| *length <= BYTES_MAX);
        let length = length.ok_or(ClientError::Chunk(size))?;
        let mut chunk = Vec::new();
        reader.take(length).read_to_end(&mut chunk)?;
        line(reader)?;
        if length == 0 {
            return Ok(());
        }
        take(chunk);
    }
}

/// The next line, without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.take(BYTES_MAX).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<String, ClientError> {
        let mut out = Vec::new();
        chunks(&mut body.as_bytes(), |bytes| out.extend(bytes))?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(read("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n").unwrap(), "abc0123456789");
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for body in ["", "x\r\n", "ffffffffffffffffffff\r\n", "3\r\nabc\r\n", "200000\r\n"] {
            assert!(read(body).is_err(), "{body:?}");
        }
    }
}
