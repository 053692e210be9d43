//! Listen address, where clients connect: `host:port`, or `unix:/path` with the mode of the socket's file behind a `|`.
//! Resolves no names and binds nothing.

use core::net::{IpAddr, Ipv4Addr};
use std::fmt;
use std::path::PathBuf;

use super::peer::{parse_port, split_port};

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A name or an address, without the brackets of IPv6. Port 0 is any that is free.
    Tcp { host: String, port: u16 },
    /// Beginning at the root.
    Unix { path: PathBuf, mode: u32 },
}

/// Why a text is no address to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("is not host:port")]
    Form,
    /// Many programs take `*` or nothing for all addresses.
    #[error("names no address")]
    Anywhere,
    #[error("is not the full path of a socket")]
    Path,
    #[error("has a mode that is not three octal digits, as in unix:/run/toolgate/socket|660")]
    Mode,
}

impl AddressError {
    /// How to write it instead, for the end of the message.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Form => "as in 127.0.0.1:8000",
            Self::Anywhere => "0.0.0.0:PORT is every address of IPv4, [::]:PORT every one of IPv6",
            Self::Path | Self::Mode => "as in unix:/run/toolgate/socket",
        }
    }
}

/// What is needed to connect: whoever is in the group of the program may.
const MODE: u32 = 0o660;

impl Address {
    /// Reads an address. A socket's mode is octal. Fails on an address without a host or a port, on a path that is not
    /// absolute, and on a mode that is none.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::parse_unix(path);
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Form)?;
        if matches!(host, "" | "*") && parse_port(port).is_some() {
            return Err(AddressError::Anywhere);
        }
        let port = parse_port(port).ok_or(AddressError::Form)?;
        // A port stands behind it, so there is none in it.
        let host = match split_port(host) {
            Ok((name, _)) if !name.is_empty() && (host.starts_with('[') || name.len() == host.len()) => name,
            Ok(_) | Err(_) => return Err(AddressError::Form),
        };
        Ok(Self::Tcp { host: host.to_owned(), port })
    }

    fn parse_unix(text: &str) -> Result<Self, AddressError> {
        let (path, mode) = match text.rsplit_once('|') {
            Some((path, digits)) => (path, octal(digits).ok_or(AddressError::Mode)?),
            None => (text, MODE),
        };
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return Err(AddressError::Path);
        }
        Ok(Self::Unix { path: path.into(), mode })
    }

    /// Whether both cannot be listened at.
    pub fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { port: 0, .. }, _) | (_, Self::Tcp { port: 0, .. }) => self == other,
            (Self::Tcp { port, .. }, Self::Tcp { port: other_port, .. }) if port == other_port => {
                match (self.ip(), other.ip()) {
                    (Some(a), Some(b)) if a.is_ipv4() != b.is_ipv4() => false,
                    (Some(a), Some(b)) => a == b || a.is_unspecified() || b.is_unspecified(),
                    _ => self == other,
                }
            }
            (Self::Unix { path, .. }, Self::Unix { path: other, .. }) => path == other,
            _ => false,
        }
    }

    /// Whether others than programs of this machine can connect. A name may lead anywhere.
    pub fn is_reachable(&self) -> bool {
        match self {
            Self::Tcp { .. } => self.ip().is_none_or(|ip| !ip.is_loopback()),
            Self::Unix { .. } => false,
        }
    }

    fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp { host, .. } if host.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
            Self::Tcp { host, .. } => host.parse().ok(),
            Self::Unix { .. } => None,
        }
    }
}

fn octal(digits: &str) -> Option<u32> {
    let is_one = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    u32::from_str_radix(digits, 8).ok().filter(|mode| is_one && *mode <= 0o777)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, shown) in [
            ("127.0.0.1:8000", Ok("127.0.0.1:8000")),
            ("[::1]:0", Ok("[::1]:0")),
            ("box.lan:80", Ok("box.lan:80")),
            ("unix:/run/t", Ok("unix:/run/t")),
            ("unix:/a|b|0600", Ok("unix:/a|b")),
            ("8000", Err(AddressError::Form)),
            ("box", Err(AddressError::Form)),
            ("::1:80", Err(AddressError::Form)),
            ("a b:80", Err(AddressError::Form)),
            ("a:80:80", Err(AddressError::Form)),
            ("a:99999", Err(AddressError::Form)),
            ("a:+1", Err(AddressError::Form)),
            ("*:8000", Err(AddressError::Anywhere)),
            (":8000", Err(AddressError::Anywhere)),
            ("unix:run/t", Err(AddressError::Path)),
            ("unix:/run/", Err(AddressError::Path)),
            ("unix:", Err(AddressError::Path)),
            ("unix:/t|9", Err(AddressError::Mode)),
            ("unix:/t|888", Err(AddressError::Mode)),
            ("unix:/t|7777", Err(AddressError::Mode)),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()), shown.map(str::to_owned), "{text}");
        }
        let mode = |text| match Address::parse(text) {
            Ok(Address::Unix { mode, .. }) => mode,
            other => panic!("{other:?}"),
        };
        assert_eq!([mode("unix:/t"), mode("unix:/t|666"), mode("unix:/t|0600")], [0o660, 0o666, 0o600]);
    }

    #[test]
    fn what_cannot_be_had_at_once_collides() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("localhost:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::]:80", false),
            ("[::]:80", "[::1]:80", true),
            ("[::1]:80", "[0:0::1]:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "0.0.0.0:0", false),
            ("127.0.0.1:0", "127.0.0.1:0", true),
            ("box:80", "box:80", true),
            ("unix:/a", "unix:/a|600", true),
            ("unix:/a", "unix:/b", false),
        ] {
            let [a, b] = [a, b].map(|text| Address::parse(text).unwrap());
            assert_eq!((a.collides(&b), b.collides(&a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn who_can_connect_from_elsewhere() {
        for (text, expected) in [
            ("127.9.9.9:1", false),
            ("localhost:1", false),
            ("[::1]:1", false),
            ("unix:/a", false),
            ("0.0.0.0:1", true),
            ("box:1", true),
            ("[::]:1", true),
        ] {
            assert_eq!(Address::parse(text).unwrap().is_reachable(), expected, "{text}");
        }
    }
}
