//! What a dialect's spec compiles to: a table of markers for each position in an answer, and what each means there.
//! Does not read text; `decode` walks these tables. A marker is refused only against others of its own position.
//!
//! | position | markers |
//! |--|--|
//! | in text | openers, of calls, sections and reasoning; what stands around text; end-of-turn tokens |
//! | in text behind a call that was left open | the same, and closers |
//! | where the answer begins, right after a call, between messages | the same, and how a message may begin there; the text there begins with one of them or is text |
//! | in a section before its first call | openers of calls and of sections, and its closers |
//! | in reasoning | its closers and openers; openers of calls where a call ends it |
//! | in a message in which no call begins | its end, the start of the next; what stands around text; end-of-turn tokens |
//! | in a message's header | what ends it; the start of another |
//! | in a call's header | what stands around name and id; what begins the arguments; openers and closers |
//! | in a tagged value | whatever may end it |

use crate::json::repair::Behind;
use crate::scan::{Anchored, FirstBytes, MarkerError, Markers, hidden};

use super::form::Form;
use super::spec::{Call, CallInReasoning, Payload, ReasoningSpec, Spec};
use super::suffix::Suffixes;
use super::union::Family;

/// Markers, and what each means.
#[derive(Debug)]
pub struct Table<R> {
    pub markers: Markers,
    roles: Vec<R>,
}

impl<R: Copy> Table<R> {
    /// Compiles markers and their meanings.
    pub(super) fn new(entries: Vec<(String, R)>) -> Result<Self, MarkerError> {
        let (texts, roles): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        Ok(Self { markers: Markers::new(texts)?, roles })
    }

    /// The meaning of the marker that a scan found.
    pub fn role(&self, found: usize) -> Option<R> {
        self.roles.get(found).copied()
    }
}

/// What a marker means outside calls and in reasoning. One text can mean several things, by what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub opens: Option<Opener>,
    /// It closes a call's wrapper.
    pub closes: bool,
    /// It opens or closes a section of calls.
    pub section: Option<Edge>,
    /// It begins a message's header, or ends its body.
    pub message: Option<Edge>,
    /// It closes the code fence around a call.
    pub closes_fence: bool,
    /// Code begins with it in which calls may stand.
    pub opens_code: bool,
    /// Behind everything else it is dropped.
    pub ends_turn: bool,
    /// It stands around text, and is none.
    pub wraps: bool,
    pub reasoning: Option<Edge>,
    /// A marker begins with it whose suffix is not known yet.
    pub has_suffix: bool,
}

/// Which edge of a section, a message, a header or a reasoning block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Open,
    Close,
}

/// How a marker opens a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// A wrapper, whose closer is expected.
    Wrapper,
    /// The payload's own first bytes, where a wrapper is missing.
    Bare,
    /// The payload's own first bytes, where there is no wrapper.
    Free,
    /// The payload's own first bytes in a section.
    Inner,
    /// A fence that the payload's own first bytes may stand behind; its closing fence then belongs to the call.
    Fenced,
}

/// The tables of one dialect.
#[derive(Debug)]
pub struct Tables {
    /// Outside calls and reasoning.
    pub outside: Outside,
    /// The same where reasoning markers are plain text.
    pub unreasoned: Outside,
    /// Inside reasoning.
    pub reasoning: Table<Role>,
    /// In a section before its first call.
    pub section: Anchors,
    /// In the header of a message: what ends it, and what begins another.
    pub header: Table<Edge>,
    /// Every form of a call's inside, the family's own first.
    pub forms: Vec<Form>,
    /// In a union of dialects, those of each family.
    pub families: Vec<Family>,
    /// The words of each bare opener, between which any whitespace may stand. The first is a marker.
    pub bare: Vec<Vec<String>>,
    /// The wrappers' closers, as far as they can be told from the inside of a call.
    pub wrapper_closers: Vec<String>,
    /// What ends a call from within: the parameters' closer and these.
    pub closers: Vec<String>,
    /// What the markers inside arguments and behind them begin with.
    pub arguments: FirstBytes,
    /// What may stand behind arguments: closers, another call, the fence around one, the answer's end.
    pub behind: Behind,
}

/// The positions outside calls and reasoning.
#[derive(Debug)]
pub struct Outside {
    /// In text.
    pub text: Table<Role>,
    /// In text behind a call whose closer did not come yet, and in a message in which calls may begin.
    pub left_open: Table<Role>,
    /// In a message in which none does.
    pub message: Table<Role>,
    /// Right after a call.
    pub after_call: AfterCall,
}

/// Markers with one of which the text at one place begins, or with none.
#[derive(Debug)]
pub struct Anchors {
    pub markers: Anchored,
    roles: Vec<Role>,
}

/// What may stand right after a call, and belongs to it or begins another.
#[derive(Debug)]
pub struct AfterCall {
    pub anchors: Anchors,
    /// Characters that may be dropped between two calls, beside whitespace.
    pub between: Between,
}

/// What may stand between two calls.
#[derive(Debug, Default)]
pub struct Between {
    /// Wherever calls follow each other.
    pub always: String,
    /// In a list of calls.
    pub in_list: String,
    /// In a wrapper that is open.
    pub in_wrapper: String,
}

impl Tables {
    /// Compiles the tables of a dialect.
    pub fn compile(spec: &Spec, suffixes: Option<&Suffixes>) -> Result<Self, MarkerError> {
        let enclosing = spec.enclosing();
        let forms = spec.payload.iter().filter_map(|payload| Form::compile(payload, &enclosing).transpose());
        let forms = forms.collect::<Result<_, _>>()?;
        Self::around(spec, suffixes, forms)
    }

    /// Compiles what stands around calls, which have these forms.
    pub(super) fn around(spec: &Spec, suffixes: Option<&Suffixes>, forms: Vec<Form>) -> Result<Self, MarkerError> {
        let unreasoned = Outside::compile(spec, None, suffixes)?;
        let outside = Outside::compile(spec, spec.reasoning.as_ref(), suffixes)?;
        let enclosing = spec.enclosing();
        let (mut closers, mut quotes) = (Vec::new(), Vec::new());
        for payload in spec.payload.iter() {
            match payload {
                Payload::Json(_) | Payload::Python(_) | Payload::Elements(_) | Payload::Code(_) => {}
                Payload::Header(header) => {
                    closers.extend(header.arguments.iter().flat_map(|around| around.1.texts()).map(Into::into))
                }
                Payload::Tagged(tagged) => closers.extend(tagged.close.texts().map(Into::into)),
                Payload::Literal(literal) => quotes.push(literal.quote.clone()),
            }
        }
        let is_apart = |closer: &&str| !closer.chars().all(|c| matches!(c, '{' | '}' | '[' | ']' | ','));
        let wrapper_closers: Vec<String> = closers_of(&enclosing).filter(is_apart).map(Into::into).collect();
        closers.extend(wrapper_closers.iter().cloned());
        let Call { open, fence, end_tokens, .. } = &enclosing;
        let fences: Vec<String> = if fence.is_empty() { Vec::new() } else { vec![FENCE.to_string()] };
        let behind = || closers.iter().chain(open).chain(&fences).chain(end_tokens).chain(&spec.wrap);
        let arguments = FirstBytes::of(behind().chain(&quotes));
        let behind = Behind::new(behind().chain(&quotes));
        Ok(Self {
            outside,
            unreasoned,
            reasoning: reasoning(spec, suffixes)?,
            header: header(spec)?,
            section: Anchors::new(merged(merged(openers(spec), inner(spec)), section_closers(spec)))?,
            forms,
            families: Vec::new(),
            bare: bare_words(spec, bare_texts(spec).chain(inner_texts(spec))),
            wrapper_closers,
            closers,
            arguments,
            behind,
        })
    }
}

impl Tables {
    /// The forms that a call may have which begins with this marker.
    pub fn forms_behind(&self, marker: &str) -> Vec<&Form> {
        let mut families = self.families.iter().filter(|family| family.opens_with(marker)).peekable();
        match families.peek() {
            Some(_) => families.flat_map(|family| family.forms(&self.forms)).collect(),
            None => self.forms.iter().collect(),
        }
    }
}

impl Outside {
    fn compile(spec: &Spec, block: Option<&ReasoningSpec>, suffixes: Option<&Suffixes>) -> Result<Self, MarkerError> {
        let mut text = merged(openers(spec), heads(suffixes));
        for token in &spec.call.end_tokens {
            entry(&mut text, token).ends_turn = true;
        }
        for marker in &spec.wrap {
            entry(&mut text, marker).wraps = true;
        }
        for open in block.into_iter().flat_map(|block| &block.open) {
            entry(&mut text, without_break(open)).reasoning = Some(Edge::Open);
        }
        if spec.reads_code() {
            entry(&mut text, FENCE).opens_code = true;
        }
        let mut closers = Vec::new();
        for close in closers_of(&spec.call) {
            entry(&mut closers, close).closes = true;
        }
        closers = merged(closers, section_closers(spec));
        closers = merged(closers, message_ends(spec));
        for close in block.into_iter().flat_map(|block| &block.close) {
            entry(&mut closers, close).reasoning = Some(Edge::Close);
        }
        // In running text a closer must not hide an opener, nor be hidden.
        let is_apart = |closer: &str| {
            let apart = |other: &str| hidden(closer, other).is_none() && hidden(other, closer).is_none();
            closer.is_empty() || text.iter().all(|(other, _)| closer == other || apart(other))
        };
        let apart = closers.iter().filter(|(closer, _)| is_apart(closer)).cloned().collect();
        let left_open = Table::new(merged(merged(text.clone(), apart), inner(spec)))?;
        let mut anywhere = merged(text.clone(), closers);
        for first in spec.messages.iter().flat_map(|messages| &messages.first).filter(|first| !first.is_empty()) {
            entry(&mut anywhere, first).message = Some(Edge::Open);
        }
        let after_call = AfterCall::compile(spec, merged(anywhere, inner(spec)))?;
        Ok(Self { message: message(spec)?, text: Table::new(text)?, left_open, after_call })
    }
}

impl AfterCall {
    fn compile(spec: &Spec, markers: Vec<(String, Role)>) -> Result<Self, MarkerError> {
        // Whitespace before a marker is dropped there, its own too.
        let mut entries = Vec::new();
        for (text, role) in markers {
            let text = text.trim_ascii_start();
            if !text.is_empty() {
                entry(&mut entries, text).join(role);
            }
        }
        if !spec.call.fence.is_empty() {
            entry(&mut entries, FENCE).closes_fence = true;
        }
        let mut between = Between::default();
        for payload in spec.payload.iter() {
            between.add(payload);
        }
        Ok(Self { anchors: Anchors::new(entries)?, between })
    }
}

impl Anchors {
    fn new(entries: Vec<(String, Role)>) -> Result<Self, MarkerError> {
        let (texts, roles): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        Ok(Self { markers: Anchored::new(texts)?, roles })
    }

    /// The meaning of the marker that was found.
    pub fn role(&self, found: usize) -> Role {
        self.roles.get(found).copied().unwrap_or_default()
    }

    /// The meanings of the markers that begin with `held`.
    pub fn begun<'a>(&'a self, held: &'a str) -> impl Iterator<Item = Role> + 'a {
        let begun = move |&(at, _): &(usize, &Role)| self.markers.text(at).starts_with(held);
        self.roles.iter().enumerate().filter(begun).map(|(_, role)| *role)
    }
}

impl Between {
    fn add(&mut self, payload: &Payload) {
        match payload {
            Payload::Json(spec) => {
                self.always.push_str(&spec.between);
                self.in_list.push_str(",]");
                self.in_wrapper.push_str(",]}");
            }
            Payload::Python(_) => {
                self.in_list.push_str(",;]");
                self.in_wrapper.push_str(",;])");
            }
            Payload::Tagged(_) | Payload::Literal(_) | Payload::Header(_) | Payload::Elements(_) | Payload::Code(_) => {
            }
        }
    }
}

impl Role {
    /// Adds what the same text means besides.
    fn join(&mut self, other: Self) {
        self.opens = self.opens.or(other.opens);
        self.reasoning = self.reasoning.or(other.reasoning);
        self.section = self.section.or(other.section);
        self.message = self.message.or(other.message);
        self.closes |= other.closes;
        self.closes_fence |= other.closes_fence;
        self.opens_code |= other.opens_code;
        self.ends_turn |= other.ends_turn;
        self.has_suffix |= other.has_suffix;
        self.wraps |= other.wraps;
    }
}

fn merged(mut entries: Vec<(String, Role)>, more: Vec<(String, Role)>) -> Vec<(String, Role)> {
    for (text, role) in more {
        entry(&mut entries, &text).join(role);
    }
    entries
}

fn reasoning(spec: &Spec, suffixes: Option<&Suffixes>) -> Result<Table<Role>, MarkerError> {
    let block = spec.reasoning.as_ref();
    let ends = block.and_then(|block| block.call) == Some(CallInReasoning::Ends);
    let mut inside = if ends { openers(spec) } else { message_starts(spec) };
    for open in block.into_iter().flat_map(|block| &block.open) {
        entry(&mut inside, without_break(open)).reasoning = Some(Edge::Open);
    }
    for close in block.into_iter().flat_map(|block| &block.close) {
        entry(&mut inside, close).reasoning = Some(Edge::Close);
    }
    Table::new(merged(merged(inside, message_ends(spec)), heads(suffixes)))
}

/// In a message in which no call begins: its end or the next, and what is no text there either.
fn message(spec: &Spec) -> Result<Table<Role>, MarkerError> {
    let mut entries = merged(message_starts(spec), message_ends(spec));
    for token in &spec.call.end_tokens {
        entry(&mut entries, token).ends_turn = true;
    }
    for marker in &spec.wrap {
        entry(&mut entries, marker).wraps = true;
    }
    Table::new(entries)
}

fn header(spec: &Spec) -> Result<Table<Edge>, MarkerError> {
    let Some(messages) = &spec.messages else { return Table::new(Vec::new()) };
    let body = messages.body.iter().map(|body| (body.clone(), Edge::Close));
    Table::new(body.chain(messages.start.iter().map(|start| (start.clone(), Edge::Open))).collect())
}

fn message_starts(spec: &Spec) -> Vec<(String, Role)> {
    let opens = Role { message: Some(Edge::Open), ..Role::default() };
    spec.messages.iter().flat_map(|messages| &messages.start).map(|start| (start.clone(), opens)).collect()
}

fn message_ends(spec: &Spec) -> Vec<(String, Role)> {
    let closes = Role { message: Some(Edge::Close), ..Role::default() };
    spec.messages.iter().flat_map(|messages| &messages.end).map(|end| (end.clone(), closes)).collect()
}

/// An opener of reasoning as far as the line break that ends it, which may lack.
fn without_break(open: &str) -> &str {
    open.strip_suffix('\n').filter(|open| !open.is_empty()).unwrap_or(open)
}

/// What markers begin with whose suffix is not known yet.
fn heads(suffixes: Option<&Suffixes>) -> Vec<(String, Role)> {
    let head = Role { has_suffix: true, ..Role::default() };
    let mut entries = Vec::new();
    for text in suffixes.into_iter().flat_map(Suffixes::heads) {
        *entry(&mut entries, text) = head;
    }
    entries
}

/// What opens calls, sections of them, and messages.
fn openers(spec: &Spec) -> Vec<(String, Role)> {
    let call = &spec.call;
    let mut entries = message_starts(spec);
    for text in &call.open {
        entry(&mut entries, text).opens = Some(Opener::Wrapper);
    }
    for text in spec.section.iter().flat_map(|section| &section.open) {
        entry(&mut entries, text).section = Some(Edge::Open);
    }
    let has_wrapper = !call.open.is_empty() || spec.section.is_some();
    let bare = if has_wrapper { Opener::Bare } else { Opener::Free };
    for (texts, by) in [(&call.bare, bare), (&call.free, Opener::Free)] {
        let words = bare_words(spec, texts.iter().map(String::as_str));
        for first in words.iter().filter_map(|words| words.first()) {
            entry(&mut entries, first).opens = Some(by);
        }
    }
    if !call.fence.is_empty() && bare_texts(spec).next().is_some() {
        entry(&mut entries, FENCE).opens = Some(Opener::Fenced);
    }
    entries
}

/// The closers of a dialect's wrappers. Whitespace before one is dropped anyway, its own too.
pub(super) fn closers_of(call: &Call) -> impl Iterator<Item = &str> {
    let is_more = |closer: &&str| closer.is_empty() || !closer.trim_ascii_start().is_empty();
    call.close.iter().map(String::as_str).filter(is_more).map(str::trim_ascii_start)
}

fn section_closers(spec: &Spec) -> Vec<(String, Role)> {
    let closes = Role { section: Some(Edge::Close), ..Role::default() };
    spec.section.iter().flat_map(|section| &section.close).map(|close| (close.clone(), closes)).collect()
}

/// What opens a call in a section where calls have no opener of their own: what the payloads begin with.
fn inner(spec: &Spec) -> Vec<(String, Role)> {
    let inner = Role { opens: Some(Opener::Inner), ..Role::default() };
    let mut entries = Vec::new();
    for first in bare_words(spec, inner_texts(spec)).iter().filter_map(|words| words.first()) {
        *entry(&mut entries, first) = inner;
    }
    entries
}

fn inner_texts(spec: &Spec) -> impl Iterator<Item = &str> {
    let is_alone = spec.section.is_some() && spec.call.open.is_empty() && spec.call.bare.is_empty();
    spec.payload.iter().filter(move |_| is_alone).flat_map(Payload::first)
}

fn bare_texts(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.call.bare.iter().chain(&spec.call.free).map(String::as_str)
}

/// The words of bare openers. The first is a marker, so it is as long as tells it from all others.
fn bare_words<'s>(spec: &'s Spec, texts: impl Iterator<Item = &'s str>) -> Vec<Vec<String>> {
    let is_begun = |first: &str| {
        let goes_on =
            |other: &str| other.strip_prefix(first).is_some_and(|rest| !rest.starts_with(char::is_whitespace));
        let opens = spec.call.open.iter().map(String::as_str).chain(bare_texts(spec)).chain(inner_texts(spec));
        opens.filter(|other| *other != first).any(goes_on)
    };
    let words = |text: &str| {
        let mut words: Vec<String> = text.split_ascii_whitespace().map(Into::into).collect();
        while words.len() > 1 && words.first().is_some_and(|first| is_begun(first)) {
            let second = words.remove(1);
            if let Some(first) = words.first_mut() {
                first.push(' ');
                first.push_str(&second);
            }
        }
        words
    };
    texts.map(words).collect()
}

/// What opens a code fence.
const FENCE: &str = "```";

/// The role of `text`, which may have one already.
fn entry<'a>(entries: &'a mut Vec<(String, Role)>, text: &str) -> &'a mut Role {
    let at = entries.iter().position(|(t, _)| t == text).unwrap_or_else(|| {
        entries.push((text.to_string(), Role::default()));
        entries.len() - 1
    });
    // The position was found or made just above.
    #[expect(clippy::indexing_slicing)]
    &mut entries[at].1
}
