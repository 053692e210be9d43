//! Server's own calls: those that the server made itself of a model's text, behind those that were found in what
//! it left of it. Reads nothing of a call but its place.

use std::borrow::Cow;

use crate::json::{Edit, Object, array, escape_into, inside};

/// How many calls a streamed list of them leads to: one more than its last place. Without places they count from 0.
pub fn count(list: &str) -> u32 {
    places(list).map(|(place, _)| place.saturating_add(1)).max().unwrap_or(0)
}

/// The same list behind so many other calls.
pub fn behind(others: u32, list: &str) -> String {
    let mut out = String::from("[");
    for (place, element) in places(list) {
        out.push_str(if out.len() > 1 { "," } else { "" });
        let place = place.saturating_add(others).to_string();
        match Object::parse(element) {
            Some(call) => out.push_str(&call.edited(&[("index", Edit::Set(Cow::Owned(place)))])),
            None => out.push_str(element),
        }
    }
    out.push(']');
    out
}

/// A call of such a list, or a piece of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedCall {
    pub place: u32,
    pub id: String,
    pub name: String,
    /// What the string of its arguments says.
    pub arguments: String,
}

/// The calls of a list, or the pieces of calls.
pub fn calls(list: &str) -> impl Iterator<Item = ServedCall> {
    places(list).filter_map(|(place, element)| {
        let call = Object::parse(element)?;
        let function = call.get("function").and_then(Object::part);
        let text = |object: Option<&Object<'_>>, key| {
            object.and_then(|object| object.string(key)).unwrap_or_default().into_owned()
        };
        let (name, arguments) = (text(function.as_ref(), "name"), text(function.as_ref(), "arguments"));
        Some(ServedCall { place, id: text(Some(&call), "id"), name, arguments })
    })
}

/// A call of such a list, or a piece of one, each part as it stands between the quotes of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPiece<'a> {
    pub place: u32,
    pub id: &'a str,
    pub name: &'a str,
    pub arguments: Cow<'a, str>,
}

/// The same as [`calls`], read no further than where each part stands. Arguments that are no string count as the string
/// of their JSON.
pub fn pieces(list: &str) -> impl Iterator<Item = CallPiece<'_>> {
    places(list).filter_map(|(place, element)| {
        let call = Object::part(element)?;
        let function = call.get("function").and_then(Object::part);
        let part = |key| function.as_ref().and_then(|function| function.present(key));
        let text = |value: Option<_>| value.and_then(inside).unwrap_or_default();
        let arguments = match part("arguments") {
            Some(value) if inside(value).is_none() => {
                let mut escaped = String::new();
                escape_into(value, &mut escaped);
                Cow::Owned(escaped)
            }
            value => Cow::Borrowed(text(value)),
        };
        Some(CallPiece { place, id: text(call.get("id")), name: text(part("name")), arguments })
    })
}

fn places(list: &str) -> impl Iterator<Item = (u32, &str)> {
    (0..).zip(array(list).unwrap_or_default()).map(|(at, element)| {
        let said = Object::parse(element).and_then(|call| call.get("index")?.parse().ok());
        (said.unwrap_or(at), element)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_move_and_nothing_else() {
        let table = [
            (r#"[{"index":0,"id":"x"}]"#, 1, r#"[{"index":2,"id":"x"}]"#),
            (r#"[{"id":"x"}, { "index" : 4 }]"#, 5, r#"[{"id":"x","index":2},{ "index" : 6 }]"#),
            (r#"[7]"#, 1, r#"[7]"#),
            ("[]", 0, "[]"),
        ];
        for (list, calls, moved) in table {
            assert_eq!((count(list), behind(2, list).as_str()), (calls, moved), "{list}");
        }
    }
}
