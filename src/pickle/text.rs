//! Strings out of UTF-8.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The string of these bytes, `None` if they are no UTF-8. Most are ASCII, which needs only to be copied.
pub(super) fn make<'py>(py: Python<'py>, bytes: &[u8]) -> Option<Bound<'py, PyString>> {
    // Strings of one character exist already.
    if bytes.len() < 2 || !bytes.is_ascii() {
        return PyString::from_bytes(py, bytes).ok();
    }
    let len = ffi::Py_ssize_t::try_from(bytes.len()).ok()?;
    // SAFETY: a new string of `len` characters up to 127, of which each takes one byte. Nobody else has seen it yet.
    unsafe {
        let made = Bound::from_owned_ptr_or_opt(py, ffi::PyUnicode_New(len, 127));
        let Some(made) = made else {
            drop(PyErr::take(py));
            return None;
        };
        ffi::PyUnicode_1BYTE_DATA(made.as_ptr()).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        Some(made.cast_into_unchecked())
    }
}
