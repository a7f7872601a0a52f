//! The protocol against every way its bytes can be cut into pieces, and against servers that mean harm.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod driver;
mod hostile;
mod kinds;
mod large;
mod life;
mod order;
mod sending;
mod tree;
pub(super) mod work;
