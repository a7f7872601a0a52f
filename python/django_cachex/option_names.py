"""What to say about an option name that does not exist here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["unknown"]

# Other spellings whose nearest valid name is not what difflib would find, or not near at all.
ALIASES = {
    "auth": "password",
    "async_connection_pool_class": "async_pool_class",
    "blocking_timeout": "timeout",
    "ca_certs": "ssl_ca_certs",
    "cert_reqs": "ssl_cert_reqs",
    "certfile": "ssl_certfile",
    "charset": "encoding",
    "check_hostname": "ssl_check_hostname",
    "compression": "compressor",
    "connect_timeout": "socket_connect_timeout",
    "connection_pool_class": "pool_class",
    "database": "db",
    "keepalive": "socket_keepalive",
    "keyfile": "ssl_keyfile",
    "max_pool_size": "max_connections",
    "pass": "password",
    "passwd": "password",
    "pool_size": "max_connections",
    "pool_timeout": "timeout",
    "pwd": "password",
    "read_timeout": "socket_timeout",
    "retries": "retry",
    "tls": "ssl",
    "use_ssl": "ssl",
    "user": "username",
}

_LOCATION = "it belongs in LOCATION"
_BESIDE = "it stands beside OPTIONS in the CACHES entry, not in it"
_ENGINE = "connections are the native engine's own"
_CHECKS = "TLS is verified by the native engine; see ssl_cert_reqs and ssl_check_hostname"
_CACHING = "there is no client-side caching"
_MAINTENANCE = "there are no maintenance notifications"
_HANDLER = "errors are handled by the application"

# Names that are known elsewhere and have no counterpart here, with the way to go instead.
REFUSED = {
    # where the server is
    "host": f"{_LOCATION}: 'redis://host:port/db'",
    "port": f"{_LOCATION}: 'redis://host:port/db'",
    "path": f"{_LOCATION}: 'unix:///path/to.sock'",
    "unix_socket_path": f"{_LOCATION}: 'unix:///path/to.sock'",
    "url": _LOCATION,
    "location": f"{_BESIDE}",
    "startup_nodes": f"{_LOCATION}, as a list",
    "service_name": _LOCATION,
    # Django's own keys
    "backend": _BESIDE,
    "key_function": _BESIDE,
    "key_prefix": _BESIDE,
    "reverse_key_function": _BESIDE,
    "version": _BESIDE,
    # redis-py
    "auto_close_connection_pool": _ENGINE,
    "cache": _CACHING,
    "cache_config": _CACHING,
    "check_connection": "sentinel and cluster members are verified whenever they are used",
    "cluster_error_retry_attempts": "use 'retry' and 'max_redirects'",
    "command_packer": _ENGINE,
    "connection_class": "use LOCATION's scheme and 'pool_class'",
    "connection_kwargs": "give its keys in OPTIONS",
    "connection_pool": "use 'pool_class'",
    "dynamic_startup_nodes": "the addresses that the cluster announces are used; see 'address_remap'",
    "encoder_class": "use 'serializer'",
    "encoding_errors": "values are decoded by the serializer",
    "errors": "values are decoded by the serializer",
    "event_dispatcher": _ENGINE,
    "force_master_ip": "use 'address_remap'",
    "himport_registry": _ENGINE,
    "legacy_responses": "results do not depend on the protocol",
    "load_balancing_strategy": "use 'read_from_replicas'",
    "maint_notifications_config": _MAINTENANCE,
    "min_other_sentinels": "a master is believed when its own ROLE says so",
    "policy_resolver": _ENGINE,
    "queue_class": _ENGINE,
    "redis_connect_func": "override on_connect() of a pool class",
    "reinitialize_steps": "the slot map is refreshed on redirects; see 'topology_refresh_interval'",
    "require_full_coverage": "slots that nobody serves raise ClusterDownError when they are used",
    "retry_on_error": "use 'retry'; what may be sent again is decided by the kind of error",
    "single_connection_client": _ENGINE,
    "socket_read_size": _ENGINE,
    "socket_type": _ENGINE,
    "ssl_exclude_verify_flags": _CHECKS,
    "ssl_include_verify_flags": _CHECKS,
    "ssl_ocsp_context": _CHECKS,
    "ssl_ocsp_expected_cert": _CHECKS,
    "ssl_validate_ocsp": _CHECKS,
    "ssl_validate_ocsp_stapled": _CHECKS,
    "valkey_connect_func": "override on_connect() of a pool class",
    # other cache packages
    "client_class": "commands of every kind are methods of the cache itself",
    "close_connection": "closing after a request drops nothing; connections belong to the process",
    "connection_factory": "use 'pool_class'",
    "connection_pool_kwargs": "give its keys in OPTIONS",
    "ignore_exceptions": _HANDLER,
    "log_ignored_exceptions": _HANDLER,
    "pickle_version": "give 'serializer' a callable that returns a serializer with that protocol",
    "redis_client_class": "use 'pool_class'",
    "redis_client_kwargs": "give its keys in OPTIONS",
}


def unknown(name: object, valid: Collection[str], *, where: str = "") -> str:
    """Return the message about an option that is not valid, with the nearest one that is.

    Args:
        name: the key as it was written.
        valid: the names that are valid in its place.
        where: text after the name, for a key that does not stand in ``OPTIONS``.
    """
    if not isinstance(name, str):
        return f"The name of an option must be a string, not {type(name).__name__}"
    # TIMEOUT in capitals is Django's time to live, not the pool's `timeout`.
    if name == "TIMEOUT":
        return f"Option {name!r}{where} is not valid: {_BESIDE}"
    lowered = name.lower()
    reason = REFUSED.get(lowered)
    if reason is not None and lowered not in valid:
        return f"Option {name!r}{where} is not valid: {reason}"
    alias = ALIASES.get(lowered)
    if alias in valid:
        return f"Unknown option {name!r}{where}; did you mean {alias!r}?"
    import difflib  # noqa: PLC0415 - for bad settings only, and the package is imported for every command line

    near = difflib.get_close_matches(lowered, [valid_name.lower() for valid_name in valid], n=1, cutoff=0.5)
    if near:
        nearest = next(valid_name for valid_name in valid if valid_name.lower() == near[0])
        return f"Unknown option {name!r}{where}; did you mean {nearest!r}?"
    return f"Unknown option {name!r}{where}; valid are {', '.join(sorted(valid))}"
