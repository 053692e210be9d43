//! Gives an answer the name under which its client asked for the model.
//! Replaces the value of `model` and nothing else; reads no text and no calls.
//!
//! The events of a stream differ in their text, which stands before or behind the model's name. So an event that begins,
//! or ends, as the one before did up to that name needs no parsing.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::chunk::{place, string};
use crate::json::{self, Object};
use crate::limits::Limits;
use crate::sse;

/// Puts a name in the place of the one that the server gives the model.
#[derive(Debug)]
pub struct ModelRewriter {
    /// As JSON.
    name: String,
    framing: Framing,
}

#[derive(Debug)]
enum Framing {
    Events {
        events: sse::Decoder,
        known: Known,
    },
    Whole {
        body: BytesMut,
        bytes_max: usize,
    },
    /// A limit was reached: the bytes go on unread.
    Through,
}

impl ModelRewriter {
    /// For an event stream.
    pub fn stream(name: &str, limits: &Limits) -> Self {
        let events = sse::Decoder::new(limits.event_bytes_max);
        Self::new(name, Framing::Events { events, known: Known::default() })
    }

    /// For an answer that comes whole.
    pub fn whole(name: &str, limits: &Limits) -> Self {
        Self::new(name, Framing::Whole { body: BytesMut::new(), bytes_max: limits.answer_bytes_max })
    }

    fn new(name: &str, framing: Framing) -> Self {
        let mut json = String::new();
        json::write_string(name, &mut json);
        Self { name: json, framing }
    }

    /// Takes the next bytes of the answer; appends what goes to the client.
    pub fn push(&mut self, bytes: Bytes, out: &mut BytesMut) {
        match &mut self.framing {
            Framing::Through => out.extend_from_slice(&bytes),
            Framing::Whole { body, bytes_max } if body.len() + bytes.len() <= *bytes_max => {
                body.extend_from_slice(&bytes);
            }
            Framing::Whole { body, .. } => {
                out.extend_from_slice(body);
                out.extend_from_slice(&bytes);
                self.framing = Framing::Through;
            }
            Framing::Events { events, known } => {
                events.push(bytes);
                loop {
                    match events.next_event() {
                        Ok(None) => return,
                        Ok(Some(event)) => rename(&event, &self.name, known, out),
                        Err(sse::EventTooLarge(_)) => break,
                    }
                }
                if let Framing::Events { events, .. } = std::mem::replace(&mut self.framing, Framing::Through) {
                    out.extend_from_slice(&events.finish());
                }
            }
        }
    }

    /// The answer ended, whole or not: appends what is left.
    pub fn finish(self, out: &mut BytesMut) {
        match self.framing {
            Framing::Through => {}
            Framing::Events { events, .. } => out.extend_from_slice(&events.finish()),
            Framing::Whole { body, .. } => match find(&body) {
                Some(found) => splice(&body, found.at, &self.name, out),
                None => out.extend_from_slice(&body),
            },
        }
    }
}

fn rename(event: &sse::Event<'_>, name: &str, known: &mut Known, out: &mut BytesMut) {
    if let Some(at) = known.find(event.raw) {
        return splice(event.raw, at, name, out);
    }
    let (data, Some(found)) = (event.data.clone().unwrap_or_default(), event.data().and_then(find)) else {
        return out.extend_from_slice(event.raw);
    };
    let at = data.start + found.at.start..data.start + found.at.end;
    if found.depth == Depth::Top && matches!(event.joined, Cow::Borrowed(_)) {
        known.learn(event.raw, at.clone());
    }
    splice(&event.joined, at, name, out);
}

fn splice(source: &[u8], at: Range<usize>, name: &str, out: &mut BytesMut) {
    out.extend_from_slice(source.get(..at.start).unwrap_or_default());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(source.get(at.end..).unwrap_or_default());
}

/// The value of `model` in an answer, quotes included.
struct Found {
    at: Range<usize>,
    depth: Depth,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Top,
    /// Inside of what the responses and messages APIs wrap around an answer.
    Wrapped,
}

fn find(data: &[u8]) -> Option<Found> {
    let object = Object::parse(std::str::from_utf8(data).ok()?)?;
    let model = |object: &Object<'_>| {
        let value = object.get("model").filter(|value| string(value).is_some())?;
        Some(place(data, value))
    };
    if let Some(at) = model(&object) {
        return Some(Found { at, depth: Depth::Top });
    }
    let wrapped = WRAPPERS.iter().find_map(|key| model(&Object::parse(object.get(key)?)?))?;
    Some(Found { at: wrapped, depth: Depth::Wrapped })
}

/// What stood around the name in an event that was parsed.
#[derive(Debug, Default)]
struct Known {
    /// From the event's beginning to behind the name. An event that begins so has its name there.
    before: Vec<u8>,
    /// From the separator before the key `model` to the event's end. An event of JSON that ends so has its name there:
    /// inside of a string the first quote of this would end it, and the last brace closes the object of the key.
    behind: Vec<u8>,
    name_bytes: usize,
    /// Where in `behind` the name begins.
    name_start: usize,
}

impl Known {
    fn find(&self, raw: &[u8]) -> Option<Range<usize>> {
        let start = if !self.before.is_empty() && raw.starts_with(&self.before) {
            self.before.len().checked_sub(self.name_bytes)?
        } else if !self.behind.is_empty() && raw.ends_with(&self.behind) {
            (raw.len() + self.name_start).checked_sub(self.behind.len())?
        } else {
            return None;
        };
        Some(start..start + self.name_bytes)
    }

    fn learn(&mut self, raw: &[u8], at: Range<usize>) {
        self.before.clear();
        self.behind.clear();
        self.name_bytes = at.len();
        self.before.extend_from_slice(raw.get(..at.end).unwrap_or_default());
        let to_name = raw.get(..at.start).unwrap_or_default().trim_ascii_end();
        let to_colon = to_name.strip_suffix(b":").unwrap_or_default().trim_ascii_end();
        let to_key = to_colon.strip_suffix(b"\"model\"").unwrap_or_default();
        if let Some(start) = to_key.len().checked_sub(1) {
            self.behind.extend_from_slice(raw.get(start..).unwrap_or_default());
            self.name_start = at.start - start;
        }
    }
}

/// `response.created` of the responses API and `message_start` of the messages API.
const WRAPPERS: [&str; 2] = ["response", "message"];

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { event_bytes_max: 200, answer_bytes_max: 200, ..Limits::default() }
    }

    fn run(mut rewriter: ModelRewriter, pieces: &[&[u8]]) -> String {
        let mut out = BytesMut::new();
        pieces.iter().for_each(|piece| rewriter.push(Bytes::copy_from_slice(piece), &mut out));
        rewriter.finish(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    /// However it is cut, every `"M"` that is the model's name becomes the client's, and nothing else changes.
    fn check(stream: &str) {
        let expected = stream.replace("\"M\"", "\"a \\\"b\\\"\"");
        let name = "a \"b\"";
        for cut in 0..=stream.len() {
            let (left, right) = stream.as_bytes().split_at(cut);
            assert_eq!(run(ModelRewriter::stream(name, &limits()), &[left, right]), expected, "cut at {cut}");
        }
        let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
        assert_eq!(run(ModelRewriter::stream(name, &limits()), &bytes), expected);
    }

    #[test]
    fn each_event_gets_the_name() {
        check(concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"id\":1,\"model\":\"M\",\"object\":\"o\"}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"y \\\"model\\\":\\\"N\\\"\"}}],\"id\":1,\"model\":\"M\",\"object\":\"o\"}\n\n",
            ": ping\n\n",
            "data: {\"model\" : \"M\" , \"choices\":[]}\r\n\r\n",
            "data: {\"model\" : \"M\" , \"choices\":[],\"usage\":{\"model\":\"other\"}}\r\n\r\n",
            "data: [DONE]\n\n",
        ));
        check("event: message_start\ndata: {\"message\":{\"id\":1,\"model\":\"M\"}}\n\n");
        check("data: {\"response\":{\"model\":\"M\"},\"model\":null}\n\n");
        check("data: {\"choices\":[{\"message\":{\"model\":\"N\"}}]}\n\ndata: {\"model\":7}\n\ndata: {\"mo");
        check("data: {\"m\\u006fdel\":\"M\"}\n\n");
    }

    #[test]
    fn an_event_that_ends_alike_and_is_another_is_told_apart() {
        for (first, second) in [
            // In another object than those that wrap an answer.
            (r#"{"response":{"x":1,"model":"M"}}"#, r#"{"other":{"x":1,"model":"M"}}"#),
            (r#"{"x":1,"model":"M"}"#, r#"{"x":{"y":1,"model":"M"}}"#),
            // A key that only ends alike.
            (r#"{"x":1,"model":"M"}"#, r#"{"x":1,"y\"model":"M"}"#),
        ] {
            let stream = format!("data: {first}\n\ndata: {second}\n\n");
            let expected = stream.replacen("\"M\"", "\"a\"", 1);
            assert_eq!(run(ModelRewriter::stream("a", &limits()), &[stream.as_bytes()]), expected);
        }
    }

    #[test]
    fn several_lines_of_data_are_one() {
        let stream = "data: {\"id\":1,\ndata: \"model\":\"M\"}\n\n";
        assert_eq!(
            run(ModelRewriter::stream("a", &limits()), &[stream.as_bytes()]),
            "data: {\"id\":1, \"model\":\"a\"}\n\n"
        );
    }

    #[test]
    fn a_whole_answer_gets_the_name() {
        for (body, expected) in [
            (" {\"id\": 1.0, \"model\":\"M\" } ", " {\"id\": 1.0, \"model\":\"a\" } "),
            ("{\"response\":{\"model\":\"M\"}}", "{\"response\":{\"model\":\"a\"}}"),
            ("{\"model\":null}", "{\"model\":null}"),
            ("{\"model\":\"M\"", "{\"model\":\"M\""),
            ("not JSON", "not JSON"),
            ("", ""),
        ] {
            for cut in 0..=body.len() {
                let (left, right) = body.as_bytes().split_at(cut);
                assert_eq!(run(ModelRewriter::whole("a", &limits()), &[left, right]), expected);
            }
        }
    }

    #[test]
    fn what_is_too_large_passes() {
        let stream =
            format!("data: {{\"model\":\"M\"}}\n\ndata: {{\"x\":\"{}\",\"model\":\"M\"}}\n\n", "x".repeat(200));
        let bytes: Vec<_> = stream.as_bytes().chunks(7).collect();
        assert_eq!(run(ModelRewriter::stream("a", &limits()), &bytes), stream.replacen("\"M\"", "\"a\"", 1));
        let body = format!("{{\"model\":\"M\",\"x\":\"{}\"}}", "x".repeat(200));
        let bytes: Vec<_> = body.as_bytes().chunks(7).collect();
        assert_eq!(run(ModelRewriter::whole("a", &limits()), &bytes), body);
    }
}
