//! The command line: one file a subcommand, each of which reads its options and calls the layers below.
//! Decides nothing about requests and replies; `decode` and `prompt` go through the same code as the proxy.

mod cage;
mod decode;
mod demo;
mod dialects;
mod log;
mod mock;
mod probe;
mod prompt;
mod run;
mod tool;
mod tools;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use structopt::StructOpt;
use structopt::clap::{AppSettings, ErrorKind};

use self::decode::AnswerError;
use crate::cage::{CageError, ServiceError};
use crate::config::ConfigErrors;
use crate::demo::DemoError;
use crate::dialect::{Dialect, Dialects};
use crate::plan::FormatError;
use crate::plan::RequestError;
use crate::server;
use crate::upstream::PortraitError;
use crate::workspace::OpenError;

/// OpenAI tool calling in front of local LLM servers.
#[derive(Debug, StructOpt)]
#[structopt(
    name = "toolgate",
    settings = &[AppSettings::DeriveDisplayOrder, AppSettings::DisableHelpSubcommand],
    global_settings = &[AppSettings::VersionlessSubcommands, AppSettings::UnifiedHelpMessage],
)]
enum Command {
    /// Runs the gateway; the command when there is none
    Run(run::Options),
    /// Shows a conversation with tools through the gateway; needs no model
    Demo(demo::Options),
    /// Asks a server what it is, and says how tools reach its models
    Probe(probe::Options),
    /// Runs a scripted server shaped like llama-server or Ollama, to try the gateway with
    Mock(mock::Options),
    /// Reads a model's text on stdin, writes the OpenAI message that a client gets
    Decode(decode::Options),
    /// Reads a chat request on stdin, writes what goes to the server
    Prompt(prompt::Options),
    /// Lists the dialects, or shows one
    Dialects(dialects::Options),
    /// Runs one of the server's tools by hand, as a model would call it
    Tool(tool::Options),
    /// Lists the server's tools that a configuration makes available
    Tools(tools::Options),
    /// Runs commands for a gateway that is not to run them itself
    Cage(cage::Options),
}

/// Why the program fails. Shown on stderr; the exit code is 1, for `Usage` and `Setup` 2.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("{0}")]
    Usage(String),
    /// A file that cannot be read, or does not hold what it should.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: Box<dyn Error> },
    #[error("unknown dialect `{name}` (known: {known})")]
    UnknownDialect { name: String, known: String },
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("stdin: {0}")]
    Stdin(io::Error),
    #[error("stdin: not UTF-8")]
    NotText,
    #[error("stdout: {0}")]
    Stdout(io::Error),
    #[error("{url}: {error}")]
    Probe { url: String, error: PortraitError },
    #[error("no runtime: {0}")]
    Runtime(io::Error),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: String, error: io::Error },
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Server(#[from] server::Error),
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The lines that failed have said so themselves.
    #[error("{failed} of {lines} lines failed")]
    Lines { failed: usize, lines: usize },
    #[error(transparent)]
    Workspace(#[from] OpenError),
    /// Each of them has said why.
    #[error("{absent} of {of} tool servers are not there")]
    ToolServers { absent: usize, of: usize },
    #[error(transparent)]
    Cage(#[from] CageError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("cage: {0}")]
    Stage(io::Error),
    /// Nothing was run, since what it needs is not there or wrong; the exit code is 2.
    #[error("{0}")]
    Setup(Box<CliError>),
    /// A call that failed; standard output says why.
    #[error("the call failed")]
    Call,
}

impl CliError {
    fn file(path: &Path, error: impl Error + 'static) -> Self {
        Self::File { path: path.into(), error: Box::new(error) }
    }
}

/// Runs the program.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let command = match Command::from_iter_safe(with_command(arguments)) {
        Ok(command) => command,
        Err(error) if matches!(error.kind, ErrorKind::HelpDisplayed | ErrorKind::VersionDisplayed) => {
            return exit_code(print(format!("{}\n", error.message).as_bytes()));
        }
        Err(error) if error.kind == ErrorKind::MissingArgumentOrSubcommand => {
            let _ = writeln!(io::stderr(), "{}", error.message);
            return ExitCode::from(2);
        }
        Err(error) => return exit_code(Err(CliError::Usage(usage(&error.message)))),
    };
    exit_code(match command {
        Command::Run(options) => options.run(),
        Command::Demo(options) => options.run(),
        Command::Probe(options) => options.run(),
        Command::Mock(options) => options.run(),
        Command::Decode(options) => options.run(),
        Command::Prompt(options) => options.run(),
        Command::Dialects(options) => options.run(),
        Command::Tool(options) => options.run(),
        Command::Tools(options) => options.run(),
        Command::Cage(options) => options.run(),
    })
}

/// Puts `run` in front of options that come without a command: `toolgate -c FILE`. `help` asks what `--help` does.
fn with_command(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = arguments.collect();
    let is_option = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&&*argument)
    };
    if arguments.get(1).is_some_and(is_option) {
        arguments.insert(1, "run".into());
    }
    if arguments.get(1).is_some_and(|argument| argument == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// The first paragraph of clap's message in one line, without its word `error`.
fn usage(message: &str) -> String {
    let (first, _) = message.split_once("\n\n").unwrap_or((message, ""));
    let words: Vec<_> = first.split_whitespace().filter(|word| *word != "error:").collect();
    format!("{} (see toolgate --help)", words.join(" "))
}

fn exit_code(result: Result<(), CliError>) -> ExitCode {
    let (code, error) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        // Whoever reads has seen enough, as in `toolgate dialects | head -1`.
        Err(CliError::Stdout(error) | CliError::Demo(DemoError::Stdout(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            return ExitCode::SUCCESS;
        }
        // What it has to say stands on standard output, alone.
        Err(CliError::Call) => return ExitCode::FAILURE,
        Err(error @ CliError::Usage(_)) => (2, error),
        Err(CliError::Setup(error)) => (2, *error),
        Err(error) => (1, error),
    };
    let _ = match error {
        // Each of its lines begins with a file and a place, as compilers write them.
        CliError::Config(errors) => writeln!(io::stderr(), "{errors}"),
        error => writeln!(io::stderr(), "toolgate: {error}"),
    };
    ExitCode::from(code)
}

/// Writes to stdout.
fn print(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Stdout)
}

fn read_file(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| CliError::file(path, error))
}

fn read_stdin() -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(CliError::Stdin)?;
    Ok(bytes)
}

/// The built-in dialect of a name; a name that is a path means that dialect file.
fn dialect(name: &str) -> Result<Arc<Dialect>, CliError> {
    if name.contains('/') || name.ends_with(".yaml") {
        let path = Path::new(name);
        return Dialects::parse(&read_file(path)?).map(Arc::new).map_err(|error| CliError::file(path, error));
    }
    let dialects = Dialects::builtin();
    dialects.get(name).cloned().ok_or_else(|| unknown_dialect(name))
}

fn unknown_dialect(name: &str) -> CliError {
    let dialects = Dialects::builtin();
    let known: Vec<_> = dialects.iter().map(|dialect| dialect.name()).collect();
    CliError::UnknownDialect { name: name.into(), known: known.join(", ") }
}
