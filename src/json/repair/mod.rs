//! A JSON value as a model wrote it, to JSON that parses.
//! Does not know what the value is for: who called it decides what may stand around it.
//!
//! One pass, resumable at every character, total: it always has an output, and on valid JSON it is the
//! identity, but for half surrogate pairs, which become U+FFFD. It mends unquoted keys, single and curly quotes as
//! delimiters, quotes and control characters inside strings, Python's literals and tuples, commas, colons and closers
//! that are missing, too many or the wrong ones, doubled braces, and comments.
//! What it cannot read becomes a JSON string of its source; under [`Mode::Strict`] it stops there instead,
//! since nothing has been sent yet and the whole can still be text.
//!
//! The law of strings: **what follows decides**.
//! A quote closes its string only where sound structure follows (`look`), and a string that lacks its quote ends before
//! what cannot stand in a sound one, since its quotes would be escaped: a key behind a comma, a declared call behind a
//! closer, or the answer's end behind a closer (`tail`). So no slip of a letter reaches beyond its call.
//!
//! ```text
//!          +--------------- comma ----------------+
//!          v                                      |
//!   Key -> KeyText -> AfterKey -> Value -> ... -> AfterValue -> (closer) -> AfterValue | done
//!                                   |- Text (quoted)  -> Quote held -+
//!                                   |- Raw (own delimiter) ----------+
//!                                   |- Word (literal, number, other) +
//!                                   |- LongWord (unreadable, streams)+
//! ```
//!
//! What is read but undecided is kept raw in `lead` (an opener or a comma, and the whitespace after it),
//! `key`, `word`, `tail`, `gap` (what follows a quote, or whitespace) and `maybe` (a marker that may be none).
//! What was read ahead goes to `again` and is read as if it came anew, so that cuts change nothing.

mod again;
mod ahead;
mod behind;
mod comments;
mod delimiter;
mod ending;
mod ends;
mod keys;
mod look;
mod markers;
mod quoted;
mod raw;
mod reading;
mod string;
mod tail;
mod values;
mod whole;
mod word;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

use super::Kinds;
use crate::scan::FirstBytes;
use again::Again;
pub use behind::Behind;
use comments::Token;
pub use comments::{Comment, Commented};
pub use ending::{Begins, Calls};
use look::Look;
use quoted::Quoted;
use raw::Raw;
use reading::Reading;
pub use tail::Tail;
pub use whole::object;
pub use word::number;

/// What the schema says about places in the value.
pub trait Types {
    /// A place in the schema.
    type Place: Copy + Debug;
    fn property(&self, at: Self::Place, key: &str) -> Self::Place;
    fn item(&self, at: Self::Place) -> Self::Place;
    /// The kinds of value allowed at a place; empty when nothing is said.
    fn kinds(&self, at: Self::Place) -> Kinds;
    /// Whether the object at a place has a property of this name by its schema.
    fn declares(&self, _at: Self::Place, _key: &str) -> bool {
        false
    }
    /// Whether text that stands where a call may begin is the beginning of one. Whitespace before it is left out.
    fn begins_call(&self, _text: &str) -> Sight {
        Sight::Other
    }
}

/// What a text is, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The beginning of a call, its name included.
    Call,
    /// More of it is needed.
    Open,
    Other,
}

/// Nothing is known of types.
#[derive(Clone, Copy, Debug)]
pub struct Untyped;

impl Types for Untyped {
    type Place = ();
    fn property(&self, (): (), _key: &str) {}
    fn item(&self, (): ()) {}
    fn kinds(&self, (): ()) -> Kinds {
        Kinds::NONE
    }
}

/// What surrounds the value, and what may be done to it.
#[derive(Clone, Copy, Debug)]
pub struct Syntax<'a, T> {
    pub types: &'a T,
    /// Markers that end the value wherever they stand outside a string.
    pub closers: &'a [String],
    /// Markers that open a call, of which a string may speak.
    pub openers: &'a [String],
    /// A delimiter of strings inside which nothing is escaped.
    pub quote: Option<&'a str>,
    /// Tokens that may follow the closers at the very end of what was generated.
    pub end_tokens: &'a [String],
    /// What all of these begin with.
    pub first_bytes: &'a FirstBytes,
    /// The markers that may stand behind the value.
    pub behind: &'a Behind,
    /// Objects that the value stands in, whose closers follow it.
    pub outer: u32,
    /// What knows how another call begins.
    pub calls: Option<&'a dyn Calls>,
    /// Whether a word without quotes can be a string.
    pub words: Words,
    pub mode: Mode,
    pub depth_max: usize,
    /// Bytes of a word or key that are kept undecided.
    pub word_max: usize,
}

/// What a word is that is neither a number nor a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// It cannot be read.
    Unreadable,
    /// It is a string where the schema allows one.
    Strings,
}

/// What happens to what cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading stops there.
    Strict,
    /// It becomes a JSON string of its source.
    Total,
}

/// How far a push came. The number is how many bytes of it were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it, and the value goes on.
    More,
    /// The value is complete.
    Done(usize),
    /// The first value inside it is decided: told once, under `Mode::Strict`.
    Decided(usize),
    /// A closer was found, and every open container was closed before it.
    Closed(usize),
    /// Something cannot be read: under `Mode::Strict` only.
    Unreadable(usize),
}

/// What became of text that was [skimmed](Repair::skim).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skimmed {
    /// It stands in the value as it came; it was not written.
    Data,
    /// It was read like any other.
    Read,
    /// It has to be pushed.
    No,
}

/// How generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself: closers that are missing were forgotten.
    ByItself,
    /// It was cut off: what was read is a prefix.
    Cut,
}

/// Whether a value that generation ended in is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    Complete,
    Cut,
}

/// One value, being read.
#[derive(Debug)]
pub struct Repair<P> {
    frames: Vec<Frame<P>>,
    state: State,
    /// The place of the value that is expected or being read.
    place: P,
    lead: String,
    key: String,
    /// The first key of an object as it was written: `{1, 2}` is no object.
    raw_key: String,
    gap: String,
    /// How far what stands behind a quote was read ahead; it is in `gap`.
    look: Look,
    /// What may stand behind a string that lacks its quote.
    tail: Tail,
    again: Again,
    comment: Comment,
    word: String,
    /// Whether a quote or a comment's sign stands in `word`: then it is no literal, whatever else comes.
    word_quoted: bool,
    /// Where in `word` its last comma stands, if there is one: it may end the word.
    word_comma: usize,
    maybe: String,
    /// What was read as the beginning of a marker, was none, and stands behind the value's end.
    rest: String,
    quoted: Quoted,
    raw: Raw,
    decided: bool,
    announced: bool,
    repaired: bool,
    malformed: bool,
    examined: usize,
}

#[derive(Clone, Copy, Debug)]
struct Frame<P> {
    container: Container,
    /// What closes it in the source.
    closer: char,
    place: P,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
    /// An opener too many, inside an object: `{{"a": 1}}`.
    Again,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A key, or the object's closer.
    Key,
    /// More of a quoted key.
    KeyText,
    /// More of a key without quotes.
    KeyWord,
    /// More of a key between the dialect's own delimiters.
    KeyRaw,
    /// A colon.
    AfterKey,
    /// A value, or the array's closer.
    Value,
    /// More of a quoted string.
    Text,
    /// What follows a quote, which decides whether it closed the string or the key.
    Quote,
    /// More of a string between the dialect's own delimiters.
    Raw,
    /// More of a word.
    Word {
        depth: u16,
    },
    /// More of a word that is too long to keep.
    LongWord {
        depth: u16,
    },
    /// A comma, or a closer.
    AfterValue,
    /// What follows a brace that stands where a key should.
    Opened,
    /// What follows a comma that stands where a value should.
    Owed,
    /// What follows a wrong closer, which may have closed all from the container `at` on. It stands between two members,
    /// or where one should.
    Doubt {
        at: usize,
        between: bool,
    },
    Comment {
        back: Token,
    },
    Done,
}

/// What one character led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It was read.
    Read,
    /// The state changed and it is to be looked at again.
    Again,
    /// The value ended before it.
    Ended,
    Unreadable,
}

impl<P: Copy + Debug> Repair<P> {
    /// A reader of any value.
    pub fn new(place: P) -> Self {
        Self {
            frames: Vec::new(),
            state: State::Value,
            place,
            lead: String::new(),
            key: String::new(),
            raw_key: String::new(),
            gap: String::new(),
            look: Look::default(),
            tail: Tail::default(),
            again: Again::default(),
            comment: Comment::default(),
            word: String::new(),
            word_quoted: false,
            word_comma: 0,
            maybe: String::new(),
            rest: String::new(),
            quoted: Quoted::default(),
            raw: Raw::default(),
            decided: false,
            announced: false,
            repaired: false,
            malformed: false,
            examined: 0,
        }
    }

    /// A reader of an object whose opener was read already and which `closer` closes.
    pub fn inside_object(place: P, closer: char) -> Self {
        let mut repair = Self::new(place);
        repair.open(Container::Object, closer);
        repair
    }

    /// Whether anything had to be mended.
    pub fn is_repaired(&self) -> bool {
        self.repaired || self.malformed
    }

    /// Whether something could not be read and became a string.
    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Whether the first value inside is decided, or the whole is complete.
    pub fn is_decided(&self) -> bool {
        self.decided
    }

    /// Whether the value is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Text that was read and stands behind the value, once that is done: what was pushed after it comes later.
    pub fn take_rest(&mut self) -> String {
        std::mem::take(&mut self.rest)
    }

    /// Bytes that were looked at since this was asked last, each as often as it was.
    pub fn take_examined(&mut self) -> usize {
        std::mem::take(&mut self.examined)
    }

    /// Bytes that were read and not yet written.
    pub fn held(&self) -> usize {
        let ahead = self.gap.len() + self.tail.len() + self.again.rest().len();
        self.lead.len() + self.key.len() + self.word.len() + self.maybe.len() + self.raw.held() + ahead
    }

    /// Reads `text` if all of it is more of a string and nothing in it has to be decided, as most of a long one is.
    /// `behind` is that of the [`Syntax`].
    pub fn skim(&mut self, text: &str, behind: &Behind, out: &mut String) -> Skimmed {
        if !self.again.is_empty() {
            return Skimmed::No;
        }
        match self.state {
            State::Text => self.skim_text(text, behind, out),
            State::Raw => self.skim_raw(text, out),
            _ => Skimmed::No,
        }
    }

    /// Generation ended: closes what is complete, and says whether it was. What is not stays a prefix.
    pub fn finish<T: Types<Place = P>>(&mut self, ended: Ended, cx: &Syntax<'_, T>, out: &mut String) -> Completion {
        let by_itself = ended == Ended::ByItself;
        match self.settle(ended, cx, out) {
            Reading::Unreadable => return Completion::Cut,
            Reading::Closed => return Completion::Complete,
            Reading::Read | Reading::Ended => {}
        }
        if by_itself && self.state == State::AfterValue {
            self.close_all(out);
        }
        if self.state == State::Done {
            return Completion::Complete;
        }
        self.write_prefix(out);
        Completion::Cut
    }

    /// Something cannot be read: the end of it all, or noted, and `otherwise`.
    fn unreadable(&mut self, mode: Mode, otherwise: Next) -> Next {
        if mode == Mode::Strict {
            return Next::Unreadable;
        }
        self.malformed = true;
        otherwise
    }
}

/// Whitespace between tokens, as JSON knows it: a form feed and the wide spaces of other scripts are none.
fn space(c: char) -> char {
    if matches!(c, ' ' | '\t' | '\n' | '\r') { c } else { ' ' }
}
