//! Any model text, in any dialect: calls are balanced and their arguments parse, cuts agree, nothing is lost.

use std::sync::Arc;

use serde::de::IgnoredAny;
use toolgate::api::openai;
use toolgate::chat::Calls;
use toolgate::decode::{Decoder, Ending, Event, Finish, Reasoning, Settings, UnknownTools};
use toolgate::dialect::Dialect;
use toolgate::limits::Limits;
use toolgate::schema::Tools;

use super::{ledger, vocabulary};

/// How a text is read.
#[derive(Clone, Debug)]
pub struct Case {
    pub settings: Settings,
    pub limits: Limits,
    pub finish: Finish,
}

/// What came of a text: neighbouring events of a kind are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Text(String),
    Reasoning(String),
    Call { name: String, arguments: String, ended: bool },
}

/// The first bytes choose how the rest is read.
pub fn holds(data: &[u8]) {
    let Some((&[dialect, settings, limits, cut], rest)) = data.split_first_chunk() else { return };
    let mut case = Case::of(vocabulary::chosen(dialect));
    case.settings.reasoning = [Reasoning::Auto, Reasoning::Off, Reasoning::Open][usize::from(settings % 3)];
    case.settings.unknown_tools = [UnknownTools::Text, UnknownTools::Pass][usize::from(settings / 3 % 2)];
    case.settings.calls = [Calls::All, Calls::First][usize::from(settings / 6 % 2)];
    case.finish = [Finish::Stop, Finish::Cut][usize::from(settings / 12 % 2)];
    if limits % 2 == 1 {
        let (pending, value) = (16 + usize::from(limits), 4 + usize::from(limits / 2));
        case.limits = Limits { pending_bytes_max: pending, value_bytes_max: value, depth_max: 3, ..case.limits };
    }
    let text = vocabulary::text(&vocabulary::of(&case.settings.dialect), rest);
    case.check(&text);
    case.check_cut(&text, text.len() * usize::from(cut) / 256);
}

impl Case {
    /// A built-in dialect, read as usual.
    pub fn new(dialect: &str) -> Self {
        Self::of(vocabulary::named(dialect))
    }

    pub fn of(dialect: Arc<Dialect>) -> Self {
        let openai::Tools(tools) = serde_json::from_str(vocabulary::TOOLS).expect("tools");
        Self { settings: Settings::new(dialect, Tools::new(tools)), limits: Limits::default(), finish: Finish::Stop }
    }

    pub fn decoder(&self) -> Decoder {
        Decoder::new(self.settings.clone(), &self.limits)
    }

    /// What comes of a text, whose pieces have no part in it: how often bytes were looked at is left out.
    pub fn read<'a>(&self, pieces: impl IntoIterator<Item = &'a str>) -> (Vec<Item>, Ending) {
        let mut decoder = self.decoder();
        let mut items = Vec::new();
        for piece in pieces {
            decoder.push(piece, &mut |event| take(&mut items, event));
        }
        let ending = decoder.finish(self.finish, &mut |event| take(&mut items, event));
        (items, Ending { examined: 0, ..ending })
    }

    /// How many bytes are looked at, each as often as it is.
    pub fn examined<'a>(&self, pieces: impl IntoIterator<Item = &'a str>) -> u64 {
        let mut decoder = self.decoder();
        pieces.into_iter().for_each(|piece| decoder.push(piece, &mut |_| {}));
        decoder.finish(self.finish, &mut |_| {}).examined
    }

    /// What must hold of one text.
    pub fn check(&self, text: &str) {
        let whole = self.check_end(text);
        let mut letters = text.split_inclusive(|_: char| true);
        assert_eq!(self.read(&mut letters), whole, "letter by letter: {text:?}");
        ledger::check(self, text);
    }

    /// What must hold where a text ends. What came of it.
    pub fn check_end(&self, text: &str) -> (Vec<Item>, Ending) {
        let whole = self.read([text]);
        check_calls(text, &whole.0, whole.1);
        whole
    }

    /// Cutting a text in two changes nothing. The cut moves to the next character.
    pub fn check_cut(&self, text: &str, at: usize) {
        let at = (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        let (first, second) = text.split_at(at);
        assert_eq!(self.read([first, second]), self.read([text]), "cut at {at}: {text:?}");
    }
}

/// Collects an event. Fails when it cannot follow those before it.
pub fn take(items: &mut Vec<Item>, event: Event<'_>) {
    let is_open = matches!(items.last(), Some(Item::Call { ended: false, .. }));
    let belongs_to_call = matches!(event, Event::Arguments(_) | Event::CallEnd);
    assert_eq!(is_open, belongs_to_call, "{event:?} after {items:?}");
    match (event, items.last_mut()) {
        (Event::Text(more), Some(Item::Text(text))) | (Event::Reasoning(more), Some(Item::Reasoning(text))) => {
            text.push_str(more);
        }
        (Event::Text(text), _) => items.push(Item::Text(text.into())),
        (Event::Reasoning(text), _) => items.push(Item::Reasoning(text.into())),
        (Event::CallStart { name, .. }, _) => {
            items.push(Item::Call { name: name.into(), arguments: String::new(), ended: false });
        }
        (Event::Arguments(more), Some(Item::Call { arguments, .. })) => arguments.push_str(more),
        (Event::CallEnd, Some(Item::Call { ended, .. })) => *ended = true,
        (event, _) => unreachable!("{event:?} was seen not to belong here"),
    }
}

fn check_calls(text: &str, items: &[Item], ending: Ending) {
    let mut calls = 0;
    for item in items {
        let Item::Call { arguments, ended, .. } = item else { continue };
        calls += 1;
        let parsed = serde_json::from_str::<IgnoredAny>(arguments);
        assert!(if *ended { parsed.is_ok() } else { is_prefix(arguments) }, "{parsed:?}: {arguments} of {text:?}");
        assert!(*ended || ending.truncated, "a call is open at the end: {items:?}");
    }
    assert_eq!(calls, ending.calls, "{items:?}");
}

/// Whether more text could make JSON of it. A number that stops at its sign or point lacks a digit.
fn is_prefix(json: &str) -> bool {
    [json.to_owned(), format!("{json}0")]
        .iter()
        .any(|json| serde_json::from_str::<IgnoredAny>(json).map_or_else(|error| error.is_eof(), |_| true))
}
