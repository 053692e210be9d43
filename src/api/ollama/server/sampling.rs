//! Options of a chat: how its answer is sampled, and how long it may be.
//! Knows no sensible values: what nobody says is the model's own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::request::{Defaults, Unservable};
use crate::json::{Object, inside};

/// What OpenAI's clients and those of other servers call an option, and what it is called there. Of two names for one
/// the later counts.
const NAMES: [(&str, &str); 15] = [
    ("max_tokens", "num_predict"),
    ("max_completion_tokens", "num_predict"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("seed", "seed"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("typical_p", "typical_p"),
    ("repetition_penalty", "repeat_penalty"),
    ("repeat_penalty", "repeat_penalty"),
    ("repeat_last_n", "repeat_last_n"),
    ("stop", "stop"),
    ("num_ctx", "num_ctx"),
];

/// The options, as JSON, if there are any: the client's own before what its other members say, these before the pool's.
pub(super) fn options(chat: &Object<'_>, defaults: &Defaults) -> Result<Option<String>, Unservable> {
    let mut options: BTreeMap<Cow<'_, str>, Cow<'_, str>> = BTreeMap::new();
    options.extend(defaults.num_ctx.map(|tokens| ("num_ctx".into(), tokens.to_string().into())));
    options.extend(defaults.options.iter().map(|(key, value)| (key.into(), value.into())));
    for (key, name) in NAMES {
        if let Some(value) = chat.present(key) {
            // One string is no list there.
            let is_one = key == "stop" && inside(value).is_some();
            options.insert(name.into(), if is_one { format!("[{value}]").into() } else { value.into() });
        }
    }
    let own = chat.present("options").map(|own| Object::part(own).ok_or_else(no_object)).transpose()?;
    let own = own.iter().flat_map(Object::members).filter(|(_, value)| *value != "null");
    options.extend(own.map(|(key, value)| (Cow::Owned(key.to_owned()), value.into())));
    Ok((!options.is_empty()).then(|| {
        let mut written = super::request::Members::default();
        options.iter().for_each(|(key, value)| written.put(key, value));
        written.end()
    }))
}

fn no_object() -> Unservable {
    Unservable::of("options", "options is an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_their_names_and_their_order_of_importance() {
        for (chat, expected) in [
            ("{}", Ok(None)),
            (r#"{"temperature":null,"stop":null}"#, Ok(None)),
            (r#"{"temperature":0,"stop":"a\n"}"#, Ok(Some(r#"{"stop":["a\n"],"temperature":0}"#))),
            (r#"{"stop":["a", "b"]}"#, Ok(Some(r#"{"stop":["a", "b"]}"#))),
            (r#"{"max_completion_tokens":20,"max_tokens":10}"#, Ok(Some(r#"{"num_predict":20}"#))),
            (r#"{"repeat_penalty":1.1,"repetition_penalty":1.2}"#, Ok(Some(r#"{"repeat_penalty":1.1}"#))),
            (r#"{"seed":1,"options":{"seed":2.0,"mirostat":1}}"#, Ok(Some(r#"{"mirostat":1,"seed":2.0}"#))),
            (r#"{"options":[]}"#, Err("options")),
        ] {
            let found = options(&Object::parse(chat).unwrap(), &Defaults::default());
            let found = found.map_err(|unservable| unservable.param.unwrap());
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(String::as_str), expected, "{chat}");
        }
    }
}
