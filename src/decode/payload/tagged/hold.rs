//! What may be the end of a tagged value: which markers stood there, and what that is worth.
//! Does not read; `ends` does.

use crate::decode::call::Wrapped;
use crate::dialect::Tagged;
use crate::json::repair::Ended;

/// Text from a possible end on.
#[derive(Debug)]
pub(super) struct Hold {
    /// All of it, as it was written.
    pub text: String,
    /// Bytes of it that are markup, if the call ends here.
    markup: usize,
    pub stage: Stage,
    pub place: Place,
    /// The value's closer was among the markers, the function's, the wrapper's.
    pub value: bool,
    pub function: bool,
    pub wrapper: bool,
    /// These may be the closers of a function that the value quotes.
    pub is_quoted: bool,
    /// A wrapper's opener was the last marker.
    pub opener: bool,
}

/// What stands behind a possible end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Markers, and whitespace between them.
    Run,
    /// Letters behind the closers that may be one with a wrong letter.
    Broken,
    /// Other text behind them.
    Prose,
}

/// Where its first marker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the start of a line.
    Line,
    /// At the start of the value.
    Start,
    /// Inside a line.
    Inside,
    /// Inside a line, in a value whose closer should stand on its own.
    Astray,
}

/// What a run of closers is worth when text follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It was the end.
    End,
    /// It may have been.
    Open,
    /// It was data.
    Data,
}

impl Hold {
    /// What begins with this marker.
    pub(super) fn new(text: &str, place: Place) -> Self {
        Self {
            text: text.to_string(),
            markup: text.len(),
            stage: Stage::Run,
            place,
            value: false,
            function: false,
            wrapper: false,
            is_quoted: false,
            opener: false,
        }
    }

    /// A closer of the function or the wrapper: up to here it is markup.
    pub(super) fn closer(&mut self, text: &str) {
        self.text.push_str(text);
        self.markup = self.text.len();
    }

    /// What stands behind the markup.
    pub(super) fn behind(mut self) -> String {
        self.text.split_off(self.markup.min(self.text.len()))
    }

    /// Whether nothing but whitespace stands behind the markup.
    pub(super) fn is_bare(&self) -> bool {
        self.text.get(self.markup..).unwrap_or_default().trim_ascii().is_empty()
    }

    /// What the markers are worth now that text follows them.
    pub(super) fn worth(&self, form: &Tagged) -> Worth {
        let has_wrapper = form.closers.len() > form.own_closers;
        let is_over = if has_wrapper { self.wrapper } else { self.function };
        if self.value && is_over && !self.is_quoted && self.place != Place::Astray {
            return Worth::End;
        }
        let closers = [self.value, self.function, self.wrapper].iter().filter(|seen| **seen).count();
        let has_outer = self.function || self.wrapper;
        let at_line = matches!(self.place, Place::Line | Place::Start);
        if self.is_quoted || (has_outer && (closers > 1 || at_line)) { Worth::Open } else { Worth::Data }
    }

    /// Whether these are all the closers that the call should have.
    pub(super) fn is_whole(&self, wrapped: Wrapped) -> bool {
        self.value && (self.wrapper || (self.function && wrapped == Wrapped::No)) && !self.is_quoted
    }

    /// Whether a call that begins right behind it shows that it is the end.
    pub(super) fn ends_before_a_call(&self) -> bool {
        self.stage != Stage::Prose && !self.is_quoted && !self.has_no_closer()
    }

    /// Letters behind the closers that may be a broken one.
    pub(super) fn broken(&self) -> Option<&str> {
        let behind = self.text.get(self.markup..).filter(|_| self.stage == Stage::Broken);
        behind.map(str::trim_ascii)
    }

    /// No closer was found, but a parameter's opener.
    pub(super) fn has_no_closer(&self) -> bool {
        !(self.value || self.function || self.wrapper)
    }

    /// The value's closer stands alone: the call goes on.
    pub(super) fn is_value_alone(&self) -> bool {
        self.value && !self.function && !self.wrapper
    }

    /// Whether it is the end if the answer ends here. A value that was cut off may well have gone on.
    pub(super) fn is_the_end(&self, ended: Ended, wrapped: Wrapped) -> bool {
        let is_whole = self.is_whole(wrapped) || (self.stage == Stage::Run && self.is_whole(Wrapped::No));
        match ended {
            Ended::ByItself => !self.has_no_closer(),
            Ended::Cut => is_whole && self.place != Place::Astray,
        }
    }
}
