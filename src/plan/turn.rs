//! Turn, a message on its way up: the client's, or one that the rendering made, and what of it is written anew.
//! A message that nothing is done to keeps its bytes.

use std::borrow::Cow;

use super::content::Content;
use crate::api::openai::{Message, write_calls, write_message};

/// A message on its way up.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) role: Cow<'a, str>,
    /// The client's message, as far as it stays.
    message: Option<&'a Message<'a>>,
    change: Option<Change<'a>>,
    origin: Origin,
}

/// What is written anew.
#[derive(Debug)]
enum Change<'a> {
    /// Its content, with the calls in it.
    Content(Content<'a>),
    /// Its calls, as the server's own template reads them.
    Calls(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The client sent it in this role.
    Sent,
    /// The rendering gave it this role.
    Made,
}

/// Whose turns are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Neighbours {
    /// The rendering made both.
    Made,
    /// The client sent one of them.
    Mixed,
    /// The client sent both.
    Sent,
}

impl<'a> Turn<'a> {
    pub(super) fn sent(message: &'a Message<'a>) -> Self {
        let role = message.role().cloned().unwrap_or_default();
        Self { role, message: Some(message), change: None, origin: Origin::Sent }
    }

    /// The client's message with other content, and with no calls beside it.
    pub(super) fn with_content(message: &'a Message<'a>, content: Content<'a>) -> Self {
        Self { change: Some(Change::Content(content)), ..Self::sent(message) }
    }

    /// The client's message with other calls, given as JSON.
    pub(super) fn with_calls(message: &'a Message<'a>, calls: String) -> Self {
        Self { change: Some(Change::Calls(calls)), ..Self::sent(message) }
    }

    pub(super) fn made(role: &'a str, content: Content<'a>) -> Self {
        Self { role: role.into(), message: None, change: Some(Change::Content(content)), origin: Origin::Made }
    }

    /// A turn that says nothing and makes these calls, given as JSON.
    pub(super) fn calling(role: &'a str, calls: String) -> Self {
        Self { role: role.into(), message: None, change: Some(Change::Calls(calls)), origin: Origin::Made }
    }

    pub(super) fn neighbours(&self, next: &Self) -> Neighbours {
        match (self.origin, next.origin) {
            (Origin::Made, Origin::Made) => Neighbours::Made,
            (Origin::Sent, Origin::Sent) => Neighbours::Sent,
            _ => Neighbours::Mixed,
        }
    }

    /// Takes in a turn of the same role.
    pub(super) fn merge(&mut self, mut next: Self, gap: &str) -> Option<()> {
        let mut content = self.take_content()?;
        content.push(gap);
        content.append(next.take_content()?);
        self.change = Some(Change::Content(content));
        self.message = self.message.or(next.message);
        if next.origin == Origin::Sent {
            self.origin = Origin::Sent;
        }
        Some(())
    }

    /// Puts text in front of its content, with a gap where there is any.
    pub(super) fn begin_with(&mut self, text: String, gap: &str) -> Option<()> {
        let content = self.take_content()?;
        let mut all = Content::from(text);
        all.push(if content.is_empty() { "" } else { gap });
        all.append(content);
        self.change = Some(Change::Content(all));
        Some(())
    }

    /// Puts text behind its content, with a gap where there is any.
    pub(super) fn end_with(&mut self, text: &str, gap: &str) -> Option<()> {
        let mut content = self.take_content()?;
        content.push(if content.is_empty() { "" } else { gap });
        content.push(text);
        self.change = Some(Change::Content(content));
        Some(())
    }

    /// Takes the content out, to put it back with something added.
    fn take_content(&mut self) -> Option<Content<'a>> {
        match self.change.take() {
            Some(Change::Content(content)) => Some(content),
            Some(Change::Calls(_)) | None => Content::kept(self.message.and_then(Message::content)),
        }
    }

    /// Whether it is this message, and nothing of it changes.
    pub(super) fn is_as_sent(&self, sent: &Message<'_>) -> bool {
        self.change.is_none() && self.message.is_some_and(|message| message.text() == sent.text())
    }

    /// Appends the message as JSON.
    pub(super) fn write(&self, out: &mut String) {
        match (self.message, &self.change) {
            (Some(message), None) => out.push_str(message.text()),
            (Some(message), Some(Change::Calls(calls))) => out.push_str(&message.with_calls(calls)),
            (Some(message), Some(Change::Content(content))) => {
                out.push_str(&message.with_content(&self.role, &content.written()));
            }
            (None, Some(Change::Content(content))) => out.push_str(&write_message(&self.role, &content.written())),
            (None, Some(Change::Calls(calls))) => out.push_str(&write_calls(&self.role, calls)),
            // What the rendering made says something.
            (None, None) => {}
        }
    }
}
