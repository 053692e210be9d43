//! YAML tree: YAML text to a tree whose nodes know their line and column.
//! Knows no keys. Replaces `${env.NAME}` in values; anchors, aliases and tags are mistakes.

use serde_saphyr::granit_parser::{self as yaml, Event, Parser, ScalarStyle, StrInput};

use super::mistake::{Mistake, Place};

#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// It has been reported; nothing more is to be said of it.
    Broken,
}

#[derive(Debug)]
pub(super) struct Key {
    pub place: Place,
    pub name: String,
}

/// The tree of the one document in `text`. None when it is not YAML, which is then the last mistake.
pub(super) fn parse(
    text: &str,
    file: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Node> {
    let options = yaml::options! { emit_unresolved_aliases: true, emit_comments: false };
    let mut builder = Builder { events: Parser::new_from_str_with_options(text, options), file, variable, mistakes };
    builder.document()
}

struct Builder<'a> {
    events: Parser<'a, StrInput<'a>>,
    file: &'a str,
    variable: &'a dyn Fn(&str) -> Option<String>,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Option<Node> {
        let mut root = Node { place: Place { line: 1, column: 1 }, value: Value::Null };
        let mut documents = 0;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Some(root),
                (Event::DocumentStart(..), place) => {
                    documents += 1;
                    if documents == 2 {
                        self.mistake(place, "a second YAML document", "a configuration is one document");
                    }
                }
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (event, place) if documents == 1 => root = self.node(event, place)?,
                (event, place) => drop(self.node(event, place)?),
            }
        }
    }

    /// The node that begins with `event`. Calls itself for what is inside, at most as deep as the parser nests.
    fn node(&mut self, event: Event<'a>, place: Place) -> Option<Node> {
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(place, anchor, tag.is_some());
                self.scalar(&text, style, place)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_properties(place, anchor, tag.is_some());
                Value::List(self.items()?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_properties(place, anchor, tag.is_some());
                Value::Map(self.entries()?)
            }
            Event::UnresolvedAlias(name) => {
                let hint = format!("a value that begins with `*` needs quotes: \"*{name}\"");
                self.mistake(place, format!("`*{name}` is a YAML alias that nothing defines"), hint);
                Value::Broken
            }
            // An alias of an anchor, which has been reported.
            _ => Value::Broken,
        };
        Some(Node { place, value })
    }

    fn items(&mut self) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Some(items),
                (event, place) => items.push(self.node(event, place)?),
            }
        }
    }

    fn entries(&mut self) -> Option<Vec<(Key, Node)>> {
        let mut entries = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Some(entries),
                (Event::Scalar(name, ..), place) => Some(Key { place, name: name.into_owned() }),
                (event, place) => {
                    self.node(event, place)?;
                    self.mistake(place, "a key that is not a word", "keys are words, each followed by `:`");
                    None
                }
            };
            let (event, place) = self.next()?;
            let value = self.node(event, place)?;
            entries.extend(key.map(|key| (key, value)));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, place: Place) -> Value {
        if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Value::Null;
        }
        match replace(text, self.variable) {
            Ok(text) => Value::Text(text),
            Err((what, hint)) => {
                self.mistake(place, what, hint);
                Value::Broken
            }
        }
    }

    fn refuse_properties(&mut self, place: Place, anchor: usize, is_tagged: bool) {
        if anchor != 0 {
            self.mistake(place, "YAML anchors are not supported", "write the value out where it is used");
        }
        if is_tagged {
            self.mistake(place, "YAML tags are not supported", "a value that begins with `!` needs quotes");
        }
    }

    fn next(&mut self) -> Option<(Event<'a>, Place)> {
        match self.events.next()? {
            Ok((event, span)) => Some((event, place(&span.start))),
            Err(error) => {
                let hint = "a value with `{`, `}`, `&`, `#` or `: ` in it needs quotes";
                self.mistake(place(error.marker()), format!("not YAML: {}", error.info()), hint);
                None
            }
        }
    }

    fn mistake(&mut self, place: Place, what: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.push(Mistake {
            file: self.file.into(),
            place: Some(place),
            what: what.into(),
            hint: hint.into(),
        });
    }
}

fn place(marker: &yaml::Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// Puts variables in the place of `${env.NAME}`; `$${` is a plain `${`. What they hold is not looked into again.
/// Fails with what is wrong and a hint.
fn replace(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, (String, String)> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (inside, after) = after
            .split_once('}')
            .ok_or_else(|| ("`${` without its `}`".to_owned(), "`$${` writes a plain `${`".to_owned()))?;
        let name = inside.strip_prefix("env.").filter(|name| !name.is_empty()).ok_or_else(|| {
            (
                format!("`${{{inside}}}` means nothing"),
                "`${env.NAME}` is replaced; `$${` writes a plain `${`".to_owned(),
            )
        })?;
        let value = variable(name).ok_or_else(|| {
            (format!("environment variable `{name}` is not set"), "set it, or write the value here".to_owned())
        })?;
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
