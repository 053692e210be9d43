//! A workspace with something beside it, and cages to run commands in.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::json;
use toolgate::cage::Cage;
use toolgate::config::{Commands, Sandbox, Tools};
use toolgate::tooling::Outcome;
use toolgate::workspace::Workspace;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_toolgate");
pub const BOTH: [Sandbox; 2] = [Sandbox::Namespaces, Sandbox::Landlock];

/// A folder of a test's own, removed with it: `root`, the workspace, and `outside`, beside it.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("toolgate-cage-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = Self { path: std::env::temp_dir().join(name) };
        let _ = fs::remove_dir_all(&folder.path);
        fs::create_dir_all(folder.root()).unwrap();
        fs::create_dir_all(folder.outside()).unwrap();
        fs::write(folder.outside().join("secret"), "TOPSECRET").unwrap();
        folder
    }

    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    pub fn outside(&self) -> PathBuf {
        self.path.join("outside")
    }

    /// What a configuration says that lets anything be run, and anything be written in the workspace.
    pub fn tools(&self, sandbox: &Sandbox) -> Tools {
        let mut tools = Tools::default();
        tools.workspace.root = Some(self.root());
        tools.workspace.write = true;
        tools.commands = Commands { enabled: true, sandbox: sandbox.clone(), ..Commands::default() };
        tools
    }

    pub fn cage(&self, sandbox: &Sandbox) -> Cage {
        cage(&self.tools(sandbox))
    }

    /// A configuration file that says the same.
    pub fn file(&self, sandbox: &str, more: &str) -> PathBuf {
        let path = self.path.join("toolgate.yaml");
        let root = self.root();
        let text = format!(
            "pools: [{{name: a, peers: [http://127.0.0.1:9]}}]\ntools: {{workspace: {{root: {}, write: true}}, commands: \
             {{enabled: true, sandbox: '{sandbox}'{more}}}}}\n",
            root.display()
        );
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

pub fn cage(tools: &Tools) -> Cage {
    let workspace = Workspace::open(&tools.workspace).unwrap();
    Cage::open(tools, Arc::new(workspace)).with_program(PROGRAM.into())
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub async fn command(cage: &Cage, line: &str) -> Outcome {
    cage.run("run_command", &json!({"command": line}).to_string()).await
}

/// What a command prints that ends well.
pub fn printed(cage: &Cage, line: &str) -> String {
    let Outcome { text, is_error } = block_on(command(cage, line));
    assert!(!is_error, "{line}: {text}");
    text.trim_start_matches("Success\n\n").trim_start_matches("STDOUT:\n").to_owned()
}

/// What a program in Python prints that ends well.
pub fn python(cage: &Cage, text: &str) -> String {
    let call = json!({"language": "python", "code": text}).to_string();
    let Outcome { text, is_error } = block_on(cage.run("run_code", &call));
    assert!(!is_error, "{text}");
    text.trim_start_matches("Success\n\n").trim_start_matches("STDOUT:\n").to_owned()
}

/// Processes on whose command line a text stands.
pub fn processes(text: &str) -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let found = entries.filter(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
    });
    let pids = found.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let open = |pid: i32| pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok();
    pids.filter(|pid| *pid != std::process::id().cast_signed()).filter_map(open).map(Process).collect()
}

/// The same, once there are so many; a program that is being started has no command line for a moment.
pub fn processes_at_least(count: usize, text: &str) -> Vec<Process> {
    loop {
        match processes(text) {
            found if found.len() >= count => return found,
            _ => std::thread::yield_now(),
        }
    }
}

/// A process, whoever may get its number.
pub struct Process(OwnedFd);

impl Process {
    /// Ends it at once.
    pub fn kill(&self) {
        pidfd_send_signal(&self.0, Signal::KILL).unwrap();
    }

    /// Returns when it has ended.
    pub fn wait(&self) {
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None).unwrap();
    }
}
