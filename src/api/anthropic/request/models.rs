//! List of models, in pages. Knows no pools: it is told of models.

use std::fmt::Write;

use bytes::Bytes;

use crate::api::time::written;
use crate::json::write_string;

/// A model that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub id: String,
    /// Seconds after 1970 began; 0 where nobody knows.
    pub created: u64,
    /// How many tokens a conversation may have, where that is known.
    pub context: Option<u64>,
}

/// A page of the list, in the order that is given: what `query`, which stands behind the `?` of an address, wants of it.
/// A page behind or before a model that is not there is empty.
pub fn models(models: &[Model], query: &str) -> Bytes {
    let page = Page::read(query);
    let (models, has_more) = page.cut(models);
    let mut out = String::from("{\"data\":[");
    for (at, model) in models.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        write_entry(model, &mut out);
    }
    // Writing to a string does not fail.
    let _ = write!(out, "],\"has_more\":{has_more}");
    for (key, model) in [("first_id", models.first()), ("last_id", models.last())] {
        let _ = write!(out, ",\"{key}\":");
        match model {
            Some(model) => write_string(&model.id, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    out.into()
}

/// One of the list.
pub fn model_entry(model: &Model) -> Bytes {
    let mut out = String::new();
    write_entry(model, &mut out);
    out.into()
}

fn write_entry(model: &Model, out: &mut String) {
    out.push_str("{\"type\":\"model\"");
    for key in ["id", "display_name"] {
        out.extend([",\"", key, "\":"]);
        write_string(&model.id, out);
    }
    out.extend([",\"created_at\":\"", &written(model.created), "\",\"lifecycle\":\"active\",\"max_input_tokens\":"]);
    match model.context {
        Some(tokens) => out.push_str(&tokens.to_string()),
        None => out.push_str("null"),
    }
    // How much of its context an answer may have is said by nobody.
    out.push_str(",\"max_tokens\":null}");
}

/// What is wanted of a list.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    length: usize,
    from: From,
}

#[derive(Debug, PartialEq, Eq)]
enum From {
    Beginning,
    Behind(String),
    Before(String),
}

impl Page {
    /// What cannot be read is as if it were not there.
    fn read(query: &str) -> Self {
        let mut page = Self { length: LENGTH, from: From::Beginning };
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "limit" => page.length = value.parse().map_or(LENGTH, |length: usize| length.clamp(1, LENGTH_MAX)),
                "after_id" if !value.is_empty() => page.from = From::Behind(decoded(value)),
                "before_id" if !value.is_empty() => page.from = From::Before(decoded(value)),
                _ => {}
            }
        }
        page
    }

    /// The models, and whether more of them follow; of a page before one, whether more precede it.
    fn cut<'a>(&self, models: &'a [Model]) -> (&'a [Model], bool) {
        let place = |id: &str| models.iter().position(|model| model.id == id);
        let (from, to) = match &self.from {
            From::Beginning => (0, self.length),
            From::Behind(id) => {
                let from = place(id).map_or(models.len(), |at| at + 1);
                (from, from.saturating_add(self.length))
            }
            From::Before(id) => {
                let to = place(id).unwrap_or(0);
                (to.saturating_sub(self.length), to)
            }
        };
        let to = to.min(models.len());
        let has_more = match self.from {
            From::Before(_) => from > 0,
            From::Beginning | From::Behind(_) => to < models.len(),
        };
        (models.get(from..to).unwrap_or_default(), has_more)
    }
}

/// A value of a query. What is not written as it should be stands for itself.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const LENGTH: usize = 20;
const LENGTH_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn list(count: usize) -> Vec<Model> {
        let model = |at| Model { id: format!("org/m:{at}"), created: 0, context: None };
        (0..count).map(model).collect()
    }

    /// The numbers of the models of a page, and whether there are more.
    fn page(count: usize, query: &str) -> (Vec<usize>, bool) {
        let page: Value = serde_json::from_slice(&models(&list(count), query)).unwrap();
        let ids: Vec<_> = page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(page["first_id"].as_str(), ids.first().copied(), "{query}");
        assert_eq!(page["last_id"].as_str(), ids.last().copied(), "{query}");
        let number = |id: &str| id.strip_prefix("org/m:").unwrap().parse().unwrap();
        (ids.into_iter().map(number).collect(), page["has_more"].as_bool().unwrap())
    }

    #[test]
    fn a_list_is_read_in_pages() {
        for (count, query, from, to, has_more) in [
            (0, "", 0, 0, false),
            (20, "", 0, 20, false),
            (21, "beta=true", 0, 20, true),
            (21, "limit=0", 0, 1, true),
            (21, "limit=1000", 0, 21, false),
            (1001, "limit=5000", 0, 1000, true),
            (21, "limit=x", 0, 20, true),
            (5, "limit=2&after_id=org%2Fm%3A1", 2, 4, true),
            (5, "after_id=org/m:2&limit=2", 3, 5, false),
            (5, "after_id=org/m:4", 5, 5, false),
            (5, "after_id=no", 5, 5, false),
            (5, "limit=2&before_id=org/m:3", 1, 3, true),
            (5, "limit=2&before_id=org/m:1", 0, 1, false),
            (5, "before_id=no", 0, 0, false),
            (5, "after_id=", 0, 5, false),
        ] {
            assert_eq!(page(count, query), ((from..to).collect(), has_more), "{count} {query}");
        }
    }

    #[test]
    fn an_entry_says_what_is_known() {
        let model = Model { id: "a\"b".to_owned(), created: 1_795_838_400, context: Some(8192) };
        let expected = json!({"type": "model", "id": "a\"b", "display_name": "a\"b", "created_at": "2026-11-28T04:00:00Z",
            "lifecycle": "active", "max_input_tokens": 8192, "max_tokens": null});
        assert_eq!(serde_json::from_slice::<Value>(&model_entry(&model)).unwrap(), expected);
        let unknown: Value = serde_json::from_slice(&model_entry(&list(1)[0])).unwrap();
        assert_eq!(
            (&unknown["max_input_tokens"], &unknown["created_at"]),
            (&Value::Null, &json!("1970-01-01T00:00:00Z"))
        );
        assert_eq!(decoded("a%2Fb+%zz%e9%"), "a/b %zz\u{fffd}%");
    }
}
