//! Every kind of reply of both protocols, cut at every place.

use super::driver::{Driver, Got};
use super::tree::Seen;
use crate::wire::{Element, Elements, Scanner};

fn bytes(text: &str) -> Seen {
    Seen::Bytes(text.as_bytes().to_vec())
}

fn error(text: &str) -> Seen {
    Seen::Error(text.as_bytes().to_vec())
}

fn big(digits: &str) -> Seen {
    Seen::BigNumber(digits.as_bytes().to_vec())
}

/// What stands on the wire, and what is read of it.
fn every_kind() -> Vec<(&'static str, Vec<Seen>)> {
    use Seen::{Array, Integer, Null};
    vec![
        ("+OK\r\n", vec![bytes("OK")]),
        ("+\r\n", vec![bytes("")]),
        ("+a\rb\r\n", vec![bytes("a\rb")]),
        ("-ERR no such key\r\n", vec![error("ERR no such key")]),
        (":0\r\n", vec![Integer(0)]),
        (":+7\r\n", vec![Integer(7)]),
        (":-9223372036854775808\r\n", vec![Integer(i64::MIN)]),
        (":9223372036854775807\r\n", vec![Integer(i64::MAX)]),
        ("$5\r\nhello\r\n", vec![bytes("hello")]),
        ("$0\r\n\r\n", vec![bytes("")]),
        ("$4\r\n\r\n\r\n\r\n", vec![bytes("\r\n\r\n")]),
        ("$-1\r\n", vec![Null]),
        ("*-1\r\n", vec![Null]),
        ("*0\r\n", vec![Array(0)]),
        ("*2\r\n$1\r\na\r\n:1\r\n", vec![Array(2), bytes("a"), Integer(1)]),
        (
            "*3\r\n*0\r\n*2\r\n*-1\r\n$-1\r\n*1\r\n*1\r\n+x\r\n",
            vec![Array(3), Array(0), Array(2), Null, Null, Array(1), Array(1), bytes("x")],
        ),
        ("*1\r\n-WRONGTYPE no\r\n", vec![Array(1), error("WRONGTYPE no")]),
        ("_\r\n", vec![Null]),
        ("#t\r\n", vec![Integer(1)]),
        ("#f\r\n", vec![Integer(0)]),
        (",3.25\r\n", vec![bytes("3.25")]),
        (",-inf\r\n", vec![bytes("-inf")]),
        (",nan\r\n", vec![bytes("nan")]),
        ("(3492890328409238509324850943850943825024385\r\n", vec![big("3492890328409238509324850943850943825024385")]),
        ("(-1\r\n", vec![big("-1")]),
        ("!9\r\nERR a\r\nb.\r\n", vec![error("ERR a\r\nb.")]),
        ("=8\r\ntxt:text\r\n", vec![bytes("text")]),
        ("=4\r\nmkd:\r\n", vec![bytes("")]),
        ("=2\r\nhm\r\n", vec![bytes("hm")]),
        ("~2\r\n+a\r\n+b\r\n", vec![Array(2), bytes("a"), bytes("b")]),
        ("~0\r\n", vec![Array(0)]),
        ("%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n", vec![Array(4), bytes("a"), Integer(1), bytes("b"), Array(0)]),
        ("%0\r\n", vec![Array(0)]),
        ("|1\r\n+ttl\r\n:9\r\n+OK\r\n", vec![bytes("OK")]),
        ("|0\r\n|0\r\n_\r\n", vec![Null]),
        ("|1\r\n*2\r\n+k\r\n+l\r\n%1\r\n+v\r\n*1\r\n:1\r\n*1\r\n+OK\r\n", vec![Array(1), bytes("OK")]),
        ("|1\r\n|1\r\n+in\r\n+ner\r\n+k\r\n|0\r\n+v\r\n+OK\r\n", vec![bytes("OK")]),
        ("*2\r\n+a\r\n|1\r\n+k\r\n+v\r\n+b\r\n", vec![Array(2), bytes("a"), bytes("b")]),
        ("%1\r\n|1\r\n+k\r\n+v\r\n+a\r\n|0\r\n$1\r\n1\r\n", vec![Array(2), bytes("a"), bytes("1")]),
        (
            "*1\r\n>1\r\n+in an array a push is an array\r\n",
            vec![Array(1), Array(1), bytes("in an array a push is an array")],
        ),
    ]
}

const PUSH: &[u8] = b">3\r\n+invalidate\r\n*1\r\n$3\r\nkey\r\n|1\r\n+a\r\n+b\r\n_\r\n";

#[test]
fn scanner_finds_the_end_wherever_the_frame_is_cut() {
    for (wire, seen) in every_kind() {
        let frame = wire.as_bytes();
        let with_more = [frame, b"+more\r\n"].concat();
        for cut in 0..=frame.len() {
            let mut scanner = Scanner::default();
            if cut < frame.len() {
                assert_eq!(scanner.scan(&frame[..cut]), Ok(None), "{wire:?} cut at {cut}");
            }
            assert!(scanner.need() <= frame.len(), "{wire:?} cut at {cut}");
            assert_eq!(scanner.scan(&with_more), Ok(Some(frame.len())), "{wire:?} cut at {cut}");
            assert_eq!(scanner.scan(b"+more\r\n"), Ok(Some(7)), "{wire:?} leaves the scanner dirty");
        }
        assert_eq!(Elements::of(frame).map(Seen::from).collect::<Vec<_>>(), seen, "{wire:?}");
    }
}

#[test]
fn elements_of_a_cut_frame_are_a_prefix() {
    for (wire, seen) in every_kind() {
        for cut in 0..wire.len() {
            let read: Vec<_> = Elements::of(&wire.as_bytes()[..cut]).map(Seen::from).collect();
            assert!(seen.starts_with(&read), "{wire:?} cut at {cut}: {read:?}");
        }
    }
}

#[test]
fn elements_do_not_read_beyond_the_attribute_they_leave_out() {
    let mut elements = Elements::of(b"|1\r\n*1\r\n|1\r\n+a\r\n+b\r\n+c\r\n+k\r\n:5\r\n");
    assert_eq!(elements.next(), Some(Element::Integer(5)));
    assert_eq!(elements.next(), None);
}

/// Each kind is a reply between two others, with pushes before, between and after them.
fn pipeline(wire: &str, seen: &[Seen]) -> (Vec<u8>, Vec<Got>) {
    let stream =
        [PUSH, b":1\r\n", wire.as_bytes(), PUSH, b">-1\r\n>0\r\n", wire.as_bytes(), b"$1\r\nz\r\n", PUSH].concat();
    let got = [vec![Seen::Integer(1)], seen.to_vec(), seen.to_vec(), vec![bytes("z")]]
        .into_iter()
        .enumerate()
        .map(|(waiter, seen)| Got { waiter, last: true, seen })
        .collect();
    (stream, got)
}

#[test]
fn pipelined_replies_survive_every_cut() {
    for (wire, seen) in every_kind() {
        let (stream, got) = pipeline(wire, &seen);
        for cut in 0..=stream.len() {
            let mut driver = Driver::owing(&[1, 1, 1, 1]);
            driver.arrive_in(&[&stream[..cut], &stream[cut..]]).unwrap();
            assert_eq!(driver.got, got, "{wire:?} cut at {cut}");
            assert!(driver.link.is_clean());
        }
    }
}

#[test]
fn pipelined_replies_survive_pieces_of_any_one_size() {
    for (wire, seen) in every_kind() {
        let (stream, got) = pipeline(wire, &seen);
        for size in 1..=20 {
            let mut driver = Driver::owing(&[1, 1, 1, 1]);
            driver.arrive_in(&stream.chunks(size).collect::<Vec<_>>()).unwrap();
            assert_eq!(driver.got, got, "{wire:?} in pieces of {size}");
            assert!(driver.link.is_clean());
        }
    }
}
