//! One connection's state: what is to be sent, what came, and who is owed a reply.

use std::collections::VecDeque;

use super::input::Input;
use super::output::Output;
use super::payload::Payload;
use super::resp::{self, MAX_FRAME, ProtocolError, Scanner};

/// From this size on, a bulk string is received straight into its final buffer.
pub const LARGE_BULK: usize = 32 * 1024;
/// Up to this size a bulk string's length is believed, and memory reserved, when only its header has come.
const TRUSTED: usize = 8 * 1024 * 1024;
/// The part of a still larger bulk string that must have come first.
const EARNEST: usize = 8;

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

/// A reply that has arrived as a whole.
#[derive(Clone, Copy)]
enum Arrived {
    /// The first bytes of the input.
    Frame(usize),
    /// The driver's own buffer.
    Large,
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
    /// What [`Link::receive`] will give.
    arrived: Option<Arrived>,
    /// Whether pushes are what somebody waits for.
    subscribed: bool,
    /// Why nothing more can be had from this connection.
    failed: Option<ProtocolError>,
}

/// A reply, for whoever is owed it.
pub enum Received<'a, W> {
    /// One of several replies that this waiter is owed; more are to come.
    Part(&'a mut W, &'a [u8]),
    /// The last reply that this waiter was owed.
    Last(W, &'a [u8]),
    /// As `Last`, but the bulk string is in the buffer of [`Link::begin_large`].
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
            arrived: None,
            subscribed: false,
            failed: None,
        }
    }
}

impl<W> Link<W> {
    /// Queues commands that `replies` replies, at least one, will answer.
    pub fn push(&mut self, payload: &Payload, replies: usize, waiter: W) {
        self.output.push(payload);
        self.owe(replies, waiter);
    }

    /// As [`Link::push`], for a waiter that has its commands itself.
    pub fn push_with(&mut self, waiter: W, commands: impl FnOnce(&W) -> (&Payload, usize)) {
        let (payload, replies) = commands(&waiter);
        self.output.push(payload);
        self.owe(replies, waiter);
    }

    fn owe(&mut self, replies: usize, waiter: W) {
        debug_assert!(replies > 0, "nobody would wake this waiter");
        self.owed.push_back(Owed { waiter, replies });
    }

    /// Queues a subscription, the last thing that is asked here: all that comes is a part of its answer. In RESP2 that is
    /// an array as any other, in RESP3 a push.
    pub fn subscribe(&mut self, payload: &Payload, waiter: W) {
        self.push(payload, usize::MAX, waiter);
        self.subscribed = true;
    }

    /// How many waiters are owed a reply.
    pub fn in_flight(&self) -> usize {
        self.owed.len()
    }

    /// Nothing owed, nothing buffered, nothing gone wrong: the link may change hands.
    pub fn is_clean(&self) -> bool {
        self.owed.is_empty()
            && self.output.is_empty()
            && self.input.is_empty()
            && self.large == Large::None
            && self.failed.is_none()
    }

    /// Gives back the memory that an exceptional reply took. A driver that stops at the reply it waited for calls this
    /// before it lets the link lie idle.
    pub fn settle(&mut self) {
        self.input.settle();
    }

    /// Whoever is owed a reply, in the order of the commands.
    pub fn waiters(&self) -> impl Iterator<Item = &W> {
        self.owed.iter().map(|owed| &owed.waiter)
    }

    /// Gives up: whoever is still owed a reply will not get it from here. Nor will anyone else: the link is never clean
    /// again, and receiving from it is an error.
    pub fn abandon(&mut self) -> impl Iterator<Item = W> + use<W> {
        self.failed.get_or_insert(ProtocolError::Unexpected);
        std::mem::take(&mut self.owed).into_iter().map(|owed| owed.waiter)
    }

    /// The same connection for another kind of waiter, if nothing is owed.
    pub fn handover<V>(mut self) -> Option<Link<V>> {
        self.settle();
        self.is_clean().then(|| Link {
            output: self.output,
            input: self.input,
            scanner: self.scanner,
            owed: VecDeque::new(),
            large: Large::None,
            arrived: None,
            subscribed: false,
            failed: None,
        })
    }

    /// Where the next bytes from the socket belong: nowhere, if there is no room for them. Nothing more comes from here then.
    pub fn spare(&mut self) -> &mut [u8] {
        let spare = self.input.spare(self.scanner.need());
        if spare.is_empty() {
            self.failed = Some(ProtocolError::FrameTooLong);
        }
        spare
    }

    /// `n` bytes were put into [`Link::spare`].
    pub fn filled(&mut self, n: usize) {
        self.input.filled(n);
    }

    /// Whether [`Link::receive`] has something to give. Pushes (RESP3's out-of-band messages) are dropped,
    /// but for those of a subscription.
    ///
    /// After an error there is no telling where the next reply begins, so every later call repeats it.
    pub fn has_reply(&mut self) -> Result<bool, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.arrived.is_none() {
            self.arrived = self.next_arrival().inspect_err(|error| self.failed = Some(*error))?;
        }
        Ok(self.arrived.is_some())
    }

    /// The next reply, if it has arrived as a whole. Errors as [`Link::has_reply`].
    pub fn receive(&mut self) -> Result<Option<Received<'_, W>>, ProtocolError> {
        self.has_reply()?;
        match self.arrived.take() {
            Some(reply) => self.deliver(&reply).map(Some),
            None => Ok(None),
        }
    }

    fn next_arrival(&mut self) -> Result<Option<Arrived>, ProtocolError> {
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
                return Ok(Some(Arrived::Large));
            }
            Large::None => {}
        }
        loop {
            let bytes = self.input.bytes();
            let push = bytes.first() == Some(&b'>') && !self.subscribed;
            // Said before it is complete: what nobody waits for need not be held.
            if self.owed.is_empty() && !push && !bytes.is_empty() {
                return Err(ProtocolError::Unexpected);
            }
            match self.scanner.scan(bytes)? {
                None if bytes.len() > MAX_FRAME => return Err(ProtocolError::FrameTooLong),
                None => {
                    self.input.settle();
                    return Ok(None);
                }
                Some(len) if push => {
                    self.input.take(len);
                }
                Some(len) => return Ok(Some(Arrived::Frame(len))),
            }
        }
    }

    /// The length of a large bulk string that has begun to arrive and is worth receiving straight into its own buffer.
    /// Enough of it has come to justify that buffer, so a server cannot have memory reserved by claiming lengths.
    pub fn large(&self) -> Option<usize> {
        self.large_header().map(|(_, len)| len)
    }

    fn large_header(&self) -> Option<(usize, usize)> {
        if self.large != Large::None || self.owed.is_empty() || self.scanner.need() < LARGE_BULK {
            return None;
        }
        let bytes = self.input.bytes();
        let (header, len) = resp::large_bulk(bytes, LARGE_BULK)?;
        (len <= TRUSTED || bytes.len() >= len / EARNEST).then_some((header, len))
    }

    /// Takes what has arrived of that bulk string. The driver copies it to the start of a buffer of its own, receives
    /// the others behind it, and then calls [`Link::end_large`].
    pub fn begin_large(&mut self) -> &[u8] {
        let Some((header, len)) = self.large_header() else { return &[] };
        self.input.take(header);
        self.scanner = Scanner::default();
        self.large = Large::Data;
        let here = self.input.bytes().len().min(len);
        self.input.take(here)
    }

    /// The buffer of the large bulk string is full.
    pub fn end_large(&mut self) {
        if self.large == Large::Data {
            self.large = Large::Terminator;
        }
    }

    fn deliver(&mut self, reply: &Arrived) -> Result<Received<'_, W>, ProtocolError> {
        let Self { input, owed, .. } = self;
        let Some(first) = owed.front_mut() else { return Err(ProtocolError::Unexpected) };
        let bytes = match reply {
            Arrived::Frame(len) => Some(input.take(*len)),
            Arrived::Large => None,
        };
        first.replies = first.replies.saturating_sub(1);
        if first.replies > 0 {
            // The front exists: it was looked at above; borrowing it anew satisfies the borrow checker.
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
