//! The workspace on real files: what calls do, and the walls that none gets over, whatever happens meanwhile.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, Workspace, write};
use crate::config;
use crate::tooling::{Failure, Outcome};

mod walls;

/// A root with a directory beside it, removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("toolgate-workspace-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("root")).unwrap();
        fs::create_dir_all(folder.join("outside")).unwrap();
        Self(folder)
    }

    fn root(&self, name: &str) -> PathBuf {
        self.0.join("root").join(name)
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.0.join("outside").join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.root(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn workspace(&self) -> Workspace {
        let settings =
            config::Workspace { root: Some(self.0.join("root")), write: true, ..config::Workspace::default() };
        Workspace::open(&settings).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(workspace: &Workspace, tool: &str, arguments: &Value) -> Outcome {
    workspace.run(tool, &arguments.to_string(), Instant::now() + PATIENCE)
}

fn text(workspace: &Workspace, tool: &str, arguments: &Value) -> String {
    run(workspace, tool, arguments).text
}

#[test]
fn roots_are_named_by_full_paths_and_say_what_may_be_written() {
    let folder = Folder::new();
    fs::create_dir_all(folder.root("notes")).unwrap();
    let roots = [("outside", false), ("root/notes", true)];
    let settings = config::Workspace {
        root: Some(folder.0.join("root")),
        roots: roots.map(|(path, write)| config::WorkspaceRoot { path: folder.0.join(path), write }).into(),
        ..config::Workspace::default()
    };
    let workspace = Workspace::open(&settings).unwrap();
    let write = |path: String| text(&workspace, "write_file", &json!({"file_path": path, "content": "x"}));
    let (note, file, other) = (folder.root("notes/a"), folder.root("b"), folder.outside("c"));
    let [note, file, other] = [note, file, other].map(|path| path.to_str().unwrap().to_owned());
    // The innermost root decides.
    assert_eq!(write(note.clone()), format!("Successfully wrote 1 bytes to {note}"));
    assert_eq!(write(file.clone()), format!("Error writing file: {file} may be read only"));
    assert_eq!(write("b".to_owned()), "Error writing file: b may be read only");
    assert_eq!(write(other.clone()), format!("Error writing file: {other} may be read only"));
    assert_eq!(write("../c".to_owned()), "Permission denied: Access denied: ../c is outside allowed directories");
    fs::write(&other, "one\n").unwrap();
    assert_eq!(text(&workspace, "read_file", &json!({"file_path": other})), "     1\tone");
    let directory = folder.0.join("outside").to_str().unwrap().to_owned();
    let found = text(&workspace, "grep_search", &json!({"pattern": "one", "path": directory}));
    assert_eq!(found, format!("{other}:1: one\n\n[Found 1 matches in 1 files searched]"));

    let nowhere = config::Workspace { root: Some("nowhere".into()), ..config::Workspace::default() };
    assert!(Workspace::open(&nowhere).unwrap_err().to_string().contains("nowhere"));
    assert_eq!(Workspace::open(&config::Workspace::default()).unwrap().tools().count(), 0);
}

#[test]
fn a_link_s_target_is_written_and_the_link_stays() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    folder.write("a/f.txt", "old");
    fs::set_permissions(folder.root("a/f.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a/f.txt", folder.root("link")).unwrap();
    symlink("../link", folder.root("a/chain")).unwrap();
    symlink("a/new.txt", folder.root("dangling")).unwrap();
    symlink("loop", folder.root("loop")).unwrap();
    symlink("a", folder.root("d")).unwrap();
    symlink(folder.outside("made.txt"), folder.root("out")).unwrap();
    symlink("../outside/made.txt", folder.root("up")).unwrap();
    symlink("../../outside", folder.root("a/far")).unwrap();
    for (path, expected) in [
        ("link", "Successfully wrote 3 bytes to link"),
        ("a/chain", "Successfully wrote 3 bytes to a/chain"),
        ("dangling", "Successfully wrote 3 bytes to dangling"),
        ("d/under/x", "Successfully wrote 3 bytes to d/under/x"),
        ("loop", "Error writing file: too many links: loop"),
        ("out", "Permission denied: Access denied: out is outside allowed directories"),
        ("up", "Permission denied: Access denied: up is outside allowed directories"),
        ("a/far/made.txt", "Permission denied: Access denied: a/far/made.txt is outside allowed directories"),
        (
            "no/../../outside/made.txt",
            "Permission denied: Access denied: no/../../outside/made.txt is outside allowed directories",
        ),
        ("..", "Permission denied: Access denied: .. is outside allowed directories"),
        ("a", "Error writing file: a is a directory"),
        (".", "Error writing file: . is a directory"),
        ("b/", "Error writing file: b/ is a directory"),
        ("link/x", "Error writing file: Not a directory: link/x"),
    ] {
        assert_eq!(text(&workspace, "write_file", &json!({"file_path": path, "content": "new"})), expected);
    }
    assert!(folder.root("link").is_symlink() && folder.root("dangling").is_symlink());
    assert_eq!(fs::read_to_string(folder.root("a/f.txt")).unwrap(), "new");
    assert_eq!(fs::metadata(folder.root("a/f.txt")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(fs::read_to_string(folder.root("a/new.txt")).unwrap(), "new");
    assert_eq!(fs::read_to_string(folder.root("a/under/x")).unwrap(), "new");
    assert_eq!(fs::read_dir(folder.0.join("outside")).unwrap().count(), 0);
    assert!(!folder.root("no").exists());
}

#[test]
fn nothing_is_written_over_what_changed_meanwhile() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    folder.write("f", "one");
    let place = workspace.roots.locate("f").unwrap();
    let target = write::Target::find(&place).unwrap();
    folder.write("f", "two");
    let changed = target.replace(&place, b"new", write::Expected::Bytes(b"one"));
    assert_eq!(changed, Err(Failure::Changed("f".to_owned())));
    assert_eq!(Failure::Changed("f".to_owned()).to_string(), "Error: File changed meanwhile: f");
    assert_eq!(fs::read_to_string(folder.root("f")).unwrap(), "two");
    assert_eq!(fs::read_dir(folder.root("")).unwrap().count(), 1, "nothing is left beside it");
    target.replace(&place, b"new", write::Expected::Bytes(b"two")).unwrap();
    assert_eq!(fs::read_to_string(folder.root("f")).unwrap(), "new");
}

#[test]
fn files_are_found_by_patterns_and_not_where_lines_leave_them_out() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    for name in ["a.js", "node_modules/b.js", "sub/c.js", "sub/d.log", "sub/keep.log", ".hid/e.js", "sub/.f.js"] {
        folder.write(name, "word\n");
    }
    folder.write(".gitignore", "node_modules/\n*.log\n");
    folder.write("sub/.gitignore", "!keep.log\n");
    symlink("sub", folder.root("link")).unwrap();
    symlink("sub/c.js", folder.root("link.js")).unwrap();
    for (arguments, expected) in [
        (json!({"pattern": "**/*.js"}), &["a.js", "sub/c.js"][..]),
        (json!({"pattern": "*.js", "path": "sub"}), &["sub/c.js"]),
        (json!({"pattern": "*.js", "path": "./sub/"}), &["./sub/c.js"]),
        (json!({"pattern": "**/*.js", "path": "link"}), &["link/c.js"]),
        (json!({"pattern": "**/*.log"}), &["sub/keep.log"]),
        (json!({"pattern": "*.log", "path": "sub"}), &["sub/keep.log"]),
        (json!({"pattern": "**/*.js", "include_ignored": true}), &["a.js", "node_modules/b.js", "sub/c.js"]),
        (json!({"pattern": "*.js", "path": "node_modules"}), &["node_modules/b.js"]),
        (json!({"pattern": ".hid/*"}), &[".hid/e.js"]),
        (json!({"pattern": "**/.*.js"}), &["sub/.f.js"]),
    ] {
        let found = text(&workspace, "glob_files", &arguments);
        let mut lines: Vec<&str> = found.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, expected, "{arguments}");
    }
    // A search sees every file: those that people look at first.
    let found = text(&workspace, "grep_search", &json!({"pattern": "^word$", "file_pattern": "*.js"}));
    let lines: Vec<&str> = found.lines().collect();
    let expected =
        ["a.js:1: word", "sub/c.js:1: word", "sub/.f.js:1: word", ".hid/e.js:1: word", "node_modules/b.js:1: word"];
    assert_eq!(lines[..5], expected);
    assert_eq!(lines[6], "[Found 5 matches in 5 files searched]");
}

#[test]
fn listings_end_at_their_depth_and_searches_at_their_matches() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    folder.write("1/2/3/4/5", "");
    let listed = text(&workspace, "list_directory", &json!({"path": ".", "recursive": true}));
    assert_eq!(listed, "[DIR]  1/\n[DIR]  1/2/\n[DIR]  1/2/3/\n[DIR]  1/2/3/4/");
    folder.write("crlf.txt", "one\r\n".repeat(150));
    let found = text(&workspace, "grep_search", &json!({"pattern": "one$", "path": "crlf.txt", "context_lines": 1}));
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines[..3], ["", "crlf.txt:", "> 1: one"]);
    assert_eq!(lines[101..], ["> 100: one", "", "[Found 100 matches in 1 files searched]"]);
    folder.write("late.txt", format!("{}end\n", "x\n".repeat(20_000)));
    let found = text(&workspace, "grep_search", &json!({"pattern": "end", "path": "late.txt"}));
    assert_eq!(found, "late.txt:20001: end\n\n[Found 1 matches in 1 files searched]");
}

#[test]
fn what_takes_too_long_ends_and_says_so() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    folder.write("a", "word\n");
    let late = Instant::now() - Duration::from_secs(1);
    let read = workspace.run("read_file", r#"{"file_path": "a"}"#, late);
    assert_eq!(read.text, "     1\tword\n\n[Stopped after 10 s]");
    for (tool, arguments) in [
        ("list_directory", r#"{"path": "."}"#),
        ("glob_files", r#"{"pattern": "*"}"#),
        ("grep_search", r#"{"pattern": "w"}"#),
    ] {
        let outcome = workspace.run(tool, arguments, late);
        assert!(outcome.text.ends_with("\n\n[Stopped after 10 s]") && !outcome.is_error, "{}", outcome.text);
    }
}
