//! The names that values are full of: keys of dicts are the same in most of them.

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::text;
use crate::sync::Mutex;

/// Longer strings are rarely names.
const LONGEST: usize = 32;
/// How many are kept, one in each place: a power of two.
const PLACES: usize = 1024;

/// Strings that were read before. Given out again they need not be made, nor hashed.
#[derive(Default)]
pub(super) struct Names {
    kept: Vec<Option<Kept>>,
    /// Counts the values that are read.
    reading: u64,
}

struct Kept {
    name: Py<PyString>,
    /// The name in UTF-8, with zeros behind it: to compare it, the string itself need not be looked at.
    bytes: [u8; LONGEST],
    len: usize,
    /// In which value it was given out last. Strings that were equal in what was stored are not to become one: stored
    /// again, the value would be other bytes.
    given: u64,
}

/// Nobody's at the moment; a reader takes them and puts them back, so that no lock is held while it works. The lock is
/// held only by who holds the interpreter, hence never at a fork.
static NAMES: Mutex<Option<Names>> = Mutex::new(None);

impl Names {
    /// The names, or new ones while somebody else has them.
    pub(super) fn take() -> Self {
        let mut names = NAMES.lock().take().unwrap_or_default();
        names.kept.resize_with(PLACES, || None);
        names.reading += 1;
        names
    }

    pub(super) fn put_back(self) {
        let other = NAMES.lock().replace(self);
        drop(other);
    }

    /// The string of these bytes, `None` if they are no UTF-8.
    pub(super) fn get<'py>(&mut self, py: Python<'py>, bytes: &[u8]) -> Option<Bound<'py, PyString>> {
        if bytes.len() > LONGEST {
            return text::make(py, bytes);
        }
        let place = &mut self.kept[place(bytes)];
        if let Some(kept) = place
            && kept.given != self.reading
            && kept.len == bytes.len()
            && kept.bytes[..bytes.len()] == *bytes
        {
            kept.given = self.reading;
            return Some(kept.name.bind(py).clone());
        }
        let name = text::make(py, bytes)?;
        let mut copy = [0; LONGEST];
        copy[..bytes.len()].copy_from_slice(bytes);
        *place = Some(Kept { name: name.clone().unbind(), bytes: copy, len: bytes.len(), given: self.reading });
        Some(name)
    }
}

/// The first and the last eight bytes and the length tell most names apart.
fn place(bytes: &[u8]) -> usize {
    let ends = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
    } else {
        bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    let hash = (ends ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(hash >> (u64::BITS - PLACES.ilog2())).unwrap_or_default()
}
