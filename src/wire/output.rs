//! The send buffer.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::payload::{Payload, Piece, Shared};

/// Slices offered to one write.
const GATHER: usize = 16;
/// From this size on, a buffer is not appended to: else one that is always partly written would never be let go.
const FULL: usize = 64 * 1024;
/// A buffer that had to grow beyond this is given back once it is sent.
const KEEP: usize = 256 * 1024;

enum Segment {
    Owned(Vec<u8>),
    Shared(Shared),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(chunk) => (**chunk).as_ref(),
        }
    }
}

/// Bytes waiting to be written, in order.
#[derive(Default)]
pub struct Output {
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that are written.
    written: usize,
    /// Bytes pushed and written since the link was made.
    pushed: u64,
    total: u64,
    /// An emptied buffer, kept for the next command.
    spare: Vec<u8>,
}

impl Output {
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How many bytes were written in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes were pushed in all: a command pushed now is untouched while no more than these are written.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Appends commands. Their shared words are held until they are written, the rest is copied.
    pub fn push(&mut self, payload: &Payload) {
        self.pushed += payload.len() as u64;
        for piece in payload.pieces() {
            match piece {
                Piece::Bytes([]) => {}
                Piece::Bytes(bytes) => {
                    if let Some(Segment::Owned(tail)) = self.segments.back_mut()
                        && tail.len() < FULL
                    {
                        tail.extend_from_slice(bytes);
                    } else {
                        let mut tail = std::mem::take(&mut self.spare);
                        tail.extend_from_slice(bytes);
                        self.segments.push_back(Segment::Owned(tail));
                    }
                }
                Piece::Shared(chunk) if (**chunk).as_ref().is_empty() => {}
                Piece::Shared(chunk) => self.segments.push_back(Segment::Shared(chunk.clone())),
            }
        }
    }

    /// Bytes held in memory of its own, written or not.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes().len()).sum::<usize>() + self.spare.capacity()
    }

    /// Calls `write` with what is to be written next: with no slices at all if nothing is.
    pub fn offer<R>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        let mut slices = [IoSlice::new(&[]); GATHER];
        let mut count = 0;
        for (slot, segment) in slices.iter_mut().zip(&self.segments) {
            let bytes = segment.bytes();
            *slot = IoSlice::new(if count == 0 { &bytes[self.written..] } else { bytes });
            count += 1;
        }
        write(&slices[..count])
    }

    /// The first `n` bytes of what was offered are written.
    pub fn wrote(&mut self, n: usize) {
        self.total += n as u64;
        self.written += n;
        while let Some(first) = self.segments.front() {
            let len = first.bytes().len();
            if self.written < len {
                break;
            }
            self.written -= len;
            if let Some(Segment::Owned(mut buffer)) = self.segments.pop_front()
                && buffer.capacity() <= KEEP
            {
                buffer.clear();
                self.spare = buffer;
            }
        }
        if self.segments.is_empty() {
            self.written = 0;
        }
    }
}
