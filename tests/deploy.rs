//! The files that come with the program are right: it takes the configuration inside the image.
//! Builds no image and starts no unit.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::process::Command;

#[test]
fn the_configuration_of_the_image_is_valid() {
    let output = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(["run", "-t", "-c", concat!(env!("CARGO_MANIFEST_DIR"), "/conf/docker.yaml")])
        .env("UPSTREAM", "http://192.168.1.10:8080")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
