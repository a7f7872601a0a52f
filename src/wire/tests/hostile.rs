//! Servers that mean harm: nothing they send panics, costs more than its length, or reserves memory by claiming.

use super::driver::{Driver, fill};
use super::work;
use crate::wire::{Element, Elements, Link, MAX_BULK, MAX_DEPTH, MAX_FRAME, MAX_LINE, Payload, ProtocolError, Scanner};

fn verdict(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
    Scanner::default().scan(bytes)
}

#[test]
fn impossible_lengths_are_refused() {
    let limit = format!("${}\r\n", MAX_BULK + 1);
    for (wire, error) in [
        ("$-2\r\n", ProtocolError::BadLength),
        ("*-2\r\n", ProtocolError::BadLength),
        ("%-1\r\n", ProtocolError::BadLength),
        ("|-1\r\n", ProtocolError::BadLength),
        (">-9223372036854775808\r\n", ProtocolError::BadLength),
        ("$9223372036854775808\r\n", ProtocolError::BadLength),
        ("*18446744073709551616\r\n", ProtocolError::BadLength),
        ("$\r\n", ProtocolError::BadLength),
        ("*\r\n", ProtocolError::BadLength),
        ("$1x\r\n", ProtocolError::BadLength),
        ("$ 1\r\n", ProtocolError::BadLength),
        ("*1.0\r\n", ProtocolError::BadLength),
        ("$\u{0661}\r\n", ProtocolError::BadLength),
        ("$?\r\n", ProtocolError::BadLength),
        ("*?\r\n", ProtocolError::BadLength),
        ("$9223372036854775807\r\n", ProtocolError::BulkTooLong),
        ("!9223372036854775807\r\n", ProtocolError::BulkTooLong),
        ("=9223372036854775807\r\n", ProtocolError::BulkTooLong),
        (limit.as_str(), ProtocolError::BulkTooLong),
        (":\r\n", ProtocolError::BadValue),
        (":1e3\r\n", ProtocolError::BadValue),
        (":9223372036854775808\r\n", ProtocolError::BadValue),
        ("(\r\n", ProtocolError::BadValue),
        ("(-\r\n", ProtocolError::BadValue),
        ("(+-1\r\n", ProtocolError::BadValue),
        ("(12a\r\n", ProtocolError::BadValue),
        ("#\r\n", ProtocolError::BadValue),
        ("#true\r\n", ProtocolError::BadValue),
        ("_null\r\n", ProtocolError::BadValue),
    ] {
        assert_eq!(verdict(wire.as_bytes()), Err(error), "{wire:?}");
        assert_eq!(verdict(format!("*2\r\n+nested\r\n{wire}").as_bytes()), Err(error), "nested {wire:?}");
    }
    assert_eq!(verdict(format!("${MAX_BULK}\r\n").as_bytes()), Ok(None));
}

#[test]
fn every_unknown_type_is_refused_by_its_first_byte() {
    for byte in 0..=u8::MAX {
        let known = b"$+:*-_#,(!=%~>|".contains(&byte);
        let expected = if known { Ok(None) } else { Err(ProtocolError::UnknownType(byte)) };
        assert_eq!(verdict(&[byte]), expected);
        assert_eq!(verdict(&[b"*2\r\n_\r\n".as_slice(), &[byte]].concat()), expected);
    }
}

#[test]
fn missing_terminators() {
    for wire in ["+OK\n", "+\n", "$1\n", ":1\n", "$1\r\nab\r\n", "$1\r\nabc", "$0\r\n\n\r", "$1\r\na\n\r", "=1\r\na+b"]
    {
        assert_eq!(verdict(wire.as_bytes()), Err(ProtocolError::MissingTerminator), "{wire:?}");
    }
}

#[test]
fn nesting_ends_somewhere_without_recursion() {
    for open in ["*1\r\n", "%1\r\n", "|1\r\n", "~2\r\n", ">1\r\n", "*9223372036854775807\r\n"] {
        for depth in [MAX_DEPTH + 1, 200, 1_000_000] {
            let wire = open.repeat(depth);
            assert_eq!(verdict(wire.as_bytes()), Err(ProtocolError::TooDeep), "{depth} of {open:?}");
        }
        assert_eq!(verdict(open.repeat(MAX_DEPTH).as_bytes()), Ok(None), "{open:?}");
    }
    let deepest = "*1\r\n".repeat(MAX_DEPTH) + "_\r\n";
    assert_eq!(verdict(deepest.as_bytes()), Ok(Some(deepest.len())));
    assert_eq!(Elements::of(deepest.as_bytes()).count(), MAX_DEPTH + 1);
}

#[test]
fn attributes_in_a_row_are_left_out_without_recursion() {
    for attribute in ["|0\r\n", "|1\r\n_\r\n_\r\n", "|1\r\n*1\r\n|0\r\n_\r\n_\r\n"] {
        let wire = attribute.repeat(200_000) + ":7\r\n";
        assert_eq!(verdict(wire.as_bytes()), Ok(Some(wire.len())));
        let mut elements = Elements::of(wire.as_bytes());
        assert_eq!(elements.next(), Some(Element::Integer(7)));
        assert_eq!(elements.next(), None);
    }
}

#[test]
fn elements_of_what_was_never_scanned_only_end_early() {
    for wire in [
        "|9223372036854775807\r\n*9223372036854775807\r\n*9223372036854775807\r\n*9223372036854775807\r\n_\r\n",
        "|9223372036854775807\r\n|9223372036854775807\r\n_\r\n",
        "$10\r\nshort\r\n",
        "$18446744073709551615\r\n",
        "*",
        "\n",
        "",
    ] {
        assert_eq!(Elements::of(wire.as_bytes()).next(), None, "{wire:?}");
    }
}

#[test]
fn endless_lines_end() {
    for kind in b"$+:*-_#,(!=%~>|" {
        let mut driver = Driver::owing(&[1]);
        driver.arrive(&[*kind]).unwrap();
        let mut sent = 1;
        let error = loop {
            match driver.arrive(&[b'1'; 1000]) {
                Ok(()) => sent += 1000,
                Err(error) => break error,
            }
        };
        assert_eq!(error, ProtocolError::LineTooLong);
        assert!(sent <= MAX_LINE);
    }
}

#[test]
fn the_longest_line_is_the_same_whole_and_in_pieces() {
    for (len, expected) in [(MAX_LINE - 1, true), (MAX_LINE, false)] {
        // `len` bytes up to the line feed, that itself not counted.
        let mut line = vec![b'x'; len + 2];
        line[0] = b'+';
        line[len] = b'\r';
        line[len + 1] = b'\n';
        assert_eq!(verdict(&line).is_ok(), expected);
        for cut in [1, len - 1, len, len + 1] {
            let mut scanner = Scanner::default();
            let result = scanner.scan(&line[..cut]).and_then(|_| scanner.scan(&line));
            assert_eq!(result.is_ok(), expected, "{len} cut at {cut}");
        }
    }
}

#[test]
fn after_an_error_only_the_error() {
    let mut driver = Driver::owing(&[1, 1]);
    assert_eq!(driver.arrive(b"HTTP/1.1 400 Bad Request\r\n"), Err(ProtocolError::UnknownType(b'H')));
    assert_eq!(driver.arrive(b"+OK\r\n+OK\r\n"), Err(ProtocolError::UnknownType(b'H')));
    assert!(driver.got.is_empty());
    driver.link.abandon().for_each(drop);
    assert!(!driver.link.is_clean());
}

#[test]
fn what_nobody_waits_for_is_refused_before_it_is_complete() {
    for wire in [b"+OK\r\n".as_slice(), b"+", b"$500000000\r\n", b"*1000000\r\n", b"|1\r\n", b"?"] {
        let mut driver = Driver::default();
        assert_eq!(driver.arrive(wire), Err(ProtocolError::Unexpected), "{wire:?}");
    }
    let mut driver = Driver::owing(&[1]);
    assert_eq!(driver.arrive(b"+mine\r\n+whose?\r\n"), Err(ProtocolError::Unexpected));
    assert_eq!(driver.got.len(), 1);
}

/// The greatest amount of memory that is reserved for receiving while `wire` arrives in pieces.
fn reserved(wire: &[u8]) -> usize {
    let mut link = Link::default();
    link.push(&Payload::default(), 1, ());
    let mut most = 0;
    for piece in wire.chunks(1024) {
        most = most.max(link.spare().len());
        assert_eq!(fill(&mut link, piece), piece.len());
        let _ = link.receive();
        most = most.max(link.large().unwrap_or(0));
    }
    most.max(link.spare().len())
}

#[test]
fn claims_reserve_nothing() {
    const LITTLE: usize = 256 * 1024;
    for claim in [
        format!("${MAX_BULK}\r\nabc"),
        format!("!{MAX_BULK}\r\nabc"),
        format!("*1\r\n${MAX_BULK}\r\nabc"),
        "*9223372036854775807\r\n".to_owned(),
        "%4611686018427387903\r\n+a\r\n".to_owned(),
        "*9223372036854775807\r\n".repeat(MAX_DEPTH),
    ] {
        assert!(reserved(claim.as_bytes()) <= LITTLE, "{claim:?}");
    }
    // Nor more than a little multiple of what really came.
    for come in [100_000, 1_000_000, 10_000_000] {
        let wire = [format!("*1\r\n${MAX_BULK}\r\n").as_bytes(), &vec![b'x'; come]].concat();
        assert!(reserved(&wire) <= 2 * come + LITTLE, "{come}");
        let wire = [format!("${MAX_BULK}\r\n").as_bytes(), &vec![b'x'; come]].concat();
        assert!(reserved(&wire) <= 2 * come + LITTLE, "{come}");
    }
}

/// The work of receiving `wire` in pieces of 1 kB.
fn effort(wire: &[u8]) -> usize {
    work::of(|| {
        let mut driver = Driver::owing(&[1]);
        driver.arrive_in(&wire.chunks(1024).collect::<Vec<_>>()).unwrap();
        assert_eq!(driver.got.len(), 1);
    })
}

#[test]
fn work_is_linear_in_what_comes() {
    let wide = |bytes: usize| format!("*{}\r\n{}", bytes / 10, "$4\r\nabcd\r\n".repeat(bytes / 10));
    let lines =
        |bytes: usize| format!("*{}\r\n{}", bytes / 5000, format!("+{}\r\n", "x".repeat(4997)).repeat(bytes / 5000));
    let values = |bytes: usize| {
        format!(
            "*{}\r\n{}",
            bytes / 500_000,
            format!("$499989\r\n{}\r\n", "\n".repeat(499_989)).repeat(bytes / 500_000)
        )
    };
    let line = |bytes: usize| format!("+{}\r\n", "x".repeat(bytes));
    let attributes = |bytes: usize| "|0\r\n".repeat(bytes / 4) + "_\r\n";
    for (name, most, wire) in [
        ("wide", 10_000_000, &wide as &dyn Fn(usize) -> String),
        ("lines", 4_000_000, &lines),
        ("values", 4_000_000, &values),
        ("line", MAX_LINE - 2, &line),
        ("attributes", 2_000_000, &attributes),
    ] {
        let (half, whole) = (wire(most / 2), wire(most));
        let (less, more) = (effort(half.as_bytes()), effort(whole.as_bytes()));
        assert!(more <= 6 * whole.len(), "{name}: {more} bytes of work for {}", whole.len());
        assert!(more <= 2 * less + less / 10, "{name}: {less} grew to {more}");
    }
}

#[test]
fn a_frame_without_end_is_refused() {
    let mut link = Link::default();
    link.push(&Payload::default(), 1, ());
    let item = [b"$1000\r\n".as_slice(), &[b'x'; 1000], b"\r\n"].concat();
    fill(&mut link, b"*1000000000000\r\n");
    for held in (0..).step_by(item.len()) {
        match link.has_reply() {
            Ok(complete) => assert!(!complete && held <= MAX_FRAME + item.len(), "it is still being held"),
            Err(error) => {
                return assert_eq!((error, held > MAX_FRAME - item.len()), (ProtocolError::FrameTooLong, true));
            }
        }
        fill(&mut link, &item);
    }
}
