//! Prefix: how much of a text that comes in pieces can be the beginning of one JSON value, and which members are closed.
//! Strict, as most readers are (RFC 8259); keeps no text and mends nothing.

/// Reads one value. Feed it pieces until it takes less than all of one.
#[derive(Clone, Debug)]
pub struct Prefix {
    place: Place,
    open: Vec<Bracket>,
    depth_max: usize,
    /// Bytes taken.
    taken: usize,
    /// Whether a mistake has come.
    is_broken: bool,
    closed: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Object,
    Array,
}

/// What the next byte can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Value,
    /// Behind `[`.
    ValueOrEnd,
    Key,
    /// Behind `{`.
    KeyOrEnd,
    Colon,
    /// Behind a value within brackets.
    Next,
    String(Role),
    Escape(Role),
    /// So many digits of an escape are still to come.
    Code(Role, u8),
    Number(Number),
    /// So much of a literal is still to come.
    Literal(&'static [u8]),
    /// Behind the value: white space.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    E,
    Sign,
    Power,
}

impl Prefix {
    /// Ready for a value; brackets may nest so deep, more are a mistake.
    pub fn new(depth_max: usize) -> Self {
        Self { place: Place::Value, open: Vec::new(), depth_max, taken: 0, is_broken: false, closed: None }
    }

    /// Takes the next piece, and says how many of its bytes it has taken: a byte that no JSON can go on with is a
    /// mistake, and from there on nothing is taken.
    pub fn push(&mut self, piece: &str) -> usize {
        let before = self.taken;
        let mut rest = piece.as_bytes();
        while let Some(first) = rest.first().filter(|_| !self.is_broken) {
            let Some(length) = self.take(*first, rest) else {
                self.is_broken = true;
                break;
            };
            self.taken += length;
            rest = rest.get(length..).unwrap_or_default();
        }
        self.taken - before
    }

    /// Whether what was taken is a whole value. A number may still go on.
    pub fn is_complete(&self) -> bool {
        match self.place {
            Place::Done => true,
            Place::Number(number) => self.open.is_empty() && number.is_whole(),
            _ => false,
        }
    }

    /// Whether a mistake has come.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// How many bytes lead up to the end of the last member of the outermost object that is closed, its closing brace not
    /// among them. `None` when there is none.
    pub fn closed_members(&self) -> Option<usize> {
        self.closed
    }

    /// How many bytes of the rest belong to what is read. None of them when a number ends before the first.
    fn take(&mut self, first: u8, rest: &[u8]) -> Option<usize> {
        match self.place {
            Place::String(role) => {
                let end = rest.iter().position(|b| *b < b' ' || matches!(b, b'"' | b'\\')).unwrap_or(rest.len());
                if end > 0 {
                    return Some(end);
                }
                match (first, role) {
                    (b'"', Role::Key) => self.place = Place::Colon,
                    (b'"', Role::Value) => self.end_value(1),
                    (b'\\', _) => self.place = Place::Escape(role),
                    _ => return None,
                }
            }
            Place::Escape(role) => {
                self.place = match first {
                    b'u' => Place::Code(role, 4),
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Place::String(role),
                    _ => return None,
                }
            }
            Place::Code(role, left) if first.is_ascii_hexdigit() => {
                self.place = if left > 1 { Place::Code(role, left - 1) } else { Place::String(role) }
            }
            Place::Number(number) => match number.followed_by(first) {
                Some(number) => self.place = Place::Number(number),
                None if number.is_whole() => {
                    self.end_value(0);
                    return Some(0);
                }
                None => return None,
            },
            Place::Literal(left) => match left.split_first()? {
                (expected, _) if *expected != first => return None,
                (_, []) => self.end_value(1),
                (_, left) => self.place = Place::Literal(left),
            },
            Place::Code(..) => return None,
            _ if matches!(first, b' ' | b'\t' | b'\n' | b'\r') => {}
            _ => return self.between(first),
        }
        Some(1)
    }

    /// Takes a byte that is not white space outside of strings, numbers and literals.
    fn between(&mut self, first: u8) -> Option<usize> {
        match (self.place, first) {
            (Place::KeyOrEnd, b'}') | (Place::ValueOrEnd, b']') => self.close(),
            (Place::Key | Place::KeyOrEnd, b'"') => self.place = Place::String(Role::Key),
            (Place::Colon, b':') => self.place = Place::Value,
            (Place::Value | Place::ValueOrEnd, _) => self.begin_value(first)?,
            (Place::Next, _) => match (self.open.last()?, first) {
                (Bracket::Object, b',') => self.place = Place::Key,
                (Bracket::Array, b',') => self.place = Place::Value,
                (Bracket::Object, b'}') | (Bracket::Array, b']') => self.close(),
                _ => return None,
            },
            _ => return None,
        }
        Some(1)
    }

    fn begin_value(&mut self, first: u8) -> Option<()> {
        self.place = match first {
            b'{' | b'[' if self.open.len() >= self.depth_max => return None,
            b'{' => {
                self.open.push(Bracket::Object);
                Place::KeyOrEnd
            }
            b'[' => {
                self.open.push(Bracket::Array);
                Place::ValueOrEnd
            }
            b'"' => Place::String(Role::Value),
            b'-' => Place::Number(Number::Minus),
            b'0' => Place::Number(Number::Zero),
            b'1'..=b'9' => Place::Number(Number::Digits),
            b't' => Place::Literal(b"rue"),
            b'f' => Place::Literal(b"alse"),
            b'n' => Place::Literal(b"ull"),
            _ => return None,
        };
        Some(())
    }

    fn close(&mut self) {
        self.open.pop();
        self.end_value(1);
    }

    /// A value ends so many bytes behind those that were taken.
    fn end_value(&mut self, length: usize) {
        self.place = match self.open.as_slice() {
            [] => Place::Done,
            [outermost] => {
                if *outermost == Bracket::Object {
                    self.closed = Some(self.taken + length);
                }
                Place::Next
            }
            _ => Place::Next,
        };
    }
}

impl Number {
    fn followed_by(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Digits, b'0'..=b'9') => Self::Digits,
            (Self::Zero | Self::Digits, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Digits | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::Sign,
            (Self::E | Self::Sign | Self::Power, b'0'..=b'9') => Self::Power,
            _ => return None,
        })
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Digits | Self::Fraction | Self::Power)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const DEPTH_MAX: usize = 100;

    /// What was taken of pieces, and the value behind them.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, Prefix) {
        let mut prefix = Prefix::new(DEPTH_MAX);
        let mut taken = String::new();
        for piece in pieces {
            taken.push_str(&piece[..prefix.push(piece)]);
        }
        (taken, prefix)
    }

    #[test]
    fn a_text_is_taken_up_to_its_mistake() {
        for (text, taken, is_complete) in [
            ("", "", false),
            (" {} \n", " {} \n", true),
            (r#"{"a":[1,-0.5e+7,"x\u00e9\n",true,null,false,{}],"b":{"c":0}}"#, "", true),
            ("{}x", "{}", true),
            ("{}{}", "{}", true),
            ("[1,]", "[1,", false),
            ("{,", "{", false),
            (r#"{"a":1,}"#, r#"{"a":1,"#, false),
            (r#"{"a" 1"#, r#"{"a" "#, false),
            ("{'a'", "{", false),
            ("[01]", "[0", false),
            ("[-]", "[-", false),
            ("[1.]", "[1.", false),
            ("[1e]", "[1e", false),
            ("[trux", "[tru", false),
            ("[NaN", "[", false),
            ("\"a\nb\"", "\"a", false),
            (r#""\x""#, r#""\"#, false),
            (r#""\u12g4""#, r#""\u12"#, false),
            ("{]", "{", false),
            ("[}", "[", false),
            ("é", "", false),
            ("12", "12", true),
            ("12 ", "12 ", true),
            ("1.", "1.", false),
            ("nul", "nul", false),
            ("null", "null", true),
        ] {
            let taken = if taken.is_empty() && is_complete { text } else { taken };
            let (own, prefix) = read([text]);
            assert_eq!((own.as_str(), prefix.is_complete()), (taken, is_complete), "{text}");
            assert_eq!(prefix.is_broken(), taken.len() < text.len(), "{text}");
            let letters: Vec<String> = text.chars().map(String::from).collect();
            assert_eq!(read(letters.iter().map(String::as_str)).0, taken, "{text} by letters");
        }
    }

    #[test]
    fn members_are_closed_where_nothing_can_change_them() {
        for (text, closed) in [
            ("{", None),
            (r#"{"a":12"#, None),
            (r#"{"a":12,"#, Some(r#"{"a":12"#)),
            (r#"{"a":12 "#, Some(r#"{"a":12"#)),
            (r#"{"a":true"#, Some(r#"{"a":true"#)),
            (r#"{"a":{"b":1,"c":"x"#, None),
            (r#"{"a":{"b":1},"c":"x"#, Some(r#"{"a":{"b":1}"#)),
            (r#"{"a":[{"b":1}],"c":["#, Some(r#"{"a":[{"b":1}]"#)),
            (r#"{"a":"x","b"#, Some(r#"{"a":"x""#)),
            (r#"[{"a":1},"#, None),
        ] {
            assert_eq!(read([text]).1.closed_members().map(|end| &text[..end]), closed, "{text}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = "[".repeat(DEPTH_MAX + 1);
        let (taken, prefix) = read([deep.as_str()]);
        assert!(taken.len() == DEPTH_MAX && prefix.is_broken() && !prefix.is_complete());
        let fits = ["[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)].concat();
        assert!(read([fits.as_str()]).1.is_complete());
    }

    proptest! {
        #[test]
        fn it_judges_as_other_readers_do(text in "[{}\\[\\]:,\"\\\\ntrue0-9.eE+\\- \u{e9}]{0,12}") {
            let (taken, prefix) = read([text.as_str()]);
            let parsed = serde_json::from_str::<Value>(&text);
            // Numbers beyond a float's range are JSON all the same.
            let is_range = parsed.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert!(is_range || parsed.is_ok() == (taken == text && prefix.is_complete()), "{}", text);
            if !taken.trim().is_empty() && !prefix.is_complete() {
                let error = serde_json::from_str::<Value>(&taken).unwrap_err();
                prop_assert!(error.is_eof() || error.to_string().contains("out of range"), "{}: {}", taken, error);
            }
        }
    }
}
