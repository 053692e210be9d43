//! Tools that run on the server: the directories in which they work, and what they may do there.
//! Opens none; `workspace` does.

use std::path::{Component, Path, PathBuf};

use super::commands::{Code, Commands};
use super::fields::Reader;
use super::mistake::Place;
use super::read::{BYTES, FLAG};
use super::tool_servers::ToolServer;
use super::tree::{Node, Value};
use super::turns::{TurnLimits, TurnMemory};

/// What the configuration says of tools that run on the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    pub workspace: Workspace,
    pub commands: Commands,
    pub code: Code,
    pub limits: TurnLimits,
    pub memory: TurnMemory,
    /// Names under which clients reach the gateway, beside its addresses; a web page could have any other lead there.
    pub hosts: Vec<String>,
    /// MCP servers, each of its own name.
    pub servers: Vec<ToolServer>,
}

/// Where tools work on files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// The directory from which relative paths count; none means that there are no such tools. Beside the configuration's
    /// file, or a full path, as the others.
    pub root: Option<PathBuf>,
    /// More directories, which are named by full paths.
    pub roots: Vec<WorkspaceRoot>,
    /// Whether files beneath `root` may be changed.
    pub write: bool,
    /// Bytes of a file that is written or edited.
    pub file_bytes_max: usize,
}

/// One more directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceRoot {
    pub path: PathBuf,
    /// Whether files beneath it may be changed.
    pub write: bool,
}

impl Default for Workspace {
    fn default() -> Self {
        Self { root: None, roots: Vec::new(), write: false, file_bytes_max: 10 << 20 }
    }
}

impl Tools {
    /// The same, with paths that are no full ones from this folder on.
    #[must_use]
    pub fn beside(self, folder: &Path) -> Self {
        let workspace = self.workspace;
        let roots = workspace.roots.into_iter();
        let roots = roots.map(|root| WorkspaceRoot { path: folder.join(root.path), ..root }).collect();
        let root = workspace.root.map(|root| folder.join(root));
        Self { workspace: Workspace { root, roots, ..workspace }, ..self }
    }
}

/// What helps against [`within`].
pub(super) const BESIDE: &str = "commands could put another directory there: name directories beside each other";

impl Workspace {
    /// The directory that commands may write and that a path lies in, by its words.
    pub(super) fn writable_around(&self, path: &Path) -> Option<&Path> {
        self.all().filter(|(_, write)| *write).map(|(outer, _)| outer).find(|outer| lies_within(path, outer))
    }

    /// All directories, and whether each may be written.
    fn all(&self) -> impl Iterator<Item = (&Path, bool)> {
        let first = self.root.iter().map(|path| (path.as_path(), self.write));
        first.chain(self.roots.iter().map(|root| (root.path.as_path(), root.write)))
    }
}

/// What is wrong with a path in a directory that commands may write.
pub(super) fn within(inner: &Path, outer: &Path) -> String {
    format!("`{}` lies within `{}`, which commands may write", inner.display(), outer.display())
}

fn lies_within(inner: &Path, outer: &Path) -> bool {
    let plain =
        |path: &Path| path.components().filter(|component| *component != Component::CurDir).collect::<PathBuf>();
    inner.is_absolute() == outer.is_absolute() && plain(inner).starts_with(plain(outer))
}

pub(super) const TOOLS: &[&str] = &["workspace", "commands", "code", "servers", "limits", "memory", "hosts"];
pub(super) const WORKSPACE: &[&str] = &["root", "roots", "write", "file_bytes_max"];
pub(super) const WORKSPACE_ROOT: &[&str] = &["path", "write"];

impl Reader<'_> {
    pub(super) fn server_side_tools(&mut self, node: &Node) -> Tools {
        let Some(fields) = self.fields(node, "tools", TOOLS) else { return Tools::default() };
        let (workspace, places) = fields.find("workspace").map(|node| self.workspace(node)).unwrap_or_default();
        let commands = fields.find("commands").map(|node| self.commands(node, &workspace)).unwrap_or_default();
        let code = fields.find("code").map(|node| self.code(node)).unwrap_or_default();
        if commands.enabled || code.python.is_some() {
            self.refuse_nested(&workspace, &places);
        }
        let limits = fields.find("limits").map(|node| self.turn_limits(node)).unwrap_or_default();
        let memory = fields.find("memory").map(|node| self.turn_memory(node)).unwrap_or_default();
        let hosts = fields.find("hosts").map(|node| self.hosts(node)).unwrap_or_default();
        let servers = fields.find("servers").map(|node| self.tool_servers(node)).unwrap_or_default();
        Tools { workspace, commands, code, limits, memory, hosts, servers }
    }

    /// What is read of it, and where in the file each of its directories stands.
    fn workspace(&mut self, node: &Node) -> (Workspace, Vec<Place>) {
        let (mut workspace, mut places) = (Workspace::default(), Vec::new());
        let Some(fields) = self.fields(node, "workspace", WORKSPACE) else { return (workspace, places) };
        if let Some(node) = fields.find("root") {
            workspace.root = self.text(node, "root").map(PathBuf::from);
            places.extend(workspace.root.iter().map(|_| node.place));
        }
        if let Some(node) = fields.find("roots") {
            for node in self.items(node, "roots") {
                let root = self.workspace_root(node);
                places.extend(root.iter().map(|_| node.place));
                workspace.roots.extend(root);
            }
        }
        self.choose(&fields, "write", "write", FLAG, &mut workspace.write);
        self.set(&fields, "file_bytes_max", BYTES, &mut workspace.file_bytes_max);
        if fields.find("root").is_none() && (!workspace.roots.is_empty() || workspace.write) {
            let hint = "the directory from which relative paths count";
            self.mistake(node.place, "a workspace without `root`", hint);
        }
        (workspace, places)
    }

    /// Directories beneath one that commands may write are refused: whoever may move them leads to them elsewhere.
    /// Only words are compared here; where links lead, the cage finds out.
    fn refuse_nested(&mut self, workspace: &Workspace, places: &[Place]) {
        let all: Vec<_> = workspace.all().zip(places).enumerate().collect();
        for (number, ((inner, _), place)) in &all {
            let outer =
                all.iter().find(|(other, ((outer, write), _))| other != number && *write && lies_within(inner, outer));
            if let Some((_, ((outer, _), _))) = outer {
                self.mistake(**place, within(inner, outer), BESIDE);
            }
        }
    }

    fn workspace_root(&mut self, node: &Node) -> Option<WorkspaceRoot> {
        if let Value::Text(_) = &node.value {
            let path = self.text(node, "a root's path")?.into();
            return Some(WorkspaceRoot { path, write: false });
        }
        let fields = self.fields(node, "a root", WORKSPACE_ROOT)?;
        let mut write = false;
        self.choose(&fields, "write", "write", FLAG, &mut write);
        let Some(path) = fields.find("path") else {
            self.mistake(node.place, "a root without `path`", "as in /srv/notes");
            return None;
        };
        Some(WorkspaceRoot { path: self.text(path, "a root's path")?.into(), write })
    }
}
