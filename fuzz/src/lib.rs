//! What must hold for any input: nothing panics, cuts agree, every byte is accounted for.
//!
//! Most modules are one property, `holds(&[u8])`, that fails by panicking. The fuzz targets call them, and so do the
//! ordinary tests in `tests/fuzz_properties.rs` and `tests/split.rs`, which include this file.

pub mod apis;
pub mod decode;
pub mod ledger;
pub mod request;
pub mod response;
pub mod sse;
pub mod vocabulary;
pub mod written;
