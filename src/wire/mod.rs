//! The protocol without sockets, clocks or interpreters: bytes in, frames out.

#![forbid(unsafe_code)]
// As for the errors (Cargo.toml): the callers are in this crate, and the fuzz target.
#![allow(clippy::must_use_candidate)]

mod input;
mod link;
mod output;
mod payload;
mod resp;
#[cfg(test)]
mod tests;

pub use link::{LARGE_BULK, Link, Received};
pub use output::Output;
pub use payload::{Mark, Payload, Shared};
pub use resp::{Element, Elements, MAX_BULK, MAX_DEPTH, MAX_FRAME, MAX_LINE, ProtocolError, Scanner};
