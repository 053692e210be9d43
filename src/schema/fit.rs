//! Fit of arguments: which of the offered tools they can be meant for, where nobody says its name.
//! Looks at the keys alone, and guesses nothing: two tools that fit are none.

use super::{Tool, Tools};
use crate::json::Object;

impl Tools {
    /// The only tool that has all these properties and requires no others.
    pub fn fitting(&self, arguments: &Object<'_>) -> Option<&Tool> {
        let mut fitting = self.tools.iter().filter(|tool| tool.fits(arguments));
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

impl Tool {
    fn fits(&self, arguments: &Object<'_>) -> bool {
        let is_there = |key: &str| arguments.get(key).is_some();
        arguments.members().all(|(key, _)| self.declares(self.root(), key)) && !self.lacks(self.root(), is_there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat;

    #[test]
    fn arguments_lead_to_the_one_tool_that_they_fit() {
        let tool = |name: &str, parameters: Option<&str>| chat::Tool {
            name: name.into(),
            parameters: parameters.map(Into::into),
        };
        let tools = Tools::new(vec![
            tool("write", Some(r#"{"properties":{"path":{},"text":{}},"required":["path","text"]}"#)),
            tool("read", Some(r#"{"properties":{"path":{},"from":{}},"required":["path"]}"#)),
            tool("see", Some(r#"{"properties":{"path":{}},"required":["path"]}"#)),
            tool("free", None),
        ]);
        for (arguments, expected) in [
            (r#"{"path":"a","text":"b"}"#, Some("write")),
            (r#"{"path":"a","from":1}"#, Some("read")),
            (r#"{"path":"a"}"#, None),
            (r#"{"text":"b"}"#, None),
            (r#"{"path":"a","text":"b","more":1}"#, None),
            (r#"{"other":1}"#, None),
        ] {
            let found = tools.fitting(&Object::parse(arguments).unwrap());
            assert_eq!(found.map(|tool| tool.name.as_str()), expected, "{arguments}");
        }
    }
}
