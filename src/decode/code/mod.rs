//! Statements of Python code, and the calls of tools in them. Reads and runs nothing.
//!
//! ```text
//!   statement:  [NAME [: TYPE] =] [await] TOOL(arguments) [.rest | [rest]]
//!               print(… statement, …)
//!               NAME [: TYPE] = literal
//!               import …, from … import …, # comment, nothing
//! ```
//!
//! A call is one where a statement begins with it. Its arguments are literals (`arguments`), and names that a literal was
//! assigned to. Everything else is text: what stands in a block, other functions, expressions.

mod arguments;
mod extent;
mod object;
mod passage;
mod pieces;
mod scope;
mod statement;

pub(super) use passage::{Block, Passage, Passed};
pub(super) use scope::Scope;
pub(super) use statement::{Last, Statement, Step, begins_word};
