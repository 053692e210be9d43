//! How commands end: with everything that they have started, however they did.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{BOTH, Folder, PROGRAM, Process, block_on, command, printed, processes, processes_at_least};

/// Three that have left their parent's session, group, and parent, and one that stays.
fn runaways(mark: &str) -> String {
    format!("(setsid sleep {mark} &); setsid -f sleep {mark}; (sh -c 'trap \"\" TERM HUP; sleep {mark} & wait' &)")
}

/// Waits until a file is there, by trying again.
fn wait_for(file: &Path) {
    while !file.exists() {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_left_in_the_background_ends_with_the_command() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        // They hold its output open, too.
        let line = format!("{}; echo done", runaways("600.11"));
        assert_eq!(printed(&cage, &line), "done\n", "{sandbox:?}");
        assert!(processes("sleep 600.11").is_empty(), "{sandbox:?}");
        let call = json!({"command": format!("{}; sleep 600.11", runaways("600.11")), "timeout": 1}).to_string();
        let text = block_on(cage.run("run_command", &call)).text;
        assert_eq!(text, "Error: Command timed out after 1 seconds", "{sandbox:?}");
        assert!(processes("sleep 600.11").is_empty(), "{sandbox:?}");
    }
}

#[test]
fn an_end_is_told_as_it_was() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        let run = |line| block_on(command(&cage, line)).text;
        assert_eq!(run("exit 125"), "Failed (exit code 125)\n\n(no output)", "{sandbox:?}");
        assert_eq!(run("kill -TERM $$"), "Failed (exit code -15)\n\n(no output)", "{sandbox:?}");
        assert_eq!(run("sh -c 'kill -9 $$'"), "Failed (exit code 137)\n\nSTDERR:\nKilled\n", "{sandbox:?}");
        // It goes without its output, and what it left there is read.
        assert_eq!(run("echo out; exec >&- 2>&-; exit 4"), "Failed (exit code 4)\n\nSTDOUT:\nout\n", "{sandbox:?}");
        assert_eq!(run("printf 'a\\377b'"), "Success\n\nSTDOUT:\na\u{fffd}b", "{sandbox:?}");
        assert_eq!(run(&format!("{}; true", "true ".repeat(20_000))), "Success\n\n(no output)", "{sandbox:?}");
    }
}

/// It is run by whatever thread has time.
#[test]
fn a_call_may_go_from_thread_to_thread() {
    fn goes<T: Send + 'static>(_: T) {}
    let folder = Folder::new();
    let cage = std::sync::Arc::new(folder.cage(&BOTH[0]));
    goes(async move { cage.run("run_command", "{}").await });
}

#[test]
fn a_call_that_is_dropped_ends_its_command() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        let begun = folder.root().join("begun");
        let line = format!("{}; touch begun; sleep 600.12", runaways("600.12"));
        let found: Vec<Process> = block_on(async {
            tokio::select! {
                outcome = command(&cage, &line) => panic!("{outcome:?}"),
                found = async {
                    while !begun.exists() {
                        tokio::task::yield_now().await;
                    }
                    processes_at_least(4, "sleep 600.12")
                } => found,
            }
        });
        found.iter().for_each(Process::wait);
        fs::remove_file(begun).unwrap();
    }
}

#[test]
fn a_gateway_that_is_killed_takes_its_commands_with_it() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let file = folder.file(sandbox, "");
        let line = format!("{}; touch begun; sleep 600.13", runaways("600.13"));
        let call = json!({"command": line}).to_string();
        let mut command = Command::new(PROGRAM);
        command.args(["tool", "run_command", &call, "-c"]).arg(file).stdout(Stdio::null());
        let mut gateway = command.spawn().unwrap();
        let begun = folder.root().join("begun");
        wait_for(&begun);
        let found = processes_at_least(4, "sleep 600.13");
        gateway.kill().unwrap();
        gateway.wait().unwrap();
        found.iter().for_each(Process::wait);
        fs::remove_file(begun).unwrap();
    }
}
