//! Images and sounds of a message: base64, whose kind is told by its first bytes. Decodes none.

use std::borrow::Cow;

use super::mistake::Mistake;
use crate::json::{Object, elements, string, write_string};

/// The images of a message or a request, as base64; there may be none.
pub(super) fn read<'a>(object: &Object<'a>) -> Result<Vec<Cow<'a, str>>, Mistake> {
    let mistake = || Mistake::new("images must be a list of base64 strings");
    let Some(written) = object.present("images") else { return Ok(vec![]) };
    let images = elements(written).ok_or_else(mistake)?;
    images.into_iter().map(|image| base64(image).ok_or_else(mistake)).collect()
}

/// Lines are broken by some that write base64; not every reader goes on behind the first.
const BREAKS: [char; 2] = ['\r', '\n'];

/// The base64 of an image; what makes it a data URL is forgiven.
fn base64(written: &str) -> Option<Cow<'_, str>> {
    let text = string(written)?;
    let base64 = match text.starts_with("data:") {
        true => Cow::Owned(text.split_once(',')?.1.to_owned()),
        false => text,
    };
    let base64 = match base64.contains(BREAKS) {
        true => Cow::Owned(base64.replace(BREAKS, "")),
        false => base64,
    };
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    (!base64.is_empty() && base64.bytes().all(is_base64)).then_some(base64)
}

/// Appends the part of a message that shows it.
pub(super) fn write_part(base64: &str, out: &mut String) {
    match Kind::of(base64) {
        Kind::Image(kind) => {
            out.push_str(r#"{"type":"image_url","image_url":{"url":"#);
            write_string(&["data:image/", kind, ";base64,", base64].concat(), out);
        }
        Kind::Sound(format) => {
            out.push_str(r#"{"type":"input_audio","input_audio":{"data":"#);
            write_string(base64, out);
            out.extend([",\"format\":\"", format, "\""]);
        }
    }
    out.push_str("}}");
}

enum Kind {
    Image(&'static str),
    Sound(&'static str),
}

impl Kind {
    fn of(base64: &str) -> Self {
        // A RIFF file says behind its length what it is: from the last letter that its length touches.
        let riff = base64.starts_with("UklGR").then(|| base64.get(11..16)).flatten();
        match riff {
            Some("XRUJQ") => Self::Image("webp"),
            Some("XQVZF") => Self::Sound("wav"),
            _ if base64.starts_with("iVBOR") => Self::Image("png"),
            _ if base64.starts_with("R0lGOD") => Self::Image("gif"),
            _ if base64.starts_with("SUQz") => Self::Sound("mp3"),
            // `/9j/` is one.
            _ => Self::Image("jpeg"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_the_first_bytes() {
        let image = |kind: &str, base64: &str| {
            format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/{kind};base64,{base64}"}}}}"#)
        };
        let sound = |format: &str, base64: &str| {
            format!(r#"{{"type":"input_audio","input_audio":{{"data":"{base64}","format":"{format}"}}}}"#)
        };
        for (base64, expected) in [
            ("iVBORw0K", image("png", "iVBORw0K")),
            ("/9j/4AAQ", image("jpeg", "/9j/4AAQ")),
            ("R0lGODlh", image("gif", "R0lGODlh")),
            ("UklGRiQAAABXRUJQVlA4", image("webp", "UklGRiQAAABXRUJQVlA4")),
            ("UklGRiQAAABXQVZFZm10", sound("wav", "UklGRiQAAABXQVZFZm10")),
            ("SUQzBAAA", sound("mp3", "SUQzBAAA")),
            ("UklGR", image("jpeg", "UklGR")),
            ("AAAA", image("jpeg", "AAAA")),
        ] {
            let mut out = String::new();
            write_part(base64, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for (body, expected) in [
            (r#"{}"#, Some(vec![])),
            (r#"{"images":null}"#, Some(vec![])),
            (r#"{"images":[]}"#, Some(vec![])),
            (r#"{"images":["\/9j\/","data:image/png;base64,iVBO"]}"#, Some(vec!["/9j/", "iVBO"])),
            (r#"{"images":["iVBO\r\nRw0K\n"]}"#, Some(vec!["iVBORw0K"])),
            (r#"{"images":["\n"]}"#, None),
            (r#"{"images":["https://example.org/a.png"]}"#, None),
            (r#"{"images":["data:image/png"]}"#, None),
            (r#"{"images":[""]}"#, None),
            (r#"{"images":[7]}"#, None),
            (r#"{"images":"iVBO"}"#, None),
        ] {
            let images = read(&Object::parse(body).unwrap());
            let texts = images.as_ref().ok().map(|images| images.iter().map(AsRef::as_ref).collect::<Vec<_>>());
            assert_eq!(texts, expected, "{body}");
        }
    }
}
