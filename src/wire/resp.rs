//! RESP2 and RESP3: where a frame ends, and what is in it.

use std::fmt;

/// Deepest nesting of aggregates that is accepted. No command comes near it. A script can nest thousands of tables; its
/// reply is refused, because whoever turns a reply into objects may recurse this deep.
pub const MAX_DEPTH: usize = 128;
/// Longest accepted line: statuses, errors, numbers and lengths. Scripts raise errors that quote whole values, so this
/// is more than a sane server ever needs, and still little to hold.
pub const MAX_LINE: usize = 1024 * 1024;
/// Largest accepted bulk string: the servers' own limit (`proto-max-bulk-len`).
pub const MAX_BULK: usize = 512 * 1024 * 1024;

/// Largest accepted frame. An aggregate may hold as many elements as it likes; no cache has a use for more than this at once.
pub const MAX_FRAME: usize = if cfg!(test) { 1024 * 1024 * 64 } else { 2 * MAX_BULK };

/// The peer does not speak RESP, or speaks more of it than we are ready to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    UnknownType(u8),
    BadLength,
    /// A number, boolean or null that is none.
    BadValue,
    BulkTooLong,
    FrameTooLong,
    LineTooLong,
    MissingTerminator,
    TooDeep,
    /// A reply came although none was owed.
    Unexpected,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(byte) => write!(f, "unknown reply type 0x{byte:02x}"),
            Self::BadLength => f.write_str("invalid length"),
            Self::BadValue => f.write_str("invalid value"),
            Self::BulkTooLong => write!(f, "bulk string longer than {MAX_BULK} bytes"),
            Self::FrameTooLong => write!(f, "reply longer than {MAX_FRAME} bytes, or than there is memory for"),
            Self::LineTooLong => write!(f, "line longer than {MAX_LINE} bytes"),
            Self::MissingTerminator => f.write_str("missing line terminator"),
            Self::TooDeep => write!(f, "reply nested deeper than {MAX_DEPTH}"),
            Self::Unexpected => f.write_str("reply to no command"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// One element of a frame, in the order of the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element<'a> {
    /// Status, bulk and verbatim strings, doubles: text as the server wrote it.
    Bytes(&'a [u8]),
    Error(&'a [u8]),
    Integer(i64),
    /// An integer beyond 64 bits: a sign, or none, and at least one digit.
    BigNumber(&'a [u8]),
    Null,
    /// `n` elements follow. Maps count keys and values, so that both protocols look alike.
    Array(usize),
}

/// The header line of the element at the start of `bytes`.
struct Header<'a> {
    kind: u8,
    line: &'a [u8],
    /// Bytes up to and including the line's CRLF.
    len: usize,
}

/// What a header says about the bytes after it.
enum Body {
    /// Nothing follows.
    None,
    /// A bulk of so many bytes and CRLF follow.
    Bulk(usize),
    /// So many elements follow.
    Elements(u64),
    /// So many elements follow that are about the reply, not of it.
    Attribute(u64),
}

impl<'a> Header<'a> {
    /// `Ok(None)`: the line is not complete yet. `searched` bytes are known to hold no line feed.
    fn read(bytes: &'a [u8], searched: usize) -> Result<Option<Self>, ProtocolError> {
        let Some(&kind) = bytes.first() else { return Ok(None) };
        if !b"$+:*-_#,(!=%~>|".contains(&kind) {
            return Err(ProtocolError::UnknownType(kind));
        }
        let from = searched.max(1).min(bytes.len());
        let found = memchr::memchr(b'\n', &bytes[from..]);
        #[cfg(test)]
        super::tests::work::count(found.unwrap_or(bytes.len() - from) + 1);
        let Some(found) = found else {
            return if bytes.len() > MAX_LINE { Err(ProtocolError::LineTooLong) } else { Ok(None) };
        };
        let end = from + found;
        if end > MAX_LINE {
            return Err(ProtocolError::LineTooLong);
        }
        if end < 2 || bytes[end - 1] != b'\r' {
            return Err(ProtocolError::MissingTerminator);
        }
        Ok(Some(Self { kind, line: &bytes[1..end - 1], len: end + 1 }))
    }

    fn body(&self) -> Result<Body, ProtocolError> {
        match self.kind {
            b'$' | b'!' | b'=' => match length(self.line)? {
                None => Ok(Body::None),
                Some(n) => match usize::try_from(n) {
                    Ok(n) if n <= MAX_BULK => Ok(Body::Bulk(n)),
                    _ => Err(ProtocolError::BulkTooLong),
                },
            },
            b'*' | b'~' | b'>' => Ok(length(self.line)?.map_or(Body::None, Body::Elements)),
            b'%' => Ok(Body::Elements(doubled(self.line)?)),
            b'|' => Ok(Body::Attribute(doubled(self.line)?)),
            _ if self.is_valid() => Ok(Body::None),
            _ => Err(ProtocolError::BadValue),
        }
    }

    /// Whether an element of one line is what its type says, so that [`Elements`] needs no error of its own.
    fn is_valid(&self) -> bool {
        match self.kind {
            b':' => integer(self.line).is_some(),
            b'(' => {
                let digits = self.line.strip_prefix(b"-").or(self.line.strip_prefix(b"+")).unwrap_or(self.line);
                !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
            }
            b'#' => matches!(self.line, b"t" | b"f"),
            b'_' => self.line.is_empty(),
            _ => true,
        }
    }
}

fn integer(line: &[u8]) -> Option<i64> {
    let (negative, digits) = match line {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    // So many fit whatever they are; more come once in a lifetime.
    if digits.is_empty() || digits.len() > 18 {
        return std::str::from_utf8(line).ok()?.parse().ok();
    }
    let add = |value, digit: &u8| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'));
    let value = digits.iter().try_fold(0, add)?;
    Some(if negative { -value } else { value })
}

/// A length, or `None` for RESP2's null (`-1`).
fn length(digits: &[u8]) -> Result<Option<u64>, ProtocolError> {
    match integer(digits) {
        Some(-1) => Ok(None),
        Some(n) => u64::try_from(n).map(Some).map_err(|_| ProtocolError::BadLength),
        None => Err(ProtocolError::BadLength),
    }
}

fn doubled(digits: &[u8]) -> Result<u64, ProtocolError> {
    let pairs = length(digits)?.ok_or(ProtocolError::BadLength)?;
    pairs.checked_mul(2).ok_or(ProtocolError::BadLength)
}

#[derive(Debug, Clone, Copy)]
struct Open {
    remaining: u64,
    attribute: bool,
}

/// Finds the end of the frame at the start of a growing buffer.
///
/// It remembers how far it came, so a frame that arrives in pieces costs no more than one that arrives whole; and it
/// keeps its own stack, so no nesting can exhaust the thread's.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Bytes of the frame that are scanned.
    done: usize,
    /// Bytes after `done` known to hold no line feed.
    searched: usize,
    /// The frame is known to be at least this long.
    need: usize,
    open: Vec<Open>,
}

impl Scanner {
    /// `Ok(Some(n))`: the frame is the first `n` bytes, and the scanner is ready for the next frame.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        if bytes.len() < self.need {
            return Ok(None);
        }
        loop {
            let rest = &bytes[self.done..];
            let Some(header) = Header::read(rest, self.searched)? else {
                self.searched = rest.len();
                return Ok(None);
            };
            self.searched = 0;
            match header.body()? {
                Body::Bulk(n) => {
                    let end = header.len + n;
                    if rest.len() < end + 2 {
                        self.need = self.done + end + 2;
                        return Ok(None);
                    }
                    if &rest[end..end + 2] != b"\r\n" {
                        return Err(ProtocolError::MissingTerminator);
                    }
                    self.done += end + 2;
                }
                Body::None | Body::Elements(0) => self.done += header.len,
                Body::Elements(n) => {
                    self.enter(n, false)?;
                    self.done += header.len;
                    continue;
                }
                Body::Attribute(n) => {
                    self.done += header.len;
                    if n > 0 {
                        self.enter(n, true)?;
                    }
                    continue;
                }
            }
            if self.close() {
                let end = self.done;
                self.done = 0;
                self.need = 0;
                return Ok(Some(end));
            }
        }
    }

    /// How many bytes the frame has at least, as far as that is known.
    pub fn need(&self) -> usize {
        self.need
    }

    fn enter(&mut self, remaining: u64, attribute: bool) -> Result<(), ProtocolError> {
        if self.open.len() == MAX_DEPTH {
            return Err(ProtocolError::TooDeep);
        }
        self.open.push(Open { remaining, attribute });
        Ok(())
    }

    /// Counts one element as complete; true if that completes the frame.
    fn close(&mut self) -> bool {
        while let Some(top) = self.open.last_mut() {
            top.remaining -= 1;
            if top.remaining > 0 {
                return false;
            }
            let attribute = top.attribute;
            self.open.pop();
            if attribute {
                return false;
            }
        }
        true
    }
}

/// If `bytes` start with a bulk string of at least `at_least` bytes: the lengths of its header and of its data.
pub(super) fn large_bulk(bytes: &[u8], at_least: usize) -> Option<(usize, usize)> {
    if bytes.first() != Some(&b'$') {
        return None;
    }
    let header = Header::read(bytes, 0).ok()??;
    match header.body() {
        Ok(Body::Bulk(n)) if n >= at_least => Some((header.len, n)),
        _ => None,
    }
}

/// What stands next on the wire, be it of the reply, of an attribute, or an attribute's own header.
enum Step<'a> {
    Element(Element<'a>),
    /// So many elements follow that are not of the reply.
    Attribute(u64),
}

/// The elements of a complete frame, in order; attributes are left out.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// `frame` must be what [`Scanner::scan`] measured; of anything else only a prefix is seen.
    pub fn of(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    fn step(&mut self) -> Option<Step<'a>> {
        let header = Header::read(self.rest, 0).ok()??;
        let body = header.body().ok()?;
        let after = &self.rest[header.len..];
        self.rest = after;
        let line = header.line;
        Some(Step::Element(match (header.kind, body) {
            (kind, Body::Bulk(n)) => {
                let data = after.get(..n)?;
                self.rest = after.get(n + 2..)?;
                match kind {
                    b'!' => Element::Error(data),
                    // Verbatim strings carry their format in front: `txt:`.
                    b'=' => Element::Bytes(data.get(4..).unwrap_or(data)),
                    _ => Element::Bytes(data),
                }
            }
            (_, Body::Elements(n)) => Element::Array(usize::try_from(n).ok()?),
            (_, Body::Attribute(n)) => return Some(Step::Attribute(n)),
            (b'-', Body::None) => Element::Error(line),
            (b':', Body::None) => Element::Integer(integer(line)?),
            (b'#', Body::None) => Element::Integer(i64::from(line == b"t")),
            (b'(', Body::None) => Element::BigNumber(line),
            (b'+' | b',', Body::None) => Element::Bytes(line),
            (_, Body::None) => Element::Null,
        }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        // Elements of attributes yet to be left out. Attributes may follow each other without end, and stand in each
        // other: a count does for both, where recursion would be the server's to exhaust.
        let mut skip = 0_u64;
        loop {
            match self.step()? {
                Step::Attribute(elements) => skip = skip.checked_add(elements)?,
                Step::Element(element) if skip == 0 => return Some(element),
                Step::Element(Element::Array(inner)) => skip = (skip - 1).checked_add(inner as u64)?,
                Step::Element(_) => skip -= 1,
            }
        }
    }
}
