//! Made keys: Django's `make_and_validate_key`, natively where the result is beyond doubt.

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};
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
    let base = imports::base_cache(py)?;
    if !is_method(cache, base, intern!(py, "make_key"))?
        || !is_method(cache, base, intern!(py, "validate_key"))?
        || !cache.getattr(intern!(py, "key_func"))?.is(imports::default_key_func(py)?)
    {
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
    let made = format!("{prefix}:{version}:{key}");
    let printable = made.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    let short = made.len() <= MAX_LENGTH || made.chars().count() <= MAX_LENGTH;
    let object = PyString::new(py, &made).into_any();
    Ok(if printable && short { Made::Valid(object) } else { Made::Doubtful(object) })
}

/// Whether `cache.name` is a method that `base` defines: overridden nowhere, patched nowhere.
fn is_method(cache: &Bound<'_, PyAny>, base: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyResult<bool> {
    let function = cache.getattr(name)?.getattr_opt(intern!(cache.py(), "__func__"))?;
    Ok(function.is_some_and(|function| base.getattr(name).is_ok_and(|own| own.is(&function))))
}
