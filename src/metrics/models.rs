//! Model labels: which names of models may become labels.
//! A client can name any model.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use super::names::Names;

/// Longer names are a mistake or an attack.
const NAME_BYTES_MAX: usize = 128;
/// Servers that load and unload models list all that lie on their disks.
const LISTED_MAX: usize = 100;

/// The names that are known.
#[derive(Debug, Default)]
pub struct Models {
    configured: RwLock<Configured>,
    learnt: Names,
}

#[derive(Debug, Default)]
struct Configured {
    names: BTreeSet<String>,
    learnt_max: usize,
}

impl Models {
    /// From here on `names`, in lower case, are labels whatever happens, and so many others as are answered for.
    pub fn configure(&self, names: impl IntoIterator<Item = String>, learnt_max: usize) {
        let configured = Configured { names: names.into_iter().collect(), learnt_max };
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = configured;
    }

    /// The label for a model that a request names. A new name is learnt when a server has answered for it, if it may
    /// be.
    pub fn label<'a>(&self, model: &'a str, code: u16) -> Cow<'a, str> {
        self.known(model, |configured| if (200..300).contains(&code) { configured.learnt_max } else { 0 })
    }

    /// The label for a model that a server lists. That is nobody's invention, so it is learnt, as one of so many.
    pub fn listed<'a>(&self, model: &'a str) -> Cow<'a, str> {
        self.known(model, |configured| configured.learnt_max.max(LISTED_MAX))
    }

    fn known<'a>(&self, model: &'a str, learnt_max: impl FnOnce(&Configured) -> usize) -> Cow<'a, str> {
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner);
        let name = model.to_lowercase();
        if configured.names.contains(&name) {
            return Cow::Owned(name);
        }
        let learnt_max = if model.len() <= NAME_BYTES_MAX { learnt_max(&configured) } else { 0 };
        Cow::Borrowed(self.learnt.label(model, learnt_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::names::OTHER;

    #[test]
    fn a_name_is_learnt_by_an_answer_and_only_so_many() {
        const LEARNT_MAX: usize = 100;
        let models = Models::default();
        assert_eq!(models.label("configured", 200), OTHER);
        models.configure(["configured".to_owned()], LEARNT_MAX);
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
        models.configure(["other-name".to_owned()], 0);
        let labels = ["real", "configured", "Other-Name"].map(|model| models.label(model, 200));
        assert_eq!(labels, ["real", OTHER, "other-name"]);
    }

    #[test]
    fn what_servers_list_is_learnt_and_only_so_much_of_it() {
        let models = Models::default();
        models.configure(["configured".to_owned()], 0);
        assert_eq!(models.label("real", 200), OTHER);
        assert_eq!([models.listed("real"), models.listed("Configured")], ["real", "configured"]);
        assert_eq!(models.label("real", 404), "real");
        for at in 1..LISTED_MAX {
            let name = format!("model-{at}");
            assert_eq!(models.listed(&name), name);
        }
        assert_eq!([models.listed("one-more"), models.listed(&"long".repeat(NAME_BYTES_MAX))], [OTHER, OTHER]);
    }
}
