//! Turn of a conversation in which tools run on the server: rounds of questions and answers of which the client gets one
//! answer.
//! Runs no tool, asks no server and reads no clock. It is pushed the answers, says which calls are to run, is told what
//! came of them, and says what the next round asks.
//!
//! ```text
//!                  round's answer             calls of the server's tools
//!   asking ─────────────────────▶ answering ────────────────────────────▶ running
//!     ▲                              │  no call, or the client's: over        │
//!     └──────────────────────────────┴───── results, next body ───────────────┘
//! ```

mod memory;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

pub use self::memory::{Answer, Memory, Recall, Room, Trail, recalled};
use crate::api::Tokens;
use crate::api::openai::chunk::is_whole;
use crate::api::openai::finish::{PAUSED, STOP, Truncated, for_client};
use crate::api::openai::rounds::{Conversation, Cost, Owner, RoundCall, Rounds, Said, result_message};
use crate::limits::Limits;
use crate::sse;

/// A turn, from its first round to its end.
#[derive(Debug)]
pub struct Turn {
    bounds: Bounds,
    /// The names of the tools that run here.
    tools: Vec<String>,
    conversation: Conversation,
    events: sse::Decoder,
    rounds: Rounds,
    /// Rounds that were asked, with the one that runs.
    asked: usize,
    /// Calls that were to run.
    calls: usize,
    /// The calls that run, or may not.
    running: Vec<RoundCall>,
    /// What the last round said, and what its server said of its tokens.
    last: Option<Said>,
    tokens: Option<Tokens>,
    /// The ids of the client's calls.
    client_ids: Vec<String>,
    is_last_round: bool,
    /// Whether the answer has had its end.
    is_ended: bool,
    show: Show,
}

/// What a turn may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rounds that may call tools.
    pub rounds_max: usize,
    /// Calls that may run.
    pub calls_max: usize,
    pub at_limit: AtLimit,
}

/// What becomes of a turn that has had all its rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// One more round has to answer without tools.
    #[default]
    Answer,
    /// It pauses, and its client goes on with it if it likes to.
    Pause,
}

/// How calls are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    #[default]
    Nothing,
    Thoughts,
    /// Whoever tells the answer has blocks of its own for them, between which nothing has to stand.
    Blocks,
}

/// What follows a round's answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// These calls are to run, in this order.
    Run(Vec<RoundCall>),
    Over,
}

/// What follows the calls of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Another round, which asks what [`Turn::ask`] says.
    Ask,
    Over,
}

/// Whether a turn may take more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    Left,
    Over,
}

/// Stands behind the last result of a turn that has had all its rounds.
const NO_MORE: &str = "\n\n[No more tools can be used now: answer with what is known]";
/// The result of a call that is one too many.
const TOO_MANY: &str = "Error: No more tools can be called in this turn";

impl Turn {
    /// A turn that has not asked anything yet. `tools` are the names of those that run on the server.
    pub fn new(conversation: Conversation, tools: Vec<String>, cost: Cost, bounds: Bounds, limits: &Limits) -> Self {
        Self {
            bounds,
            tools,
            conversation,
            events: sse::Decoder::new(limits.event_bytes_max),
            rounds: Rounds::new(cost, limits.answer_bytes_max),
            asked: 0,
            calls: 0,
            running: Vec::new(),
            last: None,
            tokens: None,
            client_ids: Vec::new(),
            is_last_round: false,
            is_ended: false,
            show: Show::default(),
        }
    }

    /// The same, with its calls told as thoughts or not.
    #[must_use]
    pub fn with_show(self, show: Show) -> Self {
        let rounds = if show == Show::Blocks { self.rounds.without_joints() } else { self.rounds };
        Self { show, rounds, ..self }
    }

    /// What the round that is next asks. It begins with that.
    pub fn ask(&mut self, limits: &Limits) -> Bytes {
        self.asked += 1;
        self.events = sse::Decoder::new(limits.event_bytes_max);
        self.rounds.begin();
        self.conversation.body()
    }

    /// Rounds that were asked so far.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// Calls so far that were to run on the server.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// What its server said of the last round's tokens.
    pub fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// Takes bytes of the round's answer, which is a stream; returns what the client gets.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        let mut out = BytesMut::new();
        self.events.push(bytes);
        let Self { events, rounds, tools, .. } = self;
        loop {
            match events.next_event() {
                Ok(Some(event)) => rounds.take(&event, |name| tools.iter().any(|tool| tool == name), &mut out),
                Ok(None) => return out.freeze(),
                // What is so large goes to the client as it is, and nothing follows from it.
                Err(sse::EventTooLarge(_)) => break,
            }
        }
        out.extend_from_slice(&std::mem::replace(events, sse::Decoder::new(usize::MAX)).finish());
        out.freeze()
    }

    /// The round's answer has ended: what is left of it for the client, and what follows.
    pub fn end_round(&mut self) -> (Bytes, Next) {
        let mut out = BytesMut::new();
        self.take_rest(&mut out);
        let said = self.rounds.end_round(&mut out);
        self.tokens = said.tokens;
        let client_ids = said.calls.iter().filter(|call| call.owner != Owner::Server).map(|call| call.id.clone());
        self.client_ids.extend(client_ids);
        if said.finish.is_none() || said.failed {
            self.rounds.break_off(&said, &mut out);
            return (out.freeze(), Next::Over);
        }
        let mut said = said;
        said.name_calls(self.asked);
        let calls: Vec<_> = said.calls.iter().filter(|call| call.owner == Owner::Server).cloned().collect();
        let goes_on = !calls.is_empty() && !said.is_cut() && !said.is_too_long && !self.is_last_round;
        let reason = said.finish.clone().unwrap_or_default();
        self.last = Some(said);
        if !goes_on {
            self.finish(&reason, &mut out);
            return (out.freeze(), Next::Over);
        }
        let run = calls.iter().take(self.bounds.calls_max.saturating_sub(self.calls)).cloned().collect::<Vec<_>>();
        self.calls += run.len();
        self.running = calls;
        (out.freeze(), Next::Run(run))
    }

    /// Takes what came behind the last blank line: the server may have left out the last one. Half an event is none.
    fn take_rest(&mut self, out: &mut BytesMut) {
        let rest = std::mem::replace(&mut self.events, sse::Decoder::new(usize::MAX)).finish();
        if rest.is_empty() {
            return;
        }
        let mut last = sse::Decoder::new(usize::MAX);
        last.push([rest.strip_prefix(b"\n").unwrap_or(&rest), b"\n\n"].concat().into());
        let (rounds, tools) = (&mut self.rounds, &self.tools);
        match last.next_event() {
            Ok(Some(event)) if event.data().is_some_and(is_whole) => {
                rounds.take(&event, |name| tools.iter().any(|tool| tool == name), out);
            }
            _ => out.extend_from_slice(&rest),
        }
    }

    /// The calls have run, with these texts as results, in their order: what the client gets, and what follows.
    pub fn ran(&mut self, results: Vec<String>, time: Time) -> (Bytes, After) {
        let mut out = BytesMut::new();
        let calls = std::mem::take(&mut self.running);
        let said = self.last.take().unwrap_or_default();
        let has_client_calls = said.calls.iter().any(|call| call.owner != Owner::Server);
        let is_exhausted = self.asked >= self.bounds.rounds_max || results.len() < calls.len() || time == Time::Over;
        let is_over = has_client_calls || (is_exhausted && self.bounds.at_limit == AtLimit::Pause);
        self.conversation.add(said.message());
        self.conversation.note_run();
        let mut results = results.into_iter();
        for (at, call) in calls.iter().enumerate() {
            let mut text = results.next().unwrap_or_else(|| TOO_MANY.to_owned());
            if self.show == Show::Thoughts {
                let line = format!("{} {} -> {} bytes\n", call.name, call.arguments, text.len());
                self.rounds.think(&line, &mut out);
            }
            if is_exhausted && !is_over && at + 1 == calls.len() {
                text.push_str(NO_MORE);
            }
            self.conversation.add(result_message(&call.id, &text));
        }
        if is_over {
            self.finish(if has_client_calls { STOP } else { PAUSED }, &mut out);
            return (out.freeze(), After::Over);
        }
        self.is_last_round = is_exhausted;
        (out.freeze(), After::Ask)
    }

    /// What is to be remembered of a turn that is over: the answer as its client got it, and the messages that it stands
    /// for. `None` where the client got everything.
    pub fn hidden(&self) -> Option<Recall> {
        if self.conversation.added().is_empty() || !self.is_ended {
            return None;
        }
        let mut messages = self.conversation.added().to_vec();
        messages.extend(self.last.as_ref().map(Said::message));
        Some(Recall { text: self.rounds.told().to_owned(), ids: self.client_ids.clone(), messages })
    }

    /// The answer's last events, for this reason or for one that fits what the client got.
    fn finish(&mut self, reason: &str, out: &mut BytesMut) {
        self.is_ended = true;
        let calls = u32::try_from(self.client_ids.len()).unwrap_or(u32::MAX);
        self.rounds.finish(for_client(reason, calls, Truncated::No), out);
        // Calls that did not run are none.
        if let Some(last) = &mut self.last {
            last.calls.retain(|call| call.owner != Owner::Server);
        }
    }
}
