//! A cage service: another process, or another machine's worth of walls, behind a socket.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use toolgate::cage::{Cage, CageError};
use toolgate::config::{Sandbox, Tools};

use crate::harness::{Folder, PROGRAM, Process, block_on, cage, command, printed, processes_at_least, python};

/// `toolgate cage --listen`, ended with this.
struct Service {
    process: Child,
    socket: PathBuf,
}

impl Service {
    fn start(folder: &Folder, sandbox: &str, more: &str) -> Self {
        let socket = folder.path.join("cage.sock");
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new(PROGRAM);
        command.args(["cage", "--listen"]).arg(&socket).arg("-c").arg(folder.file(sandbox, more));
        let process = command.stderr(Stdio::piped()).spawn().unwrap();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            std::thread::yield_now();
        }
        Self { process, socket }
    }

    /// Leaves it so many descriptors more than it has.
    fn leave_descriptors(&self, more: usize) {
        let open = fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap();
        let numbers = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap());
        let taken: BTreeSet<u64> = numbers.collect();
        self.limit_descriptors((0..).filter(|number| !taken.contains(number)).nth(more).unwrap());
    }

    fn limit_descriptors(&self, most: u64) {
        let limit = Rlimit { current: Some(most), maximum: getrlimit(Resource::Nofile).maximum };
        prlimit(Some(Pid::from_child(&self.process)), Resource::Nofile, limit).unwrap();
    }

    /// Sends an order as no gateway would, and gives what was reported of it.
    fn order(&self, order: &Value) -> Value {
        let mut connection = UnixStream::connect(&self.socket).unwrap();
        let text = order.to_string();
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        connection.write_all(&[&b"c"[..], &length, text.as_bytes()].concat()).unwrap();
        let mut answer = Vec::new();
        // An order that nobody has read resets the connection once its answer is read.
        let _ = connection.read_to_end(&mut answer);
        let length = usize::try_from(u32::from_be_bytes(answer[..4].try_into().unwrap())).unwrap();
        serde_json::from_slice::<Value>(&answer[4..4 + length]).unwrap()[0].take()
    }

    fn tools(&self, folder: &Folder) -> Tools {
        folder.tools(&Sandbox::Service(self.socket.clone()))
    }

    fn cage(&self, folder: &Folder) -> Cage {
        cage(&self.tools(folder))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_service_runs_what_it_is_asked_to() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let service = Service::start(&folder, sandbox, "");
        let cage = service.cage(&folder);
        block_on(cage.prove()).unwrap();
        assert_eq!(printed(&cage, "echo a > f; cat f; pwd"), format!("a\n{}\n", folder.root().display()), "{sandbox}");
        assert_eq!(python(&cage, "print(6 * 7)"), "42\n", "{sandbox}");
        let text = block_on(command(&cage, "cat ../outside/secret; exit 3")).text;
        assert!(
            text.starts_with("Failed (exit code 3)\n\nSTDERR:\n") && !text.contains("TOPSECRET"),
            "{sandbox}: {text}"
        );
        let text = block_on(command(&cage, "yes")).text;
        assert_eq!(text, "Error: Command was stopped: it wrote more than 8388608 bytes", "{sandbox}");
    }
}

#[test]
fn a_service_s_command_ends_when_nobody_waits_for_it() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let service = Service::start(&folder, sandbox, "");
        let cage = service.cage(&folder);
        let begun = folder.root().join("begun");
        let found: Vec<Process> = block_on(async {
            tokio::select! {
                outcome = command(&cage, "(setsid sleep 600.21 &); touch begun; sleep 600.21") => panic!("{outcome:?}"),
                found = async {
                    while !begun.exists() {
                        tokio::task::yield_now().await;
                    }
                    processes_at_least(2, "sleep 600.21")
                } => found,
            }
        });
        found.iter().for_each(Process::wait);
        std::fs::remove_file(begun).unwrap();
    }
}

/// More than it has places for wait for one.
#[test]
fn a_service_has_as_many_places_as_its_configuration_says() {
    let folder = Folder::new();
    let service = Service::start(&folder, "landlock", ", concurrent_max: 1");
    let cage = service.cage(&folder);
    let line = "mkdir taken || exit 1; n=0; while [ $n -lt 3000 ]; do n=$((n+1)); done; rmdir taken";
    block_on(async {
        let all = tokio::join!(command(&cage, line), command(&cage, line), command(&cage, line), command(&cage, line));
        let all = [all.0, all.1, all.2, all.3];
        assert!(all.iter().all(|outcome| !outcome.is_error), "{all:?}");
    });
}

/// What is asked for does not widen what the service has.
#[test]
fn a_service_s_walls_are_its_own() {
    let folder = Folder::new();
    let service = Service::start(&folder, "landlock", ", network: true");
    let error = block_on(service.cage(&folder).prove()).unwrap_err();
    let CageError::Holes(holes) = &error else { panic!("{error}") };
    assert!(holes.iter().any(|hole| hole == "a TCP address can be connected to"), "{error}");
    let mut tools = service.tools(&folder);
    tools.workspace.root = Some(folder.outside());
    assert!(block_on(command(&cage(&tools), "cat secret")).is_error);
}

/// Nor does what stands in the environment of whoever starts it.
#[test]
fn a_service_s_environment_is_its_configuration_s() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let service = Service::start(&folder, sandbox, ", env: {OWN: own}");
        let mut tools = service.tools(&folder);
        tools.commands.env = vec![("FOREIGN".to_owned(), "foreign".to_owned())];
        let names = printed(&cage(&tools), "echo $OWN; env | cut -d= -f1 | sort | tr '\\n' ' '");
        assert_eq!(names, "own\nHOME OWN PATH PWD TMPDIR ", "{sandbox}");
    }
}

/// As a socket unit does it that accepts for each connection a process of its own.
#[test]
fn a_connection_in_place_of_an_input_is_served_once() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let file = folder.file(sandbox, "");
        let socket = folder.path.join("accept.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let accepting = std::thread::spawn(move || {
            let (connection, _) = listener.accept().unwrap();
            let mut command = Command::new(PROGRAM);
            command.args(["cage", "-c"]).arg(file).stdin(Stdio::from(OwnedFd::from(connection)));
            command.status().unwrap()
        });
        let cage = cage(&folder.tools(&Sandbox::Service(socket)));
        assert_eq!(printed(&cage, "echo once"), "once\n", "{sandbox}");
        assert!(accepting.join().unwrap().success(), "{sandbox}");
    }
}

/// A connection that cannot be served is that one's misfortune.
#[test]
fn a_service_that_lacks_something_for_a_moment_goes_on() {
    let folder = Folder::new();
    let mut service = Service::start(&folder, "landlock", "");
    let cage = service.cage(&folder);
    let mut said = BufReader::new(service.process.stderr.take().unwrap()).lines().map(Result::unwrap);
    // All who have looked whether it is there have been served by then.
    assert_eq!(printed(&cage, "echo run"), "run\n");
    // One to accept it with, two to answer it with.
    for more in [1, 2] {
        service.leave_descriptors(more);
        assert!(block_on(command(&cage, "echo run")).is_error, "{more}");
        assert!(said.any(|line| line.contains("a connection was not served: Too many open files")), "{more}");
    }
    service.leave_descriptors(2);
    let reported = service.order(&json!({}));
    assert!(reported["NotStarted"]["Sandbox"].as_str().unwrap().contains("Too many open files"), "{reported}");
    service.leave_descriptors(0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| printed(&cage, "echo run"));
        // Two of the others; the next is of the one that waits.
        assert!(said.by_ref().take(2).all(|line| line.contains("Too many open files")));
        service.limit_descriptors(1_024);
        assert_eq!(waiting.join().unwrap(), "run\n");
    });
}

#[test]
fn a_service_holds_an_order_to_what_there_is() {
    let folder = Folder::new();
    for sandbox in ["namespaces", "landlock"] {
        let service = Service::start(&folder, sandbox, "");
        let order = |root: Option<PathBuf>| {
            let task = json!({"Shell": "exit 3"});
            json!({"task": task, "root": root, "directory": ".", "timeout_seconds": u64::MAX})
        };
        assert_eq!(service.order(&order(None)), json!({"Ended": {"Exit": 3}}), "{sandbox}");
        assert_eq!(service.order(&order(Some(folder.root()))), json!({"Ended": {"Exit": 3}}), "{sandbox}");
        for root in ["/", "/usr"].map(PathBuf::from).into_iter().chain([folder.outside(), folder.path.clone()]) {
            let reported = service.order(&order(Some(root.clone())));
            let expected = format!("{} is no directory of its workspace", root.display());
            assert_eq!(reported, json!({"NotStarted": {"Sandbox": expected}}), "{sandbox}");
        }
    }
}

#[test]
fn a_service_removes_no_file_but_a_socket_that_is_left() {
    let folder = Folder::new();
    let path = folder.path.join("cage.sock");
    fs::write(&path, "kept").unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["cage", "--listen"]).arg(&path).arg("-c").arg(folder.file("landlock", ""));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen on"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    fs::remove_file(&path).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    let mut served = command.stderr(Stdio::null()).spawn().unwrap();
    while UnixStream::connect(&path).is_err() {
        std::thread::yield_now();
    }
    served.kill().unwrap();
    served.wait().unwrap();
}

/// What it would not hold to, it does not take.
#[test]
fn a_service_has_no_list_of_allowed_commands() {
    let folder = Folder::new();
    let file = folder.file("landlock", ", allow: [echo]");
    for arguments in [&["cage", "-t", "-c"][..], &["cage", "-c"]] {
        let output = Command::new(PROGRAM).args(arguments).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("`allow` is for those who ask a cage service"));
    }
}

#[test]
fn a_service_asks_no_other() {
    let folder = Folder::new();
    let file = folder.file("unix:/nowhere/cage.sock", "");
    let output = Command::new(PROGRAM).args(["cage", "-c"]).arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is for those who ask a cage service"));
}
