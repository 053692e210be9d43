//! Commands and code that run on the server: whether they do, in which sandbox, and within which limits.
//! Opens no sandbox; `cage` does.

use std::path::{Path, PathBuf};

use super::fields::{Fields, Reader};
use super::read::FLAG;
use super::tree::{Node, Value};
use super::workspace::{BESIDE, Workspace, within};
use crate::tooling::{AllowList, TIMEOUT_SECONDS_MAX};

/// Commands that models may have run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    /// Whether there is `run_command`; the rest holds for `run_code`, too.
    pub enabled: bool,
    pub sandbox: Sandbox,
    /// What commands may begin with; without any, a shell runs whatever it is.
    pub allow: AllowList,
    /// What the sandbox shows besides the workspace, to be read and run. Full paths.
    pub read: Vec<PathBuf>,
    /// All of what is in the environment, but for `PATH`, `HOME` and `TMPDIR`.
    pub env: Vec<(String, String)>,
    pub network: bool,
    /// Bytes of memory of all processes of a command, and of each.
    pub memory_bytes_max: u64,
    /// Threads of all processes of a command.
    pub processes_max: u32,
    /// How long a command may take that does not say.
    pub timeout_seconds: u64,
    /// Commands at once; others wait.
    pub concurrent_max: usize,
}

/// What holds commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// Namespaces, by bubblewrap.
    Namespaces,
    /// The system's Landlock, in the gateway's own namespaces.
    Landlock,
    /// A cage service, at this socket.
    Service(PathBuf),
}

/// Programs that models write and have run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The interpreter of Python and its arguments, before the file. None where the configuration says nothing of it.
    pub python: Option<Vec<String>>,
}

impl Default for Commands {
    fn default() -> Self {
        Self {
            enabled: false,
            sandbox: Sandbox::Namespaces,
            allow: AllowList::default(),
            read: ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives"].map(PathBuf::from).to_vec(),
            env: vec![("LANG".to_owned(), "C.UTF-8".to_owned())],
            network: false,
            memory_bytes_max: 1 << 30,
            processes_max: 120,
            timeout_seconds: 120,
            concurrent_max: 4,
        }
    }
}

pub(super) const COMMANDS: &[&str] = &[
    "enabled",
    "sandbox",
    "allow",
    "read",
    "env",
    "network",
    "memory_bytes_max",
    "processes_max",
    "timeout_seconds",
    "concurrent_max",
];
pub(super) const CODE: &[&str] = &["python"];

/// Variables that the sandbox sets itself.
const OWN_VARIABLES: [&str; 3] = ["PATH", "HOME", "TMPDIR"];
const SANDBOX_HINT: &str = "namespaces, landlock, or unix:PATH of a cage service's socket";

impl Reader<'_> {
    pub(super) fn commands(&mut self, node: &Node, workspace: &Workspace) -> Commands {
        let mut commands = Commands::default();
        let Some(fields) = self.fields(node, "commands", COMMANDS) else { return commands };
        self.choose(&fields, "enabled", "enabled", FLAG, &mut commands.enabled);
        if let Some(sandbox) = fields.find("sandbox").and_then(|node| self.sandbox(node)) {
            commands.sandbox = sandbox;
        }
        if let Some(node) = fields.find("allow") {
            commands.allow = self.allow(node);
        }
        if let Some(node) = fields.find("read") {
            let items = self.items(node, "read");
            commands.read = items.iter().filter_map(|node| self.readable(node, workspace)).collect();
        }
        if let Some(node) = fields.find("env") {
            commands.env = self.variables(node);
        }
        self.choose(&fields, "network", "network", FLAG, &mut commands.network);
        self.command_limits(&fields, &mut commands);
        commands
    }

    fn command_limits(&mut self, fields: &Fields<'_>, commands: &mut Commands) {
        // Less than the least would not start a shell; more than the most is no limit.
        self.set(fields, "memory_bytes_max", 16 << 20..=1 << 44, &mut commands.memory_bytes_max);
        self.set(fields, "processes_max", 1..=100_000, &mut commands.processes_max);
        self.set(fields, "timeout_seconds", 1..=TIMEOUT_SECONDS_MAX, &mut commands.timeout_seconds);
        self.set(fields, "concurrent_max", 1..=1_024, &mut commands.concurrent_max);
    }

    pub(super) fn code(&mut self, node: &Node) -> Code {
        let Some(fields) = self.fields(node, "code", CODE) else { return Code::default() };
        let python = fields.find("python").map(|node| {
            let items = self.items(node, "python");
            if let Some(program) = items.first() {
                self.full_path(program, "python");
            }
            items.iter().filter_map(|node| self.text(node, "python").map(str::to_owned)).collect()
        });
        Code { python }
    }

    fn sandbox(&mut self, node: &Node) -> Option<Sandbox> {
        let text = self.text(node, "sandbox")?;
        match (text, text.strip_prefix("unix:")) {
            ("namespaces", _) => return Some(Sandbox::Namespaces),
            ("landlock", _) => return Some(Sandbox::Landlock),
            (_, Some(path)) if Path::new(path).is_absolute() => return Some(Sandbox::Service(path.into())),
            _ => self.mistake(node.place, format!("unknown sandbox `{text}`"), SANDBOX_HINT),
        }
        None
    }

    fn allow(&mut self, node: &Node) -> AllowList {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            return AllowList::default();
        }
        let mut prefixes = Vec::new();
        for item in self.items(node, "allow") {
            let Some(prefix) = self.text(item, "an allowed command") else { continue };
            match AllowList::new([prefix]) {
                Ok(_) => prefixes.push(prefix),
                Err(error) => self.mistake(item.place, format!("allow: {error}"), "as in \"git status\""),
            }
        }
        AllowList::new(prefixes).unwrap_or_default()
    }

    fn full_path(&mut self, node: &Node, key: &str) -> Option<PathBuf> {
        let text = self.text(node, key)?;
        if !text.starts_with('/') {
            self.mistake(node.place, format!("{key}: `{text}` is no full path"), "one that begins with /");
            return None;
        }
        Some(text.into())
    }

    fn readable(&mut self, node: &Node, workspace: &Workspace) -> Option<PathBuf> {
        let path = self.full_path(node, "read")?;
        if let Some(outer) = workspace.writable_around(&path) {
            self.mistake(node.place, format!("read: {}", within(&path, outer)), BESIDE);
        }
        Some(path)
    }

    fn variables(&mut self, node: &Node) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for (key, value) in self.entries(node, "env", "names and values, as in {LANG: C.UTF-8}") {
            let name = &key.name;
            if name.is_empty() || name.contains(['=', '\0']) {
                self.mistake(key.place, format!("env: `{name}` is no variable's name"), "as in LANG");
            } else if OWN_VARIABLES.contains(&name.as_str()) {
                self.mistake(key.place, format!("env: `{name}` is the sandbox's own"), "leave it out");
            } else if let Some(text) = self.text(value, &format!("env: {name}")) {
                if text.contains('\0') {
                    self.mistake(value.place, format!("env: {name} has a NUL in it"), "leave it out");
                }
                variables.push((name.clone(), text.to_owned()));
            }
        }
        variables
    }
}
