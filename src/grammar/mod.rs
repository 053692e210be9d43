//! Grammars that force a call: what an answer may be, in the dialect's own syntax and by the tools' schemas, for servers
//! that let a model write nothing else. Sends nothing; how a server is given one is its engine's row.
//!
//! The text is GBNF as llama.cpp reads it, and EBNF as xgrammar does.

mod call;
mod rules;
mod values;

use self::call::Calls;
use self::rules::{BYTES_MAX, Rules, any_of, literal, repeated};
use crate::chat::{self, Tool};
use crate::decode::Reasoning;
use crate::dialect::Dialect;

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
    #[error("how the dialect's calls are written is not known")]
    Unwritten,
}

/// A weak model would write calls without end.
const CALLS_MAX: u64 = 8;

/// A grammar of answers that are calls, and thoughts before them if the model has any.
pub fn forced(dialect: &Dialect, wish: &Wish<'_>) -> Result<String, GrammarError> {
    let calls = Calls::of(dialect).ok_or(GrammarError::Unwritten)?;
    let mut rules = Rules::default();
    let block = block(&calls, wish, &mut rules)?;
    let thought = thought(dialect, wish.reasoning, &calls, &mut rules);
    whole(&rules, &in_a_row([thought, block]))
}

/// A grammar of answers that say what they like, in which whatever begins as a call is one.
pub fn strict(dialect: &Dialect, wish: &Wish<'_>) -> Result<String, GrammarError> {
    let calls = Calls::of(dialect).filter(Calls::are_opened).ok_or(GrammarError::Unwritten)?;
    let mut rules = Rules::default();
    let block = block(&calls, wish, &mut rules)?;
    let text = rules.until(&calls.openers().collect::<Vec<_>>());
    whole(&rules, &format!("{text} ( {block} {text} )*"))
}

fn whole(rules: &Rules, root: &str) -> Result<String, GrammarError> {
    let grammar = rules.write(root);
    if grammar.len() > BYTES_MAX { Err(GrammarError::TooLarge) } else { Ok(grammar) }
}

/// As many calls as there may be, in what stands around all of them.
fn block(calls: &Calls<'_>, wish: &Wish<'_>, rules: &mut Rules) -> Result<String, GrammarError> {
    let call = any_call(calls, wish, rules)?;
    let more = match wish.calls {
        chat::Calls::First => String::new(),
        chat::Calls::All => repeated(&format!("{} {call}", literal(calls.between())), 0, Some(CALLS_MAX - 1)),
    };
    let (open, close) = calls.section();
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

/// What a model may think before it calls. A call inside would be one that nobody means.
fn thought(dialect: &Dialect, reasoning: Reasoning, calls: &Calls<'_>, rules: &mut Rules) -> String {
    let Some(spec) = &dialect.spec().reasoning else { return String::new() };
    let (Some(open), Some(close)) = (spec.open.first(), spec.close.first()) else { return String::new() };
    let enders: Vec<_> = spec.close.iter().map(String::as_str).chain(calls.openers()).collect();
    let thought = format!("{} {} [\\n]{{0,2}}", rules.until(&enders), literal(close));
    match reasoning {
        Reasoning::Off => String::new(),
        Reasoning::Open => thought,
        Reasoning::Auto => format!("( {} {thought} )?", literal(open)),
    }
}

#[cfg(test)]
mod tests;
