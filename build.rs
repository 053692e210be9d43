//! Lists the files of the dialects that are compiled in: all that stand in `conf/dialects`, by their names.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const DIALECTS: &str = "conf/dialects";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DIALECTS}");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(DIALECTS);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort_by_key(|file| file.file_stem().map(PathBuf::from));
    let included: String = files.iter().map(|file| format!("include_str!({file:?}),\n")).collect();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("dialects.rs"), format!("&[\n{included}]\n"))?;
    Ok(())
}
