//! Pickles of plain values: what the default serializer stores most of the time, written and read without a detour.
//!
//! `pickle` is fast when it is warm. After every wait for the server it is not, and this costs a fraction of it. Whatever
//! is not known here, and whatever is wrong, is left to `pickle` itself, which also says why.

mod memo;
mod names;
mod objects;
mod read;
mod text;
mod write;

use std::ops::RangeInclusive;

pub(crate) use objects::prepare;
pub(crate) use read::read;
pub(crate) use write::write;

/// Longer ones are `pickle`'s. From 64 kB on it would part them.
const LONGEST: usize = 32 * 1024;
/// The protocols whose opcodes these are.
const PROTOCOLS: RangeInclusive<u8> = 4..=5;
