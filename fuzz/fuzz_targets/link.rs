//! Arbitrary bytes as a server's answers to pipelined commands: who gets what does not depend on how they arrive.

#![no_main]

use _core::wire::{Elements, LARGE_BULK, Link, Payload, ProtocolError, Received};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, PartialEq)]
struct Got {
    waiter: usize,
    last: bool,
    /// What a reader sees, as text: a large bulk string has no frame to compare.
    seen: String,
}

/// A link, the large bulk string on its way, and what was received.
struct Driver {
    link: Link<usize>,
    landing: Option<(Vec<u8>, usize)>,
    got: Vec<Got>,
}

impl Driver {
    /// Every byte is the number of replies to one waiter.
    fn owing(replies: &[u8]) -> Self {
        let mut link = Link::default();
        for (waiter, &replies) in replies.iter().enumerate() {
            link.push(&Payload::default(), usize::from(replies % 4) + 1, waiter);
        }
        Self { link, landing: None, got: Vec::new() }
    }

    fn arrive(&mut self, mut piece: &[u8]) -> Result<(), ProtocolError> {
        loop {
            let taken = match &mut self.landing {
                Some((buffer, filled)) if *filled < buffer.len() => {
                    let n = piece.len().min(buffer.len() - *filled);
                    buffer[*filled..*filled + n].copy_from_slice(&piece[..n]);
                    *filled += n;
                    if *filled == buffer.len() {
                        self.link.end_large();
                    }
                    n
                }
                _ => {
                    let spare = self.link.spare();
                    let n = piece.len().min(spare.len());
                    spare[..n].copy_from_slice(&piece[..n]);
                    self.link.filled(n);
                    n
                }
            };
            piece = &piece[taken..];
            self.drain()?;
            if let Some(len) = self.link.large() {
                let here = self.link.begin_large().to_vec();
                let filled = here.len();
                assert!(len >= LARGE_BULK && filled <= len);
                let mut buffer = here;
                buffer.resize(len, 0);
                if filled == len {
                    self.link.end_large();
                }
                self.landing = Some((buffer, filled));
                self.drain()?;
            }
            if piece.is_empty() {
                return Ok(());
            }
        }
    }

    fn drain(&mut self) -> Result<(), ProtocolError> {
        while let Some(received) = self.link.receive()? {
            let (waiter, last, frame) = match received {
                Received::Part(waiter, frame) => (*waiter, false, Some(frame)),
                Received::Last(waiter, frame) => (waiter, true, Some(frame)),
                Received::PartLarge(waiter) => (*waiter, false, None),
                Received::LastLarge(waiter) => (waiter, true, None),
            };
            let seen = match frame {
                Some(frame) => format!("{:?}", Elements::of(frame).collect::<Vec<_>>()),
                None => match self.landing.take() {
                    Some((buffer, _)) => format!("[Bytes({buffer:?})]"),
                    None => panic!("a large reply without its buffer"),
                },
            };
            self.got.push(Got { waiter, last, seen });
        }
        Ok(())
    }
}

/// The input: how many replies four waiters are owed, four sizes of pieces, and what the server says. `0xff` stands for
/// a run of bytes, so that a fuzzer reaches large bulk strings with inputs that are small.
fn read(input: &[u8]) -> Option<([u8; 4], [usize; 4], Vec<u8>)> {
    let (replies, rest) = input.split_first_chunk::<4>()?;
    let (sizes, rest) = rest.split_first_chunk::<4>()?;
    let mut stream = Vec::new();
    for &byte in rest {
        if byte == 0xff { stream.resize(stream.len() + LARGE_BULK / 4, b'x') } else { stream.push(byte) }
    }
    // Small pieces and large ones, never none.
    let sizes = sizes.map(|size| if size < 128 { usize::from(size) + 1 } else { usize::from(size - 127) * 300 });
    (stream.len() <= 16 * LARGE_BULK).then_some((*replies, sizes, stream))
}

fuzz_target!(|input: &[u8]| {
    let Some((replies, sizes, stream)) = read(input) else { return };
    let mut whole = Driver::owing(&replies);
    let verdict = whole.arrive(&stream);

    let mut cut = Driver::owing(&replies);
    let mut rest = stream.as_slice();
    let mut cut_verdict = Ok(());
    for size in sizes.into_iter().cycle() {
        if rest.is_empty() || cut_verdict.is_err() {
            break;
        }
        let (piece, after) = rest.split_at(size.min(rest.len()));
        cut_verdict = cut.arrive(piece);
        rest = after;
    }
    assert_eq!(cut_verdict, verdict);
    assert_eq!(cut.got, whole.got);
    assert_eq!(cut.link.is_clean(), whole.link.is_clean());
    if verdict.is_err() {
        assert!(!cut.link.is_clean(), "an error leaves nothing to reuse");
    }
    assert!(cut.got.is_sorted_by_key(|got| got.waiter), "replies out of order");
});
