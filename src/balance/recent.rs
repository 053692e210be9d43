//! Bounded map: a map that forgets what was not used for long, and so is bounded.
//! Does not order its entries: it keeps two generations of them and drops the older one whole.

use std::collections::HashMap;
use std::hash::Hash;

/// At most `max` entries; those of the last `max / 2` that were touched are always among them.
#[derive(Clone, Debug)]
pub struct Recent<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Copy, V> Recent<K, V> {
    /// An empty one. A `max` under 2 counts as 2.
    pub fn new(max: usize) -> Self {
        Self { half: (max / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// Looks without touching.
    pub fn peek(&self, key: K) -> Option<&V> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    /// The value for a key, made when there is none, and counted as used now.
    pub fn touch(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            let kept = self.old.remove(&key);
            self.old = std::mem::take(&mut self.young);
            self.old.extend(kept.map(|value| (key, value)));
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_else(make))
    }

    /// How many entries are kept, those of the older generation included.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(8);
        for key in 0_u32..100 {
            recent.touch(key, || key);
            assert_eq!(*recent.touch(0, || 0), 0);
            assert!(recent.len() <= 8, "{} entries", recent.len());
            assert!((key.saturating_sub(2)..=key).all(|key| recent.peek(key) == Some(&key)));
        }
        assert_eq!(recent.peek(0), Some(&0));
        assert_eq!(recent.peek(50), None);
    }

    #[test]
    fn a_touched_value_is_kept_not_made_again() {
        let mut recent = Recent::new(2);
        recent.touch(1, || "first");
        recent.touch(2, || "second");
        assert_eq!(*recent.touch(1, || "again"), "first");
    }
}
