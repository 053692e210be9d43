//! Lists the files that are compiled in: all dialects of `conf/dialects` and all formats of `conf/formats`, by their
//! names.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    for kind in ["dialects", "formats"] {
        let folder = Path::new("conf").join(kind);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(&folder))? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort_by_key(|file| file.file_stem().map(PathBuf::from));
        let included: String = files.iter().map(|file| format!("include_str!({file:?}),\n")).collect();
        let list = Path::new(&env::var("OUT_DIR")?).join(kind).with_extension("rs");
        fs::write(list, format!("&[\n{included}]\n"))?;
    }
    Ok(())
}
