//! Literals of Python.

/// What a literal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    None,
    Bool(bool),
    /// As JSON writes it.
    Number(String),
    Text(String),
    /// A list, a tuple or a set.
    List(Vec<Self>),
    /// Its keys as JSON has them: texts.
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
