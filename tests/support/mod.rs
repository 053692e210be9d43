//! The goldens of answers, and how their events are written down.

use std::fs;
use std::path::{Path, PathBuf};

use toolgate::decode::{Ending, Finish};

use crate::fuzz::decode::{Case, Item};

/// A model's answer, and where its events are written down.
pub struct Golden {
    pub case: Case,
    pub text: String,
    pub events: PathBuf,
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
            goldens.push(Golden { case, text, events: path.with_extension("events") });
        }
    }
    goldens
}

/// One event a line, and the ending.
pub fn render(items: &[Item], ending: Ending) -> String {
    let mut lines: Vec<String> = items
        .iter()
        .map(|item| match item {
            Item::Text(text) => format!("text {text:?}"),
            Item::Reasoning(text) => format!("think {text:?}"),
            Item::Call { name, arguments, ended: true } => format!("call {name}\nargs {arguments:?}"),
            Item::Call { name, arguments, ended: false } => format!("call {name}\nargs {arguments:?} and no more"),
        })
        .collect();
    for (what, count) in [("repaired", ending.repaired), ("malformed", ending.malformed), ("rejected", ending.rejected)]
    {
        if count > 0 {
            lines.push(format!("{what} {count}"));
        }
    }
    lines.join("\n") + "\n"
}
