//! Tools of a request that runs tools on the server: the client's own, and MCP servers that it selects by their labels.

use std::borrow::Cow;

use crate::api::openai::Request;
use crate::json::{Object, elements, string};

/// The tools of a request, apart.
#[derive(Debug, Default)]
pub struct Selected<'a> {
    /// Whether it has a list of tools at all, and one with something in it.
    pub is_listed: bool,
    pub is_empty: bool,
    /// The client's, as they were written.
    pub own: Vec<&'a str>,
    /// The servers that it selects.
    pub servers: Vec<Server<'a>>,
}

/// A server of tools that a request selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server<'a> {
    pub label: Cow<'a, str>,
    /// Where the client thinks that it is, if it says so.
    pub url: Option<Cow<'a, str>>,
    /// The tools that are wanted of it; none means all.
    pub allowed: Vec<Cow<'a, str>>,
}

/// Takes a request's tools apart. `None` when they are no list.
pub fn selected<'a>(request: &Request<'a>) -> Option<Selected<'a>> {
    let Some(written) = request.tools_written() else {
        return Some(Selected { is_empty: true, ..Selected::default() });
    };
    let listed = elements(written)?;
    let mut selected = Selected { is_listed: true, is_empty: listed.is_empty(), ..Selected::default() };
    for tool in listed {
        match Object::part(tool) {
            Some(object) if object.string("type").as_deref() == Some("mcp") => {
                let allowed = object.present("allowed_tools").map(allowed).unwrap_or_default();
                let label = object.string("server_label").unwrap_or_default();
                selected.servers.push(Server { label, url: object.string("server_url"), allowed });
            }
            _ => selected.own.push(tool),
        }
    }
    Some(selected)
}

/// The names in a list, or in the list that an object has.
fn allowed(written: &str) -> Vec<Cow<'_, str>> {
    let names = Object::part(written).and_then(|object| object.get("tool_names")).unwrap_or(written);
    elements(names).unwrap_or_default().into_iter().filter_map(string).collect()
}
