//! A sandbox is tried before anything is run in it, and what does not hold is an error.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use toolgate::cage::CageError;
use toolgate::config::Sandbox;

use crate::harness::{BOTH, Folder, PROGRAM, block_on, cage};

#[test]
fn a_sandbox_that_holds_is_proved() {
    let folder = Folder::new();
    for sandbox in BOTH {
        for network in [false, true] {
            let mut tools = folder.tools(&sandbox);
            tools.commands.network = network;
            block_on(cage(&tools).prove()).unwrap();
        }
    }
}

#[test]
fn a_sandbox_that_shows_everything_is_none() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.read = vec!["/".into()];
        let error = block_on(cage(&tools).prove()).unwrap_err().to_string();
        assert!(error.starts_with("tools.commands: no directory outside of the workspace"), "{sandbox:?}: {error}");
    }
}

#[test]
fn a_program_that_is_no_cage_holds_nothing() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let error = block_on(folder.cage(&sandbox).with_program("/bin/true".into()).prove()).unwrap_err();
        assert!(matches!(error, CageError::Broken(_)), "{sandbox:?}: {error}");
    }
}

#[test]
fn what_is_missing_is_an_error_and_nothing_weaker_is_taken() {
    let folder = Folder::new();
    for (sandbox, code) in [("unix:/nowhere/cage.sock", 1), ("namespaces", 1)] {
        let file = folder.file(sandbox, "");
        for arguments in [&["run", "-t", "-c"][..], &["run", "-c"]] {
            let mut command = Command::new(PROGRAM);
            // Bubblewrap is not there.
            let output = command.args(arguments).arg(&file).env("PATH", "/nowhere").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{said}");
            assert!(said.starts_with("toolgate: tools.commands: "), "{said}");
        }
        let call = ["tool", "run_command", r#"{"command": "echo run"}"#, "-c"];
        let output = Command::new(PROGRAM).args(call).arg(&file).env("PATH", "/nowhere").output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{sandbox}");
    }
    let mut tools = folder.tools(&Sandbox::Landlock);
    tools.code.python = Some(vec!["/nowhere/python".to_owned()]);
    let error = block_on(cage(&tools).prove()).unwrap_err().to_string();
    assert_eq!(error, "tools.code: python: `/nowhere/python` does not exist");
}

#[test]
fn what_is_refused_is_refused_without_a_sandbox_too() {
    let folder = Folder::new();
    let file = folder.file("namespaces", ", allow: [echo]");
    let run = |tool: &str, arguments: &str| {
        let mut command = Command::new(PROGRAM);
        let output = command.args(["tool", tool, arguments, "-c"]).arg(&file).env("PATH", "/nowhere").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let refused = "Error: Command not in allowlist. Allowed prefixes: ['echo']".to_owned();
    assert_eq!(run("run_command", r#"{"command": "echo $HOME"}"#), (Some(1), refused));
    let missing = "Error executing run_command: missing argument 'command'".to_owned();
    assert_eq!(run("run_command", "{}"), (Some(1), missing));
    assert_eq!(run("run_code", "{}"), (Some(1), "Error: Unknown tool 'run_code'".to_owned()));
    assert_eq!(run("run_command", r#"{"command": "echo"}"#), (Some(2), String::new()));
}

#[test]
fn a_good_configuration_is_good_with_commands_too() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let file: PathBuf = folder.file(sandbox, ", processes_max: 3");
        let output = Command::new(PROGRAM).args(["run", "-t", "-c"]).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let output = Command::new(PROGRAM).args(["cage", "-t", "-c"]).arg(&file).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "the sandbox holds\n");
        let output = Command::new(PROGRAM).args(["tools", "-c"]).arg(&file).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("\nrun_command\n    Runs a command"));
    }
}

#[test]
fn a_reload_is_held_to_the_same() {
    let folder = Folder::new();
    let file = folder.file("landlock", "");
    let configure = |sandbox: &str| {
        let text = std::fs::read_to_string(folder.file(sandbox, "")).unwrap();
        std::fs::write(&file, format!("listen: 127.0.0.1:0\n{text}")).unwrap();
    };
    configure("landlock");
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-c"]).arg(&file).env("RUST_LOG", "info").stderr(Stdio::piped());
    let mut gateway = command.spawn().unwrap();
    let mut lines = BufReader::new(gateway.stderr.take().unwrap()).lines().map(Result::unwrap);
    let reload = || kill_process(Pid::from_child(&gateway), Signal::HUP).unwrap();
    assert!(lines.any(|line| line.contains("listening on")));
    reload();
    assert!(lines.any(|line| line.contains("configuration was read again")));
    configure("unix:/nowhere/cage.sock");
    reload();
    assert!(lines.any(|line| line.contains("tools.commands: the sandbox does not work: /nowhere/cage.sock")));
    assert!(lines.any(|line| line.contains("the configuration stays as it was")));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
}
