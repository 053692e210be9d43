//! Images, as addresses that hold them or lead to them. Decodes and fetches none.

use super::blocks::{Block, Piece, Reading};
use super::mistake::Mistake;
use super::text::said;
use crate::engine::Addresses;

/// Adds an image, where the model can see it.
pub(super) fn say<'a>(block: &Block<'a>, reading: &Reading<'_>, out: &mut Vec<Piece<'a>>) -> Result<(), Mistake> {
    if reading.server.sees == Some(false) {
        return block.cannot_be("the model cannot see images", out);
    }
    let source = block.source()?;
    match source.kind.as_ref() {
        "base64" => {
            let (kind, data) = (source.text("media_type")?, source.text("data")?);
            out.push(Piece::Image(["data:", kind, ";base64,", data].concat()));
        }
        "url" => {
            let url = source.text("url")?;
            let holds_it = said(url).get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
            if reading.server.takes.addresses == Addresses::Refused && !holds_it {
                return block.cannot_be("this server fetches no images, they have to be sent", out);
            }
            out.push(Piece::Image(url.to_owned()));
        }
        "file" => block.cannot_be("uploaded files cannot be read by this server", out)?,
        _ => block.cannot_be("sources of this type cannot be read by this server", out)?,
    }
    Ok(())
}
