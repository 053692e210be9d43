//! Literals of Python.

use crate::json::write_string;

/// What a literal says.
///
/// A class that is given one value by its place says that value: `Unit("celsius")` is the text `celsius`, as an enum's
/// member is found by its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    None,
    Bool(bool),
    /// As JSON writes it, with the digits of the source.
    Number(String),
    Text(String),
    /// A list, a tuple or a set.
    List(Vec<Self>),
    /// Its keys as JSON has them: texts, each once.
    Dict(Vec<(String, Self)>),
    /// What the constructor of a class is given by keywords: `Location(lat=1, lon=2)`.
    Model {
        class: String,
        fields: Vec<(String, Self)>,
    },
    /// A member of an enum: `Unit.celsius`.
    Member {
        class: String,
        name: String,
    },
}

impl Value {
    /// As JSON, where no schema says what it is to be. `None`: only a schema knows what a member stands for.
    pub fn json(&self) -> Option<String> {
        let mut out = String::new();
        self.write(&mut out).map(|()| out)
    }

    fn write(&self, out: &mut String) -> Option<()> {
        match self {
            Self::None => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(number),
            Self::Text(text) => write_string(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    item.write(out)?;
                }
                out.push(']');
            }
            Self::Dict(members) | Self::Model { fields: members, .. } => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    write_string(key, out);
                    out.push(':');
                    value.write(out)?;
                }
                out.push('}');
            }
            Self::Member { .. } => return None,
        }
        Some(())
    }
}
