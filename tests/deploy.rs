//! The configurations that come with the program are good: that of the image, and that of the README; and the units say
//! what they are to hold. Builds no image and starts no unit.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn check(config: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(["run", "-t", "-c"])
        .arg(config)
        .env("UPSTREAM", "http://192.168.1.10:8080")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_configuration_of_the_image_is_good() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/docker.yaml"));
}

#[test]
fn the_configuration_of_the_readme_is_good() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.yaml");
    fs::write(&file, yaml).unwrap();
    check(&file);
}

#[test]
fn unit_and_image_set_the_same_for_memory() {
    let read = |file| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let setting = "MALLOC_MMAP_THRESHOLD_=16384\n";
    assert!(read("conf/toolgate.service").contains(&format!("\nEnvironment={setting}")));
    assert!(read("Dockerfile").contains(&format!("\nENV {setting}")));
}

/// The value of the last line of a unit that sets a key, and the number of such lines.
fn settings(unit: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(unit)).unwrap();
    let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}

#[test]
fn the_units_of_the_cage_hold_what_the_program_cannot() {
    let service = "toolgate-cage@.service";
    for (key, value) in [
        ("PrivateNetwork", "yes"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("KillMode", "control-group"),
        ("ProtectSystem", "strict"),
        ("PrivateTmp", "yes"),
        ("PrivateIPC", "yes"),
        ("User", "toolgate-cage"),
        ("StandardInput", "socket"),
        ("RestrictNamespaces", "yes"),
    ] {
        assert_eq!(settings(service, key), [value], "{key}");
    }
    let number = |key: &str| settings(service, key)[0].trim_end_matches('M').parse::<u64>().unwrap();
    // Beyond what the program stops at, so that it can say why.
    assert!(number("RuntimeMaxSec") > toolgate::tooling::TIMEOUT_SECONDS_MAX + 30);
    assert!(number("MemoryMax") << 20 > toolgate::config::Commands::default().memory_bytes_max);
    assert!(number("TasksMax") > u64::from(toolgate::config::Commands::default().processes_max));
    assert_eq!(settings("toolgate-cage.socket", "Accept"), ["yes"]);
    let connections = settings("toolgate-cage.socket", "MaxConnections")[0].parse::<usize>().unwrap();
    assert!(connections > toolgate::config::Commands::default().concurrent_max);
    // What is started is a command that there is, and its configuration in the unit is good.
    let words = settings(service, "ExecStart")[0].replace("/usr/local/bin/toolgate", env!("CARGO_BIN_EXE_toolgate"));
    let words: Vec<&str> = words.split(' ').collect();
    assert_eq!(words[1..], ["cage", "-c", "/etc/toolgate/cage.yaml"]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cage");
    fs::create_dir_all(folder.join("project")).unwrap();
    let unit = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(service)).unwrap();
    let yaml: String = unit
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .skip_while(|line| *line != "tools:")
        .fold("pools: [{name: none, peers: [http://127.0.0.1:9]}]\n".to_owned(), |text, line| text + line + "\n");
    let file = folder.join("cage.yaml");
    fs::write(&file, yaml.replace("/srv/project", folder.join("project").to_str().unwrap())).unwrap();
    let output = Command::new(words[0]).args(["cage", "-t", "-c"]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "the sandbox holds\n", "{output:?}");
}
