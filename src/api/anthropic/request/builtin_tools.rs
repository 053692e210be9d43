//! Tools that Anthropic defines: what a type says of who runs it, and for those that clients run what their models know by
//! heart and others have to be told. Knows no tool of a client's own.

/// Who runs a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The client; its model is told this.
    Client(Described),
    /// Anthropic's servers.
    Server,
    /// Anthropic's servers, to find among tools that are not offered from the start. Here all are.
    Search,
    /// The client, and nothing but pictures of what it does come of it.
    Screen,
    Unknown,
}

/// What a model is told of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) description: &'static str,
    /// As JSON.
    pub(super) schema: &'static str,
}

impl Kind {
    /// The kind of a type, which has a date behind its name as a rule.
    pub(super) fn of(kind: &str) -> Self {
        let (name, date) = match kind.rsplit_once('_') {
            Some((name, date)) if date.bytes().all(|byte| byte.is_ascii_digit()) => (name, date),
            _ => (kind, ""),
        };
        match name {
            "bash" => Self::Client(BASH),
            // What is inserted had another name before this one.
            "text_editor" if date < "20250429" => Self::Client(FIRST_TEXT_EDITOR),
            "text_editor" => Self::Client(TEXT_EDITOR),
            "memory" => Self::Client(MEMORY),
            "web_search" | "web_fetch" | "code_execution" | "advisor" | "mcp_toolset" => Self::Server,
            "computer" | "browser" => Self::Screen,
            name if name.starts_with("tool_search_tool") => Self::Search,
            _ => Self::Unknown,
        }
    }
}

const BASH: Described = Described {
    description: "Run a command in a persistent bash session.",
    schema: r#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run."},"restart":{"type":"boolean","description":"Restart the shell instead."}}}"#,
};

const TEXT_EDITOR: Described = Described {
    description: "View, create and edit text files.",
    schema: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"],"description":"What to do."},"path":{"type":"string","description":"The file, or for view also a directory."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: the first and the last line; -1 is the end of the file."},"file_text":{"type":"string","description":"For create: the content of the file."},"old_str":{"type":"string","description":"For str_replace: the text to replace, which must occur exactly once."},"new_str":{"type":"string","description":"For str_replace: the text to put in its place."},"insert_line":{"type":"integer","description":"For insert: the line after which to insert; 0 is the beginning of the file."},"insert_text":{"type":"string","description":"For insert: the text to insert."}},"required":["command","path"]}"#,
};

const FIRST_TEXT_EDITOR: Described = Described {
    description: TEXT_EDITOR.description,
    schema: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","undo_edit"],"description":"What to do."},"path":{"type":"string","description":"The file, or for view also a directory."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: the first and the last line; -1 is the end of the file."},"file_text":{"type":"string","description":"For create: the content of the file."},"old_str":{"type":"string","description":"For str_replace: the text to replace, which must occur exactly once."},"new_str":{"type":"string","description":"For str_replace: the text to put in its place. For insert: the text to insert."},"insert_line":{"type":"integer","description":"For insert: the line after which to insert; 0 is the beginning of the file."}},"required":["command","path"]}"#,
};

const MEMORY: Described = Described {
    description: "Keep notes in files under /memories, which outlast the conversation. View the directory before a task.",
    schema: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"],"description":"What to do."},"path":{"type":"string","description":"The file or directory; for all but rename."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: the first and the last line."},"file_text":{"type":"string","description":"For create: the content of the file."},"old_str":{"type":"string","description":"For str_replace: the text to replace."},"new_str":{"type":"string","description":"For str_replace: the text to put in its place."},"insert_line":{"type":"integer","description":"For insert: the line after which to insert; 0 is the beginning of the file."},"insert_text":{"type":"string","description":"For insert: the text to insert."},"old_path":{"type":"string","description":"For rename: the path to rename."},"new_path":{"type":"string","description":"For rename: its new path."}},"required":["command"]}"#,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_says_who_runs_the_tool() {
        for (kind, expected) in [
            ("bash_20241022", Kind::Client(BASH)),
            ("bash_20250124", Kind::Client(BASH)),
            ("text_editor_20250124", Kind::Client(FIRST_TEXT_EDITOR)),
            ("text_editor_20250728", Kind::Client(TEXT_EDITOR)),
            ("memory_20250818", Kind::Client(MEMORY)),
            ("web_search_20250305", Kind::Server),
            ("web_fetch_20250910", Kind::Server),
            ("code_execution_20250825", Kind::Server),
            ("advisor_20260301", Kind::Server),
            ("mcp_toolset", Kind::Server),
            ("computer_20250124", Kind::Screen),
            ("tool_search_tool_regex_20251119", Kind::Search),
            ("tool_search_tool_bm25", Kind::Search),
            ("bash_x", Kind::Unknown),
            ("", Kind::Unknown),
            ("_1", Kind::Unknown),
        ] {
            assert_eq!(Kind::of(kind), expected, "{kind}");
        }
    }

    #[test]
    fn schemas_are_json_that_describes_what_they_require() {
        for Described { schema, .. } in [BASH, TEXT_EDITOR, FIRST_TEXT_EDITOR, MEMORY] {
            let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
            assert!(schema["properties"]["command"].is_object());
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(schema["properties"][required.as_str().unwrap()].is_object(), "{required}");
            }
        }
    }
}
