//! The goldens of answers: what models write, a file each.

use std::fs;
use std::path::{Path, PathBuf};

use toolgate::decode::Finish;

use crate::fuzz::decode::Case;

/// A model's answer.
pub struct Golden {
    pub path: PathBuf,
    pub case: Case,
    pub text: String,
}

/// All goldens of all dialects: `tests/golden/DIALECT/answer-NAME.txt`. In a name that ends in `cut` generation was
/// cut off. The newline that ends a file is the editor's.
pub fn goldens() -> Vec<Golden> {
    let mut goldens = Vec::new();
    for dialect in toolgate::dialect::Dialects::builtin().iter() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(dialect.name());
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_stem().unwrap().to_str().unwrap();
            if !name.starts_with("answer-") || path.extension().is_none_or(|kind| kind != "txt") {
                continue;
            }
            let mut case = Case::new(dialect.name());
            if name.ends_with("cut") {
                case.finish = Finish::Cut;
            }
            let mut text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.pop(), Some('\n'), "{} ends in a newline", path.display());
            goldens.push(Golden { path, case, text });
        }
    }
    goldens
}
