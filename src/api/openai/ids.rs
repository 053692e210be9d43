//! Ids of calls: the model's own where it wrote one, else one in the dialect's form.
//! Random ones are random enough that no two meet; they are no secret.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;

use crate::chat::{IdForm, IdPart};
use crate::json::escape_into;

/// Makes ids; each reply has its own, with keys of its own.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    form: IdForm,
    keys: RandomState,
    made: u64,
    /// Calls that the conversation has.
    calls: usize,
    /// Ids that the conversation has, where they count.
    told: HashSet<String>,
}

/// A longer one is none: clients keep ids, and send them back.
const ID_BYTES_MAX: usize = 256;

impl Ids {
    /// Ids in a form, behind those that a conversation has: one for each call of its history.
    pub fn new(form: &IdForm, past: &[String]) -> Self {
        Self { form: form.clone(), calls: past.len(), told: past.iter().cloned().collect(), ..Self::default() }
    }

    /// Whether a model's own id tells its call from all others of the conversation, which from now on it does.
    pub fn is_new(&mut self, id: &str) -> bool {
        let is_new = !id.trim().is_empty() && id.len() <= ID_BYTES_MAX && self.told.insert(id.to_owned());
        self.calls += usize::from(is_new);
        is_new
    }

    /// Appends a new id for a call of this name, as it stands within quotes.
    pub fn write(&mut self, name: &str, out: &mut String) {
        match &self.form {
            IdForm::Call => {
                out.push_str("call_");
                self.write_letters(24, out);
            }
            IdForm::Letters(letters) => self.write_letters(*letters, out),
            IdForm::Text(parts) => {
                let text = |number| parts.iter().fold(String::new(), |text, part| write_part(text, part, name, number));
                let mut id = text(self.calls);
                // The model counts on its own, and may be ahead.
                while !self.told.insert(id.clone()) {
                    self.calls += 1;
                    id = text(self.calls);
                }
                escape_into(&id, out);
            }
        }
        self.calls += 1;
    }

    /// Appends a new id of an answer, as it stands within quotes.
    pub fn write_answer_id(&mut self, out: &mut String) {
        out.push_str("chatcmpl-");
        self.write_letters(24, out);
    }

    /// Appends so many random letters and digits.
    fn write_letters(&mut self, letters: usize, out: &mut String) {
        self.made += 1;
        let mut bits = 0;
        for at in 0..letters {
            // A hash has 64 bits, eight characters need 48.
            if at % 8 == 0 {
                bits = self.keys.hash_one((self.made, at));
            }
            let digit = usize::try_from(bits % 62).unwrap_or_default();
            out.extend(ALPHANUMERICS.get(digit).copied().map(char::from));
            bits /= 62;
        }
    }
}

fn write_part(mut text: String, part: &IdPart, name: &str, number: usize) -> String {
    match part {
        IdPart::Literal(literal) => text.push_str(literal),
        IdPart::Name => text.push_str(name),
        IdPart::Number => {
            // Writing to a string does not fail.
            let _ = write!(text, "{number}");
        }
    }
    text
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
                ids.write("f", &mut id);
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

    #[test]
    fn ids_have_the_form_of_the_dialect() {
        let mut nine = Ids::new(&IdForm::Letters(9), &[]);
        let mut id = String::new();
        nine.write("f", &mut id);
        assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        let parts =
            vec![IdPart::Literal("functions.".into()), IdPart::Name, IdPart::Literal(":".into()), IdPart::Number];
        let mut numbered = Ids::new(&IdForm::Text(parts), &["functions.f:0".into(), String::new()]);
        assert!(!numbered.is_new("functions.f:0"), "the conversation has it");
        assert!(numbered.is_new("functions.g:2") && numbered.is_new("functions.f:4"));
        let mut all = [String::new(), String::new()];
        all.iter_mut().for_each(|id| numbered.write("f", id));
        assert_eq!(all, ["functions.f:5", "functions.f:6"]);
    }
}
