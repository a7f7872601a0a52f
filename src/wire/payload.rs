//! Commands as bytes.

use std::sync::Arc;

/// Bytes that are sent from where they are, without being copied.
pub type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A place between two commands of a payload.
#[derive(Default, Clone, Copy)]
pub struct Mark {
    bytes: usize,
    shared: usize,
}

/// One or more packed commands. Large arguments are held by reference.
#[derive(Default, Clone)]
pub struct Payload {
    bytes: Vec<u8>,
    /// Shared chunks, each with the offset in `bytes` that it precedes.
    shared: Vec<(usize, Shared)>,
}

impl Payload {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), shared: Vec::new() }
    }

    /// Starts a command of `words` words.
    pub fn command(&mut self, words: usize) {
        self.header(b'*', words);
    }

    /// Appends words that are packed already.
    pub fn packed(&mut self, words: &[u8]) {
        self.bytes.extend_from_slice(words);
    }

    pub fn word(&mut self, word: &[u8]) {
        self.header(b'$', word.len());
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub fn integer(&mut self, value: i64) {
        self.word(itoa::Buffer::new().format(value).as_bytes());
    }

    pub fn shared(&mut self, word: Shared) {
        self.header(b'$', (*word).as_ref().len());
        self.shared.push((self.bytes.len(), word));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Appends another payload's commands.
    pub fn extend(&mut self, other: &Payload) {
        self.extend_from(other, Mark::default(), other.mark());
    }

    /// Appends what another payload holds between two marks.
    pub fn extend_from(&mut self, other: &Payload, from: Mark, to: Mark) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes[from.bytes..to.bytes]);
        let chunks = other.shared[from.shared..to.shared].iter();
        self.shared.extend(chunks.map(|(at, chunk)| (base + at - from.bytes, chunk.clone())));
    }

    /// Where the next command will begin.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), shared: self.shared.len() }
    }

    /// Takes back what came after a mark.
    pub fn truncate(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.shared.truncate(mark.shared);
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared.iter().map(|(_, chunk)| (**chunk).as_ref().len()).sum::<usize>()
    }

    /// The bytes of a payload that shares none.
    pub fn into_bytes(self) -> Vec<u8> {
        debug_assert!(self.shared.is_empty());
        self.bytes
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut from = 0;
        let chunks = self.shared.iter().flat_map(move |(at, chunk)| {
            let bytes = &self.bytes[from..*at];
            from = *at;
            [Piece::Bytes(bytes), Piece::Shared(chunk)]
        });
        let tail = self.shared.last().map_or(0, |(at, _)| *at);
        chunks.chain(std::iter::once(Piece::Bytes(&self.bytes[tail..])))
    }

    fn header(&mut self, kind: u8, n: usize) {
        // Most lengths have one or two digits.
        match u8::try_from(n) {
            Ok(n @ ..10) => self.bytes.extend_from_slice(&[kind, b'0' + n, b'\r', b'\n']),
            Ok(n @ ..100) => self.bytes.extend_from_slice(&[kind, b'0' + n / 10, b'0' + n % 10, b'\r', b'\n']),
            _ => {
                self.bytes.push(kind);
                self.bytes.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
    }
}

pub(super) enum Piece<'a> {
    Bytes(&'a [u8]),
    Shared(&'a Shared),
}
