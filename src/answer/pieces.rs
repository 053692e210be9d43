//! Buffer of decoded events: keeps what a decoder found in one piece of text until it is known how that goes to the
//! client. Neighbours of one kind are one piece: an event of the upstream makes no more events than it must.

use crate::decode::Event;

/// Events of one choice, in order, their texts behind one another in one buffer that is used again.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    kind: Kind,
    /// Where its text ends; it begins where the one before ends.
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    /// The name and then, from this place on, the id.
    CallStart {
        id: Option<usize>,
    },
    Arguments,
}

impl Pieces {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.pieces.clear();
    }

    pub(super) fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) => self.add(Kind::Text, text),
            Event::Reasoning(text) => self.add(Kind::Reasoning, text),
            Event::Arguments(text) => self.add(Kind::Arguments, text),
            Event::CallEnd => {}
            Event::CallStart { name, id } => {
                self.text.push_str(name);
                let id_start = self.text.len();
                self.text.push_str(id.unwrap_or_default());
                self.pieces.push(Piece { kind: Kind::CallStart { id: id.map(|_| id_start) }, end: self.text.len() });
            }
        }
    }

    /// The pieces, as events again. There is no `CallEnd` among them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        let mut start = 0;
        self.pieces.iter().map(move |piece| {
            let part = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default();
            let text = part(start, piece.end);
            let event = match piece.kind {
                Kind::Text => Event::Text(text),
                Kind::Reasoning => Event::Reasoning(text),
                Kind::Arguments => Event::Arguments(text),
                Kind::CallStart { id: None } => Event::CallStart { name: text, id: None },
                Kind::CallStart { id: Some(id) } => {
                    Event::CallStart { name: part(start, id), id: Some(part(id, piece.end)) }
                }
            };
            start = piece.end;
            event
        })
    }

    /// Whether exactly this thought and then this text came out, and nothing else.
    pub(super) fn are(&self, thought: &str, text: &str) -> bool {
        match self.pieces.as_slice() {
            [] => thought.is_empty() && text.is_empty(),
            [Piece { kind: Kind::Text, .. }] => thought.is_empty() && self.text == text,
            [Piece { kind: Kind::Reasoning, .. }] => self.text == thought && text.is_empty(),
            [Piece { kind: Kind::Reasoning, end }, Piece { kind: Kind::Text, .. }] => {
                self.text.split_at_checked(*end) == Some((thought, text))
            }
            _ => false,
        }
    }

    /// How many calls begin in them.
    pub(super) fn calls(&self) -> u32 {
        self.pieces.iter().fold(0, |calls, piece| calls + u32::from(matches!(piece.kind, Kind::CallStart { .. })))
    }

    fn add(&mut self, kind: Kind, text: &str) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(text);
        let end = self.text.len();
        match self.pieces.last_mut() {
            Some(last) if last.kind == kind => last.end = end,
            _ => self.pieces.push(Piece { kind, end }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_kind_are_one_piece() {
        let mut pieces = Pieces::default();
        let call = Event::CallStart { name: "f", id: Some("i") };
        for event in [
            Event::Text("a"),
            Event::Text(""),
            Event::Text("b"),
            Event::Reasoning("r"),
            call,
            Event::Arguments("{"),
            Event::Arguments("}"),
            Event::CallEnd,
            Event::CallStart { name: "g", id: None },
            Event::Arguments("{}"),
        ] {
            pieces.take(event);
        }
        let expected = [
            Event::Text("ab"),
            Event::Reasoning("r"),
            call,
            Event::Arguments("{}"),
            Event::CallStart { name: "g", id: None },
            Event::Arguments("{}"),
        ];
        assert_eq!(pieces.iter().collect::<Vec<_>>(), expected);
        assert!(!pieces.are("", "ab"));
    }

    #[test]
    fn a_thought_and_a_text_are_known() {
        let mut pieces = Pieces::default();
        assert!(pieces.are("", "") && !pieces.are("", "a") && !pieces.are("a", ""));
        pieces.take(Event::Text("a"));
        assert!(pieces.are("", "a") && !pieces.are("", "") && !pieces.are("", "b") && !pieces.are("a", ""));
        pieces.clear();
        pieces.take(Event::Reasoning("a"));
        assert!(pieces.are("a", "") && !pieces.are("", "a") && !pieces.are("", ""));
        pieces.take(Event::Text("b"));
        assert!(pieces.are("a", "b") && !pieces.are("", "ab") && !pieces.are("a", ""));
    }
}
