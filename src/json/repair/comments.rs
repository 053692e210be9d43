//! Comments, which relaxed JSON has and JSON has not: `//` and `#` to the end of the line, `/*` to `*/`.
//! They are markup and vanish. A closer ends the value in them too.

use std::fmt::Debug;

use super::{Next, Repair, State};

/// Where in a comment the text ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comment {
    /// Behind a slash.
    #[default]
    Slash,
    Line,
    Block,
    /// Behind a star in a block.
    Star,
}

/// What one more character makes of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commented {
    Inside(Comment),
    /// It ended; at the end of a line, that character is not its own.
    Ended,
    /// The slash began none.
    Not,
}

impl Comment {
    /// Begins one with a slash or a hash.
    pub fn begin(c: char) -> Self {
        if c == '#' { Self::Line } else { Self::Slash }
    }

    /// Reads one more character of it.
    pub fn take(self, c: char) -> Commented {
        Commented::Inside(match (self, c) {
            (Self::Slash, '/') => Self::Line,
            (Self::Slash, '*') => Self::Block,
            (Self::Slash, _) => return Commented::Not,
            (Self::Line, '\n' | '\r') | (Self::Star, '/') => return Commented::Ended,
            (Self::Line, _) => Self::Line,
            (Self::Block | Self::Star, '*') => Self::Star,
            (Self::Block | Self::Star, _) => Self::Block,
        })
    }
}

impl<P: Copy + Debug> Repair<P> {
    /// A slash or a hash was read where a token is awaited.
    pub(super) fn begin_comment(&mut self, c: char, back: Token) -> Next {
        self.comment = Comment::begin(c);
        self.state = State::Comment { back };
        Next::Read
    }

    #[cold]
    pub(super) fn comment(&mut self, c: char, back: Token) -> Next {
        self.repaired = true;
        match self.comment.take(c) {
            Commented::Inside(comment) => self.comment = comment,
            Commented::Not => return self.slash(back),
            Commented::Ended => {
                self.state = back.state();
                return if c == '/' { Next::Read } else { Next::Pushback };
            }
        }
        Next::Read
    }

    /// What surrounds a comment ends: it ends too.
    pub(super) fn leave_comment(&mut self) {
        if let State::Comment { back } = self.state {
            if self.comment == Comment::Slash {
                self.slash(back);
            } else {
                self.state = back.state();
            }
        }
    }

    /// The slash begins no comment, but a word; between tokens it is one too many.
    fn slash(&mut self, back: Token) -> Next {
        self.repaired = true;
        self.state = match back {
            Token::Value => {
                self.word.push('/');
                State::Word { depth: 0 }
            }
            Token::Key => {
                self.key.push('/');
                State::KeyWord
            }
            Token::Colon | Token::Comma => back.state(),
        };
        Next::Pushback
    }
}

/// What is awaited behind a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Key,
    Colon,
    Value,
    Comma,
}

impl Token {
    fn state(self) -> State {
        match self {
            Self::Key => State::Key,
            Self::Colon => State::AfterKey,
            Self::Value => State::Value,
            Self::Comma => State::AfterValue,
        }
    }
}
