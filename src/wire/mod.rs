//! The protocol without sockets, clocks or interpreters: bytes in, frames out.

mod input;
mod link;
mod output;
mod payload;
mod resp;

pub use link::{Link, Received, LARGE_BULK};
pub use output::Output;
pub use payload::{Payload, Shared};
pub use resp::{Element, Elements, ProtocolError, Scanner, MAX_BULK, MAX_DEPTH, MAX_LINE};
