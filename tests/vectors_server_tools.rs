//! The conformance vectors of tools that run on the server, each through the built program: `toolgate tool NAME JSON`.
//!
//! They lie beside the project, in `../shared/conformance`; a clone without them says so.
//! Those that need a sandbox are run in each of both that there are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

mod vectors;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

/// What has to be there for a vector.
const SANDBOX: &str = "sandbox";

#[test]
fn calls_answer_as_the_vectors_say() {
    vectors::check_all("server-tools.jsonl", 117, |vector, _| {
        assert!(vector["needs"].is_null() || vector["needs"] == SANDBOX, "{}", vector["needs"]);
        Some(check(vector, "namespaces"))
    });
}

#[test]
fn commands_answer_in_landlock_as_in_namespaces() {
    vectors::check_all("server-tools.jsonl", 19, |vector, _| {
        (vector["needs"] == SANDBOX).then(|| check(vector, "landlock"))
    });
}

/// A folder of its own for a vector, removed with it: the root, and what lies beside it.
struct Folder {
    path: PathBuf,
    /// What commands are not to reach.
    listener: TcpListener,
    gateway: Child,
}

impl Folder {
    fn new(id: &str) -> Self {
        let name = format!("toolgate-{id}-{}", std::process::id());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        // Any process of the same user will do.
        let gateway = Command::new("sleep").arg("600").spawn().unwrap();
        let folder = Self { path: std::env::temp_dir().join(name), listener, gateway };
        let _ = fs::remove_dir_all(&folder.path);
        fs::create_dir_all(folder.root()).unwrap();
        fs::create_dir_all(folder.outside()).unwrap();
        folder
    }

    fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    fn outside(&self) -> PathBuf {
        self.path.join("outside")
    }

    /// A text with the folder's own paths in it.
    fn filled(&self, text: &str) -> String {
        let text = text.replace("{ROOT}", self.root().to_str().unwrap());
        let text = text.replace("{OUTSIDE}", self.outside().to_str().unwrap());
        let text = text.replace("{PORT}", &self.listener.local_addr().unwrap().port().to_string());
        text.replace("{GATEWAY_PID}", &self.gateway.id().to_string())
    }

    fn make(&self, files: &Value, into: &Path) {
        for (name, file) in files.as_object().into_iter().flatten() {
            self.make_one(&into.join(name), file, into);
        }
    }

    fn make_one(&self, path: &Path, file: &Value, into: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(target) = file["symlink"].as_str() {
            return symlink(self.filled(target), path).unwrap();
        }
        if file["fifo"] == true {
            return mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
        if let Some(names) = file["names"].as_str() {
            let into = into.join(file["into"].as_str().unwrap());
            fs::create_dir_all(&into).unwrap();
            (0..file["times"].as_u64().unwrap()).for_each(|n| fs::write(into.join(numbered(names, n)), "").unwrap());
            return;
        }
        fs::write(path, bytes(file)).unwrap();
        if let Some(mode) = file["mode"].as_str() {
            fs::set_permissions(path, fs::Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap())).unwrap();
        }
        if let Some(seconds) = file["mtime"].as_u64() {
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::options().append(true).open(path).unwrap().set_modified(changed).unwrap();
        }
    }

    /// The configuration of a vector, which says only what it is about.
    fn configuration(&self, config: &Value, sandbox: &str) -> PathBuf {
        let mut tools = json!({"workspace": {"root": "{ROOT}"}});
        for (key, value) in config.as_object().into_iter().flatten() {
            match key.as_str() {
                "commands" | "code" => tools[key] = value.clone(),
                _ => tools["workspace"][key] = value.clone(),
            }
        }
        tools["commands"]["sandbox"] = sandbox.into();
        let pools = json!([{"name": "a", "peers": ["http://127.0.0.1:9"]}]);
        let text = self.filled(&json!({"pools": pools, "tools": tools}).to_string());
        let path = self.path.join("toolgate.yaml");
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

/// `{n}` and `{n:03}` in a text.
fn numbered(text: &str, n: u64) -> String {
    text.replace("{n}", &n.to_string()).replace("{n:03}", &format!("{n:03}"))
}

fn bytes(file: &Value) -> Vec<u8> {
    if let Some(hex) = file["hex"].as_str() {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        return pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    }
    if let Some(repeat) = file["repeat"].as_str() {
        return (0..file["times"].as_u64().unwrap()).map(|n| numbered(repeat, n)).collect::<String>().into();
    }
    file["text"].as_str().or(file.as_str()).unwrap().into()
}

fn check(vector: &Value, sandbox: &str) -> Result<(), String> {
    let mut folder = Folder::new(&format!("{}-{sandbox}", vector["id"].as_str().unwrap()));
    folder.make(&vector["files"], &folder.root());
    folder.make(&vector["outside"], &folder.outside());
    let configuration = folder.configuration(&vector["config"], sandbox);
    let arguments = vector["arguments_text"].as_str().map_or_else(|| vector["arguments"].to_string(), str::to_owned);

    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
    command.args(["tool", vector["tool"].as_str().unwrap(), &folder.filled(&arguments), "-c"]).arg(configuration);
    command.envs(vector["env"].as_object().into_iter().flatten().map(|(name, value)| (name, value.as_str().unwrap())));
    let output = command.output().unwrap();
    let took = begun.elapsed();

    let expect = &vector["expect"];
    let text = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    // A fork bomb may end either way.
    let is_open = expect["error"].is_null() && expect["result"].is_null();
    let codes = if is_open { &[0, 1][..] } else { &[i32::from(expect["error"] == true)] };
    let mut wrong = Vec::new();
    if !output.status.code().is_some_and(|code| codes.contains(&code)) {
        wrong.push(format!("{} instead of {codes:?}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    if expect["max_ms"].as_u64().is_some_and(|most| took > Duration::from_millis(most)) {
        wrong.push(format!("took {took:?}"));
    }
    wrong.extend(result_mistakes(&folder, &text, &expect["result"]));
    wrong.extend(file_mistakes(&folder, expect));
    wrong.extend(what_is_left(&mut folder, expect));
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n  {text:.400}", wrong.join("; "))) }
}

/// What is wrong with a result.
fn result_mistakes(folder: &Folder, text: &str, expect: &Value) -> Vec<String> {
    let known = ["equals", "starts", "ends", "contains", "lacks", "lines", "lines_contain", "max_chars"];
    let lines: BTreeSet<&str> = text.lines().collect();
    let mut wrong = Vec::new();
    for (key, value) in expect.as_object().into_iter().flatten() {
        assert!(known.contains(&key.as_str()), "{key}");
        let texts = || value.as_array().unwrap().iter().map(|text| folder.filled(text.as_str().unwrap()));
        let one = || folder.filled(value.as_str().unwrap());
        let is_right = match key.as_str() {
            "equals" => text == one(),
            "starts" => text.starts_with(&one()),
            "ends" => text.ends_with(&one()),
            "contains" => texts().all(|part| text.contains(&part)),
            "lacks" => !texts().any(|part| text.contains(&part)),
            "lines" => texts().collect::<BTreeSet<_>>() == lines.iter().map(ToString::to_string).collect(),
            "lines_contain" => texts().all(|line| lines.contains(line.as_str())),
            _ => text.chars().count() <= usize::try_from(value.as_u64().unwrap()).unwrap(),
        };
        wrong.extend((!is_right).then(|| format!("{key} {value:.200}")));
    }
    wrong
}

/// What is wrong with the processes that are left, and what was reached.
fn what_is_left(folder: &mut Folder, expect: &Value) -> Vec<String> {
    let known = [
        "error",
        "result",
        "files",
        "outside_files",
        "modes",
        "names",
        "no_process",
        "no_process_named",
        "no_connection",
        "gateway_alive",
        "max_ms",
    ];
    let mut wrong: Vec<String> = Vec::new();
    for (key, value) in expect.as_object().into_iter().flatten() {
        assert!(known.contains(&key.as_str()), "{key}");
        let is_right = match (key.as_str(), value.as_str()) {
            ("no_process" | "no_process_named", Some(text)) => !command_lines().iter().any(|line| line.contains(text)),
            ("no_connection", _) => folder.listener.accept().is_err(),
            ("gateway_alive", _) => folder.gateway.try_wait().unwrap().is_none() == (value == true),
            _ => true,
        };
        wrong.extend((!is_right).then(|| format!("{key} {value}")));
    }
    wrong
}

/// Of all processes but this one.
fn command_lines() -> Vec<String> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap());
    let others = entries.filter(|entry| entry.file_name().to_str() != Some(&own));
    let lines = others.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

/// What is wrong with the files that are left.
fn file_mistakes(folder: &Folder, expect: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, base) in [("files", folder.root()), ("outside_files", folder.outside())] {
        for (name, file) in expect[key].as_object().into_iter().flatten() {
            let found = fs::read(base.join(name)).ok();
            let expected = (!file.is_null()).then(|| bytes(file));
            wrong.extend((found != expected).then(|| format!("{key} {name}: {found:?}")));
        }
    }
    for (name, mode) in expect["modes"].as_object().into_iter().flatten() {
        let found = fs::metadata(folder.root().join(name)).map(|metadata| metadata.permissions().mode() & 0o7777);
        let found = found.map(|mode| format!("{mode:o}")).unwrap_or_default();
        wrong.extend((mode != &found).then(|| format!("mode of {name}: {found}")));
    }
    if let Some(names) = expect["names"].as_array() {
        let names: BTreeSet<_> = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        let found = fs::read_dir(folder.root()).unwrap();
        let found = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>();
        wrong.extend((names != found).then(|| format!("names {found:?}")));
    }
    wrong
}

/// What the command line says beside results.
#[test]
fn a_wrong_command_line_and_a_wrong_configuration_exit_with_two() {
    let folder = Folder::new("command-line");
    let good = folder.configuration(&json!({}), "namespaces");
    let bad = folder.path.join("bad.yaml");
    fs::write(&bad, "pools: []").unwrap();
    let gone = folder.path.join("gone.yaml");
    fs::write(&gone, fs::read_to_string(&good).unwrap().replace("/root", "/nowhere")).unwrap();
    let (good, bad, gone) = (good.to_str().unwrap(), bad.to_str().unwrap(), gone.to_str().unwrap());
    for (arguments, code, out) in [
        (&["tool", "list_directory"][..], 2, ""),
        (&["tool", "list_directory", "{}", "-c", bad], 2, ""),
        (&["tool", "list_directory", "{}", "-c", gone], 2, ""),
        (&["tool", "list_directory", "{}", "-c", "/nowhere/toolgate.yaml"], 2, ""),
        (&["tools", "-c", bad], 2, ""),
        (&["tool", "list_directory", "{}"], 1, "Error: Unknown tool 'list_directory'"),
        (&["tool", "list_directory", r#"{"path": "", "pattern": ""}"#, "-c", good], 0, "Directory is empty"),
        (&["tools"], 0, "no tools: "),
        (&["tools", "-c", good], 0, "read_file\n    Reads a text file."),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_toolgate")).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text.starts_with(out) && (text.is_empty() == out.is_empty()), "{arguments:?}: {text}");
        assert_eq!(output.stderr.is_empty(), code < 2, "{arguments:?}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_toolgate")).args(["tools", "--json", "-c", good]).output().unwrap();
    let tools: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> =
        tools.as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["read_file", "list_directory", "glob_files", "grep_search"]);
}
