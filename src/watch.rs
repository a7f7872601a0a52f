//! Notices when objects get, change or lose attributes: what was found out about them holds until then.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::imports::intern;

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

/// Begins to watch an object's attributes, if that is possible; they may be watched already. `own` is their dict, which may
/// become another: that one is returned.
pub(crate) fn watch<'py>(object: &Bound<'py, PyAny>, own: Bound<'py, PyDict>) -> Option<Bound<'py, PyDict>> {
    let number = WATCHER.load(Ordering::Relaxed);
    if number < 0 {
        return None;
    }
    let own = if is_shared(&own) { apart(object, &own)? } else { own };
    // SAFETY: the interpreter is held, the number is ours and the object a dict.
    let watched = unsafe { ffi::PyDict_Watch(number, own.as_ptr()) } == 0;
    if !watched {
        drop(PyErr::take(own.py()));
    }
    watched.then_some(own)
}

/// Whether the values are in the object itself, where the interpreter puts them at first. Not all of its versions tell of
/// changes there: 3.13.0 does not.
fn is_shared(own: &Bound<'_, PyDict>) -> bool {
    // SAFETY: the interpreter is held, and the object a dict.
    unsafe { !(*own.as_ptr().cast::<ffi::PyDictObject>()).ma_values.is_null() }
}

/// Puts an object's attributes into a dict that has the values itself; not if somebody else has hold of the present one,
/// who would change that in vain.
fn apart<'py>(object: &Bound<'py, PyAny>, own: &Bound<'py, PyDict>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: both are alive, and the interpreter is held. The object has one reference and we have one.
    if unsafe { ffi::Py_REFCNT(own.as_ptr()) } > 2 {
        return None;
    }
    let other = PyDict::new(own.py());
    other.update(own.as_mapping()).ok()?;
    // Not `PyObject_GenericSetDict`: in 3.13.0 the object goes on to use the values in itself.
    let name = intern!(own.py(), "__dict__");
    // SAFETY: as above; it takes a reference of its own.
    let set = unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), other.as_ptr()) } == 0;
    if !set {
        drop(PyErr::take(own.py()));
    }
    set.then_some(other)
}

/// Makes that number another.
pub(crate) fn change() -> u64 {
    CHANGES.fetch_add(1, Ordering::Relaxed) + 1
}

/// A number that every change makes another.
pub(crate) fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}
