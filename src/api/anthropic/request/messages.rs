//! Messages of a conversation, as OpenAI's API has them: turns, of which each is one voice's.
//!
//! ```text
//! system* | user system* user ... | assistant assistant ... | user ... | ...
//!   head           a turn                  a turn              a turn
//! ```
//!
//! What a turn becomes depends on nothing behind it, so that servers find the beginning of a prompt in their caches.

use super::assistant::AssistantTurn;
use super::blocks::{Content, Place, Reading, Unreadable};
use super::mistake::Mistake;
use super::system;
use super::user::UserTurn;
use crate::json::{Object, elements};

/// The messages of a chat.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The list, as JSON.
    pub(super) messages: String,
    /// The text of a last message by the assistant.
    pub(super) prefill: Option<String>,
}

/// Reads the messages and the system prompt of a request. An error is the client's.
pub(super) fn translate(request: &Object<'_>, reading: &mut Reading<'_>) -> Result<Conversation, Mistake> {
    let messages = read(request)?;
    let of_head = messages.iter().take_while(|message| message.voice == Voice::System).count();
    let (head, rest) = messages.split_at_checked(of_head).unwrap_or_default();
    if rest.is_empty() {
        return Err(Mistake::at("messages", "at least one message of the user is required"));
    }
    let mut out = String::from("[");
    write_head(request, head, &mut out)?;
    let mut prefill = None;
    for turn in rest.chunk_by(|one, next| one.is_assistants() == next.is_assistants()) {
        out.push_str(if out.len() > 1 { "," } else { "" });
        prefill = None;
        if turn.first().is_some_and(Message::is_assistants) {
            let mut assistant = AssistantTurn::default();
            for message in turn {
                assistant.add(message.content()?, reading)?;
            }
            assistant.write(reading.server.takes.reasoning, &mut out);
            prefill = Some(assistant);
        } else {
            write_users(turn, reading, &mut out)?;
        }
    }
    out.push(']');
    let prefill = prefill.map(|assistant| assistant.prefill()).transpose()?.flatten();
    Ok(Conversation { messages: out, prefill })
}

fn read<'a>(request: &Object<'a>) -> Result<Vec<Message<'a>>, Mistake> {
    let written = request.present("messages").ok_or_else(|| Mistake::required("messages"))?;
    let written = elements(written).ok_or_else(|| Mistake::at("messages", "must be a list"))?;
    let messages = written.into_iter().enumerate().map(|(at, message)| Message::read(message, at));
    let mut messages = messages.collect::<Result<Vec<_>, _>>()?;
    // A refusal of what stands before it would come again with each request to come.
    let newest = messages.iter().rposition(|message| message.voice == Voice::User).unwrap_or(0);
    messages.iter_mut().take(newest).for_each(|message| message.place.unreadable = Unreadable::Told);
    Ok(messages)
}

/// The system prompt, and what the system says before anybody else does.
fn write_head(request: &Object<'_>, messages: &[Message<'_>], out: &mut String) -> Result<(), Mistake> {
    let mut texts = vec![];
    if let Some(system) = request.present("system") {
        system::texts(system, "system", &mut texts)?;
    }
    for message in messages {
        system::texts(message.content, &message.path(), &mut texts)?;
    }
    system::write(&texts, out);
    Ok(())
}

fn write_users<'a>(turn: &[Message<'a>], reading: &mut Reading<'_>, out: &mut String) -> Result<(), Mistake> {
    let mut user = UserTurn::default();
    for message in turn {
        if message.voice == Voice::User {
            user.add(message.content()?, reading)?;
            continue;
        }
        let mut texts = vec![];
        system::texts(message.content, &message.path(), &mut texts)?;
        system::reminder(&texts).into_iter().for_each(|reminder| user.remind(reminder));
    }
    user.write(out);
    Ok(())
}

#[derive(Debug)]
struct Message<'a> {
    voice: Voice,
    place: Place,
    /// As it was written.
    content: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    User,
    Assistant,
    System,
}

impl<'a> Message<'a> {
    fn read(written: &'a str, at: usize) -> Result<Self, Mistake> {
        let place = Place::of_message(at);
        let object = Object::part(written).ok_or_else(|| Mistake::at(place, "must be an object"))?;
        let voice = match object.string("role").as_deref() {
            Some("user") => Voice::User,
            Some("assistant") => Voice::Assistant,
            Some("system") => Voice::System,
            _ => return Err(Mistake::at(format_args!("{place}.role"), "must be user, assistant or system")),
        };
        let content = object.present("content").ok_or_else(|| Mistake::required(format_args!("{place}.content")))?;
        Ok(Self { voice, place, content })
    }

    fn is_assistants(&self) -> bool {
        self.voice == Voice::Assistant
    }

    fn content(&self) -> Result<Content<'a>, Mistake> {
        Content::read(self.content, self.place)
    }

    fn path(&self) -> String {
        format!("{}.content", self.place)
    }
}

#[cfg(test)]
mod tests;
