//! Commands packed, and sent in writes of whatever length.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::{Output, Payload, Shared};

fn share(bytes: &[u8]) -> Shared {
    Arc::new(bytes.to_vec())
}

/// What an output offers, in one piece.
fn offered(output: &Output) -> Vec<u8> {
    output.offer(|slices| slices.iter().flat_map(|slice| slice.to_vec()).collect())
}

/// Sends everything with writes that take so many bytes, over and over.
fn send(output: &mut Output, sizes: &[usize]) -> Vec<u8> {
    let mut sent = Vec::new();
    for &size in sizes.iter().cycle() {
        if output.is_empty() {
            break;
        }
        let before = sent.len();
        output.offer(|slices| {
            for slice in slices {
                let room = size - (sent.len() - before);
                sent.extend_from_slice(&slice[..room.min(slice.len())]);
            }
        });
        let n = sent.len() - before;
        assert!(n > 0, "not empty, yet nothing to write");
        output.wrote(n);
    }
    sent
}

fn packed(payload: &Payload) -> Vec<u8> {
    let mut output = Output::default();
    output.push(payload);
    send(&mut output, &[usize::MAX])
}

#[test]
fn words_are_packed_as_servers_expect_them() {
    let mut payload = Payload::with_capacity(100);
    assert!(payload.is_empty());
    assert_eq!(payload.len(), 0);
    payload.command(6);
    payload.packed(b"$3\r\nSET\r\n");
    payload.word(b"key\r\n");
    payload.shared(share(b"value"));
    payload.word(b"");
    payload.integer(i64::MIN);
    payload.shared(share(b""));
    let expected = b"*6\r\n$3\r\nSET\r\n$5\r\nkey\r\n\r\n$5\r\nvalue\r\n$0\r\n\r\n$20\r\n-9223372036854775808\r\n\
        $0\r\n\r\n";
    assert!(!payload.is_empty());
    assert_eq!(payload.len(), expected.len());
    assert_eq!(packed(&payload), expected);
}

#[test]
fn lengths_of_every_number_of_digits() {
    for len in [0, 9, 10, 99, 100, 999, 1000, 65_535, 1_000_000] {
        let word = vec![b'x'; len];
        let mut payload = Payload::default();
        payload.command(len);
        payload.word(&word);
        let expected = [format!("*{len}\r\n${len}\r\n").as_bytes(), &word, b"\r\n"].concat();
        assert_eq!(payload.into_bytes(), expected);
    }
    let mut payload = Payload::default();
    payload.command(usize::MAX);
    assert_eq!(payload.into_bytes(), b"*18446744073709551615\r\n");
}

/// Three commands with shared words at their starts, ends, next to each other, and empty.
fn commands() -> Payload {
    let mut first = Payload::default();
    first.command(3);
    first.shared(share(b"MSET"));
    first.shared(share(b"key"));
    first.shared(share(&[b'v'; 50]));
    let mut payload = Payload::default();
    payload.command(2);
    payload.word(b"GET");
    payload.shared(share(b""));
    payload.extend(&first);
    payload.extend(&Payload::default());
    payload.command(1);
    payload.word(b"PING");
    payload
}

#[test]
fn partial_writes_of_every_length() {
    let payload = commands();
    let expected =
        b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n*3\r\n$4\r\nMSET\r\n$3\r\nkey\r\n$50\r\nvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\
        vvvvvvvvvvvvvvvvv\r\n*1\r\n$4\r\nPING\r\n"
            .as_slice();
    assert_eq!(payload.len(), expected.len());
    for first in 0..=expected.len() {
        for then in [1, 2, 7, usize::MAX] {
            let mut output = Output::default();
            output.push(&payload);
            assert_eq!(offered(&output), expected);
            output.wrote(first);
            assert_eq!(offered(&output), expected[first..]);
            assert_eq!(output.is_empty(), first == expected.len());
            // More is queued behind what is partly written.
            output.push(&payload);
            let rest = send(&mut output, &[then]);
            assert_eq!(rest, [&expected[first..], expected].concat(), "{first}, then {then}");
            assert_eq!(output.total(), 2 * expected.len() as u64);
            assert_eq!(output.pushed(), output.total());
        }
    }
}

#[test]
fn nothing_to_send() {
    let mut output = Output::default();
    output.push(&Payload::default());
    assert!(output.is_empty());
    output.offer(|slices| assert!(slices.is_empty()));
    output.wrote(0);
    // What was never offered cannot have been written; a driver's mistake must not eat later commands.
    output.wrote(5);
    let mut ping = Payload::default();
    ping.word(b"PING");
    output.push(&ping);
    assert_eq!(send(&mut output, &[3]), b"$4\r\nPING\r\n");
}

#[test]
fn more_slices_than_one_write_takes() {
    let mut payload = Payload::default();
    let mut expected = Vec::new();
    for i in 0..100 {
        payload.shared(share(&[i; 5]));
        expected.extend_from_slice(&[b"$5\r\n".as_slice(), &[i; 5], b"\r\n"].concat());
    }
    for size in [1, 13, 64, usize::MAX] {
        let mut output = Output::default();
        output.push(&payload);
        assert_eq!(send(&mut output, &[size]), expected);
    }
}

#[test]
fn what_is_never_all_written_does_not_pile_up() {
    let mut payload = Payload::default();
    payload.word(&[b'x'; 1000]);
    let mut output = Output::default();
    output.push(&payload);
    for _ in 0..10_000 {
        output.push(&payload);
        output.wrote(payload.len());
        assert!(!output.is_empty());
        // At most one buffer that is partly written, and one that was.
        assert!(output.held() <= 256 * 1024);
    }
    assert_eq!(offered(&output).len(), payload.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_arrive_in_order(
        words in vec((any::<bool>(), prop_oneof![9 => vec(any::<u8>(), 0..40), 1 => Just(vec![b'x'; 70_000])]), 0..30),
        sizes in vec(prop_oneof![1_usize..50, 1000_usize..100_000], 1..6),
        at_once in 1_usize..6,
    ) {
        let mut expected = Vec::new();
        let mut sent = Vec::new();
        let mut output = Output::default();
        for group in words.chunks(at_once) {
            let mut payload = Payload::default();
            for (shared, word) in group {
                if *shared { payload.shared(share(word)) } else { payload.word(word) }
                expected.extend_from_slice(&[format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat());
            }
            output.push(&payload);
            let bytes = offered(&output);
            let n = sizes[0].min(bytes.len());
            sent.extend_from_slice(&bytes[..n]);
            output.wrote(n);
        }
        sent.extend(send(&mut output, &sizes));
        prop_assert!(sent == expected);
        prop_assert!(output.is_empty());
    }
}
