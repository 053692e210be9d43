//! OpenAI's chat completions: what a request asks for, what an answer says, and errors.
//! Reads and writes the members of its JSON; what becomes of them is `plan`'s and `answer`'s.

mod call;
mod choice;
mod content;
mod error;
mod message;
mod request;
mod tool;

pub use call::{CalledFunction, ToolCall};
pub use choice::ToolChoice;
pub use content::{Content, Part, write_text_part};
pub use error::{Error, Failure, error_type};
pub use message::{Call, Message, write_message};
pub use request::{Edits, Request, Stream, Usage};
pub use tool::{Offered, Tools};
