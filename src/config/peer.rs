//! Peer's URL, to where it is.
//! Resolves no names, and speaks no TLS.

use super::Peer;

/// Why a URL names no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("has no scheme")]
    NoScheme,
    #[error("asks for TLS, which is not supported yet")]
    Tls,
    #[error("has a scheme other than http")]
    Scheme,
    #[error("holds credentials")]
    Credentials,
    #[error("has no host")]
    NoHost,
    #[error("has a host that no URL can have")]
    Host,
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    #[error("has a query or a fragment")]
    Query,
}

impl UrlError {
    /// How to write it instead, for the end of the message.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoScheme => "write http://HOST:PORT",
            Self::Tls => "use http:// inside a trusted network, or a TLS-terminating proxy beside the server",
            Self::Scheme | Self::NoHost | Self::Host | Self::Port => "as in http://127.0.0.1:8080",
            Self::Credentials => "use the peer's api_key",
            Self::Query => "only scheme, host, port and a path prefix have a meaning",
        }
    }
}

impl Peer {
    /// The peer at a URL, with no key, no limit, a weight of one and the first priority.
    pub(super) fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::NoScheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err(UrlError::Tls),
            _ => return Err(UrlError::Scheme),
        }
        if rest.contains(['?', '#']) {
            return Err(UrlError::Query);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(UrlError::NoHost);
        }
        if path.contains(|c: char| c.is_ascii_control() || c == ' ') {
            return Err(UrlError::Host);
        }
        let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Ok(Self {
            name,
            url: url.into(),
            host: host.into(),
            port,
            prefix: path.trim_end_matches('/').into(),
            weight: 1,
            priority: 0,
            max_inflight: None,
            places: None,
            models: Vec::new(),
            api_key: None,
            authority: None,
            drain: false,
        })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; the port of http when there is none.
pub(super) fn split_port(authority: &str) -> Result<(&str, u16), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(UrlError::Host)?;
            host.parse::<core::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
            (host, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            if !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
                return Err(UrlError::Host);
            }
            (host, port)
        }
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, 80)),
        None => Err(UrlError::Host),
        Some(port) => Ok((host, parse_port(port).filter(|&port| port != 0).ok_or(UrlError::Port)?)),
    }
}

/// Digits only: the standard library would take a sign too.
pub(super) fn parse_port(port: &str) -> Option<u16> {
    port.parse().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (url, host, port, prefix) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, ""),
            ("http://box", "box", 80, ""),
            ("HTTP://gpu-1.lan:81/", "gpu-1.lan", 81, ""),
            ("http://[::1]:8080/llm/", "::1", 8080, "/llm"),
            ("http://[fe80::1]", "fe80::1", 80, ""),
            ("http://box/a/b", "box", 80, "/a/b"),
        ] {
            let peer = Peer::parse(url).unwrap();
            assert_eq!(
                (peer.host.as_str(), peer.port, peer.prefix.as_str(), peer.url.as_str()),
                (host, port, prefix, url)
            );
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            assert_eq!(peer.name, format!("{host}:{port}"));
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, expected) in [
            ("", UrlError::NoScheme),
            ("127.0.0.1:8080", UrlError::NoScheme),
            ("https://box", UrlError::Tls),
            ("unix://tmp/sock", UrlError::Scheme),
            ("http://", UrlError::NoHost),
            ("http://:80", UrlError::NoHost),
            ("http://user:secret@box", UrlError::Credentials),
            ("http://box:0", UrlError::Port),
            ("http://box:99999", UrlError::Port),
            ("http://box:", UrlError::Port),
            ("http://box:+80", UrlError::Port),
            ("http://a b", UrlError::Host),
            ("http://::1", UrlError::Port),
            ("http://[::1", UrlError::Host),
            ("http://[box]", UrlError::Host),
            ("http://[::1]8080", UrlError::Host),
            ("http://box/?a=b", UrlError::Query),
            ("http://box/a b", UrlError::Host),
        ] {
            assert_eq!(Peer::parse(url), Err(expected), "{url}");
        }
    }
}
