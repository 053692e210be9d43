//! Wire APIs: what their clients and servers write. One folder an API; nothing outside of it knows its member names.
//! Decides nothing about tools, servers or clients; `plan` and `answer` do.

pub mod openai;
