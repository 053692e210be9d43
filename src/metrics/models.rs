//! Which names of models may become labels.
//! A client can name any model.

use std::collections::BTreeSet;

use super::names::{Names, OTHER};

/// Models that were not configured by name and still get a label. Past that the numbers are of no use to anybody.
const LEARNT_MAX: usize = 100;
/// Longer names are a mistake or an attack.
const NAME_BYTES_MAX: usize = 128;

/// The names that are known.
#[derive(Debug)]
pub struct Models {
    configured: BTreeSet<String>,
    learnt: Names,
}

impl Models {
    /// `configured` names are labels whatever happens; in lower case, as globs are.
    pub fn new(configured: impl IntoIterator<Item = String>) -> Self {
        Self { configured: configured.into_iter().collect(), learnt: Names::new(LEARNT_MAX) }
    }

    /// The label for a model. A new name is learnt when a server has answered for it.
    pub fn label<'a>(&'a self, model: &'a str, code: u16) -> &'a str {
        if let Some(configured) = self.configured.get(&model.to_lowercase()) {
            return configured;
        }
        if self.learnt.is_known(model) {
            return model;
        }
        if !(200..300).contains(&code) || model.len() > NAME_BYTES_MAX {
            return OTHER;
        }
        self.learnt.label(model)
    }
}

impl Default for Models {
    fn default() -> Self {
        Self::new([])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_learnt_by_an_answer_and_only_so_many() {
        let models = Models::new(["configured".to_owned()]);
        assert_eq!(models.label("Configured", 404), "configured");
        assert_eq!(models.label("nonsense", 404), OTHER);
        assert_eq!(models.label("real", 200), "real");
        assert_eq!(models.label("real", 500), "real");
        assert_eq!(models.label(&"long".repeat(NAME_BYTES_MAX), 200), OTHER);
        for at in 1..LEARNT_MAX {
            let name = format!("model-{at}");
            assert_eq!(models.label(&name, 200), name);
        }
        assert_eq!(models.label("one-more", 200), OTHER);
        assert_eq!((models.label("real", 200), models.label("configured", 200)), ("real", "configured"));
    }
}
