//! OpenAI's chat completions: what a request asks for, what an answer says, and errors.
//! Reads and writes the members of its JSON; what becomes of them is `plan`'s and `answer`'s.

mod assembler;
mod assembly;
mod call;
mod choice;
pub mod chunk;
mod content;
pub mod counting;
mod error;
pub mod finish;
mod fold;
mod found;
mod glance;
mod ids;
mod listed;
mod merge;
mod message;
pub mod rehearsal;
mod request;
mod said;
pub mod served;
mod server_error;
mod tool;
mod unparsed;
mod usage;
mod writer;

pub use assembler::Assembler;
pub use assembly::{AssembleError, Reported};
pub use call::{CalledFunction, ToolCall};
pub use choice::ToolChoice;
pub use content::{Content, Part, write_text_part};
pub use error::{Error, UNFINISHED, error_type, param, upstream_error};
pub use fold::{Folded, FoldedMessage, Folder};
pub use found::{Found, ServersCalls};
pub use glance::{Glance, Glanced};
pub use ids::Ids;
pub use listed::Listed;
pub use merge::AnswerTooLarge;
pub use message::{Call, Message, write_calls, write_message};
pub use request::{Edits, Request, Stream, Usage, renamed};
pub use said::said;
pub use server_error::{Complaint, ServerError, refusal};
pub use tool::{Offered, Tools};
pub use unparsed::{ToldText, Unparsed, told_answer, without_error};
pub use writer::{ChoiceWriter, DONE, Scratch};
