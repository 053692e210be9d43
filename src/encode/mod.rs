//! Calls to text, as a dialect or a format writes them; the twin of `decode`.
//! Whoever writes past calls uses it, and so does whoever writes an answer's calls as text.

mod arguments;
mod elements;
mod encoder;
mod format;
mod indented;
mod literal;
mod members;
mod python;
mod style;
#[cfg(test)]
mod tests;

pub use encoder::{CallHead, Encoder};
pub use format::{Format, Structured, TagsError};
pub use style::CallStyle;
