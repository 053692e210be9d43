//! Tools of MCP servers: what a server says of each, how much of that is taken, and the names that models know them by.
//! Speaks to no server; `mcp` does. What a server says goes into every prompt, so all of it is held to limits.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::catalog::FileTool;

/// A tool as its server describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The server's own name for it.
    pub name: String,
    pub description: String,
    /// A JSON schema of its arguments.
    pub parameters: Map<String, Value>,
}

/// A tool as models are offered it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTool {
    /// By which models call it.
    pub name: String,
    /// The label of the server that runs it.
    pub server: String,
    pub definition: Definition,
}

/// Why a tool that a server has is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    #[error("it has no name, or one of more than {NAME_BYTES_MAX} bytes")]
    Name,
    #[error("the server lists it twice")]
    Twice,
    #[error("its description and schema are {0} bytes; at most {DEFINITION_BYTES_MAX} are allowed")]
    Large(usize),
    #[error("the descriptions and schemas before it fill the {LIST_BYTES_MAX} bytes of a server")]
    NoRoom,
    #[error("the server has more than {TOOLS_MAX} tools")]
    Many,
    #[error("it was another when the server was first seen, and `pin` is set")]
    Changed,
    #[error("it was not there when the server was first seen, and `pin` is set")]
    New,
    #[error("`{0}` is the name of another tool")]
    NameTaken(String),
}

/// More tools of one server are more than any model finds its way in.
pub const TOOLS_MAX: usize = 256;
/// Description and schema of one tool: they stand in every prompt.
const DEFINITION_BYTES_MAX: usize = 32_768;
/// All of them of one server.
const LIST_BYTES_MAX: usize = 1 << 20;
/// A tool's own name.
const NAME_BYTES_MAX: usize = 256;
/// As many as the APIs allow in the name of a function.
const TOOL_NAME_CHARS_MAX: usize = 64;

impl ServerTool {
    /// As a request offers it.
    pub fn schema(&self) -> Value {
        let Definition { description, parameters, .. } = &self.definition;
        let function = json!({"name": self.name, "description": description, "parameters": parameters});
        json!({"type": "function", "function": function})
    }

    /// For people: what it does, in the server's words, and a line for each of its parameters. What models would read and
    /// people would not see is written out.
    pub fn explained(&self) -> String {
        let description = visible(&self.definition.description).replace('\n', "\n    ");
        let mut text = format!("{}\n    {description}\n", self.name);
        let parameters = &self.definition.parameters;
        let required = parameters.get("required").and_then(Value::as_array);
        let properties = parameters.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            let said = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
            let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
            let need = if is_required { ", required" } else { "" };
            let kind = said("type").unwrap_or_else(|| "any".to_owned());
            let description = said("description").map(|text| format!(": {text}")).unwrap_or_default();
            text.push_str(&format!("  {}\n", visible(&format!("{name} ({kind}{need}){description}"))));
        }
        text
    }
}

/// A text in which nothing hides: neither from a reader, nor in what a terminal obeys.
fn visible(text: &str) -> String {
    let is_hidden = |c: char| (c.is_control() && c != '\n') || INVISIBLE.iter().any(|range| range.contains(&c));
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// Characters without a width, marks that turn the direction of writing, and tags: Unicode's category Cf, but for those
/// that scripts need.
const INVISIBLE: [RangeInclusive<char>; 6] = [
    '\u{ad}'..='\u{ad}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{e0000}'..='\u{e007f}',
];

/// Whether models can call a tool by this name.
pub fn is_tool_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= TOOL_NAME_CHARS_MAX && name.chars().all(is_allowed)
}

/// Whether a name is one of toolgate's own tools, also of those that are switched off.
pub fn is_own_tool(name: &str) -> bool {
    FileTool::named(name).is_some() || matches!(name, "run_command" | "run_code")
}

/// The name by which models call a server's tool that has no alias. What no name can have becomes `_`; a long one ends
/// with a hash of all of it.
pub fn tool_name(server: &str, tool: &str) -> String {
    let whole = format!("{server}__{tool}");
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = whole.chars().map(allowed).collect();
    if name.len() <= TOOL_NAME_CHARS_MAX {
        return name;
    }
    let hash = format!("_{:08x}", hash(whole.as_bytes()));
    let kept: String = name.chars().take(TOOL_NAME_CHARS_MAX - hash.len()).collect();
    kept + &hash
}

/// FNV-1a: the same in every version and on every machine, so that prompts stay what they were.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// What is taken of a server's list, in its order; and of the rest, why not.
pub fn within_limits(list: Vec<Definition>) -> (Vec<Definition>, Vec<(String, NotOffered)>) {
    let mut room = LIST_BYTES_MAX;
    let mut names = BTreeSet::new();
    sift(list, |taken, definition| {
        let bytes = definition.description.len() + Value::Object(definition.parameters.clone()).to_string().len();
        match () {
            () if definition.name.is_empty() || definition.name.len() > NAME_BYTES_MAX => Err(NotOffered::Name),
            () if !names.insert(definition.name.clone()) => Err(NotOffered::Twice),
            () if taken >= TOOLS_MAX => Err(NotOffered::Many),
            () if bytes > DEFINITION_BYTES_MAX => Err(NotOffered::Large(bytes)),
            () => {
                room = room.checked_sub(bytes).ok_or(NotOffered::NoRoom)?;
                Ok(())
            }
        }
    })
}

/// What is still as it was when the server was first seen; and of the rest, why it is not offered.
pub fn unchanged(first: &[Definition], list: Vec<Definition>) -> (Vec<Definition>, Vec<(String, NotOffered)>) {
    sift(list, |_, definition| match first.iter().find(|before| before.name == definition.name) {
        Some(before) if before == definition => Ok(()),
        Some(_) => Err(NotOffered::Changed),
        None => Err(NotOffered::New),
    })
}

/// The names of the tools that are in both lists and not the same.
pub fn changed<'a>(before: &'a [Definition], now: &[Definition]) -> impl Iterator<Item = &'a str> {
    let now: BTreeMap<_, _> = now.iter().map(|definition| (definition.name.clone(), definition.clone())).collect();
    let has_changed = move |before: &&Definition| now.get(&before.name).is_some_and(|now| now != *before);
    before.iter().filter(has_changed).map(|before| before.name.as_str())
}

fn sift(
    list: Vec<Definition>,
    mut take: impl FnMut(usize, &Definition) -> Result<(), NotOffered>,
) -> (Vec<Definition>, Vec<(String, NotOffered)>) {
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for definition in list {
        match take(taken.len(), &definition) {
            Ok(()) => taken.push(definition),
            Err(why) => left.push((definition.name, why)),
        }
    }
    (taken, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, description: &str) -> Definition {
        Definition { name: name.to_owned(), description: description.to_owned(), parameters: Map::new() }
    }

    fn names(list: &[Definition]) -> Vec<&str> {
        list.iter().map(|definition| definition.name.as_str()).collect()
    }

    #[test]
    fn a_name_is_one_that_every_api_takes() {
        for (server, tool, expected) in [
            ("docs", "search", "docs__search"),
            ("docs", "a.b/c d", "docs__a_b_c_d"),
            ("docs", "größe", "docs__gr__e"),
            ("a-b", &"x".repeat(59), &format!("a-b__{}", "x".repeat(59))),
            ("a-b", &"x".repeat(60), &format!("a-b__{}_8d452581", "x".repeat(50))),
        ] {
            let name = tool_name(server, tool);
            assert_eq!(name, expected, "{server} {tool}");
            assert!(is_tool_name(&name), "{name}");
        }
        let long = |end: &str| tool_name("docs", &format!("{}{end}", "x".repeat(100)));
        assert_ne!(long("a"), long("b"), "names that differ only behind the cut");
        assert!(!is_tool_name("") && !is_tool_name("a b") && !is_tool_name(&"a".repeat(65)));
    }

    #[test]
    fn a_list_is_taken_within_its_limits() {
        let mut list: Vec<_> = (0..TOOLS_MAX + 2).map(|at| definition(&format!("t{at}"), "")).collect();
        list.insert(1, definition("", "no name"));
        list.insert(2, definition("t0", "again"));
        list.insert(3, definition("long", &"x".repeat(DEFINITION_BYTES_MAX)));
        let (taken, left) = within_limits(list);
        assert_eq!(taken.len(), TOOLS_MAX);
        let left: Vec<_> = left.into_iter().map(|(name, why)| (name, why.to_string())).collect();
        let expected = [
            ("", "it has no name, or one of more than 256 bytes"),
            ("t0", "the server lists it twice"),
            ("long", "its description and schema are 32770 bytes; at most 32768 are allowed"),
            ("t256", "the server has more than 256 tools"),
            ("t257", "the server has more than 256 tools"),
        ];
        assert_eq!(left, expected.map(|(name, why)| (name.to_owned(), why.to_owned())));
    }

    #[test]
    fn all_of_a_list_is_no_more_than_a_prompt_bears() {
        let (taken, left) =
            within_limits((0..40).map(|at| definition(&format!("t{at}"), &"x".repeat(32_766))).collect());
        assert_eq!((taken.len(), left.len()), (32, 8));
        assert!(left.iter().all(|(_, why)| *why == NotOffered::NoRoom));
    }

    #[test]
    fn what_was_pinned_stays_what_it_was() {
        let first = [definition("a", "reads"), definition("b", "writes")];
        let now = vec![definition("a", "reads"), definition("b", "sends it all away"), definition("c", "new")];
        assert_eq!(changed(&first, &now).collect::<Vec<_>>(), ["b"]);
        let (kept, left) = unchanged(&first, now);
        assert_eq!(names(&kept), ["a"]);
        assert_eq!(left, [("b".to_owned(), NotOffered::Changed), ("c".to_owned(), NotOffered::New)]);
    }

    #[test]
    fn a_tool_is_shown_to_models_and_to_people() {
        let schema = json!({"type": "object", "properties": {"q": {"type": "string", "description": "What"}, "n": {}},
            "required": ["q"]});
        let Value::Object(parameters) = schema.clone() else { panic!("an object") };
        let definition = Definition { parameters, ..definition("search", "Finds.\nQuickly.") };
        let tool = ServerTool { name: "docs__search".to_owned(), server: "docs".to_owned(), definition };
        let function = json!({"name": "docs__search", "description": "Finds.\nQuickly.", "parameters": schema});
        assert_eq!(tool.schema(), json!({"type": "function", "function": function}));
        let shown = "docs__search\n    Finds.\n    Quickly.\n  q (string, required): What\n  n (any)\n";
        assert_eq!(tool.explained(), shown);
    }

    #[test]
    fn nothing_hides_in_a_description() {
        let said = "Finds.\u{1b}[8m\u{200b}\u{202e}\u{e0041}\rÄ ü";
        let definition = definition("search", said);
        let tool = ServerTool { name: "docs__search".to_owned(), server: "docs".to_owned(), definition };
        let shown = r"Finds.\u{1b}[8m\u{200b}\u{202e}\u{e0041}\u{d}Ä ü";
        assert_eq!(tool.explained(), format!("docs__search\n    {shown}\n"));
        assert_eq!(tool.schema()["function"]["description"], said, "models read what the server says");
    }
}
