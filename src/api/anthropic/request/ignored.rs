//! Ignored: the fields of a request that have no effect, as a header of its answer can name them.
//! Names nothing whose absence nobody could notice.

/// The names, each once, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Ignored(Vec<String>);

impl Ignored {
    /// Adds a name. One that could not stand in a header is told as another field.
    pub(super) fn add(&mut self, name: &str) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let is_short = (1..=NAME_BYTES_MAX).contains(&name.len());
        let name = if is_short && name.bytes().all(is_plain) { name } else { "another field" };
        if self.0.len() < NAMES_MAX && !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// More would make a header that no client takes.
const NAMES_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_once_and_fits_into_a_header() {
        let mut ignored = Ignored::default();
        for name in ["citations", "a.b-c_1", "citations", "x\r\ny", "", "é", &"n".repeat(65)] {
            ignored.add(name);
        }
        assert_eq!(ignored.into_names(), ["citations", "a.b-c_1", "another field"]);
        let mut ignored = Ignored::default();
        (0..100).for_each(|at| ignored.add(&at.to_string()));
        assert_eq!(ignored.into_names().len(), NAMES_MAX);
    }
}
