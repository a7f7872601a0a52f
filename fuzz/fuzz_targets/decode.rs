//! Arbitrary bytes as one reply: the scanner finds the same end however they arrive, and its elements are all there.

#![no_main]

use _core::wire::{Element, Elements, ProtocolError, Scanner};
use libfuzzer_sys::fuzz_target;

/// Scans what arrives in pieces of `size` bytes, as long as the frame is not complete.
fn scan_in_pieces(bytes: &[u8], size: usize) -> Result<Option<usize>, ProtocolError> {
    let mut scanner = Scanner::default();
    let mut held = 0;
    while held < bytes.len() {
        held = (held + size).min(bytes.len());
        let verdict = scanner.scan(&bytes[..held]);
        if verdict != Ok(None) {
            return verdict;
        }
    }
    Ok(None)
}

/// Checks that the elements are exactly one complete reply.
fn check(frame: &[u8]) {
    // How many elements are still to come: one, and those of every array.
    let mut owed = 1_u128;
    for element in Elements::of(frame) {
        assert!(owed > 0, "more elements than the reply has");
        owed -= 1;
        match element {
            Element::Array(n) => {
                assert!(n <= frame.len(), "an array of more elements than bytes");
                owed += n as u128;
            }
            Element::BigNumber(digits) => assert!(digits.last().is_some_and(u8::is_ascii_digit)),
            Element::Bytes(bytes) | Element::Error(bytes) => assert!(bytes.len() < frame.len()),
            Element::Integer(_) | Element::Null => {}
        }
    }
    assert_eq!(owed, 0, "elements are missing");
}

fuzz_target!(|bytes: &[u8]| {
    let verdict = Scanner::default().scan(bytes);
    for size in [1, 2, 3, 7] {
        assert_eq!(scan_in_pieces(bytes, size), verdict, "in pieces of {size}");
    }
    match verdict {
        Ok(Some(end)) => check(&bytes[..end]),
        // Whatever it is, looking at it is harmless.
        _ => Elements::of(bytes).for_each(drop),
    }
});
