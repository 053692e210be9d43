//! Memory limit for request bodies: the memory that the bodies of all requests take together.
//! Holds none of them; it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of all bodies that are read before a server is chosen.
#[derive(Clone, Debug, Default)]
pub struct BodyMemory(Arc<AtomicUsize>);

/// The bytes of one, given back when dropped.
#[derive(Debug, Default)]
pub struct Reservation {
    all: BodyMemory,
    bytes: usize,
}

/// So many would be too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl BodyMemory {
    /// For a body of which nothing has come yet.
    pub fn begin(&self) -> Reservation {
        Reservation { all: self.clone(), bytes: 0 }
    }
}

impl Reservation {
    /// More of it has come.
    pub fn grow(&mut self, bytes: usize, bytes_max: usize) -> Result<(), Full> {
        let before = self.all.0.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before.saturating_add(bytes) > bytes_max { Err(Full) } else { Ok(()) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_gives_back_another_may_have() {
        let bodies = BodyMemory::default();
        let (mut first, mut second) = (bodies.begin(), bodies.begin());
        assert_eq!(first.grow(6, 10), Ok(()));
        assert_eq!((second.grow(4, 10), second.grow(1, 10)), (Ok(()), Err(Full)));
        drop(second);
        assert_eq!(bodies.begin().grow(4, 10), Ok(()));
    }
}
