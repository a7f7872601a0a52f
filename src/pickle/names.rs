//! The names that values are full of: keys of dicts are the same in most of them.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::sync::Mutex;

/// Longer strings are rarely names.
const LONGEST: usize = 32;
/// How many are kept, one in each place: a power of two.
const PLACES: usize = 1024;

/// Strings that were read before. Given out again they need not be made, nor hashed.
pub(super) struct Names(Box<[Option<Py<PyString>>]>);

/// Nobody's at the moment; a reader takes them and puts them back, so that no lock is held while it works.
static NAMES: Mutex<Option<Names>> = Mutex::new(None);

impl Names {
    /// The names, or new ones while somebody else has them.
    pub(super) fn take() -> Self {
        let kept = NAMES.lock().take();
        kept.unwrap_or_else(|| Self((0..PLACES).map(|_| None).collect()))
    }

    pub(super) fn put_back(self) {
        let other = NAMES.lock().replace(self);
        drop(other);
    }

    /// The string of these bytes, `None` if they are no UTF-8.
    pub(super) fn get<'py>(&mut self, py: Python<'py>, bytes: &[u8]) -> Option<Bound<'py, PyString>> {
        if bytes.len() > LONGEST {
            return PyString::from_bytes(py, bytes).ok();
        }
        let kept = &mut self.0[place(bytes)];
        if let Some(name) = kept
            && name.bind(py).to_str().is_ok_and(|text| text.as_bytes() == bytes)
        {
            return Some(name.bind(py).clone());
        }
        let name = PyString::from_bytes(py, bytes).ok()?;
        *kept = Some(name.clone().unbind());
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
