//! `toolgate dialects`: which there are, or the file of one.

use std::fmt::Write;

use structopt::StructOpt;

use super::{CliError, print, unknown_dialect};
use crate::dialect::Dialects;

#[derive(Debug, StructOpt)]
pub(super) struct Options {
    /// Shows this dialect's file, from which an own one can start
    name: Option<String>,
}

impl Options {
    /// Prints a table of them, or the source of the one that is named. Fails when there is none of that name.
    pub fn run(self) -> Result<(), CliError> {
        match self.name {
            Some(name) => print(Dialects::source(&name).ok_or_else(|| unknown_dialect(&name))?.as_bytes()),
            None => print(table(&Dialects::builtin()).as_bytes()),
        }
    }
}

fn table(dialects: &Dialects) -> String {
    let width = dialects.iter().map(|dialect| dialect.name().len()).max().unwrap_or_default();
    dialects.iter().fold(String::new(), |mut table, dialect| {
        let _ = writeln!(table, "{:width$}  {}", dialect.name(), dialect.spec().about);
        table
    })
}
