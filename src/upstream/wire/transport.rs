//! Transport: what requests and answers go over, as plain bytes. TLS to servers belongs below it.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection's plain bytes.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + Sync + fmt::Debug {
    /// Small writes go out at once from here on.
    fn set_nodelay(&self) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn set_nodelay(&self) -> io::Result<()> {
        Self::set_nodelay(self, true)
    }
}
