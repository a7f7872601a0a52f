//! The protocol without sockets, clocks or interpreters: bytes in, frames out.

#![forbid(unsafe_code)]

mod input;
mod link;
mod output;
mod payload;
mod resp;

pub use link::{LARGE_BULK, Link, Received};
pub use output::Output;
pub use payload::{Payload, Shared};
pub use resp::{Element, Elements, MAX_BULK, MAX_DEPTH, MAX_LINE, ProtocolError, Scanner};
