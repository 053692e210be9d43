//! The dialects that are compiled in, and a user's own beside them.

use std::sync::{Arc, LazyLock, OnceLock};

use crate::scan::MarkerError;

use super::{Dialect, Glob, Spec, Suffixes, suffix, union};

/// Why a dialect file was refused.
#[derive(Debug, thiserror::Error)]
pub enum DialectError {
    #[error("{0}")]
    Yaml(String),
    #[error("dialect `{dialect}`: {reason}")]
    Markers { dialect: String, reason: MarkerError },
    #[error("dialect `{dialect}`: nothing names the tool: the payload `header` has no `name`")]
    Nameless { dialect: String },
    #[error("dialect `{dialect}`: the payload `json` has no `arguments`, and its name is no `key`")]
    Void { dialect: String },
}

/// The dialects that can be named.
#[derive(Clone, Debug)]
pub struct Dialects {
    dialects: Vec<Arc<Dialect>>,
    /// Made when it is first asked for, and the same for all clones.
    union: Arc<OnceLock<Option<Arc<Dialect>>>>,
}

/// What a model is told of which nothing is known: it need not have been trained for tools.
const FALLBACK: &str = "json-envelope";

/// The files of `conf/dialects`, which `build.rs` lists.
const BUILTIN: &[&str] = include!(concat!(env!("OUT_DIR"), "/dialects.rs"));

impl Dialects {
    /// Those that are compiled in.
    pub fn builtin() -> Self {
        static COMPILED: LazyLock<Dialects> = LazyLock::new(|| {
            let dialects = BUILTIN.iter().filter_map(|yaml| Dialects::parse(yaml).ok()).map(Arc::new).collect();
            Dialects { dialects, union: Arc::default() }
        });
        COMPILED.clone()
    }

    /// Reads one dialect file.
    pub fn parse(yaml: &str) -> Result<Dialect, DialectError> {
        let spec = Spec::read(&yaml.replace(suffix::HOLE, ""))?;
        let suffixes = spec.suffix.as_ref().map(|begins| Suffixes::new(yaml, begins)).transpose()?;
        Dialect::compile(spec, suffixes)
    }

    /// The file of a built-in dialect, for whoever wants to write one.
    pub fn source(name: &str) -> Option<&'static str> {
        BUILTIN.iter().copied().find(|yaml| Self::parse(yaml).is_ok_and(|dialect| dialect.name() == name))
    }

    /// Adds a dialect, or replaces the one of its name.
    pub fn add(&mut self, dialect: Dialect) {
        self.dialects.retain(|d| d.name() != dialect.name());
        self.dialects.push(Arc::new(dialect));
        self.union = Arc::default();
    }

    /// The dialect of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<Dialect>> {
        self.dialects.iter().find(|d| d.name() == name)
    }

    /// What a model of an unknown family is told, read together with what all families write. Takes long the first time.
    pub fn union(&self) -> Option<&Arc<Dialect>> {
        let union = || {
            let own = self.get(FALLBACK)?;
            union::of(own, self.dialects.iter().map(|dialect| &**dialect)).ok().map(Arc::new)
        };
        self.union.get_or_init(union).as_ref()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Dialect>> + Clone {
        self.dialects.iter()
    }

    /// The dialect whose detection rules match a chat template.
    pub fn by_template(&self, template: &str) -> Option<&Arc<Dialect>> {
        let matches = |d: &Dialect| {
            d.spec().detect.template.iter().any(|all| !all.is_empty() && all.iter().all(|s| template.contains(s)))
        };
        self.dialects.iter().filter(|d| matches(d)).min_by_key(|d| d.spec().detect.order)
    }

    /// The dialect that a model's name suggests, for servers that show no template.
    pub fn by_model(&self, model: &str) -> Option<&Arc<Dialect>> {
        let matches = |d: &Dialect| d.spec().detect.models.iter().any(|glob| Glob::new(glob).matches(model));
        self.dialects.iter().filter(|d| matches(d)).min_by_key(|d| d.spec().detect.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_suggests_a_dialect() {
        let dialects = Dialects::builtin();
        let table = [
            (
                "hermes",
                &["Qwen/Qwen3-8B", "qwen3:8b", "Qwen3.gguf", "qwen3-next-80b", "Qwen2.5-7B", "Hermes-4", "QwQ-32B"][..],
            ),
            (
                "qwen3-coder",
                &["qwen3.5-35b", "Qwen/Qwen3.6-27B", "qwen3.7", "Qwen3.8:27b", "qwen3.10-max", "unsloth/Qwen-3.7-GGUF"],
            ),
            (
                "qwen3-coder",
                &["Qwen4-30B", "qwen5", "Qwen3-Coder-480B", "Qwen3-Coder-Next", "nemotron-3-nano", "MiMo-V2-Flash"],
            ),
            ("gemma4", &["google/gemma-4-31B-it", "gemma4:e4b"]),
            ("llama3-json", &["Llama-3.1-8B", "llama3.3:70b"]),
        ];
        for (dialect, names) in table {
            for name in names {
                assert_eq!(dialects.by_model(name).map(|d| d.name()), Some(dialect), "{name}");
            }
        }
        assert!(dialects.by_model("phi-4").is_none());
    }

    #[test]
    fn every_builtin_loads() {
        for yaml in BUILTIN {
            if let Err(e) = Dialects::parse(yaml) {
                panic!("{}: {e}", yaml.lines().next().unwrap_or_default());
            }
        }
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/dialects")).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        let dialects = Dialects::builtin();
        assert_eq!(dialects.iter().map(|d| d.name()).collect::<Vec<_>>(), names);
    }
}
