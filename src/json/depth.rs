//! Nesting depth: how deep a request's JSON nests, which arrives in pieces: its brackets, and those of what its
//! servers read out of strings in it. Of any other string the brackets are text.
//!
//! ```text
//! {"messages": [{"tool_calls": [{"function": {"arguments": "{\"a\": [[…"}}]}], "grammar": "root ::= ((((…"}
//! '------- brackets of the JSON itself ------'              '-- JSON --'                   '- EBNF -'
//! ```
//!
//! What is kept is the beginning of the last string, which may be a key, and how far inside brackets the reader is.

use super::extent::{Extent, Passing};
use super::unescape_into;

/// Counts brackets. Feed it the text from its start.
#[derive(Debug, Default)]
pub struct Depth {
    extent: Extent,
    /// The last string, as it is written, as far as it may be one of the keys.
    key: Vec<u8>,
    string: Role,
    unescaping: Unescaping,
    /// The deepest of those that were read out of strings.
    deepest_inside: usize,
}

/// What the string is that comes next, or that is being read.
#[derive(Debug, Default)]
enum Role {
    /// It may be a key; else it is text.
    #[default]
    Any,
    Json(Extent),
    Grammar(Grammar),
}

/// The longest of the keys with each of its letters escaped.
const KEY_BYTES_MAX: usize = 6 * 14;

impl Depth {
    /// Reads the next bytes of the body, however it is cut.
    pub fn push(&mut self, bytes: &[u8]) {
        let Self { extent, key, string, unescaping, deepest_inside } = self;
        extent.watch(bytes, |passing| match (passing, &mut *string) {
            (Passing::StringStart, _) => {
                key.clear();
                *unescaping = Unescaping::default();
            }
            (Passing::Inside(bytes), Role::Any) => {
                // One byte more, so that what is longer is seen to be.
                let room = (KEY_BYTES_MAX + 1).saturating_sub(key.len());
                key.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            (Passing::Inside(bytes), Role::Json(inner)) => {
                unescaping.push(bytes, |bytes| {
                    inner.push(bytes);
                });
                *deepest_inside = inner.deepest().max(*deepest_inside);
            }
            (Passing::Inside(bytes), Role::Grammar(inner)) => {
                unescaping.push(bytes, |bytes| bytes.iter().for_each(|byte| inner.push(*byte)));
                *deepest_inside = inner.deepest.max(*deepest_inside);
            }
            (Passing::Colon, _) => *string = role(key),
            (Passing::StringEnd | Passing::Next, _) => *string = Role::Any,
        });
    }

    /// Whether a whole text surely nests no deeper, because there is no more in it that opens anything, escaped or not.
    /// Takes a fraction of the time that reading it takes.
    pub fn is_surely_within(text: &[u8], depth_max: usize) -> bool {
        let mut left = depth_max;
        // So many that their number fits into a byte, which is what lets the compiler look at 16 at a time.
        text.chunks(255).all(|part| {
            let opens = |b: u8| (b == b'[') | (b == b'{') | (b == b'(') | (b == b'\\');
            let openers = part.iter().fold(0_u8, |openers, &b| openers + u8::from(opens(b)));
            let rest = left.checked_sub(usize::from(openers));
            left = rest.unwrap_or(0);
            rest.is_some()
        })
    }

    /// The most brackets that were open at once so far.
    pub fn deepest(&self) -> usize {
        self.extent.deepest().max(self.deepest_inside)
    }
}

/// What a string is whose key is written so.
fn role(key: &[u8]) -> Role {
    if !key.contains(&b'\\') {
        return role_of(key);
    }
    let mut text = String::new();
    let read = std::str::from_utf8(key).ok().and_then(|written| unescape_into(written, &mut text));
    read.map_or(Role::Any, |()| role_of(text.as_bytes()))
}

fn role_of(key: &[u8]) -> Role {
    match key {
        // A past call's, which templates read; and schemas that some servers take as a string.
        b"arguments" | b"json_schema" | b"guided_json" | b"structural_tag" => Role::Json(Extent::default()),
        // llama.cpp's, vLLM's and SGLang's names for it.
        b"grammar" | b"guided_grammar" | b"ebnf" => Role::Grammar(Grammar::default()),
        _ => Role::Any,
    }
}

/// The bytes that a JSON string stands for, as far as brackets and quotes go: of others, some byte.
#[derive(Debug, Default)]
enum Unescaping {
    #[default]
    Plain,
    Backslash,
    /// So many digits of a code are still to come.
    Code {
        left: u8,
        code: u32,
    },
}

impl Unescaping {
    /// Takes a piece of a string as it is written.
    fn push(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            let plain = std::mem::replace(&mut rest, tail);
            *self = match &self {
                Self::Plain if first == b'\\' => Self::Backslash,
                Self::Plain => {
                    let end = memchr::memchr(b'\\', plain).unwrap_or(plain.len());
                    let (plain, escaped) = plain.split_at_checked(end).unwrap_or((plain, &[]));
                    out(plain);
                    rest = escaped;
                    Self::Plain
                }
                Self::Backslash if first == b'u' => Self::Code { left: 4, code: 0 },
                Self::Backslash => {
                    out(&[match first {
                        b'n' => b'\n',
                        b'b' | b'f' | b'r' | b't' => b' ',
                        itself => itself,
                    }]);
                    Self::Plain
                }
                Self::Code { left, code } => {
                    let code = code << 4 | char::from(first).to_digit(16).unwrap_or(0);
                    if *left > 1 {
                        Self::Code { left: left - 1, code }
                    } else {
                        out(&[u8::try_from(code).ok().filter(u8::is_ascii).unwrap_or(b'x')]);
                        Self::Plain
                    }
                }
            };
        }
    }
}

/// Open parentheses of a grammar, which stand neither in a literal, a class of characters nor a comment.
#[derive(Debug, Default)]
struct Grammar {
    within: Within,
    depth: usize,
    deepest: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Rule,
    /// Up to this byte, unless it is escaped.
    Quoted(u8),
    Escape(u8),
    Comment,
}

impl Grammar {
    fn push(&mut self, byte: u8) {
        self.within = match (self.within, byte) {
            (Within::Rule, b'"') => Within::Quoted(b'"'),
            (Within::Rule, b'[') => Within::Quoted(b']'),
            (Within::Rule, b'#') => Within::Comment,
            (Within::Rule, b'(') => {
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
                Within::Rule
            }
            (Within::Rule, b')') => {
                self.depth = self.depth.saturating_sub(1);
                Within::Rule
            }
            (Within::Quoted(end), b'\\') => Within::Escape(end),
            (Within::Quoted(end), _) if byte == end => Within::Rule,
            (Within::Escape(end), _) => Within::Quoted(end),
            (Within::Comment, b'\n') => Within::Rule,
            (within, _) => within,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_read_out_of_strings_counts_too() {
        let table = [
            (r#"{"a":[[],[{}]],"b":"[[[[[["}"#, 4),
            (r#"{"arguments":"{\"a\":[[[]]]}"}"#, 4),
            (r#"{"arguments" : "\u007b\u0022a\":\u005b[[[\u005D}"}"#, 5),
            (r#"{"arg\u0075ments":"[[[["}"#, 4),
            // A string of the JSON in the string.
            (r#"{"arguments":"{\"a\":\"[[[ \\\"[[[\"}"}"#, 1),
            (r#"{"arguments":"not [[[[["}"#, 1),
            (r#"{"arguments":["[[[[["]}"#, 2),
            (r#"{"arguments":{"x":"[[[[["}}"#, 2),
            (r#"["arguments","[[[[["]"#, 1),
            (r#"{"argumentsx":"[[[","x":"arguments","y":"[[["}"#, 1),
            (r#"{"arguments":7,"x":"[[[["}"#, 1),
            (r#"{"arguments":7,"arguments":"[[[["}"#, 4),
            (r#"{"grammar":"root ::= ((\"(((\" | [(((\\](] )) # ((((\n a ::= (((b)))"}"#, 3),
            (r#"{"grammar":"root ::= [^\"\\\\] (\"\\\"(((\")"}"#, 1),
            (r#"{"guided_grammar":"((","ebnf":"((("}"#, 3),
            (r#"{"guided_json":"[[[","json_schema":"{","structural_tag":"{\"a\":[["}"#, 3),
            (r#"{"content":"(((((","guided_regex":"(((("}"#, 1),
        ];
        for (text, expected) in table {
            assert!(!Depth::is_surely_within(text.as_bytes(), expected - 1), "{text}");
            assert!(Depth::is_surely_within(text.as_bytes(), text.len()), "{text}");
            for cut in 0..=text.len() {
                let (a, b) = text.as_bytes().split_at(cut);
                let mut depth = Depth::default();
                depth.push(a);
                depth.push(b);
                assert_eq!(depth.deepest(), expected, "{text} cut at {cut}");
            }
        }
    }

    #[test]
    fn keys_are_not_kept_beyond_what_they_may_be() {
        let mut depth = Depth::default();
        depth.push(b"{\"");
        (0..1000).for_each(|_| depth.push(b"arguments"));
        assert_eq!(depth.key.len(), KEY_BYTES_MAX + 1);
    }
}
