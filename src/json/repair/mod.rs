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
//! A quote closes its string only where sound structure follows (`lookahead`), and a string that lacks its quote ends before
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
//! Each state takes its characters in its own file: keys in `keys`, values and what stands between them in `values`,
//! `word` and `comments`, quoted strings in `string`, strings between the dialect's own delimiter in `raw`, and markers
//! everywhere but in strings in `markers`. `reading` shows them the text, `closing` ends what nothing else ends.
//!
//! Three of them look ahead before they decide, and hold what they see:
//!
//! | who | at what | held in | decided by |
//! |--|--|--|--|
//! | `tail` | closers, commas and markers in a string, which may have lost its quote | `tail` | the next letter, mostly |
//! | `quote` | what stands behind a quote | `gap` | `lookahead` |
//! | `raw` | what stands behind a delimiter, or what may be one | `raw` | `raw_ahead` |
//!
//! What was read ahead goes to `pushback` and is read as if it came anew, so that cuts change nothing.
//! What else is undecided is kept as it was written: an opener or a comma and the whitespace behind it in `lead`, a key
//! until its colon, a word until its end, and in `maybe` a marker that may be none.
//!
//! Most of a long call is the inside of a string, in which nothing has to be decided. [`Repair::skim`] reads that
//! without any of this, and says when it cannot.

mod behind;
mod closing;
mod comments;
mod delimiter;
mod keys;
mod lookahead;
mod markers;
mod pushback;
mod quote;
mod quoted;
mod raw;
mod raw_ahead;
mod reading;
mod string;
mod syntax;
mod tail;
mod values;
mod whole;
mod word;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

pub use behind::Behind;
use comments::Token;
pub use comments::{Comment, Commented};
use lookahead::Lookahead;
use pushback::Pushback;
use quoted::Quoted;
use raw::Raw;
use reading::Reading;
pub use syntax::{Begins, Calls, Mode, Syntax, Types, Untyped, Words};
pub use tail::Tail;
pub use whole::{first, object};
pub use word::number;

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
    look: Lookahead,
    /// What may stand behind a string that lacks its quote.
    tail: Tail,
    again: Pushback,
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
    Pushback,
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
    Pushback,
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
            look: Lookahead::default(),
            tail: Tail::default(),
            again: Pushback::default(),
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

    /// Whether a quoted string inside a container is being read.
    pub fn is_in_inner_string(&self) -> bool {
        self.state == State::Text && !self.frames.is_empty()
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
    #[inline]
    pub fn skim(&mut self, text: &str, behind: &Behind, out: &mut String) -> Skimmed {
        match self.state {
            State::Text if self.again.is_empty() => self.skim_text(text, behind, out),
            State::Raw if self.again.is_empty() => self.skim_raw(text, out),
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
