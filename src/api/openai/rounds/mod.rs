//! Rounds of a turn, as chat completions say them: several answers that their client gets as one, and the conversation
//! that goes on between them.
//! Runs no tool and counts no rounds; `turn` does.

mod answer;
mod calls;
mod conversation;
mod cost;
mod joint;
mod said;
mod selected;

pub use answer::{Cost, Rounds};
pub use calls::{Owner, RoundCall};
pub use conversation::{Conversation, Past, result_message};
pub use said::Said;
pub use selected::{Selected, selected};
