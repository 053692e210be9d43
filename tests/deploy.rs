//! The configurations that come with the program are good: that of the image, and that of the README.
//! Builds no image and starts no unit.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

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
