//! Grammars that force a call: what an answer may be, as the family writes it and by the tools' schemas, for servers that
//! let a model write nothing else. Sends nothing; how a server is given one is its engine's row.
//!
//! The text is GBNF as llama.cpp reads it, and EBNF as xgrammar does.

mod call;
mod object;
mod rules;
mod values;

use self::call::{Calls, are_opened, openers};
pub use self::object::schema as object_schema;
use self::rules::{BYTES_MAX, Rules, any_of, literal, repeated};
use crate::chat::{self, Tool};
use crate::decode::Reasoning;
use crate::dialect::{CallsOfTurn, Dialect, History, Spec, Suffixes};

/// What a grammar is for.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Those that may be called; at least one.
    pub tools: &'a [Tool],
    pub calls: chat::Calls,
    /// How an answer begins.
    pub reasoning: Reasoning,
}

/// Why there is no grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    #[error("the tools' schemas make a grammar of more than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("the suffix of the dialect's markers is not known before an answer has told it")]
    Suffix,
    #[error("a call that nothing announces cannot be told from text")]
    Unannounced,
}

/// A weak model would write calls without end.
const CALLS_MAX: u64 = 8;

/// A grammar of answers that are calls, and thoughts before them if the model has any.
pub fn forced(dialect: &Dialect, wish: &Wish<'_>) -> Result<String, GrammarError> {
    let spec = known(dialect)?;
    let mut rules = Rules::default();
    let mut all = Vec::new();
    for written in spec.written.iter() {
        let calls = Calls::new(spec, written);
        let (message, block) = (calls.thought(wish.reasoning, &mut rules), block(&calls, spec, wish, &mut rules)?);
        all.push(in_a_row([message.unwrap_or_default(), block]));
    }
    let thought = thought(spec, wish.reasoning, &mut rules);
    whole(&rules, &in_a_row([thought, any_of(&all)]))
}

/// A grammar of answers that say what they like, in which whatever begins as a call is one.
pub fn strict(dialect: &Dialect, wish: &Wish<'_>) -> Result<String, GrammarError> {
    let spec = known(dialect)?;
    if !are_opened(spec) {
        return Err(GrammarError::Unannounced);
    }
    let mut rules = Rules::default();
    let mut all = Vec::new();
    for written in spec.written.iter() {
        all.push(block(&Calls::new(spec, written), spec, wish, &mut rules)?);
    }
    let text = rules.until(&openers(spec).collect::<Vec<_>>());
    whole(&rules, &format!("{text} ( {} {text} )*", any_of(&all)))
}

/// A dialect's spec, with whatever its markers have as suffix.
fn known(dialect: &Dialect) -> Result<&Spec, GrammarError> {
    let known = dialect.suffixes().map_or(Some(dialect), Suffixes::known);
    known.map(Dialect::spec).ok_or(GrammarError::Suffix)
}

fn whole(rules: &Rules, root: &str) -> Result<String, GrammarError> {
    let grammar = rules.write(root);
    if grammar.len() > BYTES_MAX { Err(GrammarError::TooLarge) } else { Ok(grammar) }
}

/// As many calls as there may be, in what stands around all of them.
fn block(calls: &Calls<'_>, spec: &Spec, wish: &Wish<'_>, rules: &mut Rules) -> Result<String, GrammarError> {
    let call = any_call(calls, wish, rules)?;
    let is_single = matches!(spec.prompt.history, History::Native(CallsOfTurn::One));
    let more = match wish.calls {
        chat::Calls::All if !is_single => {
            repeated(&format!("{} {call}", literal(calls.between())), 0, Some(CALLS_MAX - 1))
        }
        chat::Calls::All | chat::Calls::First => String::new(),
    };
    let (open, close) = calls.sides();
    Ok(in_a_row([side(open), call, more, side(close)]))
}

/// Those that say something.
fn in_a_row<const N: usize>(parts: [String; N]) -> String {
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// A call of one of the tools.
fn any_call(calls: &Calls<'_>, wish: &Wish<'_>, rules: &mut Rules) -> Result<String, GrammarError> {
    let mut all = Vec::new();
    for tool in wish.tools {
        all.push(calls.call(tool, rules));
        if rules.is_full() {
            return Err(GrammarError::TooLarge);
        }
    }
    Ok(any_of(&all))
}

fn side(text: &str) -> String {
    if text.is_empty() { String::new() } else { literal(text) }
}

/// What a model may think before it calls, and the line breaks behind, also where the prompt has ended the thought. A
/// call inside would be one that nobody means.
fn thought(spec: &Spec, reasoning: Reasoning, rules: &mut Rules) -> String {
    let Some(block) = &spec.reasoning else { return String::new() };
    let (Some(open), Some(close)) = (block.open.first(), block.close.first()) else { return String::new() };
    let enders: Vec<_> = block.close.iter().map(String::as_str).chain(openers(spec)).collect();
    let thought = format!("{} {}", rules.until(&enders), literal(close));
    match reasoning {
        Reasoning::Off => String::new(),
        Reasoning::Open => format!("{thought} {LINE_BREAKS}"),
        Reasoning::Auto => format!("( {} {thought} )? {LINE_BREAKS}", literal(open)),
    }
}

/// What stands between a thought and a call.
const LINE_BREAKS: &str = "[\\n]{0,2}";

#[cfg(test)]
mod tests;
