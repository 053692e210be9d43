//! Lookahead in raw strings: reads ahead of a place where a string between the dialect's own delimiters may end, until
//! what follows tells.
//! Nothing is escaped in such a string, so a delimiter in it looks as one that ends it. Keeps no text but a word;
//! writes nothing.
//!
//! The law. A delimiter ends its string where the structure goes on behind it: a comma and a key and a colon (in an
//! array, a value); brackets that close what is open, and the same behind them; the call's closer; the end of the
//! answer. Everywhere else it is a quote inside the string, and the next one is its pair, which takes more to end the
//! string. A call's closer without a delimiter before it ends the string only if the beginning of another call or the
//! end of the answer follows, and the string quotes no call whose closer it is. A plain quote without a pair ends it
//! before brackets and the call's closer, and before a member that [`plain`] vouches for.
//!
//! ```text
//!   Marker -> After <-> Comma -> Key -> Value
//!               |         |
//!   Closers     +----+----+
//!       |            v
//!       +--------> Outside -> Window
//! ```

mod follow;
mod plain;

use super::delimiter::{Likeness, closing};
use super::{Ended, Frame, Syntax, Types};

/// What is known of the string so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Inner {
    /// All delimiters in it are paired.
    #[default]
    Paired,
    /// One is open that stands where text does.
    Open,
    /// One is open that stands where a value does: the string quotes markup.
    Quoting,
}

/// Where the string stands.
pub(super) struct View<'a, T: Types> {
    pub frames: &'a [Frame<T::Place>],
    pub cx: &'a Syntax<'a, T>,
    pub inner: Inner,
    /// The string quotes a call, whose closer is still to come.
    pub quotes_call: bool,
}

/// What was read so far led to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is undecided.
    Open,
    /// The string ends at the candidate.
    Ends,
    /// The candidate belongs to the string.
    Data,
}

/// What may be the string's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Candidate {
    /// A marker, or a part of one.
    #[default]
    Unknown,
    Delimiter,
    /// A delimiter with one letter wrong.
    Misspelt,
    /// A plain quote, before the next member.
    Plain,
    /// What the dialect opens a call with.
    Opener,
    /// Brackets.
    Brackets,
    /// The call's closer, perhaps behind brackets.
    Closer,
}

impl From<bool> for Judgement {
    fn from(ends: bool) -> Self {
        if ends { Self::Ends } else { Self::Data }
    }
}

#[derive(Debug, Default)]
pub(super) struct Ahead {
    stage: Stage,
    pub candidate: Candidate,
    /// Bytes that are the candidate.
    pub length: usize,
    /// Bytes that are dropped where the string ends: the candidate, and a letter too many behind it.
    pub taken: usize,
    /// Where an extra bracket began that is dropped if the structure goes on behind it.
    extra: usize,
    /// The marker or key that is being read.
    word: String,
    /// Bytes of `word` that may be a misspelt delimiter.
    misspelt: usize,
    /// Containers that were closed.
    closed: usize,
    /// A call's closer was read.
    call_closed: bool,
    /// Liberties that were taken.
    liberties: u8,
    /// A key stands right behind the delimiter.
    adjacent: bool,
    /// What was read last opens a value.
    opens_value: bool,
    window: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    /// A marker: the candidate.
    Marker,
    /// Brackets: the candidate.
    Brackets,
    /// Behind a delimiter or a bracket.
    After,
    /// A marker behind that.
    AfterMarker,
    Comma,
    CommaMarker,
    Key,
    /// Behind a key that nothing vouches for.
    Value,
    /// The key of the member behind a plain quote and a comma.
    MemberKey,
    /// Behind the colon of that.
    Member,
    /// Behind the outermost bracket, or the call's closer.
    Outside,
    /// Text stands there.
    Window,
}

/// A key that is longer is none.
const KEY_BYTES_MAX: usize = 64;
/// So much text behind a call shows that it has ended.
const WINDOW_BYTES: usize = 256;

impl Ahead {
    /// Whether no candidate is being judged.
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// A candidate begins with this character, a bracket or the first of a marker. What was known of one before is
    /// dropped.
    pub fn begin(&mut self, c: char) {
        let word = std::mem::take(&mut self.word);
        // A plain quote may stand in the delimiter's place before brackets.
        let stage = if is_bracket(c) || c == '"' { Stage::Brackets } else { Stage::Marker };
        // Whatever comes of it, its first character is read.
        *self = Self { word, stage, length: c.len_utf8(), ..Self::default() };
        self.word.clear();
    }

    /// The candidate is judged. What it was stays to be read until the next begins.
    pub fn end(&mut self) {
        self.stage = Stage::Idle;
    }

    /// Reads one more character, which stands `at` bytes behind the candidate's first.
    pub fn push<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        match self.stage {
            Stage::Idle => Judgement::Data,
            Stage::Marker => self.marker(c, at, view),
            Stage::Brackets => self.brackets(c, at, view),
            Stage::After => self.after(c, at, view),
            Stage::AfterMarker | Stage::CommaMarker => self.inner_marker(c, at, view),
            Stage::Comma => self.comma(c, at, view),
            Stage::Key => self.key(c, at, view),
            Stage::Value => self.value(c, view),
            Stage::MemberKey => self.member_key(c, view),
            Stage::Member => self.member(c, view),
            Stage::Outside => self.outside(c, at, view),
            Stage::Window => self.window(c, view),
        }
    }

    /// The answer ended here.
    pub fn finish<T: Types>(&mut self, ended: Ended, view: &View<'_, T>) -> Judgement {
        let by_itself = ended == Ended::ByItself;
        if self.candidate == Candidate::Unknown && self.misspelt > 0 && by_itself {
            self.found(Candidate::Misspelt, self.misspelt, Stage::After);
        }
        let ends = match (self.candidate, self.stage) {
            (Candidate::Opener | Candidate::Unknown, _) | (_, Stage::Idle) => false,
            (Candidate::Plain, _) => by_itself,
            (Candidate::Brackets | Candidate::Closer, _) => by_itself || self.call_closed,
            (_, Stage::Key | Stage::Value | Stage::AfterMarker | Stage::CommaMarker) => {
                view.inner == Inner::Paired && self.liberties == 0
            }
            (Candidate::Misspelt, _) => by_itself || self.closed > 0,
            (Candidate::Delimiter, _) => by_itself || self.closed > 0 || view.inner == Inner::Paired,
        };
        Judgement::from(ends)
    }

    /// Bytes that are kept.
    pub fn kept(&self) -> usize {
        self.word.len()
    }

    fn marker<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        self.word.push(c);
        let (word, cx, end) = (self.word.as_str(), view.cx, at + c.len_utf8());
        let quote = cx.quote.unwrap_or_default();
        if word == quote {
            return self.found(Candidate::Delimiter, end, Stage::After);
        }
        if cx.closers.iter().any(|closer| closer == word) {
            self.call_closed = true;
            return self.found(Candidate::Closer, end, Stage::Outside);
        }
        if cx.openers.iter().any(|opener| opener == word) {
            self.found(Candidate::Opener, end, Stage::After);
            return Judgement::Data;
        }
        if is_behind_first(word, quote) {
            return Judgement::Data;
        }
        let likeness = closing(word, quote);
        if likeness == Likeness::Whole {
            self.misspelt = end;
        }
        let mut markers = cx.closers.iter().chain(cx.openers).map(String::as_str).chain([quote]);
        if likeness != Likeness::Unlike || markers.any(|marker| marker.starts_with(word)) {
            return Judgement::Open;
        }
        if self.misspelt == 0 {
            return Judgement::Data;
        }
        let more = self.word.split_off(self.misspelt);
        self.found(Candidate::Misspelt, self.misspelt, Stage::After);
        let mut at = self.length;
        for c in more.chars() {
            match self.push(c, at, view) {
                Judgement::Open => at += c.len_utf8(),
                judgement => return judgement,
            }
        }
        Judgement::Open
    }

    fn found(&mut self, candidate: Candidate, length: usize, stage: Stage) -> Judgement {
        self.candidate = candidate;
        self.length = length;
        self.taken = length;
        self.stage = stage;
        self.word.clear();
        Judgement::Open
    }

    fn brackets<T: Types>(&mut self, c: char, at: usize, view: &View<'_, T>) -> Judgement {
        if at == 0 && !is_bracket(c) {
            // The quote before them.
            return Judgement::Open;
        }
        if c == ',' && self.candidate == Candidate::Unknown && self.word.is_empty() {
            return self.before_member(view);
        }
        let closes = is_bracket(c) && (c != ')' || view.frames.iter().any(|frame| frame.closer == ')'));
        if self.word.is_empty() && (closes || c.is_ascii_whitespace()) {
            self.candidate = Candidate::Brackets;
            self.length = at + c.len_utf8();
            self.taken = self.length;
            return Judgement::Open;
        }
        self.word.push(c);
        if view.cx.closers.contains(&self.word) {
            self.call_closed = true;
            return self.found(Candidate::Closer, at + c.len_utf8(), Stage::Outside);
        }
        let begun = view.cx.closers.iter().any(|closer| closer.starts_with(self.word.as_str()));
        if begun { Judgement::Open } else { Judgement::Data }
    }
}

impl<T: Types> View<'_, T> {
    fn begins_marker(&self, c: char) -> bool {
        let begins = |marker: &str| marker.starts_with(c);
        self.cx.quote.is_some_and(begins) || self.cx.closers.iter().any(|closer| begins(closer))
    }
}

/// Whether a delimiter begins behind the first letter, which then is data: a delimiter is a token, and has no letter
/// twice.
fn is_behind_first(word: &str, quote: &str) -> bool {
    let mut letters = word.chars();
    letters.next();
    !letters.as_str().is_empty() && quote.starts_with(letters.as_str()) && !quote.starts_with(word)
}

fn is_bracket(c: char) -> bool {
    matches!(c, '}' | ']' | ')')
}
