//! Chunks of OpenAI's event stream, in the envelope of one answer.
//! Decides nothing: what is said, and when, is the caller's.

use std::fmt::Write;

use memchr::memchr;

use super::line::Call;
use super::time::unix_seconds;
use crate::api::openai::{Error, Ids};
use crate::json::{Object, escape_into, inside};

/// Writes the chunks of one answer.
#[derive(Debug)]
pub(super) struct Chunks {
    /// What all events begin with; empty until a line has said whose they are.
    envelope: String,
    /// The same, up to a delta.
    before_delta: String,
    /// Bytes of text or arguments in one event.
    bytes_max: usize,
    role: Role,
    calls: u32,
    ids: Ids,
    scratch: String,
}

/// Whether the client knows who speaks: the first chunk says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Unsaid,
    Said,
}

/// A pair of surrogates, escaped: the longest that may not be cut.
const UNIT_BYTES_MAX: usize = 12;

impl Chunks {
    /// For events of at most so many bytes.
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            envelope: String::new(),
            before_delta: String::new(),
            // Beside text stand the envelope and what is known of its tokens.
            bytes_max: (event_bytes_max / 3).max(UNIT_BYTES_MAX),
            role: Role::default(),
            calls: 0,
            ids: Ids::default(),
            scratch: String::new(),
        }
    }

    /// Takes over what the first line says of whose answer it is.
    pub(super) fn address(&mut self, line: &Object<'_>) {
        if self.is_addressed() {
            return;
        }
        let created = line.string("created_at").and_then(|text| unix_seconds(&text)).unwrap_or(0);
        let model = line.get("model").filter(|written| inside(written).is_some()).unwrap_or("\"\"");
        self.envelope.push_str("data: {\"id\":\"");
        self.ids.write_answer_id(&mut self.envelope);
        let object = "\",\"object\":\"chat.completion.chunk\",\"created\":";
        // Writing to a string does not fail.
        let _ = write!(self.envelope, "{object}{created},\"model\":{model},\"system_fingerprint\":\"fp_ollama\",");
        self.before_delta = format!("{}\"choices\":[{{\"index\":0,\"delta\":", self.envelope);
    }

    fn is_addressed(&self) -> bool {
        !self.envelope.is_empty()
    }

    /// Whether anything was said.
    pub(super) fn has_begun(&self) -> bool {
        self.role == Role::Said
    }

    /// Calls that were written.
    pub(super) fn calls(&self) -> u32 {
        self.calls
    }

    /// Bytes that one event may have beside its envelope.
    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Appends a thought, given as it stands within quotes, and what is known of its tokens.
    pub(super) fn thinking(&mut self, inside: &str, logprobs: Option<&str>, out: &mut Vec<u8>) {
        self.string(["{\"reasoning_content\":\"", "\"}"], inside, logprobs, out);
    }

    /// Appends text, in the same way.
    pub(super) fn content(&mut self, inside: &str, logprobs: Option<&str>, out: &mut Vec<u8>) {
        self.string(["{\"content\":\"", "\"}"], inside, logprobs, out);
    }

    /// Appends what is known of tokens, and no text.
    pub(super) fn logprobs(&mut self, list: &str, out: &mut Vec<u8>) {
        self.begin(out);
        self.write(&["{},\"logprobs\":{\"content\":", list, "}", OPEN], out);
    }

    /// Appends a call: a chunk that says which, and then its arguments, to the byte.
    pub(super) fn call(&mut self, call: &Call<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        let mut delta = std::mem::take(&mut self.scratch);
        delta.clear();
        let _ = write!(delta, "{{\"tool_calls\":[{{\"index\":{},\"id\":\"", self.calls);
        match call.id.as_deref().filter(|id| self.ids.is_new(id)) {
            Some(id) => escape_into(id, &mut delta),
            None => self.ids.write("", &mut delta),
        }
        delta.push_str("\",\"type\":\"function\",\"function\":{\"name\":\"");
        delta.push_str(call.name);
        delta.push_str("\",\"arguments\":\"\"}}]}");
        self.write(&[&delta, OPEN], out);
        delta.clear();
        let arguments = inside(call.arguments).unwrap_or_else(|| {
            escape_into(call.arguments, &mut delta);
            &delta
        });
        let before = format!("{{\"tool_calls\":[{{\"index\":{},\"function\":{{\"arguments\":\"", self.calls);
        self.string([&before, "\"}}]}"], arguments, None, out);
        self.calls += 1;
        self.scratch = delta;
    }

    /// Appends the chunk that ends the choice, with these members beside the choices, each behind a comma.
    pub(super) fn finish(&mut self, reason: &str, members: &str, out: &mut Vec<u8>) {
        self.begin(out);
        self.write(&["{},\"finish_reason\":\"", reason, "\"}]", members, END], out);
    }

    /// Appends the chunk that says what the answer cost, with these members more.
    pub(super) fn usage(&self, usage: &str, members: &str, out: &mut Vec<u8>) {
        for part in [&self.envelope, "\"choices\":[],\"usage\":", usage, members, END] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    /// Appends an error that says whose answer it ends.
    pub(super) fn error(&mut self, error: Error<'_>, out: &mut Vec<u8>) {
        self.address(&Object::empty());
        let body = error.body();
        for part in [&self.envelope, body.strip_prefix('{').unwrap_or(&body), "\n\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.role == Role::Unsaid {
            self.write(&["{\"role\":\"assistant\"}", OPEN], out);
            self.role = Role::Said;
        }
    }

    /// Appends a string, in as many chunks as it takes. What is known of its tokens stands in the first.
    fn string(&mut self, [before, behind]: [&str; 2], inside: &str, logprobs: Option<&str>, out: &mut Vec<u8>) {
        self.begin(out);
        let (first, mut rest) = split(inside, self.bytes_max);
        match logprobs {
            Some(list) => {
                self.write(&[before, first, behind, ",\"logprobs\":{\"content\":", list, "}", OPEN], out);
            }
            None => self.write(&[before, first, behind, OPEN], out),
        }
        while !rest.is_empty() {
            let (next, behind_it) = split(rest, self.bytes_max);
            self.write(&[before, next, behind, OPEN], out);
            rest = behind_it;
        }
    }

    fn write(&self, parts: &[&str], out: &mut Vec<u8>) {
        out.extend_from_slice(self.before_delta.as_bytes());
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// Behind the delta of a choice that goes on.
const OPEN: &str = ",\"finish_reason\":null}]}\n\n";
const END: &str = "}\n\n";

/// The beginning of what stands within quotes, of at most so many bytes, and the rest. No letter, escape or pair of
/// surrogates is cut in two.
fn split(inside: &str, bytes_max: usize) -> (&str, &str) {
    if inside.len() <= bytes_max {
        return (inside, "");
    }
    let bytes = inside.as_bytes();
    let mut at = 0;
    while let Some(run) = bytes.get(at..bytes_max).and_then(|rest| memchr(b'\\', rest)) {
        let length = escape_length(bytes.get(at + run..).unwrap_or_default());
        if at + run + length > bytes_max {
            return inside.split_at_checked(at + run).unwrap_or((inside, ""));
        }
        at += run + length;
    }
    let whole = (at..=bytes_max).rev().find(|at| inside.is_char_boundary(*at)).unwrap_or(bytes_max);
    inside.split_at_checked(whole).unwrap_or((inside, ""))
}

/// How long the escape is that stands here, or the two of a pair.
fn escape_length(bytes: &[u8]) -> usize {
    match bytes {
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', _, _, b'\\', b'u', ..] => UNIT_BYTES_MAX,
        [b'\\', b'u', ..] => 6,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_cut_between_letters_and_escapes() {
        for (inside, expected) in [
            ("0123456789abcdef", ("0123456789ab", "cdef")),
            ("0123456789é", ("0123456789é", "")),
            ("0123456789aé!", ("0123456789a", "é!")),
            (r"0123456789a\n", ("0123456789a", r"\n")),
            (r"0123456789\\n", (r"0123456789\\", "n")),
            (r"012345678\u00e9", ("012345678", r"\u00e9")),
            (r"a\ud83d\ude00b", ("a", r"\ud83d\ude00b")),
            (r"\ud83d\ude00b", (r"\ud83d\ude00", "b")),
            (r"\ud83dabcdefgh", (r"\ud83dabcdef", "gh")),
        ] {
            assert_eq!(split(inside, UNIT_BYTES_MAX), expected, "{inside}");
        }
    }
}
