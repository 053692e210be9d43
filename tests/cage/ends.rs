//! How commands end: with everything that they have started, however they did.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use toolgate::config::Sandbox;

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

/// By an operator, or where memory has run out. In namespaces it is their first process.
#[test]
fn a_supervisor_that_is_killed_takes_its_command_with_it() {
    let folder = Folder::new();
    let cage = folder.cage(&Sandbox::Landlock);
    let begun = folder.root().join("begun");
    let line = format!("{}; echo $TMPDIR > begins; mv begins begun; sleep 600.14", runaways("600.14"));
    let root = folder.root();
    let stage =
        format!("--stage supervise --walls {{\"kind\":\"Landlock\",\"roots\":[{{\"path\":\"{}\"", root.display());
    let (outcome, found) = block_on(async {
        tokio::join!(command(&cage, &line), async {
            while !begun.exists() {
                tokio::task::yield_now().await;
            }
            let found = processes_at_least(4, "sleep 600.14");
            let supervisors = processes(&stage);
            assert_eq!(supervisors.len(), 1);
            supervisors.iter().for_each(Process::kill);
            found
        })
    });
    assert!(outcome.is_error, "{outcome:?}");
    found.iter().for_each(Process::wait);
    assert!(processes("sleep 600.14").is_empty());
    let scratch = fs::read_to_string(begun).unwrap();
    assert!(!Path::new(scratch.trim()).exists(), "{scratch}");
}

#[test]
fn what_a_command_leaves_among_temporary_files_goes_with_it() {
    let folder = Folder::new();
    let file = folder.file("landlock", "");
    // Root may not change modes there; whoever else does has shut its owner out.
    let line = "echo $TMPDIR; cd $TMPDIR; mkdir d; touch d/x; chmod 0 d 2>/dev/null; \
                n=0; while [ $n -lt 300 ]; do mkdir e && cd -P e || exit 1; n=$((n+1)); done; \
                chmod 0 $TMPDIR 2>/dev/null; true";
    let call = json!({"command": line}).to_string();
    // Fewer descriptors than there are directories in one another.
    let limited = ["-c", "ulimit -Sn 256; exec \"$0\" tool run_command \"$1\" -c \"$2\"", PROGRAM, &call];
    let output = Command::new("/bin/sh").args(limited).arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let scratch = text.trim().trim_start_matches("Success\n\nSTDOUT:\n");
    assert!(scratch.starts_with('/') && !scratch.contains('\n'), "{text}");
    assert!(!Path::new(scratch).exists(), "{}", String::from_utf8_lossy(&output.stderr));
}
