//! How a call begins, as a value that may lack its end has to know it.
//! Looks at the first keys only, as far as the name.

use crate::decode::UnknownTools;
use crate::decode::call::Context;
use crate::dialect::{JsonName, JsonSpec};
use crate::json::repair::{Begins, Calls};

use super::keys::{is_arguments, is_name, is_wrapper};
use super::members::is_metadata;

/// What knows how another call begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextCall<'a> {
    pub spec: &'a JsonSpec,
    pub cx: &'a Context<'a>,
}

impl Calls for NextCall<'_> {
    fn begins(&self, text: &str) -> Begins {
        begins(text, self).map_or_else(|begins| begins, |()| Begins::Yes)
    }
}

/// `Ok` when a call of a declared tool begins here.
fn begins(text: &str, next: &NextCall<'_>) -> Result<(), Begins> {
    let NextCall { spec, cx } = next;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c == '{' || c == ',' || c.is_ascii_whitespace());
        let (key, behind) = string(rest)?;
        if spec.name == JsonName::Key && cx.tools.resolve(key).is_some() {
            return Ok(());
        }
        if !is_name(key, spec) && !is_metadata(key) && !is_wrapper(key, spec) && !is_arguments(key, spec) {
            return Err(Begins::No);
        }
        rest = token(behind)?.strip_prefix(':').ok_or(Begins::No)?;
        rest = token(rest)?;
        if rest.starts_with('{') && is_arguments(key, spec) {
            return Ok(());
        }
        if rest.starts_with('{') {
            if is_wrapper(key, spec) {
                continue;
            }
            return Err(Begins::No);
        }
        let (value, behind) = string(rest)?;
        if is_name(key, spec) || is_wrapper(key, spec) {
            let known = cx.unknown_tools == UnknownTools::Pass || cx.tools.resolve(value).is_some();
            return if known { Ok(()) } else { Err(Begins::No) };
        }
        rest = token(behind)?;
        if !rest.starts_with(',') {
            return Err(Begins::No);
        }
    }
}

/// What stands between quotes, and behind them.
fn string(text: &str) -> Result<(&str, &str), Begins> {
    token(text)?.strip_prefix('"').ok_or(Begins::No)?.split_once('"').ok_or(Begins::Perhaps)
}

/// The next token and what follows it, if it is there yet.
fn token(text: &str) -> Result<&str, Begins> {
    let token = text.trim_ascii_start();
    if token.is_empty() { Err(Begins::Perhaps) } else { Ok(token) }
}
