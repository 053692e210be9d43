//! Arguments of a call: what a model wrote, as values of their types.
//! Takes what can mean one thing only (`"2"`, `2.0`, `"true"`); names everything that it cannot take. Touches no file.

use serde_json::{Map, Value};

use super::catalog::{FileTool, Kind, Need, Parameter};
use super::outcome::Failure;
use super::replace::{Occurrences, Replacement};

/// A call whose arguments are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Read(ReadFile),
    Write { path: String, content: String },
    Edit(EditFile),
    List(ListDirectory),
    Glob(GlobFiles),
    Grep(GrepSearch),
}

/// Which lines of which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFile {
    pub path: String,
    /// Number of the first line, from 1.
    pub offset: u64,
    pub limit: u64,
}

/// What is replaced in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditFile {
    pub path: String,
    pub replacement: Replacement,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDirectory {
    pub path: String,
    pub depth: Depth,
    pub pattern: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobFiles {
    pub pattern: String,
    pub path: String,
    pub ignore_files: IgnoreFiles,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrepSearch {
    pub pattern: String,
    pub path: String,
    pub file_pattern: Option<String>,
    pub case: Case,
    pub context_lines: usize,
}

/// How far a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Directory,
    Below,
}

/// What `.gitignore` means to a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreFiles {
    Honoured,
    PassedOver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Insensitive,
}

/// Lines of a file, when a call does not say how many.
const LIMIT: u64 = 2_000;

impl Call {
    /// Reads a call's arguments, as the model wrote them. Fails with everything that is wrong with them.
    pub fn read(tool: FileTool, text: &str) -> Result<Self, Failure> {
        let values = Values::read(tool.name(), tool.parameters(), text)?;
        Ok(match tool {
            FileTool::Read => Self::Read(ReadFile {
                path: values.text("file_path"),
                offset: values.counted("offset").unwrap_or(1),
                limit: values.counted("limit").unwrap_or(LIMIT),
            }),
            FileTool::Write => Self::Write { path: values.text("file_path"), content: values.text("content") },
            FileTool::Edit => Self::Edit(EditFile {
                path: values.text("file_path"),
                replacement: Replacement {
                    old: values.text("old_string"),
                    new: values.text("new_string"),
                    which: if values.flag("replace_all") { Occurrences::All } else { Occurrences::One },
                },
            }),
            FileTool::List => Self::List(ListDirectory {
                path: values.text("path"),
                depth: if values.flag("recursive") { Depth::Below } else { Depth::Directory },
                pattern: values.narrowing("pattern"),
            }),
            FileTool::Glob => Self::Glob(GlobFiles {
                pattern: values.text("pattern"),
                path: values.text("path"),
                ignore_files: match values.flag("include_ignored") {
                    true => IgnoreFiles::PassedOver,
                    false => IgnoreFiles::Honoured,
                },
            }),
            FileTool::Grep => Self::Grep(GrepSearch {
                pattern: values.text("pattern"),
                path: values.text("path"),
                file_pattern: values.narrowing("file_pattern"),
                case: if values.flag("case_insensitive") { Case::Insensitive } else { Case::Sensitive },
                context_lines: values.counted("context_lines").and_then(|n| n.try_into().ok()).unwrap_or_default(),
            }),
        })
    }
}

/// Values by the names of their parameters, all of them known.
pub(super) struct Values(Vec<(&'static str, Argument)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    Text(String),
    Whole(i64),
    Flag(bool),
}

impl Values {
    /// Reads the arguments of the tool of a name. Fails with everything that is wrong with them.
    pub fn read(tool: &str, parameters: &'static [Parameter], text: &str) -> Result<Self, Failure> {
        Self::of(parameters, text).map_err(|what| Failure::Arguments { tool: tool.to_owned(), what })
    }

    fn of(parameters: &'static [Parameter], text: &str) -> Result<Self, String> {
        let written = object(text)?;
        let is_known = |name: &String| parameters.iter().any(|one| one.name == name);
        let unknown = written.keys().filter(|name| !is_known(name)).map(|name| format!("unknown argument '{name}'"));
        let mut wrong: Vec<String> = unknown.collect();
        let mut values = Vec::new();
        for parameter in parameters {
            let name = parameter.name;
            // A model that fills every place of a schema writes null where it has nothing to say.
            match written.get(name).filter(|value| !value.is_null()) {
                None if parameter.need == Need::Required => wrong.push(format!("missing argument '{name}'")),
                None => {}
                Some(value) => match argument(parameter, value) {
                    Ok(argument) => values.push((name, argument)),
                    Err(why) => wrong.push(format!("argument '{name}' {why}")),
                },
            }
        }
        if wrong.is_empty() { Ok(Self(values)) } else { Err(wrong.join("; ")) }
    }

    fn find(&self, name: &str) -> Option<&Argument> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn some_text(&self, name: &str) -> Option<String> {
        match self.find(name) {
            Some(Argument::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// A pattern; an empty one narrows nothing down.
    fn narrowing(&self, name: &str) -> Option<String> {
        self.some_text(name).filter(|pattern| !pattern.is_empty())
    }

    /// A text; an empty one where there is none.
    pub fn text(&self, name: &str) -> String {
        self.some_text(name).unwrap_or_default()
    }

    /// A number that counts something; none when it counts nothing.
    pub fn counted(&self, name: &str) -> Option<u64> {
        match self.find(name) {
            Some(Argument::Whole(number)) => u64::try_from(*number).ok().filter(|number| *number > 0),
            _ => None,
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.find(name) == Some(&Argument::Flag(true))
    }
}

/// Reads the arguments of a tool whose parameters somebody else checks.
pub fn read_object(tool: &str, text: &str) -> Result<Map<String, Value>, Failure> {
    object(text).map_err(|what| Failure::Arguments { tool: tool.to_owned(), what })
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    let why = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => return Ok(object),
        Ok(other) => format!("it is {}", kind(&other)),
        Err(error) => error.to_string(),
    };
    Err(format!("arguments are not a JSON object: {why}"))
}

/// A value as its parameter's type. Fails with what it should be and is not.
fn argument(parameter: &Parameter, value: &Value) -> Result<Argument, String> {
    match parameter.kind {
        Kind::Text | Kind::Path => match value {
            // The system would take it for the path's end.
            Value::String(text) if parameter.kind == Kind::Path && text.contains('\0') => {
                Err("has a NUL in it".to_owned())
            }
            Value::String(text) => Ok(Argument::Text(text.clone())),
            other => Err(format!("is a string, not {}", kind(other))),
        },
        Kind::Whole { most, .. } => match whole(value) {
            Some(number) => Ok(Argument::Whole(most.map_or(number, |most| number.min(most)))),
            None => Err(format!("is a whole number, not {}", kind(value))),
        },
        Kind::OneOf(words) => match value {
            Value::String(text) if words.contains(&text.as_str()) => Ok(Argument::Text(text.clone())),
            Value::String(text) => Err(format!("is one of {}, not '{text}'", words.join(", "))),
            other => Err(format!("is a string, not {}", kind(other))),
        },
        Kind::Flag => match flag(value) {
            Some(flag) => Ok(Argument::Flag(flag)),
            None => Err(format!("is true or false, not {}", kind(value))),
        },
    }
}

/// A whole number, also as `2.0` or in quotes.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(exact)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().and_then(exact))
        }
        _ => None,
    }
}

/// The whole number that a fraction is, where it is one.
fn exact(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then(|| format!("{number:.0}").parse().ok()).flatten()
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_mean_one_thing_is_taken() {
        for (written, offset, limit) in [
            (r#"{"file_path": "a"}"#, 1, 2000),
            (r#"{"file_path": "a", "offset": "2", "limit": 3.0}"#, 2, 3),
            (r#"{"file_path": "a", "offset": " 2.0 ", "limit": null}"#, 2, 2000),
            (r#"{"file_path": "a", "offset": -3, "limit": 0}"#, 1, 2000),
        ] {
            let expected = Call::Read(ReadFile { path: "a".to_owned(), offset, limit });
            assert_eq!(Call::read(FileTool::Read, written).unwrap(), expected, "{written}");
        }
        for (written, depth) in [
            ("\"True\"", Depth::Below),
            ("true", Depth::Below),
            ("\"false\"", Depth::Directory),
            ("null", Depth::Directory),
        ] {
            let text = format!(r#"{{"path": ".", "recursive": {written}}}"#);
            let Call::List(list) = Call::read(FileTool::List, &text).unwrap() else { panic!("{text}") };
            assert_eq!(list.depth, depth, "{text}");
        }
        let Call::Grep(grep) = Call::read(FileTool::Grep, r#"{"pattern": "a", "context_lines": 99}"#).unwrap() else {
            panic!("a search")
        };
        assert_eq!(grep.context_lines, 10);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (written, expected) in [
            ("{}", "missing argument 'file_path'"),
            (r#"{"file_path": null}"#, "missing argument 'file_path'"),
            (r#"{"file_path": "a", "zz": 1, "y": 2}"#, "unknown argument 'zz'; unknown argument 'y'"),
            (r#"{"file_path": 7}"#, "argument 'file_path' is a string, not 7"),
            (r#"{"file_path": "a\u0000b"}"#, "argument 'file_path' has a NUL in it"),
            (r#"{"file_path": "a", "limit": 2.5}"#, "argument 'limit' is a whole number, not 2.5"),
            (r#"{"file_path": "a", "limit": "many"}"#, "argument 'limit' is a whole number, not text"),
            (r#"{"file_path": "a", "limit": "nan"}"#, "argument 'limit' is a whole number, not text"),
            (r#"{"file_path": "a", "limit": true}"#, "argument 'limit' is a whole number, not true"),
            ("[]", "arguments are not a JSON object: it is a list"),
            ("", "arguments are not a JSON object: EOF while parsing a value at line 1 column 0"),
        ] {
            let failure = Call::read(FileTool::Read, written).unwrap_err().to_string();
            assert_eq!(failure, format!("Error executing read_file: {expected}"), "{written}");
        }
    }
}
