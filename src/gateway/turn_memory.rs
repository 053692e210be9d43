//! Memory of turns, shared by all requests: a lock and a clock around what `turn` remembers.
//! Decides nothing about what is kept.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::api::openai::Message;
use crate::turn::{Memory, Recall, Room, Trail};

/// What clients did not see of turns whose tools ran here.
#[derive(Debug)]
pub struct TurnMemory {
    memory: Mutex<Memory>,
    since: Instant,
}

impl Default for TurnMemory {
    /// Remembers nothing yet.
    fn default() -> Self {
        Self { memory: Mutex::default(), since: Instant::now() }
    }
}

impl TurnMemory {
    /// Follows a conversation of whoever shows this key to its end. Returns its messages with what is remembered in its
    /// answers' place, if anything is.
    pub fn recall<'a>(
        &self,
        authorization: Option<&[u8]>,
        messages: &[Message<'a>],
        room: Room,
    ) -> (Trail, Option<Vec<Cow<'a, str>>>) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut trail = memory.trail(authorization);
        let recalled = memory.recall(&mut trail, messages, room, self.since.elapsed());
        (trail, recalled)
    }

    /// Remembers what an answer at the end of this trail stood for.
    pub fn remember(&self, trail: &Trail, answer: Recall, room: Room) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.remember(trail, answer, room, self.since.elapsed());
    }
}
