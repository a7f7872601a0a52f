//! What the socket drivers do, on bytes in memory.

use super::tree::Seen;
use crate::wire::{Elements, Link, Payload, ProtocolError, Received};

/// A reply as a waiter saw it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Got {
    pub(super) waiter: usize,
    pub(super) last: bool,
    pub(super) seen: Vec<Seen>,
}

/// A link with somebody who receives for it.
#[derive(Default)]
pub(super) struct Driver {
    pub(super) link: Link<usize>,
    /// The large bulk string under way, and how much of it is here.
    landing: Option<(Vec<u8>, usize)>,
    pub(super) got: Vec<Got>,
    /// How many replies came the large way.
    pub(super) landed: usize,
}

impl Driver {
    /// A driver whose waiters 0, 1, ... are owed so many replies each.
    pub(super) fn owing(replies: &[usize]) -> Self {
        let mut driver = Self::default();
        for (waiter, &replies) in replies.iter().enumerate() {
            driver.link.push(&Payload::default(), replies, waiter);
        }
        driver
    }

    /// One piece of bytes arrives.
    pub(super) fn arrive(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        let mut rest = piece;
        loop {
            let taken = match &mut self.landing {
                Some((buffer, filled)) if *filled < buffer.len() => {
                    let n = rest.len().min(buffer.len() - *filled);
                    buffer[*filled..*filled + n].copy_from_slice(&rest[..n]);
                    *filled += n;
                    if *filled == buffer.len() {
                        self.link.end_large();
                    }
                    n
                }
                _ => fill(&mut self.link, rest),
            };
            rest = &rest[taken..];
            self.drain()?;
            if let Some(len) = self.link.large() {
                let mut buffer = vec![0; len];
                let here = self.link.begin_large();
                let filled = here.len();
                buffer[..filled].copy_from_slice(here);
                if filled == len {
                    self.link.end_large();
                }
                self.landing = Some((buffer, filled));
                self.drain()?;
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn arrive_in(&mut self, pieces: &[&[u8]]) -> Result<(), ProtocolError> {
        pieces.iter().try_for_each(|piece| self.arrive(piece))
    }

    fn drain(&mut self) -> Result<(), ProtocolError> {
        while let Some(received) = self.link.receive()? {
            let (waiter, last, frame) = match received {
                Received::Part(waiter, frame) => (*waiter, false, Some(frame)),
                Received::Last(waiter, frame) => (waiter, true, Some(frame)),
                Received::PartLarge(waiter) => (*waiter, false, None),
                Received::LastLarge(waiter) => (waiter, true, None),
            };
            let seen = if let Some(frame) = frame {
                Elements::of(frame).map(Seen::from).collect()
            } else {
                let (buffer, filled) = self.landing.take().unwrap();
                assert_eq!(filled, buffer.len());
                self.landed += 1;
                vec![Seen::Bytes(buffer)]
            };
            self.got.push(Got { waiter, last, seen });
        }
        Ok(())
    }
}

/// Puts as much of `bytes` into the link as it has room for.
pub(super) fn fill<W>(link: &mut Link<W>, bytes: &[u8]) -> usize {
    let spare = link.spare();
    let n = bytes.len().min(spare.len());
    spare[..n].copy_from_slice(&bytes[..n]);
    link.filled(n);
    n
}
