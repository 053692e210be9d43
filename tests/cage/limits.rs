//! What a command may take: time, output, processes, memory, files, places.

use std::process::Command;

use serde_json::json;
use toolgate::config::Sandbox;
use toolgate::tooling::Outcome;

use crate::harness::{BOTH, Folder, PROGRAM, block_on, cage, command, printed, processes};

#[test]
fn a_fork_bomb_ends_with_its_command() {
    let folder = Folder::new();
    for (name, line) in [
        ("bomb-a", "bomb_a() { bomb_a | bomb_a & }; bomb_a; sleep 600"),
        // Each in a session of its own, so that no group is all of them.
        ("bomb-b", "while :; do setsid sleep 600.2 & done"),
    ] {
        for sandbox in BOTH {
            let call = json!({"command": line, "timeout": 2}).to_string();
            let mut tools = folder.tools(&sandbox);
            tools.commands.processes_max = 64;
            let outcome = block_on(cage(&tools).run("run_command", &call));
            // Either they are counted, or the system has refused more before.
            let is_counted = outcome.text.starts_with("Error: Command was stopped: it ran more than 64 processes");
            let is_held = is_counted || outcome.text.contains("Cannot fork");
            assert!(is_held, "{sandbox:?}: {name}: {:.300}", outcome.text);
            let left = processes("bomb_a").len() + processes("sleep 600.2").len();
            assert_eq!(left, 0, "{sandbox:?}: {name}");
        }
    }
}

#[test]
fn memory_is_of_all_processes_together() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.memory_bytes_max = 128 << 20;
        let held = cage(&tools);
        let Outcome { text, is_error } = block_on(command(&held, "python3 -c 'print(len(bytearray(1 << 28)))'"));
        assert!(is_error && text.contains("MemoryError"), "{sandbox:?}: {text}");
        // Each alone would be let be.
        let line =
            "for n in 1 2 3 4; do python3 -c 'import time; a = b\"x\" * (48 << 20); time.sleep(600)' & done; wait";
        let text = block_on(command(&held, line)).text;
        assert_eq!(text, "Error: Command was stopped: it used more than 134217728 bytes of memory", "{sandbox:?}");
    }
}

/// Where a process's memory is counted by its first thread, the others have none.
#[test]
#[cfg(target_arch = "x86_64")]
fn memory_is_counted_when_the_first_thread_has_ended() {
    let folder = Folder::new();
    // The system sets the cell to 0 when the thread has ended that has named it: set_tid_address, exit.
    let text = "import ctypes, threading, time\nc = ctypes.CDLL(None)\ncell = ctypes.c_int(1)\ndef hold():\n \
                while cell.value: time.sleep(0.001)\n a = b'x' * (48 << 20)\n time.sleep(600)\n\
                threading.Thread(target=hold).start()\nc.syscall(218, ctypes.byref(cell))\nc.syscall(60, 0)\n";
    std::fs::write(folder.root().join("hold.py"), text).unwrap();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.memory_bytes_max = 128 << 20;
        let line = "for n in 1 2 3 4; do python3 hold.py & done; wait; sleep 600";
        let call = json!({"command": line, "timeout": 5}).to_string();
        let text = block_on(cage(&tools).run("run_command", &call)).text;
        assert_eq!(text, "Error: Command was stopped: it used more than 134217728 bytes of memory", "{sandbox:?}");
    }
}

#[test]
fn files_in_memory_count_and_be_they_empty() {
    let folder = Folder::new();
    let mut tools = folder.tools(&Sandbox::Namespaces);
    tools.commands.memory_bytes_max = 48 << 20;
    for line in [
        "head -c 20M /dev/zero > $TMPDIR/a; head -c 11M /dev/zero > /dev/shm/a; \
         python3 -c 'a = b\"x\" * (24 << 20); import time; time.sleep(600)'",
        "python3 -c 'import os\nfor n in range(60000): os.mknod(os.environ[\"TMPDIR\"] + \"/\" + str(n))'",
    ] {
        let call = json!({"command": line, "timeout": 20}).to_string();
        let text = block_on(cage(&tools).run("run_command", &call)).text;
        assert_eq!(text, "Error: Command was stopped: it used more than 50331648 bytes of memory", "{line}");
    }
}

#[test]
fn threads_are_counted_as_processes_are() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.processes_max = 20;
        let text = "import threading, time\n\
                    for _ in range(30): threading.Thread(target=time.sleep, args=(600,)).start()";
        let call = json!({"language": "python", "code": text, "timeout": 3}).to_string();
        let text = block_on(cage(&tools).run("run_code", &call)).text;
        assert_eq!(text, "Error: Command was stopped: it ran more than 20 processes", "{sandbox:?}");
    }
}

/// Whom the system does not show to other processes: a program that may be run and not read. It takes root to have such
/// a `/proc` of its own, and somebody else for whom it hides anything; where there is neither, nothing is shown here.
#[test]
fn a_command_that_hides_from_whoever_counts_is_stopped() {
    let folder = Folder::new();
    let (program, root) = (folder.path.join("toolgate"), folder.root());
    std::fs::copy(PROGRAM, &program).unwrap();
    std::fs::copy("/bin/sleep", root.join("hidden")).unwrap();
    for path in [&root, &root.join("hidden")] {
        if std::os::unix::fs::chown(path, Some(65534), Some(65534)).is_err() {
            return;
        }
    }
    let file = folder.file("landlock", "");
    let script = "mount -t proc -o hidepid=2 proc /proc && \
                  exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" tool run_command \"$1\" -c \"$2\"";
    let run = |line: &str| {
        let call = json!({"command": line, "timeout": 3}).to_string();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-c", script]).arg(&program).args([&call]).arg(&file);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    match run("echo seen").as_str() {
        // It could not be mounted.
        "" => return,
        said => assert_eq!(said, "Success\n\nSTDOUT:\nseen\n"),
    }
    assert_eq!(run("chmod 111 hidden; ./hidden 600"), "Error: The sandbox does not work");
    assert!(processes("./hidden 600").is_empty());
}

#[test]
fn a_flood_is_stopped_and_what_is_shown_is_bounded() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        for line in ["yes", "yes >&2", "yes & yes >&2 & wait"] {
            let text = block_on(command(&cage, line)).text;
            assert_eq!(text, "Error: Command was stopped: it wrote more than 8388608 bytes", "{sandbox:?}: {line}");
        }
        let text = printed(&cage, "yes | head -c 8000000; echo end");
        assert!(text.ends_with("end\n\n\n[Output truncated at 30000 characters]"), "{sandbox:?}");
        assert!(text.chars().count() < 30_200, "{sandbox:?}");
    }
}

#[test]
fn a_file_has_a_largest_size_and_descriptors_a_most() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.memory_bytes_max = 64 << 20;
        let outcome = block_on(command(&cage(&tools), "truncate -s 100M big"));
        assert!(outcome.is_error && outcome.text.contains("File size limit exceeded"), "{sandbox:?}: {}", outcome.text);
        let own: i32 =
            String::from_utf8(Command::new("nice").output().unwrap().stdout).unwrap().trim().parse().unwrap();
        let expected = format!("1024\n0\n{}\n", (own + 10).min(19));
        assert_eq!(printed(&folder.cage(&sandbox), "ulimit -n; ulimit -c; nice"), expected, "{sandbox:?}");
    }
}

#[test]
fn time_is_the_call_s_or_the_configuration_s() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.timeout_seconds = 1;
        let cage = cage(&tools);
        let text = block_on(command(&cage, "echo begun; sleep 600.3")).text;
        assert_eq!(text, "Error: Command timed out after 1 seconds\n\nSTDOUT:\nbegun\n", "{sandbox:?}");
        let call = json!({"language": "python", "code": "while True: pass", "timeout": "1"}).to_string();
        let text = block_on(cage.run("run_code", &call)).text;
        assert_eq!(text, "Error: Command timed out after 1 seconds", "{sandbox:?}");
        // It stops itself, and then whoever waits for it.
        let text = block_on(command(&cage, "kill -STOP $$")).text;
        assert_eq!(text, "Error: Command timed out after 1 seconds", "{sandbox:?}");
        assert!(processes("sleep 600.3").is_empty(), "{sandbox:?}");
    }
}

#[test]
fn no_more_commands_run_at_once_than_there_are_places() {
    let folder = Folder::new();
    let mut tools = folder.tools(&Sandbox::Landlock);
    tools.commands.concurrent_max = 1;
    let cage = cage(&tools);
    let line = "mkdir taken || exit 1; n=0; while [ $n -lt 3000 ]; do n=$((n+1)); done; rmdir taken";
    block_on(async {
        let all = tokio::join!(command(&cage, line), command(&cage, line), command(&cage, line), command(&cage, line));
        let all = [all.0, all.1, all.2, all.3];
        assert!(all.iter().all(|outcome| !outcome.is_error), "{all:?}");
    });
}
