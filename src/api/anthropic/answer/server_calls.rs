//! Calls that the gateway itself has run, and their results, as blocks of an answer. Clients know them from servers of
//! tools (MCP) that Anthropic calls for them; they show them and run nothing.

use std::fmt::Write;

use super::cut;
use super::frames::{BLOCK_DELTA, BLOCK_START, BLOCK_STOP};
use super::ids;
use crate::json::write_string;

/// A call that runs here.
#[derive(Clone, Copy, Debug)]
pub struct ServerCall<'a> {
    /// As the model knows it.
    pub id: &'a str,
    /// The label of the tool's server, and its name there.
    pub server: &'a str,
    pub name: &'a str,
    /// As the model wrote them.
    pub arguments: &'a str,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct ServerResult<'a> {
    /// Of its call.
    pub id: &'a str,
    pub text: &'a str,
    pub is_error: bool,
}

/// Stands before the id that the model knows.
pub(in crate::api::anthropic) const ID: &str = "mcptoolu_";

/// Appends the block of a call, all of it. Its input stands there twice: the SDKs put together those of calls that they
/// know, and take of others what the block begins with.
pub(super) fn write_call(index: u64, call: &ServerCall<'_>, out: &mut String) {
    let input = cut::object(call.arguments);
    let _ = write!(out, "{BLOCK_START}{index},\"content_block\":{{\"type\":\"mcp_tool_use\",\"id\":\"");
    out.extend([ID, &ids::told(call.id), "\",\"name\":"]);
    write_string(call.name, out);
    out.push_str(",\"server_name\":");
    write_string(call.server, out);
    out.extend([",\"input\":", &input, "}}\n\n"]);
    let _ = write!(out, "{BLOCK_DELTA}{index},\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":");
    write_string(&input, out);
    out.push_str("}}\n\n");
    let _ = write!(out, "{BLOCK_STOP}{index}}}\n\n");
}

/// Appends the block of its result, all of it.
pub(super) fn write_result(index: u64, result: &ServerResult<'_>, out: &mut String) {
    let _ = write!(out, "{BLOCK_START}{index},\"content_block\":{{\"type\":\"mcp_tool_result\",\"tool_use_id\":\"");
    out.extend([ID, &ids::told(result.id)]);
    let _ = write!(out, "\",\"is_error\":{},\"content\":[{{\"type\":\"text\",\"text\":", result.is_error);
    write_string(result.text, out);
    out.push_str("}]}}\n\n");
    let _ = write!(out, "{BLOCK_STOP}{index}}}\n\n");
}
