//! Every byte that the model wrote is emitted, held, or the markup of something that was recognised.
//!
//! A text is read letter by letter, and after each letter the books must balance: what was read and is not held has
//! been emitted in its order, but for markup that may be dropped. Inside a call nothing is counted; it begins where
//! the text before it ended, and ends at the letter that completed it. Whitespace at the start, and end tokens after
//! a call, wait for text, so that reasoning may overtake them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use toolgate::decode::{Event, Reasoning, Settings};
use toolgate::dialect::{MessagesSpec, Suffixes};
use toolgate::json::unescape_into;

use super::decode::Case;

/// An event, owned.
enum Entry {
    Emitted(String),
    CallStart,
    CallEnd,
}

struct Ledger<'a> {
    text: &'a str,
    /// Where in `text` what was emitted so far may end. After each letter outside a call this is one place.
    places: BTreeSet<usize>,
    /// Where the open call may begin, or where the one that just ended was.
    call: Option<Range<usize>>,
    is_open: bool,
    /// Markup that may be dropped from the start on, at the end, and after a first call.
    anywhere: Vec<&'a str>,
    end_tokens: Vec<&'a str>,
    after_call: Vec<&'a str>,
    /// Messages, whose headers are markup too.
    messages: Option<&'a MessagesSpec>,
    /// Calls stand in code, of which some lines say nothing.
    is_code: bool,
    calls: u32,
    /// What was found out of places, before the first call or since.
    droppable: RefCell<HashMap<usize, Rc<[usize]>>>,
}

/// Reads `text` letter by letter and keeps the books.
pub fn check(case: &Case, text: &str) {
    let fixed = fixed(case, text);
    let mut ledger = Ledger::new(fixed.as_ref().unwrap_or(case), text);
    let mut decoder = case.decoder();
    for (at, c) in text.char_indices() {
        let mut entries = Vec::new();
        decoder.push(c.encode_utf8(&mut [0; 4]), &mut |event| entries.extend(Entry::new(event)));
        if decoder.is_closed() {
            return;
        }
        let read = at + c.len_utf8();
        ledger.enter(entries, read);
        if !ledger.is_open {
            let overtaken = if ledger.has_reasoned(read) { decoder.held() } else { 0 };
            ledger.balance(read - decoder.held(), overtaken);
        }
    }
    let mut entries = Vec::new();
    let ending = decoder.finish(case.finish, &mut |event| entries.extend(Entry::new(event)));
    ledger.enter(entries, text.len());
    if !ending.truncated {
        ledger.balance(text.len(), 0);
    }
}

/// The dialect as the first suffix in the text makes it.
fn fixed(case: &Case, text: &str) -> Option<Case> {
    let suffixes = case.settings.dialect.suffixes()?;
    let places = suffixes.heads().flat_map(|head| text.match_indices(head));
    let dialect = places.filter_map(|(at, head)| {
        let behind = &text[at + head.len()..];
        let len = behind.char_indices().find(|&(at, c)| !Suffixes::goes_on(&behind[..at], c))?.0;
        let dialect = suffixes.fixed_by(head, &behind[..len], behind[len..].chars().next()?)?;
        Some((at, dialect))
    });
    let (_, dialect) = dialect.min_by_key(|&(at, _)| at)?;
    Some(Case { settings: Settings { dialect, ..case.settings.clone() }, ..case.clone() })
}

impl Entry {
    fn new(event: Event<'_>) -> Option<Self> {
        match event {
            Event::Text(text) | Event::Reasoning(text) => Some(Self::Emitted(text.into())),
            Event::CallStart { .. } => Some(Self::CallStart),
            Event::CallEnd => Some(Self::CallEnd),
            Event::Arguments(_) => None,
        }
    }
}

impl<'a> Ledger<'a> {
    fn new(case: &'a Case, text: &'a str) -> Self {
        let spec = case.settings.dialect.reads();
        let block = spec.reasoning.iter().filter(|_| case.settings.reasoning != Reasoning::Off);
        let sections = spec.section.iter().flat_map(|section| section.open.iter().chain(&section.close));
        let blocks = block.flat_map(|block| block.open.iter().chain(&block.close));
        let messages = spec.messages.iter().flat_map(MessagesSpec::literals).filter(|text| !text.trim().is_empty());
        let anywhere =
            blocks.chain(sections).chain(&spec.wrap).chain(messages).map(|text| text.trim_end_matches('\n')).collect();
        let markup = spec.call.close.iter().chain(&spec.call.open).chain(&spec.call.end_tokens).map(String::as_str);
        let end_tokens = spec.call.end_tokens.iter().map(String::as_str).collect();
        let after_call = markup.chain([" ", "\t", "\n", "\r", "\u{c}", ",", ";", "]", "}", "```"]).collect();
        Self {
            text,
            places: BTreeSet::from([0]),
            call: None,
            is_open: false,
            anywhere,
            end_tokens,
            after_call,
            messages: spec.messages.as_ref(),
            is_code: spec.reads_code(),
            calls: 0,
            droppable: RefCell::default(),
        }
    }

    /// Enters what one letter led to. `read` is where the text was read to.
    fn enter(&mut self, entries: Vec<Entry>, read: usize) {
        if !self.is_open {
            self.call = None;
        }
        for entry in entries {
            match entry {
                Entry::Emitted(text) => {
                    let mut places = self.follow(&text);
                    if self.has_reasoned(read) {
                        places.extend(self.follow(self.without_waiting(&text)));
                    }
                    places.retain(|&place| place <= read);
                    if let Some(call) = self.call.take().filter(|call| is_scattered(&text, &self.text[call.clone()])) {
                        // What had no place in the arguments comes after them, and the call may have ended before
                        // the letter that showed it.
                        places.extend(call);
                        places.insert(read);
                    }
                    self.places = places;
                    assert!(!self.places.is_empty(), "{text:?} was invented, or out of order: {:?}", self.text);
                }
                Entry::CallStart => {
                    self.is_open = true;
                    self.calls += 1;
                    if self.calls == 1 {
                        self.droppable.borrow_mut().clear();
                    }
                    let first = self.places.first().copied().unwrap_or(read);
                    self.call = Some(first..read);
                }
                Entry::CallEnd => {
                    self.is_open = false;
                    let begin = self.call.as_ref().map_or(read, |call| call.start);
                    self.call = Some(begin..read);
                    // It was open before this letter, or it is anywhere in what was held.
                    self.places = (begin..=read).collect();
                }
            }
        }
    }

    /// `emitted` without the markup before it that may have waited.
    fn without_waiting<'e>(&self, emitted: &'e str) -> &'e str {
        let mut rest = emitted;
        while let Some(next) = self.after_call.iter().find_map(|marker| rest.strip_prefix(marker)) {
            rest = next;
        }
        rest
    }

    /// Everything before `place` is accounted for, and of what follows so much may be.
    fn balance(&mut self, place: usize, overtaken: usize) {
        let reached = self.follow("");
        let places: BTreeSet<usize> = reached.range(place..=place + overtaken).copied().collect();
        let lost = || reached.last().map(|&from| self.text.get(from..place));
        assert!(!places.is_empty(), "{:?} was lost at {place}, not {reached:?}: {:?}", lost(), self.text);
        self.places = places;
    }

    /// Whether a reasoning block may have begun.
    fn has_reasoned(&self, read: usize) -> bool {
        self.anywhere.iter().any(|marker| self.text[..read].contains(marker))
    }

    /// Where the text may stand once `emitted` was, droppable markup before, in and after it left out.
    fn follow(&self, emitted: &str) -> BTreeSet<usize> {
        let (text, emitted) = (self.text.as_bytes(), emitted.as_bytes());
        let mut reached: BTreeSet<(usize, usize)> = self.places.iter().map(|&place| (place, 0)).collect();
        let mut ends = BTreeSet::new();
        while let Some((at, done)) = reached.pop_first() {
            if done == emitted.len() {
                ends.insert(at);
            } else if text.get(at) == emitted.get(done) {
                reached.insert((at + 1, done + 1));
            }
            reached.extend(self.droppable(at).iter().map(|len| (at + len, done)));
        }
        ends
    }

    /// Lengths of the markup at `at` that may be dropped. It is asked often: each place is looked at once before a call
    /// and once behind one.
    fn droppable(&self, at: usize) -> Rc<[usize]> {
        let mut known = self.droppable.borrow_mut();
        Rc::clone(known.entry(at).or_insert_with(|| self.markup_at(at).collect()))
    }

    fn markup_at(&self, at: usize) -> impl Iterator<Item = usize> {
        let rest = &self.text.as_bytes()[at..];
        let before = &self.text.as_bytes()[..at];
        let behind_block = || {
            let block = before.trim_ascii_end();
            self.anywhere.iter().any(|marker| block.ends_with(marker.as_bytes()))
        };
        // End tokens before a block wait as whitespace does.
        let before_block = || {
            let mut block = rest.trim_ascii_start();
            while let Some(next) = self.end_tokens.iter().find_map(|token| block.strip_prefix(token.as_bytes())) {
                block = next.trim_ascii_start();
            }
            self.anywhere.iter().any(|marker| block.starts_with(marker.as_bytes()))
        };
        let behind_token = || self.end_tokens.iter().any(|token| before.trim_ascii_end().ends_with(token.as_bytes()));
        let may_space = behind_block() || before_block() || behind_token();
        let space = rest.first().is_some_and(u8::is_ascii_whitespace) && may_space;
        let after_call = self.after_call.iter().filter(|_| self.calls > 0);
        // At the very end a marker may be cut short.
        let mut cut = after_call.clone().chain(self.anywhere.iter().filter(|_| self.calls > 0));
        let cut_short = cut.any(|marker| marker.as_bytes().starts_with(rest)).then_some(rest.len());
        let markup = self.anywhere.iter().chain(&self.end_tokens).chain(after_call);
        let markup = markup.filter(|marker| rest.starts_with(marker.as_bytes())).map(|marker| marker.len());
        let text = std::str::from_utf8(rest).unwrap_or_default();
        let headers = self.headers(text).chain(self.idle_line(text, before));
        markup.chain(headers).chain(space.then_some(1)).chain(cut_short.filter(|&len| len > 0))
    }
}

impl Ledger<'_> {
    /// Lengths of the headers that `rest` may begin with: up to a body that follows soon.
    fn headers<'r>(&'r self, rest: &'r str) -> impl Iterator<Item = usize> + 'r {
        let ends = self.messages.into_iter().flat_map(|messages| &messages.body);
        let behind = move |body: &'r String| rest.match_indices(body.as_str()).map(|(at, body)| at + body.len());
        ends.flat_map(behind).filter(|&len| len < 600)
    }
}

impl Ledger<'_> {
    /// The length of a line of code that says nothing behind a call: a comment, an import, what came of the call.
    fn idle_line(&self, rest: &str, before: &[u8]) -> Option<usize> {
        let begins = self.is_code && self.calls > 0 && {
            let line = before.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
            line.trim_ascii().is_empty()
        };
        let is_idle = ["#", "import ", "from ", "print("].iter().any(|word| rest.starts_with(word));
        (begins && is_idle).then(|| rest.find('\n').unwrap_or(rest.len()))
    }
}

/// Whether the characters of `text` stand in `source`, in their order, perhaps in a string that escapes them.
fn is_scattered(text: &str, source: &str) -> bool {
    let mut readable = String::new();
    for (at, c) in source.char_indices() {
        readable.push(c);
        let lengths = [2, 6, 12].into_iter().filter(|_| c == '\\');
        for escape in lengths.filter_map(|len| source.get(at..at + len)) {
            let _ = unescape_into(escape, &mut readable);
        }
    }
    let mut readable = readable.chars();
    text.chars().all(|c| readable.any(|other| other == c))
}
