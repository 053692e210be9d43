//! Python: a tool as the head of a function, its description and parameters in the docstring. What a head cannot say
//! follows there as the schema itself.

use super::signature::{Parameters, Words};
use crate::json::Object;

/// Appends a function.
pub(super) fn write(function: &Object<'_>, out: &mut String) {
    let parameters = Parameters::of(function, Words::Python);
    out.push_str("def ");
    out.push_str(&function.string("name").unwrap_or_default());
    parameters.write_in_signature(out);
    out.push(':');
    let description = function.string("description").unwrap_or_default();
    if description.is_empty() && parameters.is_empty() {
        return out.push_str(" ...");
    }
    out.push_str("\n    \"\"\"");
    out.push_str(&description);
    if parameters.is_empty() {
        out.push_str("\"\"\"");
        return;
    }
    out.push_str("\n\n    Args:");
    parameters.write_lines("\n    - ", ": ", out);
    parameters.write_rest("\n\n    JSON Schema of the arguments: ", out);
    out.push_str("\n    \"\"\"");
}
