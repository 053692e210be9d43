//! Walls: links that are swapped in meanwhile, pipes that nobody writes to, files without an end.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

use super::*;

/// Rounds of calls while links are swapped; without the walls some ten of them would do.
const ROUNDS: usize = 400;

#[test]
fn links_that_are_swapped_in_lead_nowhere() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    fs::write(folder.outside("secret.txt"), "TOPSECRET\n").unwrap();
    folder.write("d/in.txt", "inside\n");
    folder.write("d/secret.txt", "inside\n");
    folder.write("f", "inside\n");
    symlink(folder.0.join("outside"), folder.root("l")).unwrap();
    symlink("../outside/secret.txt", folder.root("k")).unwrap();
    let swap = |a: &str, b: &str| {
        renameat_with(CWD, folder.root(a), CWD, folder.root(b), RenameFlags::EXCHANGE).unwrap();
    };
    let is_over = AtomicBool::new(false);
    let calls = [
        ("read_file", json!({"file_path": "d/secret.txt"})),
        ("read_file", json!({"file_path": "f"})),
        ("write_file", json!({"file_path": "d/new.txt", "content": "new"})),
        ("write_file", json!({"file_path": "d/secret.txt", "content": "inside"})),
        ("write_file", json!({"file_path": "f", "content": "inside\n"})),
        ("edit_file", json!({"file_path": "d/secret.txt", "old_string": "i", "new_string": "I"})),
        ("list_directory", json!({"path": "d", "recursive": true})),
        ("list_directory", json!({"path": ".", "recursive": true})),
        ("glob_files", json!({"pattern": "**/*.txt", "path": "d"})),
        ("glob_files", json!({"pattern": "**/*.txt"})),
        ("grep_search", json!({"pattern": "TOP.*", "path": "d"})),
        ("grep_search", json!({"pattern": "TOP.*", "path": "f"})),
        ("grep_search", json!({"pattern": "TOP.*"})),
    ];
    let (mut done, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                swap("d", "l");
                swap("f", "k");
            }
        });
        for round in 0..ROUNDS {
            for (tool, arguments) in &calls {
                let outcome = run(&workspace, tool, arguments);
                is_over.fetch_or(outcome.text.contains("TOPSECRET"), Ordering::Relaxed);
                assert!(!outcome.text.contains("TOPSECRET"), "{tool} {arguments}: {}", outcome.text);
                done += usize::from(!outcome.is_error);
                refused += usize::from(outcome.text.starts_with("Permission denied: "));
            }
            // Directories that are made find their way as files do.
            run(&workspace, "write_file", &json!({"file_path": format!("d/{round}/x"), "content": "new"}));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let left: Vec<_> =
        fs::read_dir(folder.0.join("outside")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["secret.txt"], "something was written outside");
    assert_eq!(fs::read_to_string(folder.outside("secret.txt")).unwrap(), "TOPSECRET\n");
    // Both were met: the directory, and the link in its place.
    assert!(done > ROUNDS && refused > ROUNDS / 10, "{done} done, {refused} refused");
}

#[test]
fn a_pipe_holds_nobody_up() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    mknodat(CWD, folder.root("p"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    mknodat(CWD, folder.root(".gitignore"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.root("s")).unwrap();
    let (sender, receiver) = mpsc::channel();
    let calls = [
        ("read_file", json!({"file_path": "p"}), "Error: Path is not a file: p"),
        ("read_file", json!({"file_path": "s"}), "Error: Path is not a file: s"),
        ("edit_file", json!({"file_path": "p", "old_string": "a", "new_string": "b"}), "Error: Path is not a file: p"),
        ("write_file", json!({"file_path": "p", "content": "a"}), "Error writing file: p is not a file"),
        ("list_directory", json!({"path": "p"}), "Error: Path is not a directory: p"),
        ("glob_files", json!({"pattern": "*", "path": "p"}), "Error: Path is not a directory: p"),
        ("glob_files", json!({"pattern": "*"}), "No files found matching pattern: *"),
        ("grep_search", json!({"pattern": "a", "path": "p"}), "Error: Path is not a file: p"),
        ("grep_search", json!({"pattern": "a"}), "No matches found for pattern: a"),
    ];
    // On a thread of its own, so that a test that hangs fails.
    thread::spawn(move || {
        for (tool, arguments, expected) in calls {
            let said = text(&workspace, tool, &arguments);
            if sender.send((said, expected)).is_err() {
                return;
            }
        }
    });
    for _ in 0..9 {
        let (said, expected) = receiver.recv_timeout(Duration::from_secs(20)).expect("a call hangs");
        assert_eq!(said, expected);
    }
}

#[test]
fn a_file_without_an_end_costs_no_memory() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    let sparse = |name: &str, head: &str| {
        folder.write(name, head);
        fs::File::options().append(true).open(folder.root(name)).unwrap().set_len(10 << 30).unwrap();
    };
    sparse("nothing", "");
    sparse("text", &"a line\n".repeat(2_000));
    let before = peak_kib();
    let soon = |tool: &str, arguments: Value| {
        workspace.run(tool, &arguments.to_string(), Instant::now() + Duration::from_millis(800)).text
    };
    let binary = "Error: File is binary (10737418240 bytes): nothing";
    assert_eq!(soon("read_file", json!({"file_path": "nothing"})), binary);
    let read = soon("read_file", json!({"file_path": "text", "limit": 1}));
    assert_eq!(read, "     1\ta line\n\n[Showing lines 1-1 of more than 2001 total]\n\n[Stopped after 10 s]");
    let read = soon("read_file", json!({"file_path": "text", "offset": 2001}));
    assert!(read.ends_with("...[truncated]\n\n[Stopped after 10 s]"), "{read:.200}");
    let found = soon("grep_search", json!({"pattern": "line", "path": "text"}));
    assert!(found.ends_with("[Found 100 matches in 1 files searched]"), "{found:.200}");
    let found = soon("grep_search", json!({"pattern": "nowhere", "context_lines": 3}));
    assert!(found.starts_with("No matches found for pattern: nowhere"), "{found:.200}");
    let edit = soon("edit_file", json!({"file_path": "text", "old_string": "a", "new_string": "b"}));
    assert!(edit.starts_with("Error: File is too large to edit (10737418240 bytes;"), "{edit}");
    let grown = peak_kib() - before;
    assert!(grown < 200 << 10, "{grown} KiB");
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Whatever mistake is made before it.
#[test]
fn who_works_on_files_can_open_nothing_else() {
    let folder = Folder::new();
    let workspace = folder.workspace();
    let secret = folder.outside("secret.txt");
    fs::write(&secret, "TOPSECRET\n").unwrap();
    folder.write("f", "inside\n");
    let (inside, new) = (folder.root("f"), folder.outside("new.txt"));
    let tried = workspace.behind_the_wall(|| {
        let refused = |result: std::io::Result<()>| result.map_err(|error| error.raw_os_error());
        let read = refused(fs::read(&secret).map(drop));
        (read, refused(fs::write(&secret, "")), refused(fs::write(&new, "")), fs::read_to_string(&inside).ok())
    });
    let denied = Err(Some(rustix::io::Errno::ACCESS.raw_os_error()));
    assert_eq!(tried.unwrap(), (denied, denied, denied, Some("inside\n".to_owned())));
    // It is that thread's alone.
    assert_eq!(fs::read_to_string(&secret).unwrap(), "TOPSECRET\n");
}
