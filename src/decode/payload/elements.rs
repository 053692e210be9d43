//! A call in elements, each tag behind a prefix: `P<invoke name="f">P<key>text P</key>P</invoke>`. Objects nest, lists
//! repeat an element for each item, and what a leaf is the tool's schema says, as for tagged values (`tree`).
//! Markup that has no place inside a text is data, since agents write about calls: what may be a text's end is held
//! until what follows decides.
//!
//! ```text
//!            prefix            `>`: a tag with a place here
//!   Content --------> Tag ---------------------------------> Content of the element that it opens or leaves
//!      ^               | anything else is data
//!      +---------------+
//! ```

mod tree;

use std::sync::Arc;

use crate::decode::call::{Call, Context, Named, Verdict, Wrapped, within};
use crate::dialect::Elements;
use crate::json::is_plain;
use crate::json::repair::{Completion, Ended, Skimmed};
use crate::scan::Cursor;
use tree::Tree;

/// One call, being read.
#[derive(Debug)]
pub(in crate::decode) struct Reader {
    form: Arc<Elements>,
    place: Place,
    cursor: Cursor,
    /// A tag that is being read, behind its prefix.
    tag: Option<String>,
    tree: Tree,
    /// What may be the end of the innermost text.
    end: Option<End>,
    /// Elements that the innermost text quotes and has not closed.
    quoted: Vec<String>,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// What stands before the name.
    Before,
    /// The elements of the call.
    Inside,
}

/// A tag that may end a text, and the whitespace behind it. Other text behind it refutes it.
#[derive(Debug)]
struct End {
    text: String,
    /// From here on it is read again if the call ends here: what stands around the call.
    again: usize,
    /// The elements that end here: those from this place on. The call, where it is none.
    at: Option<usize>,
    evidence: Evidence,
}

/// How sure a tag is to end a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    /// Any tag that has a place behind it confirms it.
    Named,
    /// It has another name, or closes what the text quotes: the end of something outside confirms it, and a sibling
    /// that the tool declares.
    Odd,
}

impl End {
    /// Whether a tag behind it belongs to what stands around the call.
    fn may_go_on(&self, next: Edge) -> bool {
        next == Edge::Opener && self.at.is_none() && self.text.len() < TAG_BYTES_MAX
    }

    /// The place that ends here, and what is read again behind it.
    fn ended(self) -> (Option<usize>, String) {
        let again = self.text.get(self.again..).unwrap_or_default().to_owned();
        (self.at, again)
    }

    /// Whether what a tag behind it is shows that the text had ended. Which siblings are declared is asked by place.
    fn is_confirmed(&self, next: Edge, is_declared: impl Fn(usize) -> bool) -> bool {
        let Some(at) = self.at else { return matches!(next, Edge::Next | Edge::Outside) };
        match (next, self.evidence) {
            (Edge::End | Edge::Outside, _) => true,
            (Edge::Open | Edge::Opener | Edge::Next | Edge::Close(_), Evidence::Named) => true,
            (Edge::Close(outer), Evidence::Odd) => outer < at,
            (Edge::Open, Evidence::Odd) => is_declared(at),
            (Edge::Opener | Edge::Next, Evidence::Odd) | (Edge::Stray | Edge::Unknown, _) => false,
        }
    }
}

/// What a tag is where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// It opens an element.
    Open,
    /// It opens a wrapper.
    Opener,
    /// It begins a call of a tool, or of none.
    Next,
    Unknown,
    /// It closes the element at this place, or none that is open.
    Close(usize),
    Stray,
    /// It closes the call, or what stands around it.
    End,
    Outside,
}

/// A longer tag is none, nor is more whitespace kept for what may follow it.
const TAG_BYTES_MAX: usize = 256;
/// A text that opens more elements and closes none of them does not quote them.
const QUOTED_MAX: usize = 64;

impl Reader {
    /// A reader of a call. One that has a name already begins behind it.
    pub(super) fn new(form: Arc<Elements>, call: &Call) -> Self {
        let place = if call.has_name() == Named::Tool { Place::Inside } else { Place::Before };
        let cursor = form.prefix.start();
        Self { form, place, cursor, tag: None, tree: Tree::default(), end: None, quoted: Vec::new() }
    }

    /// Reads on. What becomes known of the call goes into `call`.
    pub(super) fn push(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (read, verdict) = if self.tag.is_some() { self.tag(rest, cx, call) } else { self.text(rest, cx, call) };
            call.examined += read;
            at += read;
            if verdict != Verdict::More {
                return verdict.behind(at);
            }
        }
        Verdict::More
    }

    /// Reads `text` if nothing in it has to be decided.
    pub(super) fn skim(&self, text: &str) -> Skimmed {
        let is_in_text = self.tag.is_none() && self.end.is_none() && self.tree.is_string();
        let is_data = is_in_text && is_plain(text) && self.form.prefix.is_clear(self.cursor, text);
        if is_data { Skimmed::Data } else { Skimmed::No }
    }

    /// Reads text up to the next tag.
    fn text(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Verdict) {
        let form = Arc::clone(&self.form);
        let step = form.prefix.step(&mut self.cursor, text);
        for piece in [step.released, step.text] {
            if self.data(piece, cx, call) == Named::Nothing {
                return (0, Verdict::Reject(text.len() - step.rest.len()));
            }
        }
        self.tag = step.found.map(|_| String::new());
        (text.len() - step.rest.len(), Verdict::More)
    }

    /// What is no tag. Anything but whitespace before the name is no call.
    fn data(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> Named {
        if self.place == Place::Before {
            return if text.trim_ascii().is_empty() { Named::Tool } else { Named::Nothing };
        }
        let text = self.behind_end(text, cx, call);
        self.tree.text(text, cx, call);
        Named::Tool
    }

    /// Whitespace behind what may be a text's end stays with it, so much of it. What is left is the text's.
    fn behind_end<'t>(&mut self, text: &'t str, cx: &Context<'_>, call: &mut Call) -> &'t str {
        let Some(end) = &mut self.end else { return text };
        let (blank, rest) = blank(text, TAG_BYTES_MAX.saturating_sub(end.text.len()));
        end.text.push_str(blank);
        if !rest.is_empty() {
            self.refute(cx, call);
        }
        rest
    }

    fn refute(&mut self, cx: &Context<'_>, call: &mut Call) {
        if let Some(end) = self.end.take() {
            self.tree.text(&end.text, cx, call);
        }
    }

    /// Reads a tag to its end, or to the first character that is in none.
    fn tag(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Verdict) {
        let begins = self.form.spec.prefix.chars().next();
        for (at, c) in text.char_indices() {
            let Some(tag) = &mut self.tag else { break };
            let is_of_tag = match tag.as_str() {
                "" => c == '<',
                "<" | "</" if c == '>' || c.is_whitespace() => false,
                _ => c != '<' && Some(c) != begins && tag.len() < TAG_BYTES_MAX,
            };
            if !is_of_tag {
                let tag = self.tag.take().unwrap_or_default();
                let named = self.data(&self.marked(&tag), cx, call);
                return (at, if named == Named::Nothing { Verdict::Reject(0) } else { Verdict::More });
            }
            tag.push(c);
            if c == '>' {
                let tag = self.tag.take().unwrap_or_default();
                return (at + c.len_utf8(), self.whole_tag(&tag, cx, call));
            }
        }
        (text.len(), Verdict::More)
    }

    /// A tag as it was written.
    fn marked(&self, tag: &str) -> String {
        format!("{}{tag}", self.form.spec.prefix)
    }

    fn whole_tag(&mut self, tag: &str, cx: &Context<'_>, call: &mut Call) -> Verdict {
        if self.place == Place::Before {
            let name = self.form.spec.name_in(tag);
            if name.is_none_or(|name| call.named(name, cx) == Named::Nothing) {
                return Verdict::Reject(0);
            }
            self.place = Place::Inside;
            return Verdict::More;
        }
        let edge = self.edge(tag, cx);
        let marked = self.marked(tag);
        if let Some(end) = self.end.as_mut().filter(|end| end.may_go_on(edge)) {
            end.text.push_str(&marked);
            return Verdict::More;
        }
        let is_quoted = tag.starts_with("</") && self.quoted.iter().any(|quoted| quoted == word(tag));
        let is_declared = |at| self.tree.declares_beside(at, word(tag), cx, call);
        let is_confirmed =
            |end: &mut End| !(is_quoted && end.evidence == Evidence::Odd) && end.is_confirmed(edge, is_declared);
        match self.end.take_if(is_confirmed).map(End::ended) {
            Some((Some(at), _)) => self.close_down_to(at, cx, call),
            Some((None, again)) => {
                call.again.push_str(&again);
                call.again.push_str(&marked);
                return self.end_call(cx, call);
            }
            None => self.refute(cx, call),
        }
        if self.tree.is_text(cx, call) {
            self.tag_in_text(tag, edge, cx, call)
        } else {
            self.tag_between(tag, edge, cx, call)
        }
    }

    fn edge(&self, tag: &str, cx: &Context<'_>) -> Edge {
        let form = &self.form;
        // An element may be called as the call's own tags are, or a wrapper's.
        let closed = tag.strip_prefix("</").and_then(|_| self.tree.innermost(word(tag)));
        if let Some(at) = closed {
            return Edge::Close(at);
        }
        if form.spec.close.texts().any(|close| close == tag) {
            return Edge::End;
        }
        let is_one_of = |markers: &[String]| {
            markers.iter().any(|marker| marker.strip_prefix(form.spec.prefix.as_str()) == Some(tag))
        };
        if is_one_of(&form.closers) {
            return Edge::Outside;
        }
        if is_one_of(&form.openers) {
            return Edge::Opener;
        }
        match form.spec.name_in(tag).map(|name| cx.tools.resolve(name)) {
            Some(Some(_)) => Edge::Next,
            Some(None) => Edge::Unknown,
            None if !tag.starts_with("</") => Edge::Open,
            None => Edge::Stray,
        }
    }

    /// A tag between elements.
    fn tag_between(&mut self, tag: &str, edge: Edge, cx: &Context<'_>, call: &mut Call) -> Verdict {
        match edge {
            Edge::Open => self.tree.open(word(tag), &self.form.spec.item, cx, call),
            Edge::Opener if self.tree.last().is_some() || self.tree.declares_beside(0, word(tag), cx, call) => {
                self.tree.open(word(tag), &self.form.spec.item, cx, call);
            }
            Edge::Close(at) => self.close_down_to(at, cx, call),
            Edge::End => return self.end_call(cx, call),
            Edge::Opener | Edge::Next | Edge::Outside => {
                call.repaired = true;
                call.again.push_str(&self.marked(tag));
                return self.end_call(cx, call);
            }
            // A closer with nothing before it is one too many.
            Edge::Stray => call.repaired = true,
            Edge::Unknown => self.tree.text(&self.marked(tag), cx, call),
        }
        Verdict::More
    }

    /// A tag in a text: what it quotes is counted, and its closers are its own.
    fn tag_in_text(&mut self, tag: &str, edge: Edge, cx: &Context<'_>, call: &mut Call) -> Verdict {
        if matches!(edge, Edge::Open | Edge::Opener | Edge::Next | Edge::Unknown) {
            if self.quoted.len() < QUOTED_MAX {
                self.quoted.push(word(tag).into());
            }
            self.tree.text(&self.marked(tag), cx, call);
            return Verdict::More;
        }
        let quoted = self.quoted.iter().rposition(|quoted| quoted == word(tag));
        if let Some(at) = quoted {
            self.quoted.truncate(at);
        }
        let text = self.marked(tag);
        match edge {
            Edge::Close(at) if !self.tree.holds_text(cx, call) => self.close_down_to(at, cx, call),
            Edge::Close(at) => {
                let evidence = if quoted.is_some() { Evidence::Odd } else { Evidence::Named };
                self.end = Some(End { text, again: 0, at: Some(at), evidence });
            }
            Edge::Stray if quoted.is_none() => {
                self.end = Some(End { text, again: 0, at: self.tree.last(), evidence: Evidence::Odd });
            }
            Edge::End if quoted.is_none() && cx.wrapped == Wrapped::No => return self.end_call(cx, call),
            Edge::End | Edge::Outside if quoted.is_none() => {
                let again = if edge == Edge::Outside { 0 } else { text.len() };
                self.end = Some(End { text, again, at: None, evidence: Evidence::Named });
            }
            _ => self.tree.text(&text, cx, call),
        }
        Verdict::More
    }

    fn close_down_to(&mut self, at: usize, cx: &Context<'_>, call: &mut Call) {
        call.repaired |= self.tree.last() != Some(at);
        self.quoted.clear();
        self.tree.close_down_to(at, cx, call);
    }

    fn end_call(&mut self, cx: &Context<'_>, call: &mut Call) -> Verdict {
        call.repaired |= self.tree.last().is_some();
        self.tree.end(cx, call);
        call.ready = true;
        Verdict::Complete(0)
    }

    /// What was read of a tag or of what stands before one.
    fn begun(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| self.marked(tag));
        tag.unwrap_or_else(|| self.form.prefix.held(self.cursor).to_owned())
    }

    /// The call ends here, whatever is open.
    pub(super) fn close(&mut self, cx: &Context<'_>, call: &mut Call) {
        let end = self.end.take().map_or_else(String::new, |end| end.text);
        call.leftover.push_str(&end);
        call.leftover.push_str(&self.begun());
        self.end_call(cx, call);
    }

    /// Generation ended: whether the arguments are whole.
    pub(super) fn finish(&mut self, ended: Ended, cx: &Context<'_>, call: &mut Call) -> Completion {
        let is_whole = match &self.end {
            Some(end) => end.at.is_none() || ended == Ended::ByItself,
            None => !self.tree.is_text(cx, call) && ended == Ended::ByItself,
        };
        let begun = self.begun();
        if !is_whole || !call.ready {
            if self.end.is_none() && call.ready {
                self.tree.text(&begun, cx, call);
            }
            return Completion::Cut;
        }
        // A closer cut short right behind the call is dropped with it.
        let closes = |closer: &String| closer.starts_with(&begun);
        let own = self.form.spec.close.texts().map(|close| self.marked(close));
        if !own.chain(self.form.closers.iter().cloned()).any(|closer| closes(&closer)) {
            call.again.push_str(&begun);
        }
        call.repaired = true;
        match self.end.take().map(End::ended) {
            Some((Some(at), _)) => self.close_down_to(at, cx, call),
            Some((None, again)) => call.again.insert_str(0, &again),
            None => {}
        }
        self.end_call(cx, call);
        Completion::Complete
    }

    /// Bytes read and not yet decided.
    pub(super) fn held(&self) -> usize {
        let end = self.end.as_ref().map_or(0, |end| end.text.len());
        self.tree.held() + end + self.begun().len()
    }
}

/// A tag's first word, which is its name.
fn word(tag: &str) -> &str {
    let inside = tag.trim_start_matches(['<', '/']);
    let end = inside.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(inside.len());
    inside.get(..end).unwrap_or_default()
}

/// The whitespace that `text` begins with, so much of it, and what is behind that.
fn blank(text: &str, room: usize) -> (&str, &str) {
    let blank = text.len() - text.trim_ascii_start().len();
    let blank = within(text, blank.min(room));
    (blank, text.get(blank.len()..).unwrap_or_default())
}
