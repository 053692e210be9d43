//! Memory of hidden rounds: what an answer stood for of which the client got only the text.
//! On a time that is handed in. A miss costs the model what it has read, and changes nothing that the client sees.
//!
//! Keys are hashes of the conversation up to the answer and of whoever asked, keyed by numbers from the system: nobody can
//! make one up, and what one client was shown never gets into another's prompt.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::api::openai::Message;
use crate::api::openai::rounds::Past;

/// What is remembered, within bounds of bytes and age; what was not asked for longest goes first.
#[derive(Debug, Default)]
pub struct Memory {
    keying: [RandomState; 2],
    entries: HashMap<Key, Entry>,
    /// By when they were asked for last.
    order: BTreeMap<u64, Key>,
    asked: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    messages: Arc<[String]>,
    since: Duration,
    turn: u64,
}

/// What a memory may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub bytes_max: usize,
    pub age_max: Duration,
}

/// Stands for a conversation up to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64, u64);

/// A conversation as far as it has been read.
#[derive(Clone, Debug)]
pub struct Trail {
    hashers: [DefaultHasher; 2],
    /// For an answer with calls whose ids are no other's: what tells it even where the client has shortened what was before.
    of_calls: [DefaultHasher; 2],
    last_user: String,
}

/// An answer on a trail.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its place among the messages.
    at: usize,
    keys: [Option<Key>; 2],
}

/// An answer, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// As its client got it: its text, and the ids of its calls.
    pub text: String,
    pub ids: Vec<String>,
    /// The messages that it stands for, as JSON.
    pub messages: Vec<String>,
}

/// How many answers of a conversation are looked up.
const LOOKED_UP: usize = 8;

impl Memory {
    /// The trail of a conversation of whoever shows this key, if anybody does.
    pub fn trail(&self, authorization: Option<&[u8]>) -> Trail {
        let hasher = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            authorization.hash(&mut hasher);
            hasher
        };
        let hashers = self.keying.each_ref().map(hasher);
        Trail { of_calls: hashers.clone(), hashers, last_user: String::new() }
    }

    /// What is remembered of answers that were found on a trail, from the end backwards, by their places.
    pub fn find(&mut self, answers: &[Answer], room: Room, now: Duration) -> HashMap<usize, Arc<[String]>> {
        let mut found = HashMap::new();
        for Answer { at, keys } in answers.iter().rev().take(LOOKED_UP) {
            let entry = keys.iter().flatten().find_map(|key| self.get(*key, room, now));
            found.extend(entry.map(|messages| (*at, messages)));
        }
        found
    }

    /// Remembers what an answer at the end of this trail stood for.
    pub fn remember(&mut self, trail: &Trail, answer: Recall, room: Room, now: Duration) {
        let Recall { text, ids, messages } = answer;
        let ids: Vec<_> = ids.iter().map(|id| Cow::Borrowed(id.as_str())).collect();
        let past = Past { role: "assistant".into(), text: text.trim().to_owned(), ids };
        let mut trail = trail.clone();
        trail.push(&past);
        let messages: Arc<[String]> = messages.into();
        // What is larger than all that may be kept would only push out what others need.
        if size(&messages) > room.bytes_max {
            return;
        }
        for key in trail.keys(&past).into_iter().flatten() {
            self.put(key, Arc::clone(&messages), now);
        }
        while self.bytes > room.bytes_max {
            let Some((_, key)) = self.order.pop_first() else { break };
            self.forget(key);
        }
    }

    fn get(&mut self, key: Key, room: Room, now: Duration) -> Option<Arc<[String]>> {
        let entry = self.entries.get_mut(&key)?;
        self.order.remove(&entry.turn);
        if now.saturating_sub(entry.since) > room.age_max {
            self.forget(key);
            return None;
        }
        self.asked += 1;
        entry.turn = self.asked;
        self.order.insert(entry.turn, key);
        Some(Arc::clone(&entry.messages))
    }

    fn put(&mut self, key: Key, messages: Arc<[String]>, now: Duration) {
        if let Some(former) = self.entries.get(&key) {
            self.order.remove(&former.turn);
            self.forget(key);
        }
        self.asked += 1;
        self.bytes += size(&messages);
        self.order.insert(self.asked, key);
        self.entries.insert(key, Entry { messages, since: now, turn: self.asked });
    }

    fn forget(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.bytes -= size(&entry.messages);
        }
    }
}

impl Trail {
    /// Follows a conversation to its end: its answers, by which what is remembered of them is found.
    pub fn follow(&mut self, messages: &[Message<'_>]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let past = Past::of(message);
            self.push(&past);
            if past.role == "assistant" {
                answers.push(Answer { at, keys: self.keys(&past) });
            }
        }
        answers
    }

    fn push(&mut self, past: &Past<'_>) {
        self.hashers.iter_mut().for_each(|hasher| past.hash(hasher));
        if past.role == "user" {
            self.last_user.clone_from(&past.text);
        }
    }

    /// By which an answer at its end is found.
    fn keys(&self, answer: &Past<'_>) -> [Option<Key>; 2] {
        let key = |[a, b]: &[DefaultHasher; 2]| Key(a.finish(), b.finish());
        let is_telling = !answer.ids.is_empty() && answer.ids.iter().all(|id| is_random(id));
        let of_calls = is_telling.then(|| {
            let mut hashers = self.of_calls.clone();
            hashers.iter_mut().for_each(|hasher| (&self.last_user, answer).hash(hasher));
            key(&hashers)
        });
        [Some(key(&self.hashers)), of_calls]
    }
}

/// Whether an id is one that nobody else has: some models number their calls.
fn is_random(id: &str) -> bool {
    const LETTERS_MIN: usize = 20;
    let last = id.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    last.len() >= LETTERS_MIN && last.bytes().any(|byte| byte.is_ascii_digit())
}

/// The messages of a conversation, with those in the place of its answers that are remembered.
pub fn recalled<'a>(messages: &[Message<'a>], found: &HashMap<usize, Arc<[String]>>) -> Vec<Cow<'a, str>> {
    let mut all = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match found.get(&at) {
            Some(instead) => all.extend(instead.iter().cloned().map(Cow::Owned)),
            None => all.push(Cow::Borrowed(message.text())),
        }
    }
    all
}

/// Bytes that an entry takes, with what it costs to keep it.
fn size(messages: &[String]) -> usize {
    const OVERHEAD: usize = 200;
    messages.iter().map(String::len).sum::<usize>() + OVERHEAD
}
