//! A model's answer at `/api/chat`: finds it, generates it, and writes it line by line or whole.
//! Loads nothing: the model is in memory by then.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use super::super::chat::{Generation, Pause};
use super::super::http::{Connection, Reply, Request};
use super::super::model::Model;
use super::super::script::Answer;
use super::super::{After, write};
use super::asked::{Asked, Form};
use super::error;
use super::lines::{Said, Step, ending, steps};
use super::script::{Oddity, Part};

impl Model {
    /// Answers one chat request that was read before. `number` makes the ids of its calls.
    pub(in super::super) async fn chat_in_lines(
        &self,
        connection: &mut Connection,
        request: &Request,
        asked: &Asked,
        number: u64,
    ) -> io::Result<After> {
        let Some(answer) = self.script.select(&asked.body.conversation(&asked.text)) else {
            return write(connection, request, &error(400, "the script has no answer for this conversation")).await;
        };
        let failure = answer.error.as_ref();
        if let Some(failure) = failure.filter(|failure| asked.form == Form::Whole || failure.after.is_none()) {
            return write(connection, request, &error(failure.status, &failure.message)).await;
        }
        let prompt = asked.body.prompt();
        let lease = tokio::select! {
            lease = self.machine.claim(&prompt, 1) => lease,
            () = connection.gone() => return Ok(After::Close),
            () = self.machine.killed() => return write(connection, request, &error(500, FELL)).await,
        };
        let mut steps = steps(answer);
        steps.retain(|step| !(asked.is_without_thoughts() && step.part() == Some(Part::Thinking)));
        let tokens = Cow::Owned(steps.iter().map(Step::text).collect());
        let generation = self.generation(answer, tokens, asked.limit, prompt.len(), lease.cached_bytes);
        lease.remember(&generation.said());
        let telling = Telling { answer, steps, generation, asked, number, calls: 0, kept: Said::default() };
        match asked.form {
            Form::Lines => telling.write_lines(connection, request).await,
            Form::Whole => telling.write_whole(connection, request).await,
        }
    }
}

/// An answer that is being told.
struct Telling<'a> {
    answer: &'a Answer,
    steps: Vec<Step<'a>>,
    generation: Generation<'a>,
    asked: &'a Asked,
    number: u64,
    /// Calls so far.
    calls: usize,
    /// What is for the last line.
    kept: Said,
}

impl<'a> Telling<'a> {
    async fn write_lines(mut self, connection: &mut Connection, request: &Request) -> io::Result<After> {
        match self.be_silent(connection).await {
            Pause::Over => {}
            Pause::Left => return Ok(After::Close),
            Pause::Killed => return write(connection, request, &error(500, FELL)).await,
        }
        connection.write_lines_head(request).await?;
        let mut pause = Pause::Over;
        while pause == Pause::Over {
            let written = self.generation.written;
            if self.answer.die_after == Some(written) {
                return Ok(After::Close);
            }
            if let Some(failure) = self.answer.error.as_ref().filter(|failure| failure.after == Some(written)) {
                self.write_line(connection, &error(failure.status, &failure.message).body).await?;
                break;
            }
            let Some(line) = self.next_line() else {
                if let Some(line) = self.last_line() {
                    self.write_line(connection, &line).await?;
                }
                break;
            };
            if let Some(line) = line {
                self.write_line(connection, &line).await?;
            }
            pause = self.generation.pause(connection).await;
        }
        match pause {
            Pause::Over => {}
            Pause::Left => return Ok(After::Close),
            Pause::Killed => self.write_line(connection, &error(500, FELL).body).await?,
        }
        connection.write_chunk("").await?;
        Ok(After::Keep)
    }

    async fn write_whole(mut self, connection: &mut Connection, request: &Request) -> io::Result<After> {
        let mut pause = self.be_silent(connection).await;
        let mut last = None;
        while pause == Pause::Over {
            let Some(step) = self.next_step() else { break };
            match step {
                Step::Line(line) => last = Some(line.to_owned()),
                step => self.kept.add(&step, &mut self.calls, &self.answer.odd, self.number),
            }
            pause = self.generation.pause(connection).await;
        }
        match pause {
            Pause::Over => {}
            Pause::Left => return Ok(After::Close),
            Pause::Killed => return write(connection, request, &error(500, FELL)).await,
        }
        let undone = || self.kept.line(&self.asked.model, r#""done":false"#);
        let body = last.or_else(|| self.last_line()).unwrap_or_else(undone);
        let reply = Reply { body, ..Reply::json(&().into()) };
        if self.answer.die_after.is_some() {
            connection.write_half(request, &reply).await?;
            return Ok(After::Close);
        }
        write(connection, request, &reply).await
    }

    /// Waits for as long as nothing comes: not even a head.
    async fn be_silent(&mut self, connection: &mut Connection) -> Pause {
        match self.generation.wait(Duration::from_millis(self.answer.silent_ms), connection).await {
            Pause::Over => self.generation.prefill(connection).await,
            pause => pause,
        }
    }

    /// What the model does next, or nothing at the end.
    fn next_step(&mut self) -> Option<Step<'a>> {
        let at = self.generation.written;
        self.generation.next()?;
        self.steps.get(at % self.steps.len().max(1)).cloned()
    }

    /// The next line, or none yet where what it would say is kept for the last one; nothing at the end.
    fn next_line(&mut self) -> Option<Option<String>> {
        let step = self.next_step()?;
        if let Step::Line(line) = step {
            return Some(Some(line.to_owned()));
        }
        let is_kept = step.part().is_some_and(|part| self.answer.on_done.contains(&part));
        let mut said = Said::default();
        let into = if is_kept { &mut self.kept } else { &mut said };
        into.add(&step, &mut self.calls, &self.answer.odd, self.number);
        Some((!is_kept).then(|| said.line(&self.asked.model, r#""done":false"#)))
    }

    /// The line that ends the answer, where it has one.
    fn last_line(&self) -> Option<String> {
        let has_none = self.answer.odd.contains(&Oddity::NoDone) || !self.answer.lines.is_empty();
        (!has_none).then(|| self.kept.line(&self.asked.model, &ending(&self.generation)))
    }

    /// Writes a line in a chunk of its own.
    async fn write_line(&self, connection: &mut Connection, line: &str) -> io::Result<()> {
        let end = if self.answer.odd.contains(&Oddity::Crlf) { "\r\n" } else { "\n" };
        let blank = if self.answer.odd.contains(&Oddity::BlankLines) { end } else { "" };
        connection.write_chunk(&format!("{blank}{line}{end}")).await
    }
}

const FELL: &str = "an error was encountered while running the model: unexpected EOF";
