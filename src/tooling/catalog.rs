//! The catalog of tools: their names, their parameters, and the schemas that models are shown.
//! Checks no arguments; `arguments` does, by the same rows.

use std::fmt::Write;

use serde_json::{Map, Value, json};

/// A tool that works on files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTool {
    Read,
    Write,
    Edit,
    List,
    Glob,
    Grep,
}

impl FileTool {
    pub const ALL: [Self; 6] = [Self::Read, Self::Write, Self::Edit, Self::List, Self::Glob, Self::Grep];

    /// The tool that models call by this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Its name, as models call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read_file",
            Self::Write => "write_file",
            Self::Edit => "edit_file",
            Self::List => "list_directory",
            Self::Glob => "glob_files",
            Self::Grep => "grep_search",
        }
    }

    /// Whether it changes files, which has to be allowed.
    pub fn changes_files(self) -> bool {
        matches!(self, Self::Write | Self::Edit)
    }

    /// What it does, as models are told.
    pub fn description(self) -> &'static str {
        match self {
            Self::Read => {
                "Reads a text file. Each line comes with its number and a tab in front, which are not part of the file."
            }
            Self::Write => "Writes a whole file, in place of what was there. Makes the directories that are missing.",
            Self::Edit => {
                "Replaces text in a file. old_string must be in the file exactly once, unless replace_all is true."
            }
            Self::List => "Lists what a directory holds.",
            Self::Glob => "Finds files by their path, newest first.",
            Self::Grep => "Finds lines in files by a regular expression (no look-around, no back-references).",
        }
    }

    /// As a request offers it.
    pub fn schema(self) -> Value {
        schema(self.name(), self.description(), self.parameters())
    }

    /// For people: what it does, and a line for each of its parameters.
    pub fn explained(self) -> String {
        explained(self.name(), self.description(), self.parameters())
    }

    pub(super) fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Read => READ,
            Self::Write => WRITE,
            Self::Edit => EDIT,
            Self::List => LIST,
            Self::Glob => GLOB,
            Self::Grep => GREP,
        }
    }
}

/// A tool, as a request offers it.
pub(super) fn schema(name: &str, description: &str, parameters: &[Parameter]) -> Value {
    let properties: Map<_, _> = parameters.iter().map(|one| (one.name.to_owned(), one.schema())).collect();
    let required: Vec<_> = parameters.iter().filter(|one| one.need == Need::Required).map(|one| one.name).collect();
    let parameters = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    let function = json!({"name": name, "description": description, "parameters": parameters});
    json!({"type": "function", "function": function})
}

/// A tool, for people.
pub(super) fn explained(name: &str, description: &str, parameters: &[Parameter]) -> String {
    let mut text = format!("{name}\n    {description}\n");
    for parameter in parameters {
        let need = if parameter.need == Need::Required { ", required" } else { "" };
        let _ = match (parameter.kind, parameter.description) {
            (Kind::OneOf(words), _) => writeln!(text, "  {} (one of {}{need})", parameter.name, words.join(", ")),
            (kind, what) => writeln!(text, "  {} ({}{need}): {what}", parameter.name, kind.name()),
        };
    }
    text
}

/// One parameter of a tool.
#[derive(Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub need: Need,
    description: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A text that names a file or a directory.
    Path,
    Whole {
        least: i64,
        most: Option<i64>,
    },
    Flag,
    /// One of these words, which say by themselves what they mean.
    OneOf(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

impl Kind {
    /// The type's name in a schema.
    fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Path | Self::OneOf(_) => "string",
            Self::Whole { .. } => "integer",
            Self::Flag => "boolean",
        }
    }
}

impl Parameter {
    /// One that a call must have.
    pub const fn required(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, need: Need::Required, description }
    }

    /// One that a call may leave out.
    pub const fn optional(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, need: Need::Optional, description }
    }

    fn schema(&self) -> Value {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), self.kind.name().into());
        if let Kind::OneOf(words) = self.kind {
            schema.insert("enum".to_owned(), words.into());
            return Value::Object(schema);
        }
        schema.insert("description".to_owned(), self.description.into());
        if let Kind::Whole { least, most } = self.kind {
            schema.insert("minimum".to_owned(), least.into());
            schema.extend(most.map(|most| ("maximum".to_owned(), most.into())));
        }
        Value::Object(schema)
    }
}

/// Lines are counted from 1.
const LINES: Kind = Kind::Whole { least: 1, most: None };
/// More lines around a match than that are a reading of the file.
const CONTEXT: Kind = Kind::Whole { least: 0, most: Some(10) };

const READ: &[Parameter] = &[
    Parameter::required("file_path", Kind::Path, "Path of the file, relative to the working directory"),
    Parameter::optional("offset", LINES, "Number of the first line, from 1"),
    Parameter::optional("limit", LINES, "How many lines, 2000 if not given"),
];
const WRITE: &[Parameter] = &[
    Parameter::required("file_path", Kind::Path, "Path of the file"),
    Parameter::required("content", Kind::Text, "All of its new text"),
];
const EDIT: &[Parameter] = &[
    Parameter::required("file_path", Kind::Path, "Path of the file"),
    Parameter::required(
        "old_string",
        Kind::Text,
        "The text to replace, exactly as it is in the file, without line numbers",
    ),
    Parameter::required("new_string", Kind::Text, "The text that takes its place"),
    Parameter::optional("replace_all", Kind::Flag, "Replace every occurrence"),
];
const LIST: &[Parameter] = &[
    Parameter::required("path", Kind::Path, "Path of the directory, . for the working directory"),
    Parameter::optional("recursive", Kind::Flag, "Also what is below it, four levels deep"),
    Parameter::optional("pattern", Kind::Text, "Only names that match, such as *.py"),
];
const GLOB: &[Parameter] = &[
    Parameter::required("pattern", Kind::Text, "Such as **/*.{ts,tsx}"),
    Parameter::optional("path", Kind::Path, "Directory to look in"),
    Parameter::optional("include_ignored", Kind::Flag, "Also files that .gitignore leaves out"),
];
const GREP: &[Parameter] = &[
    Parameter::required("pattern", Kind::Text, "The expression"),
    Parameter::optional("path", Kind::Path, "File or directory to look in"),
    Parameter::optional("file_pattern", Kind::Text, "Only files whose path matches, such as *.rs"),
    Parameter::optional("case_insensitive", Kind::Flag, "Take upper and lower case for the same"),
    Parameter::optional("context_lines", CONTEXT, "How many lines to show before and after each match"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_those_that_prompts_were_made_for() {
        let files: Vec<&str> = include_str!("schemas.jsonl").lines().take(FileTool::ALL.len()).collect();
        assert_eq!(FileTool::ALL.map(|tool| tool.schema().to_string()).to_vec(), files);
    }

    #[test]
    fn a_tool_is_found_by_its_name() {
        assert!(FileTool::ALL.into_iter().all(|tool| FileTool::named(tool.name()) == Some(tool)));
        assert_eq!(FileTool::named("run_command"), None);
    }
}
