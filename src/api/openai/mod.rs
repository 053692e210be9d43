//! OpenAI's chat completions: what a request asks for, what an answer says, and errors.
//! Reads and writes the members of its JSON; what becomes of them is `plan`'s and `answer`'s.

mod error;

pub use error::{Error, Failure, error_type};
