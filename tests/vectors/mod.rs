//! Conformance vectors, a line of JSON each. They lie beside the project, in `../shared/conformance`; a clone without them
//! says so.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

/// Checks the vectors of a file; `None` is for one that others check. It is given as a value and as it is written. `least`
/// guards against vectors that vanish unseen.
pub fn check_all(file: &str, least: usize, check: impl Fn(&Value, &str) -> Option<Result<(), String>>) {
    let Some(path) = shared(file) else { return };
    let vectors = fs::read_to_string(path).unwrap();
    let (mut failures, mut run) = (vec![], 0);
    for line in vectors.lines().filter(|line| !line.trim().is_empty()) {
        let vector: Value = serde_json::from_str(line).unwrap();
        let Some(result) = check(&vector, line) else { continue };
        run += 1;
        failures.extend(result.err().map(|why| format!("{}: {why}", vector["id"])));
    }
    assert!(failures.is_empty() && run >= least, "{run} run\n{}", failures.join("\n"));
}

/// What lies beside the project by this name, if anything does.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance").join(name);
    if !path.exists() {
        // Written past the test's captured output, so that it is seen.
        writeln!(io::stderr().lock(), "absent, so not run: {}", path.display()).unwrap();
        return None;
    }
    Some(path)
}
