//! Tools of a chat, as Ollama's types take them.
//! Reads no description; what a tool's schema loses there, `schema` saves.

use super::request::{Unservable, list};
use super::schema::Schemas;
use crate::json::{Edit, Object, elements};

/// The tools, as JSON, if any may be called.
pub(super) fn tools(chat: &Object<'_>) -> Result<Option<String>, Unservable> {
    let Some(written) = chat.present("tools").filter(|_| !forbids(chat)) else { return Ok(None) };
    let tools = elements(written).ok_or_else(|| Unservable::of("tools", "tools is a list"))?;
    let mut schemas = Schemas::default();
    let tools: Result<Vec<_>, _> =
        tools.into_iter().enumerate().map(|(index, tool)| one(index, tool, &mut schemas)).collect();
    Ok(Some(tools?).filter(|tools| !tools.is_empty()).map(|tools| list(&tools)))
}

/// Whether no tool may be called.
fn forbids(chat: &Object<'_>) -> bool {
    let Some(choice) = chat.present("tool_choice") else { return false };
    let named = Object::part(choice);
    named.as_ref().map_or_else(|| chat.string("tool_choice"), |choice| choice.string("type")).as_deref() == Some("none")
}

fn one(index: usize, written: &str, schemas: &mut Schemas) -> Result<String, Unservable> {
    let refused = |member: &str, message: &str| Unservable::of(format!("tools[{index}]{member}"), message);
    let tool = Object::part(written).ok_or_else(|| refused("", "a tool is an object"))?;
    let is_function = tool.present("type").is_none() || tool.string("type").as_deref() == Some("function");
    if !is_function {
        return Err(refused(".type", "only functions are served as tools of this model"));
    }
    let function = tool.get("function").and_then(Object::part);
    let function = function.ok_or_else(|| refused(".function", "a tool has a function"))?;
    let parameters = schemas.parameters(function.present("parameters"));
    let function = function.edited(&[("parameters", Edit::Set(parameters.into()))]);
    Ok(tool.edited(&[("type", Edit::Set("\"function\"".into())), ("function", Edit::Set(function.into()))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_go_up_and_nothing_else_does() {
        let plain = r#"[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]"#;
        for (chat, expected) in [
            ("{}".to_owned(), Ok(None)),
            (r#"{"tools":null}"#.to_owned(), Ok(None)),
            (r#"{"tools":[]}"#.to_owned(), Ok(None)),
            (format!(r#"{{"tools":{plain}}}"#), Ok(Some(plain))),
            (r#"{"tools":[{"type":"function","function":{"name":"f"}}]}"#.to_owned(), Ok(Some(plain))),
            (format!(r#"{{"tools":{plain},"tool_choice":"auto"}}"#), Ok(Some(plain))),
            (format!(r#"{{"tools":{plain},"tool_choice":"none"}}"#), Ok(None)),
            (format!(r#"{{"tools":{plain},"tool_choice":{{"type":"none"}}}}"#), Ok(None)),
            (r#"{"tools":{}}"#.to_owned(), Err("tools")),
            (r#"{"tools":[7]}"#.to_owned(), Err("tools[0]")),
            (format!(r#"{{"tools":[{},{{"type":"web_search"}}]}}"#, &plain[1..plain.len() - 1]), Err("tools[1].type")),
            (r#"{"tools":[{"type":"function"}]}"#.to_owned(), Err("tools[0].function")),
        ] {
            let found = tools(&Object::parse(&chat).unwrap()).map_err(|refused| refused.param.unwrap());
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(String::as_str), expected, "{chat}");
        }
    }
}
