//! Tools that run commands and code: their schemas, and what calls of them ask for.
//! Runs nothing; `cage` does.

use serde_json::Value;

use super::arguments::Values;
use super::catalog::{Kind, Parameter, explained, schema};
use super::outcome::Failure;
use super::words::AllowList;

/// A tool that runs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandTool {
    Command,
    Code,
}

/// Such a tool as it is offered: what its texts say depends on what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    pub tool: CommandTool,
    pub allow: &'a AllowList,
    /// Whether what runs reaches a network.
    pub network: bool,
    /// How long a call may take that does not say.
    pub timeout_seconds: u64,
    /// Where code may write files.
    pub temporary: &'a str,
}

/// A call whose arguments are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandCall {
    Command(RunCommand),
    Code(RunCode),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCommand {
    pub command: String,
    /// As the model wrote it; empty is the working directory.
    pub directory: String,
    /// None where the call does not say.
    pub timeout_seconds: Option<u64>,
}

/// A program in Python, which is the one language that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCode {
    pub code: String,
    pub timeout_seconds: Option<u64>,
}

/// The longest that a call may ask for; its client waits all the while.
pub const TIMEOUT_SECONDS_MAX: u64 = 600;

impl CommandTool {
    pub const ALL: [Self; 2] = [Self::Command, Self::Code];

    /// The tool that models call by this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Its name, as models call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "run_command",
            Self::Code => "run_code",
        }
    }

    /// What a call of it is told where the tool is switched off.
    pub fn disabled(self) -> Failure {
        match self {
            Self::Command => Failure::CommandsDisabled,
            Self::Code => Failure::UnknownTool(self.name().to_owned()),
        }
    }

    fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Command => COMMAND,
            Self::Code => CODE,
        }
    }
}

impl Offer<'_> {
    /// As a request offers it.
    pub fn schema(&self) -> Value {
        let mut schema = schema(self.tool.name(), &self.description(), self.tool.parameters());
        if let Some(text) = schema.pointer_mut("/function/parameters/properties/timeout/description") {
            *text = self.timeout().into();
        }
        schema
    }

    /// For people: what it does, and a line for each of its parameters.
    pub fn explained(&self) -> String {
        explained(self.tool.name(), &self.description(), self.tool.parameters()).replace(TIMEOUT, &self.timeout())
    }

    fn timeout(&self) -> String {
        format!("Seconds it may take, {} if not given", self.timeout_seconds)
    }

    fn description(&self) -> String {
        let network = if self.network { "There is a network" } else { "There is no network" };
        match self.tool {
            CommandTool::Command => {
                let input = if self.network { ", and no input" } else { " and no input" };
                let mut text = format!("Runs a command and returns what it prints. {network}{input}.");
                if let Some(allowed) = self.allow.shown() {
                    text.push_str(" It is one command, without a shell, and begins with one of: ");
                    text.push_str(&allowed);
                    text.push('.');
                }
                text
            }
            CommandTool::Code => format!(
                "Runs a program of your own in a sandbox and returns what it prints. {network}; files outside {} cannot \
                 be written.",
                self.temporary
            ),
        }
    }
}

impl CommandCall {
    /// Reads a call's arguments, as the model wrote them. Fails with everything that is wrong with them.
    pub fn read(tool: CommandTool, text: &str) -> Result<Self, Failure> {
        let values = Values::read(tool.name(), tool.parameters(), text)?;
        let timeout_seconds = values.counted("timeout");
        let text = |name, bytes_max| match values.text(name) {
            text if text.len() <= bytes_max => Ok(text),
            _ => {
                let what = format!("argument '{name}' is longer than {bytes_max} bytes");
                Err(Failure::Arguments { tool: tool.name().to_owned(), what })
            }
        };
        Ok(match tool {
            CommandTool::Command => Self::Command(RunCommand {
                command: text("command", COMMAND_BYTES_MAX)?,
                directory: values.text("working_directory"),
                timeout_seconds,
            }),
            CommandTool::Code => Self::Code(RunCode { code: text("code", CODE_BYTES_MAX)?, timeout_seconds }),
        })
    }
}

/// The system starts no program with a longer argument.
const COMMAND_BYTES_MAX: usize = 131_071;
/// Bytes of a program; no model writes a longer one in one go.
const CODE_BYTES_MAX: usize = 1 << 20;
/// `TIMEOUT_SECONDS_MAX`, as schemas count.
const SECONDS: Kind = Kind::Whole { least: 1, most: Some(600) };

/// What an offer says with its own number.
const TIMEOUT: &str = "Seconds it may take";

const COMMAND: &[Parameter] = &[
    // The system would take a NUL for its end, as it does in a path.
    Parameter::required("command", Kind::Path, "The command line"),
    Parameter::optional("working_directory", Kind::Path, "Where to run it"),
    Parameter::optional("timeout", SECONDS, TIMEOUT),
];
const CODE: &[Parameter] = &[
    Parameter::required("language", Kind::OneOf(&["python"]), ""),
    Parameter::required("code", Kind::Text, "The program"),
    Parameter::optional("timeout", SECONDS, TIMEOUT),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(tool: CommandTool, allow: &AllowList) -> String {
        Offer { tool, allow, network: false, timeout_seconds: 120, temporary: "/tmp" }.schema().to_string()
    }

    #[test]
    fn schemas_are_those_that_prompts_were_made_for() {
        let written: Vec<&str> = include_str!("schemas.jsonl").lines().skip(6).collect();
        assert_eq!(CommandTool::ALL.map(|tool| offer(tool, &AllowList::default())).to_vec(), written);
    }

    #[test]
    fn a_description_says_what_may_be_asked_for() {
        let allow = AllowList::new(["echo", "git status"]).unwrap();
        let text = offer(CommandTool::Command, &allow);
        assert!(text.contains("without a shell, and begins with one of: echo, git status.\""), "{text}");
        let allow = AllowList::default();
        let offer =
            Offer { tool: CommandTool::Command, allow: &allow, network: true, timeout_seconds: 9, temporary: "/tmp" };
        let text = offer.explained();
        assert!(text.contains("prints. There is a network, and no input.\n  command (string, required)"), "{text}");
        assert!(text.ends_with("timeout (integer): Seconds it may take, 9 if not given\n"), "{text}");
        assert!(offer.schema().to_string().contains("Seconds it may take, 9 if not given"));
    }

    #[test]
    fn arguments_are_held_to_the_rows() {
        let read = |tool, text| CommandCall::read(tool, text).map_err(|failure| failure.to_string());
        let command = RunCommand { command: "id".to_owned(), directory: String::new(), timeout_seconds: Some(600) };
        assert_eq!(
            read(CommandTool::Command, r#"{"command": "id", "timeout": "999"}"#),
            Ok(CommandCall::Command(command))
        );
        for (tool, text, expected) in [
            (CommandTool::Command, "{}", "Error executing run_command: missing argument 'command'"),
            (
                CommandTool::Command,
                r#"{"command": "a\u0000b", "shell": true}"#,
                "Error executing run_command: unknown argument 'shell'; argument 'command' has a NUL in it",
            ),
            (
                CommandTool::Code,
                r#"{"language": "ruby", "code": 1}"#,
                "Error executing run_code: argument 'language' is one of python, not 'ruby'; argument 'code' is a string, \
                 not 1",
            ),
        ] {
            assert_eq!(read(tool, text), Err(expected.to_owned()), "{text}");
        }
    }
}
