//! Content of a message: its text as one string, and its images and sounds beside it.
//! Fetches nothing and decodes nothing: media go up as the base64 that they came in.

use std::borrow::Cow;

use super::request::Unservable;
use crate::api::openai::{Content, Part};
use crate::json::{Object, write_string};

/// What a message says.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    /// As it stands within quotes.
    pub text: Cow<'a, str>,
    /// Sounds among them; each as a JSON string.
    pub images: Vec<String>,
}

impl<'a> Contents<'a> {
    /// Reads it. Where text stands between images their order is lost, since there is no place for it.
    pub(super) fn read(written: Option<&'a str>) -> Result<Self, Unservable> {
        let content = Content::read(written);
        let parts = match content.ok_or_else(|| refused("a message's content is a string or a list of parts"))? {
            Content::Text(text) => return Ok(Self { text: text.into(), images: Vec::new() }),
            Content::Parts(parts) => parts,
        };
        let (mut texts, mut images) = (Vec::new(), Vec::new());
        for part in parts {
            match Part::read(part).ok_or_else(|| refused("a part of a message is an object"))? {
                Part::Text(text) => texts.push(text),
                Part::Other(other) => images.push(medium(other)?),
            }
        }
        Ok(Self { text: texts.join("\\n").into(), images })
    }
}

fn refused(message: impl Into<String>) -> Unservable {
    Unservable::of("messages", message)
}

/// The base64 of an image or a sound, as a JSON string.
fn medium(written: &str) -> Result<String, Unservable> {
    let part = Object::part(written).unwrap_or_else(Object::empty);
    let kind = part.string("type").unwrap_or_default();
    let within = |key, member| match Object::part(part.get(key)?) {
        Some(object) => object.string(member),
        None => part.string(key),
    };
    let data = match &*kind {
        "image_url" => within("image_url", "url").map(base64).transpose()?,
        "input_audio" => within("input_audio", "data"),
        other => return Err(refused(format!("parts of the type `{other}` are not served for this model"))),
    };
    let data = data.ok_or_else(|| refused(format!("a part of the type `{kind}` has no data")))?;
    let mut out = String::with_capacity(data.len() + 2);
    write_string(&data, &mut out);
    Ok(out)
}

/// What is left of an address that holds its data.
fn base64(url: Cow<'_, str>) -> Result<Cow<'_, str>, Unservable> {
    if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        let (head, data) = url.split_once(',').unwrap_or_default();
        return match head.to_ascii_lowercase().ends_with(";base64") {
            true => Ok(Cow::Owned(data.to_owned())),
            false => Err(refused("an image's data URL is one of base64")),
        };
    }
    if url.contains("://") {
        return Err(refused("images are not fetched for this model: send them as data URLs"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_joined_and_media_stand_beside_them() {
        for (written, text, images) in [
            ("null", "", &[][..]),
            (r#""a\n""#, r"a\n", &[]),
            ("[]", "", &[]),
            (r#"[{"type":"text","text":"a"},{"type":"text","text":"b"}]"#, r"a\nb", &[]),
            (
                r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,aa=="}},{"type":"text","text":"b"}]"#,
                "b",
                &[r#""aa==""#],
            ),
            (r#"[{"type":"image_url","image_url":"DATA:;BASE64,a\/b"}]"#, "", &[r#""a/b""#]),
            (r#"[{"type":"image_url","image_url":{"url":"aa=="}}]"#, "", &[r#""aa==""#]),
            (r#"[{"type":"input_audio","input_audio":{"data":"bb","format":"wav"}}]"#, "", &[r#""bb""#]),
        ] {
            let contents = Contents::read(Some(written)).unwrap();
            assert_eq!(
                (&*contents.text, &*contents.images),
                (text, &images.iter().map(|i| (*i).into()).collect::<Vec<String>>()[..]),
                "{written}"
            );
        }
        for (written, words) in [
            ("7", "a string or a list"),
            ("[7]", "is an object"),
            (r#"[{"type":"text","text":7}]"#, "`text`"),
            (r#"[{"type":"file","file":{}}]"#, "`file`"),
            (r#"[{"type":"image_url"}]"#, "no data"),
            (r#"[{"type":"image_url","image_url":{"url":"http:\/\/h/a.png"}}]"#, "not fetched"),
            (r#"[{"type":"image_url","image_url":{"url":"data:image/svg+xml,<svg/>"}}]"#, "base64"),
        ] {
            let refused = Contents::read(Some(written)).unwrap_err();
            assert!(refused.message.contains(words), "{written}: {refused}");
        }
    }
}
