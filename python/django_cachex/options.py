"""``OPTIONS``: one table of names, checked once, into one frozen object."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import django
from django.core.exceptions import ImproperlyConfigured

from django_cachex import option_values as kinds
from django_cachex.option_names import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = [
    "CACHE_OPTIONS",
    "CONNECTION_OPTIONS",
    "ConnectionOptions",
    "Option",
    "TlsOptions",
    "Topology",
    "check_cache_options",
    "check_connection_names",
    "default_operation_timeout",
    "read_query",
    "split_options",
]

logger = logging.getLogger("django_cachex")

type Topology = Literal["standalone", "cluster", "sentinel"]

EVERYWHERE: frozenset[str] = frozenset({"standalone", "cluster", "sentinel"})
CLUSTER = frozenset({"cluster"})
SENTINEL = frozenset({"sentinel"})
DISCOVERED = CLUSTER | SENTINEL
MEBIBYTE = 1024 * 1024


class Option(NamedTuple):
    """One row of the table.

    Attributes:
        kind: how a value is checked, normalised and read from a URL.
        default: the normalised value where none is given.
        topologies: the kinds of backends that have this option.
    """

    kind: kinds.Kind
    default: Any = None
    topologies: frozenset[str] = EVERYWHERE

    def check(self, name: str, value: object) -> Any:
        """Return *value* normalised.

        Raises:
            ImproperlyConfigured: it is of the wrong kind; the message names the option and never shows the value.
        """
        try:
            return self.kind.check(value)
        except kinds.UnfitError as unfit:
            fault = str(unfit)
        raise ImproperlyConfigured(f"Option {name!r} must be {fault} (it is of type {type(value).__name__})")


def _no_stampede_prevention(value: Any) -> bool:
    if value:
        message = "False: stampede prevention is not available yet"
        raise kinds.UnfitError(message)
    return False


CACHE_OPTIONS: Mapping[str, Option] = {
    "serializer": Option(kinds.anything),
    "compressor": Option(kinds.anything),
    "pool_class": Option(kinds.anything),
    "async_pool_class": Option(kinds.anything),
    "parser_class": Option(kinds.anything),
    "on_undecodable": Option(kinds.one_of("raise", "miss"), "raise"),
    "stampede_prevention": Option(kinds.Kind(_no_stampede_prevention), default=False),
    "sentinels": Option(kinds.sequence, (), SENTINEL),
    "sentinel_kwargs": Option(kinds.mapping, {}, SENTINEL),
    "read_from_replicas": Option(kinds.boolean, False, CLUSTER),  # noqa: FBT003 - the default of a bool
    "address_remap": Option(kinds.hook, None, DISCOVERED),
    "MAX_ENTRIES": Option(kinds.anything),
    "CULL_FREQUENCY": Option(kinds.anything),
}
"""Options of a cache that do not describe a connection (``_CLIENT_ONLY_OPTIONS`` of the clients)."""

CONNECTION_OPTIONS: Mapping[str, Option] = {
    "username": Option(kinds.text),
    "password": Option(kinds.text),
    "credential_provider": Option(kinds.credentials),
    "db": Option(kinds.integer(digits=True), 0),
    "socket_connect_timeout": Option(kinds.seconds(), 1.0),
    "socket_timeout": Option(kinds.seconds(), 2.0),
    "operation_timeout": Option(kinds.seconds(), 3.0),
    "socket_keepalive": Option(kinds.boolean, default=True),
    "socket_keepalive_options": Option(kinds.keepalive_options),
    "tcp_user_timeout": Option(kinds.seconds(), 5.0),
    "retry": Option(kinds.retries, 1),
    "retry_on_timeout": Option(kinds.boolean, default=False),
    "retry_backoff": Option(kinds.backoff, (0.01, 0.1)),
    "reconnect_backoff": Option(kinds.backoff, (0.05, 1.0)),
    "health_check_interval": Option(kinds.seconds(zero=True, none=False), 0.0),
    "max_connections": Option(kinds.integer(1, none=True), 100),
    "timeout": Option(kinds.seconds(zero=True), 20.0),
    "max_in_flight": Option(kinds.integer(1), 1000),
    "max_value_size": Option(kinds.integer(1, kinds.LARGEST_SIZE, none=True), 64 * MEBIBYTE),
    "max_decompressed_size": Option(kinds.integer(1, kinds.LARGEST_SIZE, none=True), 64 * MEBIBYTE),
    "max_redirects": Option(kinds.integer(), 5, CLUSTER),
    "topology_refresh_interval": Option(kinds.seconds(none=False), 60.0, CLUSTER),
    "client_name": Option(kinds.token),
    "protocol": Option(kinds.one_of(2, 3, None, read=kinds.integer(2, 3, none=True).read)),
    "lib_name": Option(kinds.token),
    "lib_version": Option(kinds.token),
    "driver_info": Option(kinds.driver),
    "ssl": Option(kinds.boolean, default=False),
    "ssl_ca_certs": Option(kinds.path),
    "ssl_ca_path": Option(kinds.path),
    "ssl_ca_data": Option(kinds.pem),
    "ssl_certfile": Option(kinds.path),
    "ssl_keyfile": Option(kinds.path),
    "ssl_password": Option(kinds.text),
    "ssl_cert_reqs": Option(kinds.certificate_checks, "required"),
    "ssl_check_hostname": Option(kinds.boolean, default=True),
    "ssl_min_version": Option(kinds.tls_version, "1.2"),
    "ssl_ciphers": Option(kinds.ciphers),
    "encoding": Option(kinds.utf8, "utf-8"),
    "decode_responses": Option(kinds.exactly_false, default=False),
}
"""Options that describe a connection: what ``from_url`` of the pools and URL queries take."""


def _names(table: Mapping[str, Option], topology: str) -> list[str]:
    return [name for name, option in table.items() if topology in option.topologies]


def _known(name: object) -> Option | None:
    return CONNECTION_OPTIONS.get(name) or CACHE_OPTIONS.get(name) if isinstance(name, str) else None


def _refuse(name: object, topology: str, valid: Collection[str], *, where: str = "") -> ImproperlyConfigured:
    option = _known(name)
    lowered = name.lower() if isinstance(name, str) else name
    meant = option or _known(lowered)
    if meant is not None and topology not in meant.topologies:
        whose = f"is for {' and '.join(sorted(meant.topologies))} backends only"
        if option is None:
            return ImproperlyConfigured(f"Unknown option {name!r}{where}; {lowered!r} {whose}")
        return ImproperlyConfigured(f"Option {name!r}{where} {whose}")
    if option is not None:
        return ImproperlyConfigured(f"Option {name!r}{where} does not describe a connection; it belongs in OPTIONS")
    return ImproperlyConfigured(unknown(name, valid, where=where))


def split_options(
    options: Mapping[str, object], topology: Topology, client_only: frozenset[str]
) -> tuple[dict[str, object], dict[str, object]]:
    """Part ``OPTIONS`` into those of the connections and those of the cache, as given.

    Args:
        options: the mapping from ``CACHES``.
        topology: the kind of backend.
        client_only: names that the client class takes for itself.

    Returns:
        Two dicts: connection options, and all others.

    Raises:
        ImproperlyConfigured: a name is unknown, or not for this kind of backend.
    """
    cache_names = set(_names(CACHE_OPTIONS, topology)) | (client_only - CACHE_OPTIONS.keys())
    connection_names = set(_names(CONNECTION_OPTIONS, topology)) - client_only
    connection: dict[str, object] = {}
    cache: dict[str, object] = {}
    for name, value in options.items():
        if name in cache_names:
            cache[name] = value
        elif name in connection_names:
            connection[name] = value
        else:
            raise _refuse(name, topology, cache_names | connection_names)
    return connection, cache


def check_cache_options(options: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of the cache-level *options* normalised, defaults included.

    Options that a client subclass declared for itself pass unchecked.

    Raises:
        ImproperlyConfigured: a value is of the wrong kind.
    """
    checked = {name: option.default for name, option in CACHE_OPTIONS.items()}
    for name, value in options.items():
        row = CACHE_OPTIONS.get(name)
        checked[name] = value if row is None else row.check(name, value)
    return checked


def check_connection_names(options: Iterable[object], topology: Topology) -> None:
    """Check that all names in *options* are connection options of this kind of backend.

    Raises:
        ImproperlyConfigured: one is not; the message names the nearest valid one.
    """
    names = _names(CONNECTION_OPTIONS, topology)
    for name in options:
        if name not in names:
            raise _refuse(name, topology, names)


def read_query(query: Mapping[str, str], topology: Topology) -> dict[str, object]:
    """Turn the query parameters of a URL into connection options.

    Args:
        query: decoded names and texts.
        topology: the kind of backend.

    Raises:
        ImproperlyConfigured: a name is unknown, or its text is not a value of that option.
    """
    names = _names(CONNECTION_OPTIONS, topology)
    values: dict[str, object] = {}
    where = " in the query of LOCATION"
    for name, written in query.items():
        # Whatever does not look like a name may be the rest of a password with an unescaped '?'.
        if not name.isidentifier():
            message = (
                "LOCATION: the query has a parameter that is not the name of an option; "
                "special characters in a password have to be percent-encoded"
            )
            raise ImproperlyConfigured(message)
        if name not in names:
            raise _refuse(name, topology, names, where=where)
        # As in redis-py, a parameter without a value says nothing.
        if not written:
            continue
        try:
            values[name] = CONNECTION_OPTIONS[name].kind.read(written)
            continue
        except kinds.UnfitError as unfit:
            fault = str(unfit)
        raise ImproperlyConfigured(f"Option {name!r}{where} must be {fault}")
    return values


def default_operation_timeout(connect: float | None, reply: float | None, pool: float | None) -> float | None:
    """Return the time limit of a whole call where none is given, in seconds.

    Args:
        connect: ``socket_connect_timeout``.
        reply: ``socket_timeout``.
        pool: a pool ``timeout`` that was asked for explicitly; ``None`` otherwise.
    """
    if connect is None or reply is None:
        return None
    return max(3.0, connect + reply + (pool or 0.0))


class TlsOptions(NamedTuple):
    """The ``ssl_*`` options, normalised."""

    ca_certs: str | None
    ca_path: str | None
    ca_data: str | bytes | None
    certfile: str | None
    keyfile: str | None
    key_password: str | None
    verify: Literal["required", "none"]
    check_hostname: bool
    min_version: Literal["1.2", "1.3"]
    ciphers: tuple[str, ...] | None

    def __repr__(self) -> str:
        """Show what is verified, and no secret."""
        return f"<TlsOptions verify={self.verify} check_hostname={self.check_hostname} min_version={self.min_version}>"


# A dataclass of so many fields would be a tenth of the package's import time.
class ConnectionOptions(NamedTuple):
    """Every connection option, normalised; times in seconds, sizes in bytes, ``None`` for no limit.

    ``keepalive`` is ``None`` without TCP keepalive, ``tls`` is ``None`` without TLS, and ``given`` holds the names
    that were set rather than left at their defaults.
    """

    username: str | None
    password: str | None
    credentials: Callable[[], object] | None
    db: int
    socket_connect_timeout: float | None
    socket_timeout: float | None
    operation_timeout: float | None
    keepalive: tuple[tuple[int, int], ...] | None
    tcp_user_timeout: float | None
    retry: int
    retry_on_timeout: bool
    retry_backoff: tuple[float, float]
    reconnect_backoff: tuple[float, float]
    health_check_interval: float
    max_connections: int | None
    timeout: float | None
    max_in_flight: int
    max_value_size: int | None
    max_decompressed_size: int | None
    max_redirects: int
    topology_refresh_interval: float
    client_name: str | None
    protocol: int | None
    lib_name: str | None
    lib_version: str | None
    tls: TlsOptions | None
    given: frozenset[str]

    def __repr__(self) -> str:
        """Show which options were given, and none of their values."""
        return f"<ConnectionOptions {', '.join(sorted(self.given)) or 'defaults'}>"

    @classmethod
    def parse(
        cls, options: Mapping[str, object], *, topology: Topology = "standalone", lib_version: str | None = None
    ) -> ConnectionOptions:
        """Check and normalise connection options.

        Args:
            options: the options; ``ssl`` says whether the connection is encrypted.
            topology: the kind of backend.
            lib_version: what connections announce as ``lib-ver`` unless the options say otherwise.

        Raises:
            ImproperlyConfigured: a name is unknown, a value is of the wrong kind, or two options exclude each other.
        """
        check_connection_names(options, topology)
        values = {
            name: option.check(name, options[name]) if name in options else option.default
            for name, option in CONNECTION_OPTIONS.items()
        }
        given = frozenset(options)
        for rule in _RULES:
            fault = rule(values, given, topology)
            if fault is not None:
                raise ImproperlyConfigured(fault)
        if "operation_timeout" not in given:
            values["operation_timeout"] = default_operation_timeout(
                values["socket_connect_timeout"],
                values["socket_timeout"],
                values["timeout"] if "timeout" in given else None,
            )
        driver_name, driver_version = values["driver_info"] or (None, None)
        if "lib_name" not in given:
            values["lib_name"] = driver_name or f"django-cachex(django_v{django.get_version()})"
        if "lib_version" not in given:
            values["lib_version"] = driver_version or lib_version
        keepalive = values["socket_keepalive_options"]
        values["keepalive"] = (
            (kinds.default_keepalive() if keepalive is None else keepalive) if values["socket_keepalive"] else None
        )
        values["credentials"] = values["credential_provider"]
        values["tls"] = _tls(values, given) if values["ssl"] else None
        return cls(given=given, **{name: values[name] for name in cls._fields if name != "given"})


def _tls(values: Mapping[str, Any], given: frozenset[str]) -> TlsOptions:
    verify = values["ssl_cert_reqs"]
    check_hostname = values["ssl_check_hostname"] if "ssl_check_hostname" in given else verify != "none"
    if verify == "none":
        logger.warning("Option 'ssl_cert_reqs' is 'none': the server's certificate need not be valid")
    elif verify == "optional":
        logger.warning("Option 'ssl_cert_reqs' is 'optional': a server always shows a certificate, so it is verified")
    if verify != "none" and not check_hostname:
        logger.warning("Option 'ssl_check_hostname' is False: any valid certificate passes for the server's")
    return TlsOptions(
        ca_certs=values["ssl_ca_certs"],
        ca_path=values["ssl_ca_path"],
        ca_data=values["ssl_ca_data"],
        certfile=values["ssl_certfile"],
        # One file may hold both, as with `ssl.SSLContext.load_cert_chain`.
        keyfile=values["ssl_keyfile"] or values["ssl_certfile"],
        key_password=values["ssl_password"],
        verify="none" if verify == "none" else "required",
        check_hostname=check_hostname,
        min_version=values["ssl_min_version"],
        ciphers=values["ssl_ciphers"],
    )


def _one_identity(values: Mapping[str, Any], _given: frozenset[str], _topology: str) -> str | None:
    if values["credential_provider"] is None:
        return None
    both = [name for name in ("username", "password") if values[name] is not None]
    return f"Options 'credential_provider' and {both[0]!r} exclude each other" if both else None


def _one_driver(values: Mapping[str, Any], given: frozenset[str], _topology: str) -> str | None:
    both = [name for name in ("lib_name", "lib_version") if name in given and values["driver_info"] is not None]
    given_driver = "driver_info" in given and values["driver_info"] != (None, None)
    return f"Options 'driver_info' and {both[0]!r} exclude each other" if both and given_driver else None


def _keepalive_is_on(values: Mapping[str, Any], _given: frozenset[str], _topology: str) -> str | None:
    if values["socket_keepalive"] or not values["socket_keepalive_options"]:
        return None
    return "Option 'socket_keepalive_options' needs 'socket_keepalive'"


def _tls_is_on(values: Mapping[str, Any], given: frozenset[str], _topology: str) -> str | None:
    stray = sorted(name for name in given if name.startswith("ssl_"))
    if values["ssl"] or not stray:
        return None
    return f"Option {stray[0]!r} needs TLS: a rediss:// or valkeys:// LOCATION, or ssl=True"


def _certificate_has_key(values: Mapping[str, Any], _given: frozenset[str], _topology: str) -> str | None:
    stray = [name for name in ("ssl_keyfile", "ssl_password") if values[name] is not None]
    return f"Option {stray[0]!r} needs 'ssl_certfile'" if stray and values["ssl_certfile"] is None else None


def _hostname_needs_chain(values: Mapping[str, Any], given: frozenset[str], _topology: str) -> str | None:
    if values["ssl_cert_reqs"] != "none" or "ssl_check_hostname" not in given or not values["ssl_check_hostname"]:
        return None
    return "Option 'ssl_check_hostname' needs 'ssl_cert_reqs' to be 'required'"


def _cluster_has_one_database(values: Mapping[str, Any], _given: frozenset[str], topology: str) -> str | None:
    return "Option 'db' must be 0: a cluster has one database" if topology == "cluster" and values["db"] else None


_RULES = (
    _one_identity,
    _one_driver,
    _keepalive_is_on,
    _tls_is_on,
    _certificate_has_key,
    _hostname_needs_chain,
    _cluster_has_one_database,
)
