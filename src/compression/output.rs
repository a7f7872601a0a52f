//! Where decompressed bytes go: one buffer, in which they stay.

use super::Fault;

/// What the buffer for an unknown size has at least.
const SMALLEST: usize = 4096;

/// Decompressed values are usually not more than this many times as long; if one is, the buffer grows.
const USUAL_RATIO: usize = 4;

/// A buffer that is enlarged and cut.
pub trait Output {
    /// Gives the buffer `size` bytes: the first ones stay, new ones are zero.
    fn resize(&mut self, size: usize) -> Result<&mut [u8], Fault>;
}

impl Output for Vec<u8> {
    fn resize(&mut self, size: usize) -> Result<&mut [u8], Fault> {
        self.try_reserve_exact(size.saturating_sub(self.len())).map_err(|_| Fault::Memory)?;
        Vec::resize(self, size, 0);
        Ok(self)
    }
}

/// The largest buffer that is ever needed: one byte more than the limit shows that there is too much.
pub(super) fn ceiling(limit: Option<usize>) -> usize {
    limit.map_or(usize::MAX, |limit| limit.saturating_add(1))
}

/// A first size for what tells none.
pub(super) fn guess(data: &[u8], limit: Option<usize>) -> usize {
    data.len().saturating_mul(USUAL_RATIO).max(SMALLEST).min(ceiling(limit))
}

/// A size that the data declares, if the limit allows it and so few bytes can become so many.
pub(super) fn declared(size: u64, most: usize, limit: Option<usize>) -> Result<usize, Fault> {
    let size = usize::try_from(size).map_err(|_| Fault::Damaged)?;
    if size > most {
        return Err(Fault::Damaged);
    }
    if limit.is_some_and(|limit| size > limit) {
        return Err(Fault::TooLarge);
    }
    Ok(size)
}

/// How far a decoder came with one piece of output.
pub(super) struct Step {
    pub(super) read: usize,
    pub(super) written: usize,
    pub(super) ended: bool,
}

/// A difference of a coder's totals.
pub(super) fn taken(before: u64, after: u64) -> usize {
    // One call takes no more than it is given, which is in memory.
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

/// Runs a decoder that says only at its end how much there is, and returns how much of `data` it read.
pub(super) fn run(
    data: &[u8],
    limit: Option<usize>,
    first: usize,
    output: &mut impl Output,
    mut step: impl FnMut(&[u8], &mut [u8]) -> Result<Step, Fault>,
) -> Result<usize, Fault> {
    let ceiling = ceiling(limit);
    let (mut size, mut read, mut written) = (first.min(ceiling), 0, 0);
    loop {
        let buffer = output.resize(size)?;
        let done = step(&data[read..], &mut buffer[written..])?;
        read += done.read;
        written += done.written;
        if limit.is_some_and(|limit| written > limit) {
            return Err(Fault::TooLarge);
        }
        if done.ended {
            output.resize(written)?;
            return Ok(read);
        }
        if written == size {
            size = size.saturating_mul(2).max(SMALLEST).min(ceiling);
        } else if done.read == 0 && done.written == 0 {
            // Neither at its end nor able to go on: something is missing.
            return Err(Fault::Damaged);
        }
    }
}
