//! Every Python name that the engine needs, imported when first used.
//!
//! Two threads may both be first. A lock would decide between them, and a child that is forked while one holds it would
//! wait for that thread for ever.

use once_cell::race::OnceBox;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType};

/// A Python string that is made once. (The macro of this name in `pyo3` takes a lock.)
macro_rules! intern {
    ($py:expr, $text:literal) => {{
        static NAME: once_cell::race::OnceBox<pyo3::Py<pyo3::types::PyString>> = once_cell::race::OnceBox::new();
        let py = $py;
        NAME.get_or_init(|| Box::new(pyo3::types::PyString::intern(py, $text).unbind())).bind(py)
    }};
}
pub(crate) use intern;

macro_rules! imports {
    ($($(#[$doc:meta])* $name:ident = $module:literal . $attribute:literal;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
            static CELL: OnceBox<Py<PyAny>> = OnceBox::new();
            let found = CELL.get_or_try_init(|| {
                let module = PyModule::import(py, $module)?.into_any();
                let found = $attribute.split('.').try_fold(module, |found, name| found.getattr(name))?;
                Ok::<_, PyErr>(Box::new(found.unbind()))
            })?;
            Ok(found.bind(py))
        })*
    };
}

imports! {
    running_loop = "asyncio"."get_running_loop";
    invalid_state_error = "asyncio"."InvalidStateError";
    new_context = "contextvars"."Context";
    modules = "sys"."modules";
    shallow_copy = "copy"."copy";
    decimal = "decimal"."Decimal";
    dispatch_table = "copyreg"."dispatch_table";
    extension_registry = "copyreg"."_extension_registry";
    default_timeout = "django.core.cache.backends.base"."DEFAULT_TIMEOUT";
    pickle_dumps = "pickle"."dumps";
    pickle_loads = "pickle"."loads";
    pickle_serializer = "django_cachex.serializers.pickle"."PickleSerializer";
    native_compressor = "django_cachex.compressors.native"."NativeCompressor";
    hide_items = "django_cachex.redaction"."hide_items";
    bound_client = "django_cachex.client.raw"."BoundClient";
}

/// A class of `django_cachex.exceptions`.
pub(crate) fn exception<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    Ok(PyModule::import(py, "django_cachex.exceptions")?.getattr(name)?.cast_into()?)
}

/// Where a name of the native module's interface is defined, if that is in Python: module and attribute.
pub(crate) fn home(name: &str) -> Option<(&'static str, &str)> {
    match name {
        "Redis" | "Valkey" | "RedisCluster" | "ValkeyCluster" | "AsyncRedis" | "AsyncValkey" | "AsyncRedisCluster"
        | "AsyncValkeyCluster" => Some(("django_cachex.client.raw", name)),
        "ConnectionPool" | "BlockingConnectionPool" | "AsyncConnectionPool" | "AsyncBlockingConnectionPool" => {
            Some(("django_cachex.pools", name))
        }
        "ResponseError" => Some(("django_cachex.exceptions", name)),
        "ConnectionError" => Some(("django_cachex.exceptions", "CacheConnectionError")),
        "TimeoutError" => Some(("django_cachex.exceptions", "CacheTimeoutError")),
        "DriverInfo" => Some(("django_cachex.client.driver_info", name)),
        _ => None,
    }
}
