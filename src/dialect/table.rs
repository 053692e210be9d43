//! What a dialect's spec compiles to: the markers of each state, and what each of them means there.
//! Does not read text; `decode` walks these tables.

use crate::json::repair::Behind;
use crate::scan::{FirstBytes, MarkerError, Markers};

use super::spec::{Call, CallInReasoning, Payload, Spec, TaggedSpec};

/// Markers, and what each means.
#[derive(Debug)]
pub struct Table<R> {
    pub markers: Markers,
    roles: Vec<R>,
}

impl<R: Copy> Table<R> {
    fn new(entries: Vec<(String, R)>) -> Result<Self, MarkerError> {
        let (texts, roles): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        Ok(Self { markers: Markers::new(texts)?, roles })
    }

    /// The meaning of the marker that a scan found.
    pub fn role(&self, found: usize) -> Option<R> {
        self.roles.get(found).copied()
    }
}

/// What a marker means in an answer. One text can mean several things, by what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub opens: Option<Opener>,
    /// After a call it belongs to that call.
    pub closes: bool,
    /// After the last call it is dropped.
    pub ends_turn: bool,
    pub reasoning: Option<Edge>,
}

/// Which edge of a reasoning block.
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
    /// The payload's own first bytes.
    Bare,
    /// A fence that the payload's own first bytes may stand behind; its closing fence then belongs to the call.
    Fenced,
}

/// What markup that stands in a tagged parameter's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueMark {
    /// The value's own closer.
    ValueClose,
    /// What stands before a key: the next parameter.
    Key,
    /// The end of the parameters.
    Close,
    /// The end of the call's wrapper.
    Wrapper,
    /// What stands before a name: the next call, or one that is quoted.
    Name,
    /// The opener of a wrapper.
    Opener,
    EndToken,
}

/// The tables of one dialect.
#[derive(Debug)]
pub struct Tables {
    /// Outside calls and reasoning.
    pub text: Table<Role>,
    /// The same where reasoning markers are plain text.
    pub plain: Table<Role>,
    /// Inside reasoning, where the dialect has it.
    pub reasoning: Option<Table<Role>>,
    /// Inside a tagged parameter's value.
    pub value: Option<Table<ValueMark>>,
    /// The words of each bare opener, between which any whitespace may stand. The first is a marker.
    pub bare: Vec<Vec<String>>,
    /// What ends a call from within: the parameters' closer and the wrappers'.
    pub closers: Vec<String>,
    /// What the markers inside arguments and behind them begin with.
    pub arguments: FirstBytes,
    /// What may stand behind arguments: closers, another call, the fence around one, the answer's end.
    pub behind: Behind,
}

impl Tables {
    pub fn compile(spec: &Spec) -> Result<Self, MarkerError> {
        let mut plain = openers(&spec.call);
        for text in &spec.call.close {
            entry(&mut plain, text).closes = true;
        }
        for text in &spec.call.end_tokens {
            entry(&mut plain, text).ends_turn = true;
        }
        let mut text = plain.clone();
        let mut reasoning = None;
        if let Some(block) = &spec.reasoning {
            for open in &block.open {
                entry(&mut text, open).reasoning = Some(Edge::Open);
            }
            for close in &block.close {
                entry(&mut text, close).reasoning = Some(Edge::Close);
            }
            let ends = block.call == Some(CallInReasoning::Ends);
            let mut inside = if ends { openers(&spec.call) } else { Vec::new() };
            for open in &block.open {
                entry(&mut inside, open).reasoning = Some(Edge::Open);
            }
            for close in &block.close {
                entry(&mut inside, close).reasoning = Some(Edge::Close);
            }
            reasoning = Some(Table::new(inside)?);
        }
        let tagged = spec.tagged();
        let value = tagged.map(|tagged| value_table(tagged, &spec.call)).transpose()?;
        let closers: Vec<String> =
            tagged.map(|tagged| &tagged.close).into_iter().chain(&spec.call.close).cloned().collect();
        let quote = match &spec.payload {
            Payload::Literal(literal) => Some(&literal.quote),
            Payload::Json(_) | Payload::Tagged(_) => None,
        };
        let Call { open, fence, end_tokens, .. } = &spec.call;
        let fences: Vec<String> = if fence.is_empty() { Vec::new() } else { vec![FENCE.to_string()] };
        let behind = || closers.iter().chain(open).chain(&fences).chain(end_tokens);
        let arguments = FirstBytes::of(behind().chain(quote));
        let behind = Behind::new(behind());
        Ok(Self {
            text: Table::new(text)?,
            plain: Table::new(plain)?,
            reasoning,
            value,
            bare: bare(&spec.call),
            closers,
            arguments,
            behind,
        })
    }
}

fn openers(call: &Call) -> Vec<(String, Role)> {
    let mut entries = Vec::new();
    for text in &call.open {
        entry(&mut entries, text).opens = Some(Opener::Wrapper);
    }
    for first in bare(call).iter().filter_map(|words| words.first()) {
        entry(&mut entries, first).opens = Some(Opener::Bare);
    }
    if !call.fence.is_empty() && !call.bare.is_empty() {
        entry(&mut entries, FENCE).opens = Some(Opener::Fenced);
    }
    entries
}

fn bare(call: &Call) -> Vec<Vec<String>> {
    call.bare.iter().map(|text| text.split_ascii_whitespace().map(Into::into).collect()).collect()
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

/// Markup in a value. What may end it stands there also with the newline before it that the dialect writes.
fn value_table(tagged: &TaggedSpec, call: &Call) -> Result<Table<ValueMark>, MarkerError> {
    let ([key_open, _], [name_open, _]) = (&tagged.key, &tagged.name);
    let mut ends = vec![
        (&tagged.value_close, ValueMark::ValueClose),
        (key_open, ValueMark::Key),
        (&tagged.close, ValueMark::Close),
    ];
    ends.extend(call.close.iter().map(|close| (close, ValueMark::Wrapper)));
    let mut marks: Vec<(String, ValueMark)> =
        ends.into_iter().flat_map(|(text, mark)| [(format!("\n{text}"), mark), (text.clone(), mark)]).collect();
    let openers = call.open.iter().map(|open| (open, ValueMark::Opener));
    let tokens = call.end_tokens.iter().map(|token| (token, ValueMark::EndToken));
    for (text, mark) in openers.chain([(name_open, ValueMark::Name)]).chain(tokens) {
        // A text that closes something is a closer there, whatever else it is.
        if !text.is_empty() && marks.iter().all(|(known, _)| known != text) {
            marks.push((text.clone(), mark));
        }
    }
    Table::new(marks)
}
