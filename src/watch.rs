//! Notices when objects get, change or lose attributes: what was found out about them holds until then.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// How often a watched dict has changed, or gone. Only who holds the interpreter looks at it, or lets a dict change.
static CHANGES: AtomicU64 = AtomicU64::new(1);

/// The interpreter's number for us, negative if it had none left: then nothing is ever watched.
static WATCHER: AtomicI32 = AtomicI32::new(-1);

type Callback = unsafe extern "C" fn(c_int, *mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject) -> c_int;

unsafe extern "C" {
    // PyO3 does not declare it.
    fn PyDict_AddWatcher(callback: Callback) -> c_int;
}

unsafe extern "C" fn changed(
    _event: c_int,
    _dict: *mut ffi::PyObject,
    _key: *mut ffi::PyObject,
    _value: *mut ffi::PyObject,
) -> c_int {
    CHANGES.fetch_add(1, Ordering::Relaxed);
    0
}

/// Gets a number from the interpreter.
pub(crate) fn prepare(py: Python<'_>) {
    // SAFETY: the interpreter is held, and the callback touches nothing of its arguments.
    let number = unsafe { PyDict_AddWatcher(changed) };
    if number < 0 {
        drop(PyErr::take(py));
    }
    WATCHER.store(number, Ordering::Relaxed);
}

/// Begins to watch a dict, if that is possible; it may be watched already.
///
/// An object's attributes are, at first, in an array that its dict shares. Not all versions of the interpreter tell of
/// changes there (3.13.0 does not), so an object that wants to be watched gives itself a dict that has its values itself.
pub(crate) fn watch(dict: &Bound<'_, PyDict>) -> bool {
    let number = WATCHER.load(Ordering::Relaxed);
    // SAFETY: the interpreter is held, and the object a dict.
    let is_own = unsafe { (*dict.as_ptr().cast::<ffi::PyDictObject>()).ma_values.is_null() };
    // SAFETY: as above, and the number is ours.
    let watched = is_own && number >= 0 && unsafe { ffi::PyDict_Watch(number, dict.as_ptr()) } == 0;
    if !watched {
        drop(PyErr::take(dict.py()));
    }
    watched
}

/// A number that every change makes another.
pub(crate) fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}
