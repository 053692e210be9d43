//! Ids of calls: the model's own where it wrote one, else `call_` and 24 random alphanumerics.
//! Random enough that no two meet; not a secret.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Makes ids; each reply has its own, with keys of its own.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    keys: RandomState,
    made: u64,
    /// The models' own that were told.
    told: HashSet<String>,
}

/// A longer one is none: clients keep ids, and send them back.
const ID_BYTES_MAX: usize = 256;

impl Ids {
    /// Whether a model's own id tells its call from all others of the reply, which from now on it does.
    pub(super) fn is_new(&mut self, id: &str) -> bool {
        !id.trim().is_empty() && id.len() <= ID_BYTES_MAX && self.told.insert(id.to_owned())
    }

    /// Appends a new id.
    pub fn write(&mut self, out: &mut String) {
        self.made += 1;
        out.push_str("call_");
        // A hash has 64 bits, eight characters need 48: three hashes make the 24.
        for part in 0..3_u8 {
            let mut bits = self.keys.hash_one((self.made, part));
            for _ in 0..8 {
                let digit = usize::try_from(bits % 62).unwrap_or_default();
                out.extend(ALPHANUMERICS.get(digit).copied().map(char::from));
                bits /= 62;
            }
        }
    }
}

const ALPHANUMERICS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_their_form_and_do_not_repeat() {
        let mut seen = HashSet::new();
        for _ in 0..10 {
            let mut ids = Ids::default();
            for _ in 0..1000 {
                let mut id = String::new();
                ids.write(&mut id);
                let random = id.strip_prefix("call_").unwrap();
                assert!(random.len() == 24 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
                assert!(seen.insert(id));
            }
        }
    }

    #[test]
    fn a_models_id_is_told_once() {
        let mut ids = Ids::default();
        let long = "x".repeat(ID_BYTES_MAX + 1);
        let told = ["f:0", "", " ", "f:1", "f:0", &long, "f:2"].map(|id| ids.is_new(id));
        assert_eq!(told, [true, false, false, true, false, false, true]);
        assert!(Ids::default().is_new("f:0"), "each reply has its own");
    }
}
