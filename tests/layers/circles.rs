//! Imports among the files of one module: no circle, and between its rooms in one direction only.
//! A `mod.rs` that only declares and re-exports is a door: who imports a name of it imports the file that has the name.
//! Any other is a file like the rest. What tests import does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::paths::{Mention, Paths};
use super::report;
use super::source::{Literals, Source, code, sources};

/// The modules whose files import each other in no circle.
const WITHOUT_CIRCLE: [&str; 2] = ["gateway", "upstream"];

/// The rooms of a module, each of which imports only from those before it.
const ROOMS: [(&str, &[&str]); 1] = [("upstream", &["wire", "health", "fleet"])];

#[test]
fn the_files_of_a_module_import_each_other_in_no_circle() {
    let imports = Imports::of(&sources());
    let problems: Vec<_> = WITHOUT_CIRCLE.iter().flat_map(|module| imports.circles(module)).collect();
    report(&problems);
}

#[test]
fn the_rooms_of_a_module_import_in_one_direction() {
    let imports = Imports::of(&sources());
    let problems: Vec<_> = ROOMS.iter().flat_map(|(module, rooms)| imports.backwards(module, rooms)).collect();
    report(&problems);
}

#[test]
fn a_circle_is_told_whole() {
    for (files, expected) in [
        ("m/mod.rs: mod a; mod b; pub use a::A; | m/a.rs: use super::b::B; | m/b.rs:", ""),
        ("m/a.rs: use super::b::B; | m/b.rs: ; \n fn f(_: crate::m::a::A) {}", "m/a.rs:1 m/b.rs:2"),
        // Through a door, and through a name that leads to a module.
        ("m/mod.rs: pub use a::A; | m/a.rs: use super::b::B; | m/b.rs: use crate::m::A;", "m/a.rs:1 m/b.rs:1"),
        (
            "m/a.rs: use super::b; \n fn f() { b::c::g() } | m/b/mod.rs: pub mod c; | m/b/c.rs: use crate::m::{x, a::A};",
            "m/a.rs:2 m/b/c.rs:1",
        ),
        // A `mod.rs` that has code of its own.
        ("m/mod.rs: mod a; use a::A; pub struct M(A); | m/a.rs: use super::M;", "m/a.rs:1 m/mod.rs:1"),
        ("m/mod.rs: mod a; \n pub fn f() { a::g() } | m/a.rs: use super::f;", "m/a.rs:1 m/mod.rs:2"),
        // Tests, and words that are no paths.
        ("m/a.rs: use super::b::B; | m/b.rs: ;\n#[cfg(test)]\nmod tests { use super::super::a::A; }", ""),
        ("m/a.rs: use super::b::B; | m/b.rs: fn a(a: u8) -> u8 { a } // super::a::A", ""),
        // The shortest of them, and who else is in it.
        (
            "m/a.rs: use super::b::B; | m/b.rs: use super::c::C; \n use super::a::A; | m/c.rs: use super::a::A;",
            "m/a.rs:1 m/b.rs:2 (m/c.rs)",
        ),
    ] {
        let imports = Imports::of(&written(files));
        let circles: Vec<_> = imports.components("m").iter().map(Circle::short).collect();
        assert_eq!(circles.join(", "), expected, "{files}");
    }
}

#[test]
fn an_import_against_the_direction_is_told() {
    let files = "m/low/a.rs: use crate::m::high::b::B; | m/high/b.rs: use crate::m::low::c::C; | m/low/c.rs:";
    let problems = Imports::of(&written(files)).backwards("m", &["low", "high"]);
    assert_eq!(problems, ["src/m/low/a.rs:1 imports src/m/high/b.rs: of `m`, `low` may not import `high`"]);
}

/// Sources that a test writes, as `path: text | path: text`.
fn written(files: &str) -> Vec<Source> {
    let source = |file: &str| {
        let (path, text) = file.split_once(':').unwrap();
        Source::new(format!("src/{}", path.trim()), text.to_owned())
    };
    files.split(" | ").map(source).collect()
}

/// Who imports whom, file by file, and in which line first.
struct Imports {
    of: BTreeMap<String, BTreeMap<String, usize>>,
}

/// Files that import each other in circles.
struct Circle<'a> {
    /// The shortest of them: each file imports the next one, the last the first.
    shortest: Vec<(&'a str, usize)>,
    others: Vec<&'a str>,
}

impl Imports {
    fn of(sources: &[Source]) -> Self {
        let modules = Modules::of(sources);
        let mut of: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for file in modules.files.values().filter(|file| !file.is_door) {
            let imported = of.entry(file.path.clone()).or_default();
            for found in &file.found {
                let Some(target) = modules.file_of(file, found, 0).filter(|target| *target != file.path) else {
                    continue;
                };
                let first = imported.entry(target.to_owned()).or_insert(found.line);
                *first = found.line.min(*first);
            }
        }
        Self { of }
    }

    fn circles(&self, module: &str) -> Vec<String> {
        self.components(module).iter().map(|circle| circle.told(module)).collect()
    }

    /// Each set of files of a module of which every one leads to every other.
    fn components(&self, module: &str) -> Vec<Circle<'_>> {
        let mut circles: Vec<Circle<'_>> = Vec::new();
        let mut seen = BTreeSet::new();
        for file in self.of.keys().filter(|file| is_in(file, module)) {
            let reached = self.reached(file);
            if seen.contains(file.as_str()) || !reached.contains(file.as_str()) {
                continue;
            }
            let component: BTreeSet<_> =
                reached.into_iter().filter(|other| self.reached(other).contains(file.as_str())).collect();
            seen.extend(component.iter().copied());
            let ways = component.iter().filter_map(|start| self.shortest(start));
            let shortest = ways.min_by_key(Vec::len).unwrap();
            let others = component.iter().filter(|other| shortest.iter().all(|(file, _)| file != *other)).copied();
            circles.push(Circle { others: others.collect(), shortest });
        }
        circles
    }

    /// All that a file imports, and all that those import.
    fn reached(&self, file: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![file];
        while let Some(file) = next.pop() {
            for target in self.of.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(target.as_str()) {
                    next.push(target);
                }
            }
        }
        reached
    }

    /// The shortest way from a file back to itself.
    fn shortest(&self, start: &str) -> Option<Vec<(&str, usize)>> {
        let (start, _) = self.of.get_key_value(start)?;
        let mut ways = VecDeque::from([vec![(start.as_str(), 0)]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            let (last, _) = *way.last()?;
            for (target, line) in self.of.get(last).into_iter().flatten() {
                let mut way = way.clone();
                way.last_mut()?.1 = *line;
                if target == start {
                    return Some(way);
                }
                if seen.insert(target.as_str()) {
                    way.push((target, 0));
                    ways.push_back(way);
                }
            }
        }
        None
    }

    fn backwards(&self, module: &str, rooms: &[&str]) -> Vec<String> {
        let room = |file: &str| rooms.iter().position(|room| is_in(file, &format!("{module}/{room}")));
        let mut problems: Vec<String> = Vec::new();
        for room in rooms.iter().filter(|room| !self.of.keys().any(|file| is_in(file, &format!("{module}/{room}")))) {
            problems.push(format!("`{module}` has no room `{room}`"));
        }
        for (file, imports) in &self.of {
            for (target, line) in imports {
                if let (Some(from), Some(to)) = (room(file), room(target))
                    && to > from
                {
                    let why = format!("of `{module}`, `{}` may not import `{}`", rooms[from], rooms[to]);
                    problems.push(format!("{file}:{line} imports {target}: {why}"));
                }
            }
        }
        problems
    }
}

impl Circle<'_> {
    fn told(&self, module: &str) -> String {
        let mut told = format!("files of `{module}` import each other in a circle:");
        for (at, (file, line)) in self.shortest.iter().enumerate() {
            let (next, _) = self.shortest[(at + 1) % self.shortest.len()];
            told.push_str(&format!("\n    {file}:{line} imports {next}"));
        }
        if !self.others.is_empty() {
            told.push_str(&format!("\n  and in longer ones with {}", self.others.join(", ")));
        }
        told
    }

    fn short(&self) -> String {
        let name = |file: &str| file.trim_start_matches("src/").to_owned();
        let mut short: Vec<_> = self.shortest.iter().map(|(file, line)| format!("{}:{line}", name(file))).collect();
        short.extend(self.others.iter().map(|file| format!("({})", name(file))));
        short.join(" ")
    }
}

fn is_in(file: &str, folder: &str) -> bool {
    file.strip_prefix("src/")
        .and_then(|file| file.strip_prefix(folder))
        .is_some_and(|rest| rest.starts_with(['/', '.']))
}

/// Every file by the path of its module.
struct Modules {
    files: BTreeMap<Vec<String>, File>,
}

struct File {
    path: String,
    module: Vec<String>,
    found: Vec<Mention>,
    is_door: bool,
}

/// More names that lead to names are a circle of their own.
const DOORS_MAX: u32 = 8;

impl Modules {
    fn of(sources: &[Source]) -> Self {
        let files = sources.iter().filter(|source| source.code_lines() > 0).map(|source| {
            let file = File::read(source);
            (file.module.clone(), file)
        });
        Self { files: files.collect() }
    }

    /// The file that a path in another leads to, unless it is another crate's.
    fn file_of(&self, from: &File, found: &Mention, doors: u32) -> Option<&str> {
        let path = self.absolute(from, found)?;
        let known = |length: usize| Some((length, self.files.get(path.get(..length)?)?));
        let (length, file) = (0..=path.len()).rev().find_map(known)?;
        if !file.is_door {
            return Some(&file.path);
        }
        let import = file.import(path.get(length)?).filter(|_| doors < DOORS_MAX)?;
        self.file_of(file, import, doors + 1)
    }

    /// The path from the crate's root.
    fn absolute(&self, from: &File, found: &Mention) -> Option<Vec<String>> {
        if let Some(path) = found.absolute(&from.module) {
            return Some(path);
        }
        let (first, rest) = found.path.split_first()?;
        let child = [from.module.as_slice(), found.path.as_slice()].concat();
        if self.files.contains_key(child.get(..=from.module.len())?) {
            return Some(child);
        }
        let import = from.import(first).filter(|import| import.path.first() != Some(first))?;
        Some([self.absolute(from, import)?.as_slice(), rest].concat())
    }
}

impl File {
    fn read(source: &Source) -> Self {
        let code = code(&source.text, Literals::Drop);
        let code = code.lines().take(source.code_lines()).collect::<Vec<_>>().join("\n");
        let Paths { found, has_own_code } = Paths::read(&code);
        let is_door = !has_own_code && ["/mod.rs", "/lib.rs"].iter().any(|door| source.path.ends_with(door));
        Self { path: source.path.clone(), module: source.names(), found, is_door }
    }

    fn import(&self, name: &str) -> Option<&Mention> {
        self.found.iter().find(|found| found.name.as_deref() == Some(name))
    }
}
