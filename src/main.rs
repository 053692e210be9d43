//! The `toolgate` program.
//! Holds nothing but its beginning; `cli` reads the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    toolgate::cli::main(std::env::args_os())
}
