//! One connection's state: what is to be sent, what came, and who is owed a reply.

use std::collections::VecDeque;

use super::input::Input;
use super::output::Output;
use super::payload::Payload;
use super::resp::{self, ProtocolError, Scanner};

/// From this size on, a bulk string is received straight into its final buffer.
pub const LARGE_BULK: usize = 32 * 1024;

struct Owed<W> {
    waiter: W,
    replies: usize,
}

/// A large bulk string on its way into the driver's own buffer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Large {
    None,
    Data,
    Terminator,
}

/// A connection without its socket: an output buffer, an input buffer, and the FIFO of replies that are owed.
///
/// `W` is whatever a driver needs to know about a waiter. A link that owes nothing can be handed to a driver with
/// another `W` ([`Link::handover`]): it is free of whoever used it.
pub struct Link<W> {
    pub output: Output,
    input: Input,
    scanner: Scanner,
    owed: VecDeque<Owed<W>>,
    large: Large,
}

/// A reply that arrived.
pub enum Received<'a, W> {
    /// One of several replies that this waiter is owed; more are to come.
    Part(&'a mut W, &'a [u8]),
    /// The last reply that this waiter was owed.
    Last(W, &'a [u8]),
    /// As `Last`, but the bulk string is in the buffer that was given to [`Link::begin_large`].
    LastLarge(W),
    /// As `Part`, with the bulk string in that buffer.
    PartLarge(&'a mut W),
}

impl<W> Default for Link<W> {
    fn default() -> Self {
        Self {
            output: Output::default(),
            input: Input::default(),
            scanner: Scanner::default(),
            owed: VecDeque::new(),
            large: Large::None,
        }
    }
}

impl<W> Link<W> {
    /// Queues commands that `replies` replies will answer.
    pub fn push(&mut self, payload: &Payload, replies: usize, waiter: W) {
        self.output.push(payload);
        self.owed.push_back(Owed { waiter, replies });
    }

    /// How many waiters are owed a reply.
    pub fn in_flight(&self) -> usize {
        self.owed.len()
    }

    /// Nothing owed, nothing buffered: the link may change hands.
    pub fn is_clean(&self) -> bool {
        self.owed.is_empty() && self.output.is_empty() && self.input.is_empty() && self.large == Large::None
    }

    pub fn waiters(&self) -> impl Iterator<Item = &W> {
        self.owed.iter().map(|owed| &owed.waiter)
    }

    /// Gives up: whoever is still owed a reply will not get it from here.
    pub fn abandon(&mut self) -> impl Iterator<Item = W> + use<W> {
        std::mem::take(&mut self.owed).into_iter().map(|owed| owed.waiter)
    }

    /// The same connection for another kind of waiter, if nothing is owed.
    pub fn handover<V>(self) -> Option<Link<V>> {
        self.is_clean().then(|| Link {
            output: self.output,
            input: self.input,
            scanner: self.scanner,
            owed: VecDeque::new(),
            large: Large::None,
        })
    }

    /// Where the next bytes from the socket belong.
    pub fn spare(&mut self) -> &mut [u8] {
        self.input.spare(self.scanner.need())
    }

    /// `n` bytes were put into [`Link::spare`].
    pub fn filled(&mut self, n: usize) {
        self.input.filled(n);
    }

    /// The next reply, if it has arrived as a whole. Pushes (RESP3's out-of-band messages) are dropped.
    pub fn receive(&mut self) -> Result<Option<Received<'_, W>>, ProtocolError> {
        match self.large {
            Large::Data => return Ok(None),
            Large::Terminator => {
                match self.input.bytes() {
                    [b'\r', b'\n', ..] => {}
                    [] | [b'\r'] => return Ok(None),
                    _ => return Err(ProtocolError::MissingTerminator),
                }
                self.input.take(2);
                self.large = Large::None;
                return self.deliver(None).map(Some);
            }
            Large::None => {}
        }
        loop {
            let Some(len) = self.scanner.scan(self.input.bytes())? else {
                self.input.settle();
                return Ok(None);
            };
            if self.input.bytes().first() != Some(&b'>') {
                return self.deliver(Some(len)).map(Some);
            }
            self.input.take(len);
        }
    }

    /// The length of a large bulk string that has begun to arrive and is worth receiving straight into its own buffer.
    pub fn large(&self) -> Option<usize> {
        if self.large != Large::None || self.owed.is_empty() || self.scanner.need() < LARGE_BULK {
            return None;
        }
        resp::large_bulk(self.input.bytes(), LARGE_BULK).map(|(_, len)| len)
    }

    /// Moves what arrived of that bulk string into `buffer`; returns how many bytes that were. The driver receives
    /// the others into the rest of `buffer` and then calls [`Link::end_large`].
    pub fn begin_large(&mut self, buffer: &mut [u8]) -> usize {
        let Some((header, len)) = resp::large_bulk(self.input.bytes(), LARGE_BULK) else { return 0 };
        debug_assert_eq!(len, buffer.len());
        self.input.take(header);
        let here = self.input.bytes().len().min(buffer.len());
        buffer[..here].copy_from_slice(self.input.take(here));
        self.scanner = Scanner::default();
        self.large = if here == buffer.len() { Large::Terminator } else { Large::Data };
        here
    }

    /// The buffer of the large bulk string is full.
    pub fn end_large(&mut self) {
        self.large = Large::Terminator;
    }

    fn deliver(&mut self, frame: Option<usize>) -> Result<Received<'_, W>, ProtocolError> {
        let Self { input, owed, .. } = self;
        let Some(first) = owed.front_mut() else { return Err(ProtocolError::Unexpected) };
        let bytes = frame.map(|len| input.take(len));
        first.replies = first.replies.saturating_sub(1);
        if first.replies > 0 {
            // The front exists: it was looked at two lines above; borrowing it anew satisfies the borrow checker.
            let Some(first) = owed.front_mut() else { return Err(ProtocolError::Unexpected) };
            return Ok(match bytes {
                Some(bytes) => Received::Part(&mut first.waiter, bytes),
                None => Received::PartLarge(&mut first.waiter),
            });
        }
        let Some(Owed { waiter, .. }) = owed.pop_front() else { return Err(ProtocolError::Unexpected) };
        Ok(match bytes {
            Some(bytes) => Received::Last(waiter, bytes),
            None => Received::LastLarge(waiter),
        })
    }
}
