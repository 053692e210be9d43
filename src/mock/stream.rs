//! The mock's answer as events, each in an HTTP chunk of its own, as the real server streams.
//! The role travels with the first token and with what tells of the prompt, and usage with the finish reason.

use std::io;

use serde_json::Value;

use super::After;
use super::chat::{Generation, Pause};
use super::http::{Connection, Reply};
use super::pages::{FINGERPRINT, unix_seconds};

const ROLE: &str = r#"{"role":"assistant","content":null}"#;

/// Where a stream's last figures stand.
#[derive(Debug)]
pub(super) enum Ending {
    /// In an event of their own, because the client asked for usage.
    Usage,
    /// As `timings` beside the finish reason.
    Timings,
}

/// Whether the client is told how far the server is with the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefilling {
    Told,
    Silent,
}

/// An answer that is streamed.
pub(super) struct Stream<'a, 'b> {
    connection: &'a mut Connection,
    generation: Generation<'b>,
    ending: Ending,
    /// What every event repeats behind `choices`, without the closing brace.
    members: String,
}

impl<'a, 'b> Stream<'a, 'b> {
    /// A stream of this generation, of which nothing is written yet. Every event repeats `id` and `model`.
    pub fn new(
        connection: &'a mut Connection,
        generation: Generation<'b>,
        id: &str,
        model: &str,
        ending: Ending,
    ) -> Self {
        let (created, model) = (unix_seconds(), Value::from(model));
        let members = format!(
            r#""created":{created},"id":"{id}","model":{model},"system_fingerprint":"{FINGERPRINT}","object":"chat.completion.chunk""#
        );
        Self { connection, generation, ending, members }
    }

    /// Writes the answer at its pace, or what goes wrong with it by the script, and says what becomes of the
    /// connection. Fails when the client cannot be written to.
    pub async fn write(mut self, prefilling: Prefilling) -> io::Result<After> {
        let answer = self.generation.answer;
        self.connection.write_stream_head().await?;
        self.write_progress(prefilling).await?;
        let mut pause = Pause::Over;
        loop {
            match pause {
                Pause::Over => {}
                Pause::Left => return Ok(After::Close),
                // Whoever stands before it ends the body, as if all had been said.
                Pause::Killed => break,
            }
            if self.generation.is_reading() {
                pause = self.generation.read_batch(self.connection).await;
                if pause == Pause::Over {
                    self.write_progress(prefilling).await?;
                }
                continue;
            }
            let written = self.generation.written;
            if answer.die_after == Some(written) {
                return Ok(After::Close);
            }
            if let Some(failure) = answer.error.as_ref().filter(|failure| failure.after == Some(written)) {
                let error = Reply::error(failure.status, &failure.kind, &failure.message).body;
                self.connection.write_chunk(&format!("data: {error}\n\n")).await?;
                break;
            }
            let Some(token) = self.generation.next() else {
                self.write_finish().await?;
                self.connection.write_chunk("data: [DONE]\n\n").await?;
                break;
            };
            let delta = format!(r#"{{"content":{}}}"#, Value::from(token));
            for index in 0..self.generation.choices {
                let role = if written == 0 { self.role(index) } else { String::new() };
                let event = self.event(index, "null", &delta, "");
                self.connection.write_chunk(&(role + &event)).await?;
            }
            pause = self.generation.pause(self.connection).await;
        }
        self.connection.write_chunk("").await?;
        Ok(After::Close)
    }

    async fn write_progress(&mut self, prefilling: Prefilling) -> io::Result<()> {
        if prefilling == Prefilling::Silent {
            return Ok(());
        }
        let progress = format!(r#","prompt_progress":{}"#, self.generation.progress());
        let event = self.event(0, "null", ROLE, &progress);
        self.connection.write_chunk(&event).await
    }

    async fn write_finish(&mut self) -> io::Result<()> {
        let finish = Value::from(self.generation.finish_reason()).to_string();
        let timings = format!(r#","timings":{}"#, self.generation.timings());
        for index in 0..self.generation.choices {
            let role = if self.generation.written == 0 { self.role(index) } else { String::new() };
            let end = match self.ending {
                Ending::Timings => self.event(index, &finish, "{}", &timings),
                Ending::Usage => {
                    let (members, usage) = (&self.members, self.generation.usage());
                    let finish = self.event(index, &finish, "{}", "");
                    format!("{finish}data: {{\"choices\":[],{members},\"usage\":{usage}{timings}}}\n\n")
                }
            };
            self.connection.write_chunk(&(role + &end)).await?;
        }
        Ok(())
    }

    fn role(&self, index: u32) -> String {
        self.event(index, "null", ROLE, "")
    }

    fn event(&self, index: u32, finish: &str, delta: &str, more: &str) -> String {
        let members = &self.members;
        format!(
            "data: {{\"choices\":[{{\"finish_reason\":{finish},\"index\":{index},\"delta\":{delta}}}],{members}{more}}}\n\n"
        )
    }
}
