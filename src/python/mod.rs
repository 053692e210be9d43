//! Python as models write it and read it: literals, and the names that stand for JSON's.
//! Reads sources and runs nothing.

mod identifier;
mod read;
mod text;
mod value;
mod variables;
mod write;

pub use identifier::{class_name, field_name, is_class, is_name, is_word, member_name, model_name};
pub use read::read;
pub use text::{Taken, Text};
pub use value::Value;
pub use variables::Variables;
pub use write::{write_char, write_json, write_text};
