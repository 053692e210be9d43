//! What a dialect says of its calls' ids. Makes none.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::prompt::{Hole, Piece, Text};
use crate::chat::{IdForm, IdPart};

/// The ids of calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdsSpec {
    /// What an id is like that the model did not write: a text with the holes `{name}` and `{n}`, or `alnum9` for so many
    /// letters and digits.
    #[serde(default, deserialize_with = "form")]
    pub mint: IdForm,
}

/// A longer one is none.
const LETTERS_MAX: usize = 64;

fn form<'de, D: Deserializer<'de>>(from: D) -> Result<IdForm, D::Error> {
    let written = String::deserialize(from)?;
    if let Some(letters) = written.strip_prefix("alnum") {
        let letters = letters.parse().ok().filter(|letters| (8..=LETTERS_MAX).contains(letters));
        return letters.map(IdForm::Letters).ok_or_else(|| D::Error::custom("`alnum` is followed by 8 to 64"));
    }
    let text = Text::parse(&written, &[Hole::Number], &[Hole::Name]).map_err(D::Error::custom)?;
    let part = |piece: &Piece| match piece {
        Piece::Literal(text) => IdPart::Literal(text.clone()),
        Piece::Hole(Hole::Number) => IdPart::Number,
        Piece::Hole(_) => IdPart::Name,
    };
    Ok(IdForm::Text(text.pieces().iter().map(part).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_or_a_text() {
        let read = |yaml: &str| serde_saphyr::from_str::<IdsSpec>(yaml).map(|ids| ids.mint).ok();
        let text = vec![IdPart::Literal("f.".into()), IdPart::Name, IdPart::Literal(":".into()), IdPart::Number];
        assert_eq!(read("mint: 'f.{name}:{n}'"), Some(IdForm::Text(text)));
        assert_eq!(read("mint: alnum9"), Some(IdForm::Letters(9)));
        assert_eq!(read("{}"), Some(IdForm::Call));
        for wrong in ["mint: '{name}'", "mint: alnum3", "mint: alnumx", "mint: '{n}{tools}'"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
