//! A message's header, kept until it says what the body is: reasoning, text, or a call and whose.
//! A header that says nothing is text, and so is one that names no tool.

use super::reasoning::Thought;
use super::{Decoder, State, context};
use crate::decode::Event;
use crate::decode::call::{Call, Named, Patience, Wrapped};
use crate::decode::outside::{Body, Outside};
use crate::dialect::{Edge, Kind, MessagesSpec, Opener, Role};
use crate::scan::Cursor;
use crate::schema::Tools;

/// A header that is being read.
#[derive(Debug)]
pub(super) struct Header {
    /// What began it, and all of it so far.
    pub raw: String,
    /// Bytes of `raw` that began it.
    opener: usize,
    /// Where in `raw` it begins: what begins a message is no part of it, what begins an answer is.
    from: usize,
    /// Where the scan for its end stands.
    cursor: Cursor,
    /// What it goes back to if it is none.
    pub outside: Box<Outside>,
}

/// Nobody writes a longer one.
const HEADER_BYTES_MAX: usize = 512;

impl Header {
    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.outside.waiting() + self.raw.len()
    }

    /// Whether it may still be one, where no marker began it.
    fn is_possible(&self, messages: &MessagesSpec, tools: &Tools) -> bool {
        self.opener > 0 || may_be_header(&self.raw, messages, tools)
    }
}

/// Whether a header that the prompt opened may begin so: with the name of a tool, or what tells kinds from each other.
pub(super) fn may_be_header(begun: &str, messages: &MessagesSpec, tools: &Tools) -> bool {
    let mut known = tools.names().chain(messages.words());
    known.any(|known| known.starts_with(begun) || begun.starts_with(known))
}

impl Decoder {
    /// A message may begin with `marker`, which was just found, or with what follows where that is empty.
    pub(super) fn enter_header(&mut self, marker: String, sink: &mut impl FnMut(Event<'_>)) {
        let dialect = &self.settings.dialect;
        let Some(messages) = &dialect.reads().messages else { return };
        let State::Outside(outside) = std::mem::replace(&mut self.state, State::Closed) else { return };
        let mut cursor = dialect.tables().header.markers.start();
        let from = if messages.start.contains(&marker) { marker.len() } else { 0 };
        let inside = marker.get(from..).unwrap_or_default();
        let is_whole = dialect.tables().header.markers.step(&mut cursor, inside).found.is_some();
        self.state = State::Header(Box::new(Header { opener: marker.len(), raw: marker, from, cursor, outside }));
        if is_whole {
            // Nothing is read again but behind a header that has more than its beginning.
            self.end_header(sink);
        }
    }

    /// Reads a header up to its end.
    pub(super) fn step_header(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Header(header) = &mut self.state else { return (0, None) };
        let dialect = &self.settings.dialect;
        let Some(messages) = &dialect.reads().messages else { return (0, None) };
        let table = &dialect.tables().header;
        for (at, c) in text.char_indices() {
            let read = at + c.len_utf8();
            header.raw.push(c);
            let found = table.markers.step(&mut header.cursor, c.encode_utf8(&mut [0; 4])).found;
            match found.and_then(|found| table.role(found)) {
                Some(Edge::Close) => return (read, self.end_header(sink)),
                Some(Edge::Open) => return (read, Some(self.reject_header(sink))),
                None => {}
            }
            let is_long = header.raw.len() - header.from > HEADER_BYTES_MAX;
            if is_long || !header.is_possible(messages, &self.settings.tools) {
                return (read, Some(self.reject_header(sink)));
            }
        }
        (text.len(), None)
    }

    /// The header is whole: the body begins, or it is text.
    fn end_header(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Option<String> {
        let State::Header(header) = &mut self.state else { return None };
        let text = header.raw.get(header.from..).unwrap_or_default();
        let messages = self.settings.dialect.reads().messages.as_ref();
        let mut call = Call::default();
        let kind = messages.and_then(|messages| messages.kind(text)).and_then(|(kind, name)| {
            let cx = context(&self.settings, &self.limits, Patience::Mend, Wrapped::Yes);
            let is_tool = name.is_none_or(|name| call.named(name, &cx) == Named::Tool);
            is_tool.then_some(kind)
        });
        let Some(kind) = kind else {
            let again = self.reject_header(sink);
            self.refuse_message();
            return Some(again);
        };
        if kind == Kind::Call {
            self.begin_call(call, String::new(), Opener::Bare, Role::default());
            return None;
        }
        let State::Header(header) = std::mem::replace(&mut self.state, State::Closed) else { return None };
        let mut outside = header.outside;
        let body = match kind {
            Kind::Text => Body::Text,
            Kind::Calls | Kind::Call => Body::Calls,
            Kind::Reasoning => Body::None,
        };
        outside.begin_message(body, sink);
        self.state = match kind {
            Kind::Reasoning => State::Reasoning(Thought::new(outside)),
            Kind::Text | Kind::Calls | Kind::Call => State::Outside(outside),
        };
        None
    }

    /// A whole header led to no message: that is text up to where it ends.
    pub(super) fn refuse_message(&mut self) {
        if let State::Outside(outside) = &mut self.state {
            outside.refuse_message();
        }
    }

    /// What was read of a header is none: what began it is text, and what stood behind that is read again.
    pub(super) fn reject_header(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Header(header) = std::mem::replace(&mut self.state, State::Closed) else { return String::new() };
        let Header { raw, opener, mut outside, .. } = *header;
        self.ending.rejected += 1;
        let first = raw.chars().next().map_or(0, char::len_utf8);
        let (opener, rest) = raw.split_at_checked(opener.max(first)).unwrap_or_default();
        outside.push(opener, sink);
        self.state = State::Outside(outside);
        rest.into()
    }
}
