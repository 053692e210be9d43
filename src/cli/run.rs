//! `toolgate run`: from a file or from options to a running gateway.
//! What a configuration means stands in `config`; this file opens what it refers to.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use structopt::StructOpt;

use super::tool::prove;
use super::{CliError, print, read_file};
use crate::config::{Config, DEFAULT_YAML, Surroundings};
use crate::server;
use crate::toolbox::Toolbox;

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// Reads this configuration file
    #[structopt(short, long, value_name = "FILE", conflicts_with_all = &["upstream", "listen", "dialect", "engine", "working-dir"])]
    config: Option<PathBuf>,

    /// Runs without a file, in front of this server; may be given several times
    #[structopt(long, value_name = "URL", number_of_values = 1)]
    upstream: Vec<String>,

    /// Where clients connect; 127.0.0.1:8000 when absent
    #[structopt(long, value_name = "ADDR", number_of_values = 1)]
    listen: Vec<String>,

    /// How the models write tool calls; `auto` when absent
    #[structopt(long, value_name = "NAME")]
    dialect: Option<String>,

    /// What the servers are; `auto` when absent: they are asked
    #[structopt(long, value_name = "NAME")]
    engine: Option<String>,

    /// Offers models tools that read, search and change files beneath this directory, and runs them
    #[structopt(long, value_name = "DIR", requires = "upstream")]
    working_dir: Option<PathBuf>,

    /// Offers models commands too that begin with one of these, as in 'git status,make'; they run in a sandbox (bubblewrap)
    #[structopt(long, value_name = "LIST", requires = "working-dir")]
    allow_commands: Option<String>,

    /// Checks the configuration, names every mistake, and exits
    #[structopt(short = "t", long = "test")]
    test: bool,

    /// Prints a configuration with every key, its default and what it means
    #[structopt(long)]
    print_config: bool,
}

impl Options {
    /// Serves until it is told to stop; with `--test` or `--print-config` it only prints. Fails when the configuration
    /// has mistakes or an address cannot be bound.
    pub fn run(self) -> Result<(), CliError> {
        if self.print_config {
            return print(DEFAULT_YAML.as_bytes());
        }
        let config = self.config()?;
        self.prove(&config)?;
        if self.test {
            let name = self.config.as_deref().map_or("--listen".into(), Path::to_string_lossy);
            config.warnings().iter().for_each(|warning| {
                let _ = writeln!(io::stderr(), "{name}: warning: {warning}");
            });
            return print(b"the configuration is good\n");
        }
        let _log = super::log::start().map_err(server::Error::Thread)?;
        let again = move || {
            let config = self.config().and_then(|config| self.prove(&config).map(|()| config));
            config.map_err(|error| error.to_string())
        };
        Ok(server::run(config, again)?)
    }

    /// Fails when commands would be run in a sandbox that does not hold.
    fn prove(&self, config: &Config) -> Result<(), CliError> {
        prove(&Toolbox::open(&config.tools)?)
    }

    fn config(&self) -> Result<Config, CliError> {
        match &self.config {
            Some(path) => read_config(path),
            None if self.upstream.is_empty() => Err(CliError::Usage("`run` needs -c FILE or --upstream URL".into())),
            None => {
                let config = Config::from_upstreams(&self.upstream, &self.listen, self.dialect.as_deref())?;
                let config = config.with_engine(self.engine.as_deref().unwrap_or("auto"))?;
                let config = match &self.allow_commands {
                    Some(list) => config.with_commands(&list.split(',').map(str::trim).collect::<Vec<_>>()),
                    None => Ok(config),
                };
                let config = config.map_err(|error| CliError::Usage(format!("--allow-commands: {error}")))?;
                Ok(match &self.working_dir {
                    Some(directory) => config.with_working_dir(directory.clone())?,
                    None => config,
                })
            }
        }
    }
}

/// The configuration of a file, by the process's own environment.
pub(super) fn read_config(path: &Path) -> Result<Config, CliError> {
    let text = read_file(path)?;
    let surroundings = Process { folder: path.parent().unwrap_or(Path::new("")) };
    let config = Config::from_yaml(&text, &path.to_string_lossy(), &surroundings)?;
    Ok(Config { tools: config.tools.beside(surroundings.folder), ..config })
}

/// The process's own environment, and the folder of the configuration file, from which other folders count.
struct Process<'a> {
    folder: &'a Path,
}

impl Surroundings for Process<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn dialects(&self, folder: &str) -> Result<Vec<(String, String)>, String> {
        let mut files = yaml_files(&self.folder.join(folder)).map_err(|error| error.to_string())?;
        files.sort();
        let read = |path: PathBuf| {
            let name = path.to_string_lossy().into_owned();
            match fs::read_to_string(&path) {
                Ok(text) => Ok((name, text)),
                Err(error) => Err(format!("{name}: {error}")),
            }
        };
        files.into_iter().map(read).collect()
    }

    fn file(&self, name: &str) -> Result<(String, String), String> {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        Ok((path.to_string_lossy().into_owned(), text))
    }
}

fn yaml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    Ok(files)
}
