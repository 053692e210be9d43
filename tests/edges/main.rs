//! The hard edges of reading calls out of streams: 22 things that programs of this kind got wrong, one test each, named
//! for what a client sees when it is right.
//!
//! Every answer is read as a stream of one delta, of one delta a letter, and whole; what comes of it is the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

mod answers;
mod ends;
mod harness;
mod wire;
