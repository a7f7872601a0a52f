//! When a link may change hands, and what it keeps.

use std::sync::Arc;

use super::driver::{Driver, fill};
use crate::wire::{Link, Payload, ProtocolError, Received};

fn ping() -> Payload {
    let mut payload = Payload::default();
    payload.command(1);
    payload.word(b"PING");
    payload
}

/// Sends all of the output.
fn flush<W>(link: &mut Link<W>) {
    while !link.output.is_empty() {
        let n = link.output.offer(|slices| slices.iter().map(|slice| slice.len()).sum());
        link.output.wrote(n);
    }
}

#[test]
fn it_changes_hands_only_when_clean() {
    let fresh = Link::<usize>::default();
    let mut link: Link<&str> = fresh.handover().unwrap();

    link.push(&ping(), 1, "unsent");
    assert!(!link.is_clean());
    flush(&mut link);
    assert!(!link.is_clean(), "a reply is owed");
    fill(&mut link, b"+PO");
    assert!(link.receive().unwrap().is_none());
    assert!(!link.is_clean());
    fill(&mut link, b"NG\r\n>1\r\n");
    assert!(matches!(link.receive(), Ok(Some(Received::Last("unsent", b"+PONG\r\n")))));
    assert!(link.receive().unwrap().is_none());
    assert!(!link.is_clean(), "half a push is buffered");
    fill(&mut link, b"+p\r\n");
    assert!(link.receive().unwrap().is_none());
    assert!(link.is_clean());

    let mut link: Link<u8> = link.handover().unwrap();
    link.push(&ping(), 1, 1);
    fill(&mut link, b"+early\r\n");
    assert!(matches!(link.receive(), Ok(Some(Received::Last(1, _)))));
    assert!(!link.is_clean(), "the command is not sent although it is answered");
    assert!(link.handover::<()>().is_none());
}

#[test]
fn replies_of_many_waiters_in_turn() {
    let mut driver = Driver::owing(&[2, 1]);
    assert_eq!(driver.link.in_flight(), 2);
    driver.arrive(b":0\r\n").unwrap();
    assert_eq!(driver.link.in_flight(), 2);
    driver.link.push(&Payload::default(), 1, 7);
    driver.arrive(b":1\r\n:2\r\n").unwrap();
    assert_eq!(driver.link.waiters().collect::<Vec<_>>(), [&7]);
    driver.arrive(b":3\r\n").unwrap();
    let order: Vec<_> = driver.got.iter().map(|got| (got.waiter, got.last)).collect();
    assert_eq!(order, [(0, false), (0, true), (1, true), (7, true)]);
    assert_eq!(driver.link.in_flight(), 0);
}

#[test]
fn asking_for_a_reply_does_not_take_it() {
    let mut link = Link::default();
    for waiter in 0..3 {
        link.push(&Payload::default(), 1, waiter);
    }
    assert_eq!(link.has_reply(), Ok(false));
    fill(&mut link, b">0\r\n:0\r\n:1\r");
    for _ in 0..3 {
        assert_eq!(link.has_reply(), Ok(true));
    }
    // More comes before it is taken, enough to move and grow the buffer.
    let mut rest = [b"\n=100000\r\n".as_slice(), &vec![b'x'; 100_000], b"\r\n"].concat();
    while !rest.is_empty() {
        let n = fill(&mut link, &rest);
        rest.drain(..n);
    }
    assert_eq!(link.large(), None);
    assert!(matches!(link.receive(), Ok(Some(Received::Last(0, b":0\r\n")))));
    assert_eq!(link.has_reply(), Ok(true));
    assert!(matches!(link.receive(), Ok(Some(Received::Last(1, b":1\r\n")))));
    assert!(matches!(link.receive(), Ok(Some(Received::Last(2, frame))) if frame.len() == 100_011));
    assert_eq!(link.has_reply(), Ok(false));
    assert!(link.receive().unwrap().is_none());

    link.push(&Payload::default(), 1, 3);
    fill(&mut link, b"+here\r\n");
    assert_eq!(link.has_reply(), Ok(true));
    link.abandon().for_each(drop);
    assert_eq!(link.has_reply(), Err(ProtocolError::Unexpected));
    assert!(link.receive().is_err());
}

#[test]
fn an_abandoned_link_is_never_clean_again() {
    let mut link = Link::default();
    link.push(&ping(), 1, 'a');
    link.push(&ping(), 2, 'b');
    flush(&mut link);
    assert_eq!(link.abandon().collect::<String>(), "ab");
    assert_eq!(link.in_flight(), 0);
    assert!(!link.is_clean(), "the replies are still on their way");
    fill(&mut link, b"+late\r\n");
    assert!(matches!(link.receive(), Err(ProtocolError::Unexpected)));
    link.push(&ping(), 1, 'c');
    assert!(matches!(link.receive(), Err(ProtocolError::Unexpected)), "the late reply is not c's");
    assert!(link.handover::<()>().is_none());
}

#[test]
fn the_memory_of_an_exceptional_reply_is_given_back() {
    let wire = [b"*1\r\n$5000000\r\n".as_slice(), &vec![b'x'; 5_000_000], b"\r\n"].concat();
    let mut link = Link::default();
    link.push(&Payload::default(), 1, ());
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        rest = &rest[fill(&mut link, rest)..];
    }
    assert!(matches!(link.receive(), Ok(Some(Received::Last((), frame))) if frame == wire));
    link.settle();
    assert!(link.spare().len() < 1024 * 1024);
}

#[test]
fn memory_is_the_same_after_a_million_small_replies() {
    let mut link = Link::default();
    let payload = ping();
    let mut most = 0;
    for round in 0..10_000 {
        // A driver that stops at what it waited for, and one that drains.
        for _ in 0..100 {
            link.push(&payload, 1, ());
        }
        flush(&mut link);
        fill(&mut link, &b"$3\r\nabc\r\n".repeat(100));
        for _ in 0..100 + round % 2 {
            link.receive().unwrap();
        }
        assert!(link.is_clean());
        most = most.max(link.spare().len());
    }
    assert!(most <= 128 * 1024);
}

#[test]
fn shared_words_are_let_go_when_they_are_sent() {
    let word: Arc<Vec<u8>> = Arc::new(vec![b'x'; 100]);
    let mut payload = Payload::default();
    payload.command(1);
    payload.shared(word.clone());
    let mut link = Link::default();
    link.push(&payload, 1, ());
    drop(payload);
    assert_eq!(Arc::strong_count(&word), 2);
    flush(&mut link);
    assert_eq!(Arc::strong_count(&word), 1);
}

#[test]
fn every_error_says_what_is_wrong() {
    for (error, text) in [
        (ProtocolError::UnknownType(b'H'), "unknown reply type 0x48"),
        (ProtocolError::BadLength, "invalid length"),
        (ProtocolError::BadValue, "invalid value"),
        (ProtocolError::BulkTooLong, "bulk string longer than 536870912 bytes"),
        (ProtocolError::LineTooLong, "line longer than 1048576 bytes"),
        (ProtocolError::MissingTerminator, "missing line terminator"),
        (ProtocolError::TooDeep, "reply nested deeper than 128"),
        (ProtocolError::Unexpected, "reply to no command"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_subscription_is_never_fully_answered() {
    let messages: [&[u8]; 3] = [
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
        b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
        b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nho\r\n",
    ];
    let mut link: Link<&str> = Link::default();
    link.push(&ping(), 1, "question");
    link.subscribe(&ping(), "subscriber");
    flush(&mut link);
    fill(&mut link, b"+PONG\r\n");
    assert!(matches!(link.receive(), Ok(Some(Received::Last("question", _)))));
    for message in messages {
        let (start, end) = message.split_at(message.len() / 2);
        fill(&mut link, start);
        assert!(link.receive().unwrap().is_none());
        fill(&mut link, end);
        let Ok(Some(Received::Part(&mut "subscriber", frame))) = link.receive() else { panic!("not delivered") };
        assert_eq!(frame, message);
    }
    assert_eq!(link.in_flight(), 1);
    assert!(link.handover::<()>().is_none(), "it belongs to the subscription for good");
}
