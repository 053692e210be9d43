//! Nesting limit: how deep the JSON of a request's body nests, on whatever route, read or streamed through.
//! Holds no bytes and changes none: it counts what passes, and what is no JSON is not looked at behind its first byte.
//!
//! Servers turn schemas into grammars, and messages into values of a template, by recursion; what nests deep enough
//! ends their process. A body that is stopped here on its way is one that its server never gets whole.

use pingora::http::{Method, RequestHeader};

use crate::json::Depth;

use super::fault::Fault;

/// The nesting of one body.
#[derive(Debug)]
pub struct Nesting {
    depth: Depth,
    depth_max: usize,
}

impl Nesting {
    /// `None` for a request whose body, if it has one, no server takes for JSON to be worked on.
    pub fn of(request: &RequestHeader, depth_max: usize) -> Option<Self> {
        (request.method == Method::POST).then(|| Self { depth: Depth::default(), depth_max })
    }

    /// Takes in the next bytes of the body.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.depth.push(bytes);
        if self.depth.deepest() > self.depth_max {
            return Err(Fault::TooDeep { depth_max: self.depth_max });
        }
        Ok(())
    }

    /// Takes in the body as a whole.
    pub fn follow_whole(&mut self, body: &[u8]) -> Result<(), Fault> {
        if Depth::is_surely_within(body, self.depth_max) { Ok(()) } else { self.follow(body) }
    }

    /// The body goes up once more, from its start.
    pub fn restart(&mut self) {
        self.depth = Depth::default();
    }
}
