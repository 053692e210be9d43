//! Turns: pieces of several of the server's own calls may come in turns, and text has one call behind the other.
//! A call that is begun is told on; pieces of the next wait until its arguments are whole.

use crate::api::openai::served::ServedCall;
use crate::decode::Event;
use crate::json::Extent;

/// The server's own calls of one choice, put in a row.
#[derive(Debug, Default)]
pub(super) struct Turns {
    open: Option<Open>,
    /// The calls behind it, as far as they came.
    waiting: Vec<ServedCall>,
}

/// The call that is being told.
#[derive(Debug)]
struct Open {
    place: u32,
    id: String,
    arguments: Extent,
}

/// So much waits; behind it a call ends although its arguments are not whole.
const WAITING_BYTES_MAX: usize = 1 << 20;

impl Turns {
    /// Takes a piece of a call.
    pub(super) fn push(&mut self, piece: ServedCall, tell: &mut impl FnMut(Event<'_>)) {
        let is_its = |place: u32, id: &str| place == piece.place && (piece.id.is_empty() || piece.id == id);
        match (&mut self.open, self.waiting.iter_mut().find(|call| is_its(call.place, &call.id))) {
            (Some(open), _) if is_its(open.place, &open.id) => open.tell(&piece.arguments, tell),
            (_, Some(call)) => call.arguments.push_str(&piece.arguments),
            // More of a call that is over has no place.
            (Some(_), None) if piece.name.is_empty() && piece.id.is_empty() => {}
            _ => self.waiting.push(piece),
        }
        while !self.waiting.is_empty() && self.is_free() {
            self.next(tell);
        }
    }

    /// No more comes of any: all that waits is told.
    pub(super) fn end(&mut self, tell: &mut impl FnMut(Event<'_>)) {
        while !self.waiting.is_empty() {
            self.next(tell);
        }
        if self.open.take().is_some() {
            tell(Event::CallEnd);
        }
    }

    /// The answer was cut off: the last call stays open.
    pub(super) fn cut(&mut self, tell: &mut impl FnMut(Event<'_>)) {
        while !self.waiting.is_empty() {
            self.next(tell);
        }
        self.open = None;
    }

    /// Bytes that wait.
    pub(super) fn held(&self) -> usize {
        self.waiting.iter().map(|call| call.name.len() + call.id.len() + call.arguments.len()).sum()
    }

    /// Whether the next call may begin.
    fn is_free(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.arguments.is_closed()) || self.held() > WAITING_BYTES_MAX
    }

    fn next(&mut self, tell: &mut impl FnMut(Event<'_>)) {
        if self.open.take().is_some() {
            tell(Event::CallEnd);
        }
        let ServedCall { place, id, name, arguments } = self.waiting.remove(0);
        tell(Event::CallStart { name: &name, id: Some(&id) });
        let mut open = Open { place, id, arguments: Extent::default() };
        open.tell(&arguments, tell);
        self.open = Some(open);
    }
}

impl Open {
    fn tell(&mut self, arguments: &str, tell: &mut impl FnMut(Event<'_>)) {
        self.arguments.push(arguments.as_bytes());
        tell(Event::Arguments(arguments));
    }
}
