//! Whatever the replies and however they arrive, every waiter gets its own.

use proptest::collection::vec;
use proptest::prelude::*;

use super::driver::{Driver, Got};
use super::tree::{Seen, Tree};
use crate::wire::{Elements, LARGE_BULK, Scanner};

/// Cuts `stream` into pieces of the given sizes, over and over.
fn pieces<'a>(stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = stream;
    let mut pieces = Vec::new();
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(size.clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// A reply as any command may get it, now and then one that takes the large way.
fn reply() -> impl Strategy<Value = Tree> {
    prop_oneof![
        9 => Tree::any(),
        1 => (LARGE_BULK - 3..LARGE_BULK + 3).prop_map(|len| Tree::Bulk(b'$', vec![b'\n'; len])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn elements_are_the_same_however_the_frame_arrives(tree in Tree::any(), sizes in vec(1_usize..30, 1..8)) {
        let frame = tree.encoded();
        let mut scanner = Scanner::default();
        let mut held = Vec::new();
        for piece in pieces(&frame, &sizes) {
            held.extend_from_slice(piece);
            let end = scanner.scan(&held).unwrap();
            prop_assert_eq!(end, (held.len() == frame.len()).then_some(frame.len()));
        }
        let seen: Vec<_> = Elements::of(&frame).map(Seen::from).collect();
        prop_assert_eq!(seen, tree.seen());
    }

    #[test]
    fn waiters_get_their_replies_in_order(
        waiters in vec(vec((vec(Tree::any_push(), 0..2), reply()), 1..5), 1..6),
        sizes in vec(prop_oneof![1_usize..60, 1_usize..40_000], 1..8),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (waiter, replies) in waiters.iter().enumerate() {
            for (i, (pushes, reply)) in replies.iter().enumerate() {
                for push in pushes {
 push.encode(&mut stream);
 }
                reply.encode(&mut stream);
                expected.push(Got { waiter, last: i + 1 == replies.len(), seen: reply.seen() });
            }
        }
        let mut driver = Driver::owing(&waiters.iter().map(Vec::len).collect::<Vec<_>>());
        driver.arrive_in(&pieces(&stream, &sizes)).unwrap();
        prop_assert_eq!(driver.got, expected);
        prop_assert!(driver.link.is_clean());
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_cuts_never_matter(
        stream in prop_oneof![
            vec(any::<u8>(), 0..200),
            vec(prop::sample::select(b"$+:*-_#,(!=%~>|0123456789-\r\n\r\n\r\ntf".as_slice()), 0..200),
        ],
        sizes in vec(1_usize..20, 1..5),
    ) {
        let mut whole = Driver::owing(&[2; 8]);
        let verdict = whole.arrive(&stream);
        let mut cut = Driver::owing(&[2; 8]);
        prop_assert_eq!(cut.arrive_in(&pieces(&stream, &sizes)), verdict);
        prop_assert_eq!(cut.got, whole.got);
    }
}
