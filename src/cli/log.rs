//! Log on stderr: the access log's lines as they are, everything else with time and
//! level. `RUST_LOG` says how much, in addition to the default; what is worth a line stands where it is logged.
//! Whoever logs waits for nobody: `lines` does.

mod lines;

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use env_logger::{Builder, Target};
use log::Level;

use lines::{Hatch, Lines};

/// Pingora reports each connection that a client drops; the access log has those.
const DEFAULT: &str = "info,pingora=error,pingora_core=error,pingora_proxy=error";
/// How long the end of the program waits for what is not yet written. Longer, and a log that nobody reads would hold it.
const LAST_LINES_MAX: Duration = Duration::from_secs(2);

/// The log, once it has begun. What is left in it is written when this is dropped.
pub(super) struct Log(Arc<Lines>);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.finish(LAST_LINES_MAX);
    }
}

/// Begins to log. Fails when there is no thread for it.
pub(super) fn start() -> io::Result<Log> {
    let lines = Lines::to(io::stderr())?;
    Builder::new()
        .parse_filters(DEFAULT)
        .parse_default_env()
        .target(Target::Pipe(Box::new(Hatch(Arc::clone(&lines)))))
        .format(|out, record| {
            let (time, level) = (out.timestamp(), word(record.level()));
            match record.target() {
                "access" => writeln!(out, "{}", record.args()),
                // A line of ours is known by what it says; one of a library by where it comes from.
                target if target.starts_with("toolgate") => {
                    writeln!(out, "{time} {level} {}", in_one_line(record.args()))
                }
                target => writeln!(out, "{time} {level} {target}: {}", in_one_line(record.args())),
            }
        })
        .init();
    // What a panic has to say would be waited for, too.
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    Ok(Log(lines))
}

/// What a client or a server named may hold a line end, and what follows it would look like a line of ours.
fn in_one_line(text: &Arguments<'_>) -> String {
    text.to_string().replace(char::is_control, " ")
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn ",
        Level::Info => "info ",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_writes_two_lines() {
        let model = "m\n{\"id\":\"forged\"}\r\u{85}\u{1b}[2J";
        assert_eq!(in_one_line(&format_args!("no `{model}`")), "no `m {\"id\":\"forged\"}   [2J`");
    }
}
