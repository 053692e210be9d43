//! Python as models write it and read it: literals, and the names that stand for JSON's.
//! Reads sources and runs nothing.

mod identifier;
mod text;
mod value;

pub use identifier::{class_name, field_name, is_name, member_name};
pub use text::{Taken, Text};
pub use value::Value;
