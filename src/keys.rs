//! Made keys: Django's `make_and_validate_key`, natively where the result is beyond doubt.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};
use pyo3::intern;

use crate::imports;

/// Longer keys make Django warn (`MEMCACHE_MAX_KEY_LENGTH`).
const MAX_LENGTH: usize = 250;

/// What `cache.make_and_validate_key(key, version)` is in Django: the made key, with a `CacheKeyWarning` if memcached
/// would refuse it. Overridden or patched `make_key`, `validate_key` and `key_func` are honoured.
#[pyfunction]
#[pyo3(signature = (cache, key, version, /))]
pub(crate) fn make_and_validate_key<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Bound<'py, PyAny>,
    version: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = cache.py();
    let made = match native(cache, key, version)? {
        Made::Valid(made) => return Ok(made),
        Made::Doubtful(made) => made,
        Made::Foreign => cache.call_method1(intern!(py, "make_key"), (key, version))?,
    };
    cache.call_method1(intern!(py, "validate_key"), (&made,))?;
    Ok(made)
}

enum Made<'py> {
    Valid(Bound<'py, PyAny>),
    /// Django's own key, about which Django's own validation may have something to say.
    Doubtful(Bound<'py, PyAny>),
    /// Application code decides.
    Foreign,
}

fn native<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Bound<'py, PyAny>,
    version: &Bound<'py, PyAny>,
) -> PyResult<Made<'py>> {
    let py = cache.py();
    let Ok(key) = key.cast_exact::<PyString>() else { return Ok(Made::Foreign) };
    if !is_django(cache)? {
        return Ok(Made::Foreign);
    }
    let prefix = cache.getattr(intern!(py, "key_prefix"))?;
    let own_version;
    let version = if version.is_none() {
        own_version = cache.getattr(intern!(py, "version"))?;
        &own_version
    } else {
        version
    };
    let Ok(prefix) = prefix.cast_exact::<PyString>() else { return Ok(Made::Foreign) };
    if !version.is_exact_instance_of::<PyInt>() {
        return Ok(Made::Foreign);
    }
    // Surrogates: Django can format them, UTF-8 cannot hold them.
    let (Ok(prefix), Ok(key), Ok(version)) = (prefix.to_str(), key.to_str(), version.extract::<i64>()) else {
        return Ok(Made::Foreign);
    };
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(version);
    let mut made = String::with_capacity(prefix.len() + digits.len() + key.len() + 2);
    for part in [prefix, ":", digits, ":", key] {
        made.push_str(part);
    }
    // Without a branch per byte the compiler looks at many of them at once.
    let doubtful = made.bytes().fold(false, |found, byte| found | (byte <= b' ') | (byte == 0x7f));
    let short = made.len() <= MAX_LENGTH || made.chars().count() <= MAX_LENGTH;
    let object = PyString::new(py, &made).into_any();
    Ok(if short && !doubtful { Made::Valid(object) } else { Made::Doubtful(object) })
}

/// Whether keys are made and validated by Django's own code: not overridden in a subclass, not patched on the class or
/// on the instance.
fn is_django(cache: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = cache.py();
    let class = cache.get_type();
    let own = cache.getattr(intern!(py, "__dict__"))?;
    let own = own.cast::<PyDict>()?;
    Ok(cache.getattr(intern!(py, "key_func"))?.is(imports::default_key_func(py)?)
        && class.getattr(intern!(py, "make_key"))?.is(imports::make_key(py)?)
        && class.getattr(intern!(py, "validate_key"))?.is(imports::validate_key(py)?)
        && !own.contains(intern!(py, "make_key"))?
        && !own.contains(intern!(py, "validate_key"))?)
}
