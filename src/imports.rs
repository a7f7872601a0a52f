//! Every Python name that the engine needs, imported when first used.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyModule, PyType};

macro_rules! imports {
    ($($(#[$doc:meta])* $name:ident = $module:literal . $attribute:literal;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
            static CELL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let found = CELL.get_or_try_init(py, || {
                let module = PyModule::import(py, $module)?.into_any();
                let found = $attribute.split('.').try_fold(module, |found, name| found.getattr(name))?;
                Ok::<_, PyErr>(found.unbind())
            })?;
            Ok(found.bind(py))
        })*
    };
}

imports! {
    running_loop = "asyncio"."get_running_loop";
    new_context = "contextvars"."Context";
    pickle_dumps = "pickle"."dumps";
    pickle_loads = "pickle"."loads";
    pickle_serializer = "django_cachex.serializers.pickle"."PickleSerializer";
    native_compressor = "django_cachex.compressors.native"."NativeCompressor";
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
            Some(("django_cachex.client.pools", name))
        }
        "ResponseError" => Some(("django_cachex.exceptions", name)),
        "ConnectionError" => Some(("django_cachex.exceptions", "CacheConnectionError")),
        "TimeoutError" => Some(("django_cachex.exceptions", "CacheTimeoutError")),
        "DriverInfo" => Some(("django_cachex.client.driver_info", name)),
        _ => None,
    }
}
