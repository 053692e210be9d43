//! How a dialect's past calls and results go up, and what a server's chat template makes of that.
//! Only says it; `plan` writes them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::prompt::HistorySpec;

/// How past calls and results go up.
#[derive(Clone, Debug)]
pub enum History {
    /// As `tool_calls` and `role: "tool"`, for the server's own chat template.
    Native(CallsOfTurn),
    /// As text.
    Text(Box<HistorySpec>),
}

/// How many calls a turn has that goes up for a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallsOfTurn {
    #[default]
    All,
    /// One; of several a turn each is made, each before its result.
    One,
}

/// How past calls and results go up for one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    Native(CallsOfTurn),
    Text,
}

impl History {
    /// How they go up beside tools in the prompt. `kept` is the form of which the server's template is known to drop
    /// nothing: text, where it drops something of any other.
    pub fn with_injected(&self, kept: Option<Past>) -> Past {
        match self {
            Self::Native(_) => self.with_template(kept),
            Self::Text(_) => Past::Text,
        }
    }

    /// How they go up beside tools that the server's template writes: for that template, as long as it drops nothing.
    pub fn with_template(&self, kept: Option<Past>) -> Past {
        match (self, kept) {
            (Self::Native(calls), None | Some(Past::Text)) => Past::Native(*calls),
            (Self::Text(_), None) => Past::Native(CallsOfTurn::All),
            (_, Some(kept)) => kept,
        }
    }

    /// How they are written as text, if they ever are.
    pub fn text(&self) -> Option<&HistorySpec> {
        match self {
            Self::Native(_) => None,
            Self::Text(spec) => Some(spec),
        }
    }
}

impl Past {
    /// As it is written in a dialect.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native(CallsOfTurn::All) => "native",
            Self::Native(CallsOfTurn::One) => "native, one call a turn",
            Self::Text => "text",
        }
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading)
    }
}

/// Reads `native`, `native: { calls: 1 }` or `text: { … }`.
struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = History;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`native`, `native: { calls: 1 }` or `text`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<History, E> {
        match word {
            "native" => Ok(History::Native(CallsOfTurn::All)),
            other => Err(E::unknown_variant(other, &["native", "text"])),
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<History, M::Error> {
        let history = match map.next_key::<String>()?.as_deref() {
            Some("native") => History::Native(map.next_value::<NativeSpec>()?.calls),
            Some("text") => History::Text(map.next_value()?),
            Some(other) => return Err(M::Error::unknown_field(other, &["native", "text"])),
            None => return Err(M::Error::custom("history is `native` or `text`")),
        };
        match map.next_key::<String>()? {
            Some(other) => {
                Err(M::Error::custom(format!("history is one of `native` and `text`, and nothing of `{other}`")))
            }
            None => Ok(history),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NativeSpec {
    #[serde(deserialize_with = "one_call")]
    calls: CallsOfTurn,
}

fn one_call<'de, D: Deserializer<'de>>(from: D) -> Result<CallsOfTurn, D::Error> {
    match u32::deserialize(from)? {
        1 => Ok(CallsOfTurn::One),
        other => Err(D::Error::custom(format!("calls is 1, or left out, not {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_in_each_of_its_forms() {
        let result = "result: { role: user, text: '{result}' }";
        for (yaml, expected) in [
            ("native", Ok(Past::Native(CallsOfTurn::All))),
            ("native: { calls: 1 }", Ok(Past::Native(CallsOfTurn::One))),
            (&format!("text: {{ {result} }}"), Ok(Past::Text)),
            (&format!("text: {{ call: {{}}, {result} }}"), Err("call")),
            ("native: { calls: 2 }", Err("calls is 1, or left out, not 2")),
            ("native: { call: 1 }", Err("call")),
            ("native: { calls: 1 }\ntext: {}", Err("nothing of `text`")),
            ("nativ", Err("nativ")),
        ] {
            let read = serde_saphyr::from_str::<History>(yaml);
            match (read, expected) {
                (Ok(history), Ok(past)) => assert_eq!(history.with_injected(None), past, "{yaml}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{yaml}: {error}"),
                (read, _) => panic!("{yaml}: {read:?}"),
            }
        }
    }

    /// What a template drops is written as text, where the dialect says how; what it keeps is its own to write.
    #[test]
    fn a_template_that_drops_nothing_writes_the_past() {
        let (all, one) = (Past::Native(CallsOfTurn::All), Past::Native(CallsOfTurn::One));
        let native = History::Native(CallsOfTurn::All);
        let single = History::Native(CallsOfTurn::One);
        let text = serde_saphyr::from_str("text: { result: { role: user, text: '{result}' } }");
        let text: History = text.unwrap();
        for (history, kept, beside_injected, beside_template) in [
            (&text, None, Past::Text, all),
            (&text, Some(all), Past::Text, all),
            (&text, Some(one), Past::Text, one),
            (&text, Some(Past::Text), Past::Text, Past::Text),
            (&native, None, all, all),
            (&native, Some(one), one, one),
            (&native, Some(Past::Text), all, all),
            (&single, None, one, one),
            (&single, Some(all), all, all),
        ] {
            let found = (history.with_injected(kept), history.with_template(kept));
            assert_eq!(found, (beside_injected, beside_template), "{history:?} {kept:?}");
        }
    }
}
