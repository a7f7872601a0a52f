//! Large bulk strings go straight into their own buffer.

use super::driver::{Driver, Got, fill};
use super::tree::Seen;
use crate::wire::{LARGE_BULK, Link, Payload, ProtocolError, Received};

/// A value that holds all that could mislead a parser.
fn value(len: usize) -> Vec<u8> {
    b"\r\n$3\r\nabc\r\n*1\r\n".iter().copied().cycle().take(len).collect()
}

fn bulk(value: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
}

fn got(waiter: usize, last: bool, seen: Seen) -> Got {
    Got { waiter, last, seen: vec![seen] }
}

#[test]
fn every_cut_near_its_borders() {
    for len in [LARGE_BULK, LARGE_BULK + 1, 3 * LARGE_BULK] {
        let value = value(len);
        let before = b">1\r\n+p\r\n+first\r\n".as_slice();
        let large = bulk(&value);
        let stream = [before, &large, b">1\r\n+p\r\n:3\r\n"].concat();
        let expected = [
            got(0, true, Seen::Bytes(b"first".to_vec())),
            got(1, true, Seen::Bytes(value)),
            got(2, true, Seen::Integer(3)),
        ];
        let data = before.len() + large.len() - 2 - len;
        let end = before.len() + large.len();
        let cuts = (0..data + 5).chain(end - 5..=stream.len());
        for first in cuts.clone() {
            for second in cuts.clone().filter(|&second| second >= first) {
                let mut driver = Driver::owing(&[1, 1, 1]);
                driver.arrive_in(&[&stream[..first], &stream[first..second], &stream[second..]]).unwrap();
                assert_eq!(driver.got, expected, "{len} cut at {first} and {second}");
                assert!(driver.link.is_clean());
                let inside = |cut: usize| (data..end).contains(&cut);
                if inside(first) || inside(second) {
                    assert_eq!(driver.landed, 1, "{len} cut at {first} and {second}");
                }
            }
        }
    }
}

#[test]
fn byte_by_byte_and_among_parts() {
    let value = value(LARGE_BULK);
    let stream = [bulk(&value), b"_\r\n".to_vec(), bulk(&value), bulk(b"small")].concat();
    let mut driver = Driver::owing(&[3, 1]);
    driver.arrive_in(&stream.chunks(1).collect::<Vec<_>>()).unwrap();
    let large = Seen::Bytes(value);
    let small = Seen::Bytes(b"small".to_vec());
    let expected = [got(0, false, large.clone()), got(0, false, Seen::Null), got(0, true, large), got(1, true, small)];
    assert_eq!(driver.got, expected);
    assert_eq!(driver.landed, 2);
    assert!(driver.link.is_clean());
}

#[test]
fn only_plain_bulk_strings_that_somebody_waits_for_and_that_are_large() {
    let large_at = |owed: usize, bytes: &[u8]| {
        let mut driver = Link::default();
        for waiter in 0..owed {
            driver.push(&Payload::default(), 1, waiter);
        }
        fill(&mut driver, bytes);
        let verdict = driver.receive().map(|received| received.is_some());
        (verdict, driver.large())
    };
    assert_eq!(large_at(1, b"$40000\r\nabc"), (Ok(false), Some(40000)));
    assert_eq!(large_at(1, format!("${LARGE_BULK}\r\n").as_bytes()), (Ok(false), Some(LARGE_BULK)));
    assert_eq!(large_at(1, format!("${}\r\n", LARGE_BULK - 1).as_bytes()), (Ok(false), None));
    assert_eq!(large_at(1, b"$40000"), (Ok(false), None));
    assert_eq!(large_at(1, b"=40000\r\nabc"), (Ok(false), None));
    assert_eq!(large_at(1, b"!40000\r\nabc"), (Ok(false), None));
    assert_eq!(large_at(1, b"*1\r\n$40000\r\nabc"), (Ok(false), None));
    assert_eq!(large_at(1, b"|0\r\n$40000\r\nabc"), (Ok(false), None));
    assert_eq!(large_at(1, b">1\r\n$40000\r\nabc"), (Ok(false), None));
    assert_eq!(large_at(0, b"$40000\r\nabc"), (Err(ProtocolError::Unexpected), None));
}

#[test]
fn a_wrong_terminator_is_an_error_at_once() {
    for wrong in [b"xx".as_slice(), b"\n", b"\rx", b"x"] {
        let stream = [&bulk(&value(LARGE_BULK))[..], b""].concat();
        let body = &stream[..stream.len() - 2];
        for cut in [10, body.len()] {
            let mut driver = Driver::owing(&[1, 1]);
            driver.arrive_in(&[&body[..cut], &body[cut..]]).unwrap();
            assert_eq!(driver.arrive(wrong), Err(ProtocolError::MissingTerminator), "{wrong:?}");
            assert!(driver.got.is_empty());
            assert_eq!(driver.arrive(b"\r\n"), Err(ProtocolError::MissingTerminator), "not repeated");
        }
    }
}

#[test]
fn nothing_is_received_and_nothing_is_clean_while_it_is_under_way() {
    let value = value(LARGE_BULK);
    let stream = bulk(&value);
    let mut link = Link::default();
    link.push(&Payload::default(), 1, ());
    fill(&mut link, &stream[..100]);
    assert!(link.receive().unwrap().is_none());
    let mut buffer = vec![0; link.large().unwrap()];
    let here = link.begin_large();
    let filled = here.len();
    buffer[..filled].copy_from_slice(here);
    assert_eq!(here, &value[..filled]);
    assert!(link.begin_large().is_empty(), "it has begun");
    assert!(link.receive().unwrap().is_none());
    assert_eq!(link.large(), None);
    assert!(!link.is_clean());
    buffer[filled..].copy_from_slice(&value[filled..]);
    link.end_large();
    assert!(link.receive().unwrap().is_none());
    assert!(!link.is_clean());
    fill(&mut link, b"\r\n");
    assert!(matches!(link.receive(), Ok(Some(Received::LastLarge(())))));
    assert_eq!(buffer, value);
    assert!(link.is_clean());
}

#[test]
fn beginning_or_ending_out_of_turn_changes_nothing() {
    let mut link = Link::default();
    link.push(&Payload::default(), 1, ());
    assert!(link.begin_large().is_empty());
    link.end_large();
    fill(&mut link, b"+OK\r\n");
    assert!(matches!(link.receive(), Ok(Some(Received::Last((), b"+OK\r\n")))));
    assert!(link.is_clean());
}

#[test]
fn a_giant_must_come_in_part_before_it_gets_its_buffer() {
    let len = 24 * 1024 * 1024;
    let value = value(len);
    let stream = bulk(&value);
    let mut driver = Driver::owing(&[1]);
    driver.arrive(&stream[..len / 16]).unwrap();
    assert_eq!(driver.landed, 0);
    assert_eq!(driver.link.large(), None);
    driver.arrive_in(&stream[len / 16..].chunks(1024 * 1024).collect::<Vec<_>>()).unwrap();
    assert_eq!(driver.landed, 1);
    assert_eq!(driver.got.len(), 1);
    assert!(driver.got[0].seen == [Seen::Bytes(value)]);
}
