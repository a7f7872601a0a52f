//! Objects that stand among plain values as often as not: dates, times and decimal numbers.

use pyo3::prelude::*;
use pyo3::types::{
    PyBytes, PyDate, PyDateAccess, PyDateTime, PyDelta, PyTimeAccess, PyTuple, PyType, PyTzInfo, PyTzInfoAccess,
};

use crate::imports::{self, intern};

/// Has the interpreter's API for dates at hand: at its first use a fork might come between.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    PyDelta::new(py, 0, 0, 0, false).map(drop)
}

/// The class that a pickle means by its name, if it is one of these, and nobody has put another in its place.
pub(super) fn class<'py>(py: Python<'py>, module: &str, name: &str) -> Option<Bound<'py, PyAny>> {
    let class = match (module, name) {
        ("datetime", "date") => py.get_type::<PyDate>(),
        ("datetime", "datetime") => py.get_type::<PyDateTime>(),
        ("datetime", "timedelta") => py.get_type::<PyDelta>(),
        ("datetime", "timezone") => PyTzInfo::utc(py).ok()?.get_type(),
        ("decimal", "Decimal") => imports::decimal(py).ok()?.cast::<PyType>().ok()?.clone(),
        _ => return None,
    };
    // Where `pickle` looks: tests that freeze time put their own there.
    let current = imports::modules(py).ok()?.get_item(module).ok()?.getattr(name).ok()?;
    current.is(&class).then_some(current)
}

/// The date or the moment that a class makes of this state and nothing else, without asking the class: most values have
/// several.
pub(super) fn moment<'py>(class: &Bound<'py, PyType>, state: &[u8]) -> Option<Bound<'py, PyAny>> {
    let py = class.py();
    match *state {
        [high, low, month, day] if class.is(py.get_type::<PyDate>()) => {
            let year = u16::from_be_bytes([high, low]);
            Some(PyDate::new(py, year.into(), month, day).ok()?.into_any())
        }
        [high, low, month, day, hour, minute, second, a, b, c] if class.is(py.get_type::<PyDateTime>()) => {
            let (year, micro) = (u16::from_be_bytes([high, low]), u32::from_be_bytes([0, a, b, c]));
            let (month, fold) = (month & 0x7f, month & 0x80 != 0);
            let made = PyDateTime::new_with_fold(py, year.into(), month, day, hour, minute, second, micro, None, fold);
            Some(made.ok()?.into_any())
        }
        _ => None,
    }
}

/// What makes the object anew, if it is of one of these classes: its class and the arguments for it.
pub(super) fn parts<'py>(value: &Bound<'py, PyAny>, protocol: u8) -> Option<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
    let (py, class) = (value.py(), value.get_type());
    if let Ok(date) = value.cast_exact::<PyDate>() {
        let [high, low] = u16::try_from(date.get_year()).ok()?.to_be_bytes();
        let state = PyBytes::new(py, &[high, low, date.get_month(), date.get_day()]);
        return Some((class, PyTuple::new(py, [state]).ok()?));
    }
    if let Ok(time) = value.cast_exact::<PyDateTime>() {
        let [high, low] = u16::try_from(time.get_year()).ok()?.to_be_bytes();
        let month = time.get_month() | if time.get_fold() { 0x80 } else { 0 };
        let [_, micro @ ..] = time.get_microsecond().to_be_bytes();
        let (day, hour, minute, second) = (time.get_day(), time.get_hour(), time.get_minute(), time.get_second());
        let state = PyBytes::new(py, &[high, low, month, day, hour, minute, second, micro[0], micro[1], micro[2]]);
        let arguments = match time.get_tzinfo() {
            Some(zone) => PyTuple::new(py, [state.into_any(), zone.into_any()]),
            None => PyTuple::new(py, [state]),
        };
        return Some((class, arguments.ok()?));
    }
    let is_other = value.is_exact_instance_of::<PyDelta>()
        || PyTzInfo::utc(py).is_ok_and(|utc| class.is(utc.get_type()))
        || imports::decimal(py).is_ok_and(|decimal| class.is(decimal));
    if !is_other {
        return None;
    }
    let reduced = value.call_method1(intern!(py, "__reduce_ex__"), (protocol,)).ok()?;
    let reduced = reduced.cast_exact::<PyTuple>().ok()?;
    // A state, which would come third, none of them has.
    let arguments = reduced.get_item(1).ok()?.cast_into_exact::<PyTuple>().ok()?;
    let is_all = reduced.get_item(0).ok()?.is(&class) && reduced.iter().skip(2).all(|part| part.is_none());
    is_all.then_some((class, arguments))
}

/// Whether the application itself says how objects of this class are to be pickled.
pub(super) fn is_customized(class: &Bound<'_, PyType>) -> bool {
    let py = class.py();
    let table = imports::dispatch_table(py).and_then(|table| table.contains(class));
    // Classes that `copyreg.add_extension` has given a number.
    let numbers = imports::extension_registry(py).and_then(PyAnyMethods::is_truthy);
    table.unwrap_or(true) || numbers.unwrap_or(true)
}
