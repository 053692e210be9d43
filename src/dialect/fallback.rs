//! A dialect of whose answers one may also be a call as a JSON object: so it is asked for where a server holds a model to
//! a schema, and takes no grammar. The model may write its own form all the same.

use std::sync::{Arc, OnceLock};

use super::table::Tables;
use super::{Dialect, DialectError, Form, JsonName, JsonSpec, Payload, StartOfAnswer};

/// The key of the tool's name in such an object.
pub const NAME: &str = "name";
/// The key of its arguments.
pub const ARGUMENTS: &str = "arguments";

/// The word of the fence in which some servers have it written.
const FENCE: &str = "json";

impl JsonSpec {
    /// A call as an object under the keys that all families know.
    pub fn of_call() -> Self {
        Self {
            name: JsonName::Under(vec![NAME.into()]),
            arguments: vec![ARGUMENTS.into()],
            id: Vec::new(),
            wrapper: Vec::new(),
            between: String::new(),
        }
    }
}

/// What `own` reads, and such an object.
pub(super) fn of(own: &Dialect) -> Result<Dialect, DialectError> {
    let object = JsonSpec::of_call();
    let mut spec = own.reads().clone();
    spec.call.start = Some(StartOfAnswer::Json);
    // An opener that begins as the object does would stand in its way; a payload that it opens begins the answer as well.
    spec.call.bare.retain(|opener| !opener.starts_with('{'));
    spec.call.free.retain(|opener| !opener.starts_with('{'));
    // A fence that begins the answer may have either in it.
    let is_fence = |text: &String| text.starts_with('`');
    let words =
        spec.call.open.iter().filter(|open| is_fence(open)).map(|open| open.trim_matches('`').trim().to_owned());
    spec.call.fence = words.chain([FENCE.to_owned()]).chain(spec.call.fence.iter().cloned()).collect();
    if spec.call.open.iter().any(is_fence) {
        spec.call.open.retain(|open| !is_fence(open));
        spec.call.close.retain(|close| !is_fence(close));
    }
    spec.payload.push(Payload::Json(object.clone()));
    let forms = own.tables.forms.iter().cloned().chain([Form::Json(Arc::new(object))]).collect();
    let reason = |reason| DialectError::Markers { dialect: own.name().into(), reason };
    let tables = Tables::around(&spec, own.suffixes(), forms).map_err(reason)?;
    Ok(Dialect {
        spec: own.spec.clone(),
        tables: Tables { families: own.tables.families.clone(), ..tables },
        suffixes: own.suffixes.clone(),
        reads: Some(Box::new(spec)),
        in_json: OnceLock::new(),
    })
}
