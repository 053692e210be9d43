//! Answer on its way from its server: what has come of it, translated and held where it is, and what may be shown by now.
//! Writes nothing; `exchange` does.

use std::time::Instant;

use crate::balance::Sight;
use crate::gateway::context::Context;
use crate::plan::ServerApi;
use crate::upstream::{Claim, Opening, Part, ServerConnection, Translating, Translation, Transport, Wordless};

/// What is handed on of an answer before others get their turn: as much as one read brings at most.
pub(super) const TURN_BYTES: usize = 1 << 16;

/// An answer on its way from its server.
#[derive(Debug)]
pub(super) struct Incoming<T> {
    pub server: ServerConnection<T>,
    /// Absent where the server speaks OpenAI's API.
    translation: Option<Box<Translation>>,
    /// Absent where nothing is held, and from when all is shown.
    pub opening: Option<Box<Opening>>,
    /// What has come since others had their turn.
    turn_bytes: usize,
    /// Parts that have come, and of these what may be shown. Both are empty between two pieces.
    pub came: Vec<Part>,
    pub shown: Vec<Part>,
}

impl<T: Transport> Incoming<T> {
    /// From this connection, translated and held as its request was planned.
    pub fn new(context: &Context, server: ServerConnection<T>) -> Self {
        let model = context.attempt.claim.as_ref().and_then(Claim::model);
        let wordless = if model.is_some() { Wordless::Failed } else { Wordless::Shown };
        let translation = match context.plan.server_api {
            ServerApi::Ollama { usage, calls } => {
                let translating = Translating { usage, calls, limits: context.settings.limits.clone() };
                Some(Box::new(Translation::new(translating)))
            }
            _ => None,
        };
        let opening = context.keepalive.opening(wordless).map(Box::new);
        Self { server, translation, opening, turn_bytes: 0, came: Vec::new(), shown: Vec::new() }
    }

    /// A server that writes faster than its client's thread reads would keep all others of that thread from theirs.
    pub async fn give_turn(&mut self) {
        if self.turn_bytes >= TURN_BYTES {
            self.turn_bytes = 0;
            tokio::task::yield_now().await;
        }
    }

    /// What has come goes as far as it may. Behind it the connection may have broken off.
    pub fn take_in(&mut self, context: &mut Context, is_broken: bool) {
        let from = Instant::now();
        let data = |part: &Part| if let Part::Data(data) = part { data.len() } else { 0 };
        self.turn_bytes += self.came.iter().map(data).sum::<usize>();
        if let Some(translation) = &mut self.translation {
            let mut translated = Vec::new();
            self.came.drain(..).for_each(|part| translation.push(part, &mut translated));
            if is_broken {
                translation.break_off(&mut translated);
            }
            self.came = translated;
            context.attempt.heard.own_complaint = translation.complaint();
        }
        let Some(opening) = &mut self.opening else { return self.shown.append(&mut self.came) };
        self.came.drain(..).for_each(|part| opening.push(part, &mut self.shown));
        if is_broken {
            opening.break_off(&mut self.shown);
        }
        if opening.spoken() > 0 {
            context.record.read(opening.spoken(), 0, from);
            context.note_first_token(Sight::Word);
        }
        if opening.is_said() {
            self.server.rest();
        }
        let heard = &mut context.attempt.heard;
        (heard.is_events, heard.is_made) = (opening.is_events(), opening.is_made());
        (heard.complaint, heard.failed) = (opening.complaint(), opening.failed().cloned());
        if opening.is_open() {
            self.opening = None;
        }
    }
}
