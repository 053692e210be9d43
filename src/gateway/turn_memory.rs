//! Memory of turns, shared by all requests: a lock and a clock around what `turn` remembers.
//! Decides nothing about what is kept.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::api::openai::Message;
use crate::turn::{Memory, Recall, Room, Trail, recalled};

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
        let mut trail = self.locked().trail(authorization);
        let answers = trail.follow(messages);
        let found = self.locked().find(&answers, room, self.since.elapsed());
        let recalled = (!found.is_empty()).then(|| recalled(messages, &found));
        (trail, recalled)
    }

    /// Remembers what an answer at the end of this trail stood for.
    pub fn remember(&self, trail: &Trail, answer: Recall, room: Room) {
        self.locked().remember(trail, answer, room, self.since.elapsed());
    }

    /// For no longer than it takes to look something up: what it takes to follow a conversation is done without it.
    fn locked(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
