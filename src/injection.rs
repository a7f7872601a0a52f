//! Panics on demand, for the tests that show what becomes of one.

use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Where a panic can be had.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Point {
    Call = 1,
    Read = 2,
    Connect = 3,
}

static NEXT: AtomicU8 = AtomicU8::new(0);

/// Panics if a test has asked for it, once.
pub(crate) fn trip(point: Point) {
    let wanted = point as u8;
    if NEXT.load(Ordering::Relaxed) == wanted
        && NEXT.compare_exchange(wanted, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        panic!("injected");
    }
}

/// For tests: the next `"call"`, `"read"` (of a reply) or `"connect"` panics.
#[pyfunction]
pub(crate) fn _panic_next(point: &str) -> PyResult<()> {
    let point = match point {
        "call" => Point::Call,
        "read" => Point::Read,
        "connect" => Point::Connect,
        _ => return Err(PyValueError::new_err("one of 'call', 'read' and 'connect'")),
    };
    NEXT.store(point as u8, Ordering::Relaxed);
    Ok(())
}
