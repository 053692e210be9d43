//! Conversation of a turn: the request as its client wrote it, with the server's tools, and what the rounds have added.
//! What was sent before stays byte for byte, so that servers find each round's prompt in their caches.

use std::borrow::Cow;

use bytes::Bytes;

use crate::api::openai::{Content, Edits, Message, Part, Request, ToolChoice};
use crate::chat::Choice;
use crate::json::{inside, string, write_string};

/// What the rounds of a turn ask.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// What the first asks.
    first: Bytes,
    /// What has been said since, as messages in JSON.
    added: Vec<String>,
    /// What `tool_choice` becomes behind the first call of a server's tool, where it would force another.
    open_choice: Option<String>,
    /// Whether such a call has run.
    has_run: bool,
}

impl Conversation {
    /// Of a request, which gets these tools, given as JSON, and these messages in place of its own where the gateway knows
    /// more than the client. `None` where it is of a shape that is for the server to judge.
    pub fn new(
        request: Request<'_>,
        tools: &[&str],
        is_servers: impl Fn(&str) -> bool,
        messages: Option<&[Cow<'_, str>]>,
    ) -> Option<Self> {
        request.messages()?;
        let mut edits = Edits::default();
        edits.set("stream", "true");
        edits.append(request.with_usage()?);
        edits.set("tools", format!("[{}]", tools.join(",")));
        if let Some(messages) = messages {
            edits.set_messages(format!("[{}]", messages.join(",")));
        }
        let choice = request.tool_choice_alone();
        let open_choice = choice.and_then(|choice| opened(&choice, is_servers));
        Some(Self { first: request.edited(&edits)?, added: Vec::new(), open_choice, has_run: false })
    }

    /// Adds what a round has said, or the result of a call, as a message in JSON.
    pub fn add(&mut self, message: String) {
        self.added.push(message);
    }

    /// A call of a server's tool has run.
    pub fn note_run(&mut self) {
        self.has_run = true;
    }

    /// What has been added so far.
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// What the next round asks.
    pub fn body(&self) -> Bytes {
        let Some(request) = Request::read(&self.first).filter(|_| !self.added.is_empty()) else {
            return self.first.clone();
        };
        let mut edits = Edits::default();
        let written = request.messages_written().and_then(|written| written.trim_ascii_end().strip_suffix(']'));
        let Some(before) = written else { return self.first.clone() };
        let comma = if before.trim_ascii().ends_with('[') { "" } else { "," };
        edits.set_messages(format!("{before}{comma}{}]", self.added.join(",")));
        if let Some(choice) = self.open_choice.as_deref().filter(|_| self.has_run) {
            edits.set("tool_choice", choice);
        }
        request.edited(&edits).unwrap_or_else(|| self.first.clone())
    }
}

/// A choice that lets a turn end, if this one does not.
fn opened(choice: &ToolChoice<'_>, is_servers: impl Fn(&str) -> bool) -> Option<String> {
    let is_forced = match &choice.choice {
        Choice::Required => true,
        Choice::Named(name) => is_servers(name),
        Choice::Auto | Choice::None => false,
    };
    is_forced.then_some(())?;
    if choice.allowed.is_empty() || matches!(choice.choice, Choice::Named(_)) {
        return Some("\"auto\"".to_owned());
    }
    let mut out = r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":["#.to_owned();
    for (at, name) in choice.allowed.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        out.push_str(r#"{"type":"function","function":{"name":"#);
        write_string(name, &mut out);
        out.push_str("}}");
    }
    out.push_str("]}}");
    Some(out)
}

/// The result of a call, as a message in JSON.
pub fn result_message(call_id: &str, text: &str) -> String {
    let mut out = r#"{"role":"tool","tool_call_id":"#.to_owned();
    write_string(call_id, &mut out);
    out.push_str(",\"content\":");
    write_string(text, &mut out);
    out.push('}');
    out
}

/// What tells one message of a conversation from another, however its client echoes it: who speaks, its text without
/// blanks at its ends, and the ids of its calls. Thoughts are not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Past<'a> {
    pub role: Cow<'a, str>,
    pub text: String,
    /// Those of its calls, or that of the call whose result it is.
    pub ids: Vec<Cow<'a, str>>,
}

impl<'a> Past<'a> {
    /// Reads a message.
    pub fn of(message: &Message<'a>) -> Self {
        let ids = message.calls().unwrap_or_default().iter().filter_map(|call| call.id());
        Self {
            role: message.role().cloned().unwrap_or_default(),
            text: text(message.content()).trim().to_owned(),
            ids: ids.chain(message.call_id()).collect(),
        }
    }
}

/// All text of a content; what else there is stands as it was written.
fn text(content: Option<&str>) -> String {
    match Content::read(content) {
        Some(Content::Text(_)) => content.and_then(string).unwrap_or_default().into_owned(),
        Some(Content::Parts(parts)) => {
            let text = |part: &str| match Part::read(part) {
                Some(Part::Text(inside)) => string(&format!("\"{inside}\"")).unwrap_or_default().into_owned(),
                Some(Part::Other(written)) => written.to_owned(),
                None => part.to_owned(),
            };
            parts.into_iter().map(text).collect()
        }
        None => content.and_then(inside).or(content).unwrap_or_default().to_owned(),
    }
}
