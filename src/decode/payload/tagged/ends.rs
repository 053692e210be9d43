//! Where a tagged value ends. Markup inside a value is data, since agents write about calls: a marker counts only
//! where the call's markup goes on behind it, so what may be an end is held until what follows decides.
//! Knows neither types nor JSON; what is certainly the value's it hands on.
//!
//! ```text
//!            marker                 whitespace, more markers
//!   Value -----------> Run (held) ---------------------------> Run
//!     ^                 |  |  the next parameter, the next call, the end: the value ended where Run began
//!     |  it was data    |  | text
//!     +-----------------+  v
//!     +--------------- Prose (held): a marker of this call refutes the end, the answer's end confirms it
//!                      Before Prose, what may be a closer with a wrong letter is Broken, and goes on as a Run
//! ```
//!
//! A whole call that the value quotes is counted: its closers are its own. Since an opener can also be quoted
//! without them, they are held too, and at the end of the answer the first that could be the end was it.

mod broken;
mod names;

use std::collections::HashSet;

use crate::dialect::{Tagged, Trim, Unmarked, ValueMark};
use crate::json::repair::Ended;
use crate::scan::Cursor;
use crate::schema::Tool;

use super::hold::{Hold, Place, Stage, Worth};
use crate::decode::call::{Context, within};
use broken::Belongs;

/// What ends a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next parameter, which has this key.
    Key(String),
    /// The end of the call, of its wrapper too perhaps. What was read behind it is read again.
    Call { again: String, unwrapped: bool },
}

/// What is known of the call around the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub cx: &'a Context<'a>,
    pub form: &'a Tagged,
    pub tool: Option<&'a Tool>,
    /// Declared parameters that it has already.
    pub given: &'a HashSet<String>,
}

/// Looks for the end of one value.
#[derive(Debug)]
pub(super) struct Ends {
    cursor: Cursor,
    begun: Begun,
    style: Style,
    hold: Option<Hold>,
    /// A name that is being read, behind the marker before it.
    naming: Option<(Naming, String)>,
    /// A function's name was the last thing but whitespace.
    named: Option<Quoted>,
    /// What was opened in the value and not closed: functions, wrappers, and parameters outside functions.
    functions: u32,
    wrappers: u32,
    parameters: u32,
    /// The function that was opened last.
    quoted: Quoted,
}

/// How much of the value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// Nothing, so a newline is the dialect's.
    No,
    /// That newline at most.
    Line,
    Yes,
}

/// Whether the value begins on a line of its own, as the dialect writes it: then so does its closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Compact,
    Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    Key,
    Function,
}

/// The place of the tool that a quoted function names, if it names one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quoted(Option<usize>);

impl Ends {
    /// Of a value that begins now; `cursor` is at the start of the markers that stand in values.
    pub(super) fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            begun: Begun::No,
            style: Style::Compact,
            hold: None,
            naming: None,
            named: None,
            functions: 0,
            wrappers: 0,
            parameters: 0,
            quoted: Quoted::default(),
        }
    }

    /// Whether what follows is the value's as far as no marker begins in it, and the scan for them stands here.
    pub(super) fn is_clear(&self) -> Option<Cursor> {
        let is_clear = self.begun == Begun::Yes && self.hold.is_none() && self.naming.is_none() && self.named.is_none();
        is_clear.then_some(self.cursor)
    }

    /// Reads some of `text`, up to the next marker at most. What is certainly the value's goes to `data`.
    pub(super) fn push(
        &mut self,
        text: &str,
        around: &Around<'_>,
        data: &mut impl FnMut(&str),
    ) -> (usize, Option<End>) {
        if self.naming.is_some() {
            return self.name(text, around, data);
        }
        let table = &around.form.value;
        let mut rest = self.within_limit(text, around);
        let given = rest.len();
        if self.begun == Begun::No {
            // The newline may be the dialect's own, and it may begin a closer with one before it.
            self.begun = Begun::Line;
            let own = if around.form.spec.trim == Trim::Newline { rest.strip_prefix('\n') } else { None };
            if let Some(after) = own {
                (self.style, rest) = (Style::Lines, after);
            }
        }
        let before = table.markers.held(self.cursor);
        let step = table.markers.step(&mut self.cursor, rest);
        let first = [step.released, step.text].iter().find_map(|piece| piece.trim_ascii_start().chars().next());
        if first.is_some_and(|c| self.prose(c, around, data)) {
            return (0, Some(self.end_call(before)));
        }
        self.take(step.released, data);
        self.take(step.text, data);
        let longest = around.form.closers.iter().map(String::len).max().unwrap_or_default();
        if self.hold.as_ref().and_then(Hold::broken).is_some_and(|broken| broken.len() > longest + 1) {
            self.not_broken(data);
        }
        let read = given - step.rest.len();
        let end = step.found.and_then(|found| {
            let mark = table.role(found)?;
            self.marker(mark, table.markers.text(found), around.form, data)
        });
        let long = self.hold.as_ref().filter(|hold| hold.text.len() > around.cx.limits.pending_bytes_max);
        if let (None, Some(hold)) = (&end, long) {
            if hold.is_whole(around.cx.wrapped) {
                return (read, Some(self.end_call(table.markers.held(self.cursor))));
            }
            self.refute(data);
        }
        (read, end)
    }

    /// As much of `text` as what is held has room for, so that it is over the limit at the same character however the
    /// text is cut.
    fn within_limit<'t>(&self, text: &'t str, around: &Around<'_>) -> &'t str {
        let Some(hold) = &self.hold else { return text };
        let held = hold.text.len() + around.form.value.markers.held(self.cursor).len();
        let first = text.chars().next().map_or(0, char::len_utf8);
        let room = around.cx.limits.pending_bytes_max.saturating_sub(held).max(first);
        within(text, room)
    }

    /// More of what is being read: held behind a possible end, else the value's.
    fn take(&mut self, text: &str, data: &mut impl FnMut(&str)) {
        match &mut self.hold {
            _ if text.is_empty() => {}
            Some(hold) => hold.text.push_str(text),
            None => {
                self.begun = Begun::Yes;
                data(text);
            }
        }
    }

    /// What was held is the value's.
    fn refute(&mut self, data: &mut impl FnMut(&str)) {
        if let Some(hold) = self.hold.take() {
            self.take(&hold.text, data);
        }
    }

    /// Text that is no markup comes, and `first` is its first character. Whether the call ended before it.
    fn prose(&mut self, first: char, around: &Around<'_>, data: &mut impl FnMut(&str)) -> bool {
        self.named = None;
        let Some(hold) = self.hold.as_mut().filter(|hold| hold.stage == Stage::Run) else { return false };
        let begins_call = around.cx.dialect.reads().unmarked(first) == Some(Unmarked::Call);
        if begins_call && hold.opener && hold.ends_before_a_call() {
            return true;
        }
        let worth = hold.worth(around.form);
        let may_be_broken = hold.value && !hold.is_quoted;
        if worth == Worth::Data {
            self.parameters = self.parameters.saturating_sub(u32::from(hold.value));
        }
        match worth {
            Worth::End => return true,
            Worth::Open | Worth::Data if may_be_broken => hold.stage = Stage::Broken,
            Worth::Open => hold.stage = Stage::Prose,
            Worth::Data => self.refute(data),
        }
        false
    }

    fn end_call(&mut self, more: &str) -> End {
        let hold = self.hold.take();
        let unwrapped = hold.as_ref().is_some_and(|hold| hold.wrapper);
        End::Call { again: hold.map_or_else(String::new, Hold::behind) + more, unwrapped }
    }

    /// A marker was found.
    fn marker(&mut self, mark: ValueMark, text: &str, form: &Tagged, data: &mut impl FnMut(&str)) -> Option<End> {
        let named = self.named.take();
        if self.settle_broken(text, form, data) == Belongs::Yes {
            return None;
        }
        if let Some(hold) = &mut self.hold {
            hold.opener = mark == ValueMark::Opener;
        }
        match (mark, named) {
            (ValueMark::Key, Some(function)) => {
                self.functions += 1;
                self.quoted = function;
                self.take(text, data);
            }
            // A quoted call without parameters.
            (ValueMark::Close, Some(_)) | (ValueMark::EndToken, _) => self.take(text, data),
            (ValueMark::Name, _) => {
                self.take(text, data);
                self.naming = Some((Naming::Function, String::new()));
            }
            (ValueMark::Opener, _) => {
                self.wrappers += 1;
                self.take(text, data);
                if form.spec.name.0.may_lack() {
                    self.naming = Some((Naming::Function, String::new()));
                }
            }
            (ValueMark::Key, None) => self.key(text, data),
            (ValueMark::ValueClose, _) => self.value_close(text, data),
            (ValueMark::Close, None) => self.close(text, data),
            (ValueMark::Wrapper, _) => return self.wrapper(text, form, data),
        }
        None
    }

    fn stage(&self) -> Option<Stage> {
        self.hold.as_ref().map(|hold| hold.stage)
    }

    /// What was held is data, and this marker may be the end.
    fn begin(&mut self, text: &str, data: &mut impl FnMut(&str)) -> &mut Hold {
        self.refute(data);
        let place = match (text.starts_with('\n'), self.begun) {
            (true, _) => Place::Line,
            (false, Begun::Yes) if self.style == Style::Lines => Place::Astray,
            (false, Begun::Yes) => Place::Inside,
            (false, _) => Place::Start,
        };
        self.hold.insert(Hold::new(text, place))
    }

    fn key(&mut self, text: &str, data: &mut impl FnMut(&str)) {
        let within = self.functions > 0 && self.stage() != Some(Stage::Run);
        if within {
            return self.take(text, data);
        }
        if self.stage() == Some(Stage::Run) {
            self.take(text, data);
        } else {
            self.refute(data);
            if !text.starts_with('\n') && self.begun == Begun::Yes {
                // Neither at the start of a line nor behind a closer.
                self.parameters += 1;
                return self.take(text, data);
            }
            self.begin(text, data);
        }
        self.naming = Some((Naming::Key, String::new()));
    }

    fn value_close(&mut self, text: &str, data: &mut impl FnMut(&str)) {
        let opened = std::mem::take(&mut self.parameters);
        match &mut self.hold {
            Some(hold) if hold.stage == Stage::Run && hold.is_value_alone() => {
                let in_line =
                    matches!(hold.place, Place::Astray) || (self.style == Style::Lines && hold.place == Place::Start);
                if opened > 0 || (in_line && text.starts_with('\n')) {
                    // The first closed what the value quotes.
                    self.parameters = opened.saturating_sub(1);
                    self.begin(text, data).value = true;
                } else {
                    // A closer twice is one too many.
                    hold.closer(text);
                }
                return;
            }
            Some(hold) if hold.stage == Stage::Prose && self.functions > 0 => self.take(text, data),
            _ => self.begin(text, data).value = true,
        }
        self.parameters = opened;
    }

    fn close(&mut self, text: &str, data: &mut impl FnMut(&str)) {
        let is_quoted = self.functions > 0;
        self.functions = self.functions.saturating_sub(1);
        match &mut self.hold {
            Some(hold) if hold.stage == Stage::Run => {
                hold.function = true;
                hold.is_quoted |= is_quoted;
                hold.closer(text);
            }
            Some(_) if is_quoted => self.take(text, data),
            _ => {
                let hold = self.begin(text, data);
                (hold.function, hold.is_quoted) = (true, is_quoted);
            }
        }
    }

    fn wrapper(&mut self, text: &str, form: &Tagged, data: &mut impl FnMut(&str)) -> Option<End> {
        let is_quoted = self.wrappers > 0;
        self.wrappers = self.wrappers.saturating_sub(1);
        let mut closes_quoted = false;
        if form.own_closers == 0 {
            // It closes the function as well.
            closes_quoted = self.functions > 0;
            self.functions = self.functions.saturating_sub(1);
        }
        match &mut self.hold {
            Some(hold) if hold.stage == Stage::Run => {
                hold.wrapper = true;
                hold.is_quoted |= closes_quoted;
                hold.closer(text);
            }
            Some(_) if closes_quoted => self.take(text, data),
            // Words between the function's closer and the wrapper's.
            Some(hold) if hold.value && !hold.is_quoted && self.functions == 0 => return Some(self.end_call(text)),
            None if self.functions == 0 && !closes_quoted => {
                let hold = self.begin(text, data);
                (hold.wrapper, hold.is_quoted) = (true, is_quoted);
            }
            _ => self.take(text, data),
        }
        None
    }

    /// Generation ended. `None` when the value is open.
    pub(super) fn finish(&mut self, ended: Ended, around: &Around<'_>, data: &mut impl FnMut(&str)) -> Option<End> {
        self.settle_broken("", around.form, data);
        let held = around.form.value.markers.held(self.cursor);
        let naming = self.naming.take();
        let hold = self.hold.as_ref();
        let is_end = hold.is_some_and(|hold| hold.is_the_end(ended, around.cx.wrapped))
            && !matches!(naming, Some((Naming::Key, _)));
        if !is_end {
            if hold.is_some_and(Hold::is_value_alone) {
                return None;
            }
            self.refute(data);
            let (_, word) = naming.unwrap_or((Naming::Function, String::new()));
            data(&word);
            data(held);
            return None;
        }
        // A closer cut short right behind the call is dropped with it.
        let mut closers = around.form.spec.value.1.texts().chain(around.form.spec.close.texts());
        let is_closer = closers.any(|closer| closer.starts_with(held.trim_ascii_start()));
        let more = if is_closer && hold.is_some_and(Hold::is_bare) { "" } else { held };
        let word = naming.map_or_else(String::new, |(_, word)| word);
        Some(self.end_call(&(word + more)))
    }

    /// Whether something may be the end.
    pub(super) fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Everything that is held.
    pub(super) fn take_held(&mut self, form: &Tagged) -> String {
        let mut text = self.hold.take().map_or_else(String::new, |hold| hold.text);
        text.push_str(&self.naming.take().map_or_else(String::new, |(_, word)| word));
        text.push_str(form.value.markers.held(self.cursor));
        text
    }

    /// Bytes that are held.
    pub(super) fn held(&self, form: &Tagged) -> usize {
        let word = self.naming.as_ref().map_or(0, |(_, word)| word.len());
        let marker = form.value.markers.held(self.cursor).len();
        self.hold.as_ref().map_or(0, |hold| hold.text.len()) + word + marker
    }
}
