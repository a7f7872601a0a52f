"""Pool handles: what one server's connections are made of, and the classes that ``OPTIONS`` may name for them.

A handle is cheap and owns no socket. It describes a server to the engine, which keeps one set of sockets per
description and process, however many handles there are: the pool itself is in ``src/node.rs``.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.core.exceptions import ImproperlyConfigured

from django_cachex import _core
from django_cachex.location import DEFAULT_HOST, DEFAULT_PORT, parse_url
from django_cachex.option_values import resolve
from django_cachex.options import CONNECTION_OPTIONS, ConnectionOptions, default_operation_timeout, logger, read_query
from django_cachex.redaction import scrub

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.embedded import EmbeddedServer
    from django_cachex.options import Topology

__all__ = [
    "AsyncBlockingConnectionPool",
    "AsyncConnectionPool",
    "BlockingConnectionPool",
    "ConnectionPool",
    "PoolHandle",
    "async_counterpart",
    "resolve_async_pool_class",
    "resolve_pool_class",
]

# In seconds; found again by identity, so that a subclass that asks for the very same time has asked.
DEFAULT_WAIT = 20.0
_NO_OPTIONS = frozenset({"host", "port", "path", "_topology"})


class PoolHandle:
    """What the sync and the async handles have in common.

    Attributes:
        connection_kwargs: where the server is (``host`` and ``port``, or ``path``), ``db`` as int, ``username``,
            ``password``, and every connection option that was given, as it was given.
        max_connections: how many sockets sync callers of this process hold at most; ``None`` for no limit.
        timeout: how many seconds to wait for one of them, on handles that wait; ``None`` for no limit.
    """

    max_connections: int | None = 100
    timeout: float | None = None
    connection_kwargs: dict[str, Any]
    options: ConnectionOptions
    _blocking: ClassVar[bool] = False
    _embedded: EmbeddedServer | None = None
    _server: _core.Server | None = None
    # It stands for all servers of a cluster, or of a service behind sentinels.
    _several: bool = False

    def __init__(self, **connection_kwargs: Any) -> None:
        """Check the options; nothing is connected.

        Args:
            connection_kwargs: ``host`` and ``port``, or ``path`` of a unix socket, and connection options.

        Raises:
            ImproperlyConfigured: an option is unknown or has a bad value.
        """
        try:
            self._configure(connection_kwargs)
        except BaseException as error:
            scrub(error)
            del connection_kwargs
            raise

    def _configure(self, given: dict[str, Any]) -> None:
        options = {name: value for name, value in given.items() if name not in _NO_OPTIONS}
        topology: Topology = given.get("_topology", "standalone")
        parsed = ConnectionOptions.parse(options, topology=topology, lib_version=_core.__version__)
        if given.get("path") is not None:
            if parsed.tls is not None:
                raise ImproperlyConfigured("Option 'ssl' needs a host: a unix socket is not encrypted")
            where = {"path": given["path"]}
        else:
            where = {"host": given.get("host") or DEFAULT_HOST, "port": given.get("port") or DEFAULT_PORT}
        self.options = parsed
        self._several = topology != "standalone"
        self.connection_kwargs = {
            **where,
            **options,
            "db": parsed.db,
            "username": parsed.username,
            "password": parsed.password,
        }
        if "max_connections" in parsed.given:
            self.max_connections = parsed.max_connections
        if "timeout" in parsed.given:
            self.timeout = parsed.timeout
            if not self._blocking:
                logger.warning("Option 'timeout' has no effect unless 'pool_class' is a BlockingConnectionPool")

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Return a handle for the server that a URL names.

        Args:
            url: ``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``, ``unix://`` or ``embedded://``.
            options: connection options; a value in the URL beats the same option here.

        Raises:
            ImproperlyConfigured: the URL or an option is bad.
        """
        try:
            return cls._from_url(url, options)
        except BaseException as error:
            scrub(error)
            del url, options
            raise

    @classmethod
    def _from_url(cls, url: str, options: dict[str, Any]) -> Self:
        # Beside the options, so that a subclass that passes these on passes it on as well.
        topology: Topology = options.get("_topology", "standalone")
        location = parse_url(url, topology)
        server = _embedded_server() if location.embedded else None
        query = read_query(location.query, topology)
        if location.tls and query.get("ssl", True) is not True:
            raise ImproperlyConfigured(f"Option 'ssl' in the query of LOCATION contradicts {location.scheme}://")
        fixed = {
            "host": location.host,
            "port": location.port,
            "path": location.path if server is None else server.path,
            "db": location.db,
            "username": location.username,
            "password": location.password,
            "ssl": location.tls or None,
        }
        handle = cls(**{**options, **query, **{name: value for name, value in fixed.items() if value is not None}})
        handle._embedded = server
        return handle

    def get_credentials(self) -> object:
        """Return the credentials of a new connection; for subclasses, called off every event loop's thread.

        Returns:
            ``(username, password)``, ``(password,)``, or the password.
        """
        return None

    def on_connect(self, client: Any) -> None:
        """Set a new connection up before it is used; for subclasses, called off every event loop's thread.

        Args:
            client: a raw client bound to that connection.
        """

    @property
    def server(self) -> _core.Server:
        """The native description of the server, equal for equal options.

        Raises:
            ImproperlyConfigured: TLS material that cannot be used, or a bad limit set by a subclass.
        """
        if self._server is None:
            where = self.connection_kwargs
            self._server = self.describe(where.get("host"), where.get("port"), where.get("path"))
        return self._server

    def describe(self, host: str | None, port: int | None, path: str | None = None) -> _core.Server:
        """Return the native description of a server elsewhere, to be talked to in the same way.

        Args:
            host: its host; ``None`` with no *path* either: where it is has yet to be found out.
            port: its port.
            path: the path of its unix socket.

        Raises:
            ImproperlyConfigured: TLS material that cannot be used, or a bad limit set by a subclass.
        """
        options = self.options
        limits = {
            name: CONNECTION_OPTIONS[name].check(name, getattr(self, name)) for name in ("max_connections", "timeout")
        }
        wait = limits["timeout"] if self._blocking else None
        operation_timeout = options.operation_timeout
        if "operation_timeout" not in options.given:
            asked = self._blocking and self.timeout is not DEFAULT_WAIT
            operation_timeout = default_operation_timeout(
                options.socket_connect_timeout,
                options.socket_timeout,
                wait if asked or "timeout" in options.given else None,
            )
        get_credentials, on_connect = self._hooks
        if get_credentials and (options.credentials or options.password is not None or options.username is not None):
            message = (
                f"{type(self).__name__}.get_credentials() excludes the options "
                "'credential_provider', 'username' and 'password'"
            )
            raise ImproperlyConfigured(message)
        try:
            return _core.Server(
                host=host,
                port=port,
                path=path,
                db=options.db,
                username=options.username,
                password=options.password,
                credentials=get_credentials or options.credentials,
                on_connect=on_connect,
                prepare=None if self._embedded is None else self._embedded.prepare,
                connect_timeout=options.socket_connect_timeout,
                socket_timeout=options.socket_timeout,
                operation_timeout=operation_timeout,
                keepalive=options.keepalive,
                tcp_user_timeout=options.tcp_user_timeout,
                retry=options.retry,
                retry_on_timeout=options.retry_on_timeout,
                retry_backoff=options.retry_backoff,
                reconnect_backoff=options.reconnect_backoff,
                health_check_interval=options.health_check_interval,
                max_connections=limits["max_connections"],
                pool_timeout=wait,
                pool_blocking=self._blocking,
                max_in_flight=options.max_in_flight,
                max_value_size=options.max_value_size,
                client_name=options.client_name,
                protocol=options.protocol,
                lib_name=options.lib_name,
                lib_version=options.lib_version,
                tls=_tls(options),
            )
        except ValueError as error:
            raise ImproperlyConfigured(str(error)) from error

    @cached_property
    def _hooks(self) -> tuple[Callable[[], object] | None, Callable[[Any], object] | None]:
        # Each bound once: the engine compares hooks by identity, and one handle may describe several servers.
        return (
            self.get_credentials if self._overrides("get_credentials") else None,
            self.on_connect if self._overrides("on_connect") else None,
        )

    def _overrides(self, hook: str) -> bool:
        return getattr(getattr(self, hook), "__func__", None) is not getattr(PoolHandle, hook)

    def __repr__(self) -> str:
        """Show where the server is, and no secret."""
        where = self.connection_kwargs
        address = where["path"] if "path" in where else f"{where['host']}:{where['port']}"
        return f"<{type(self).__module__}.{type(self).__qualname__}({address}/{where['db']})>"


def _embedded_server() -> EmbeddedServer:
    # Only development needs it and the processes that it starts.
    from django_cachex.embedded import EmbeddedServer  # noqa: PLC0415

    return EmbeddedServer.of_project()


def _tls(options: ConnectionOptions) -> _core.Tls | None:
    tls = options.tls
    if tls is None:
        return None
    return _core.Tls(
        ca_certs=tls.ca_certs,
        ca_path=tls.ca_path,
        ca_data=tls.ca_data,
        certfile=tls.certfile,
        keyfile=tls.keyfile,
        key_password=tls.key_password,
        verify=tls.verify,
        check_hostname=tls.check_hostname,
        min_version=tls.min_version,
        ciphers=tls.ciphers,
    )


class ConnectionPool(PoolHandle):
    """A handle whose callers get ``MaxConnectionsError`` at once when all sockets are in use."""

    def disconnect(self) -> None:
        """Close the idle sockets of this server, or of all that the handle stands for."""
        self.server.disconnect(alike=self._several)


class BlockingConnectionPool(ConnectionPool):
    """A handle whose callers wait up to ``timeout`` seconds when all sockets are in use."""

    timeout: float | None = DEFAULT_WAIT
    _blocking = True


class AsyncConnectionPool(PoolHandle):
    """One event loop's handle; a loop has one connection per server, which no limit counts."""

    @classmethod
    def sharing(cls, other: PoolHandle) -> Self:
        """Return a handle on the same sockets as *other*."""
        handle = cls.__new__(cls)
        handle.__dict__.update(vars(other), _server=other.server, max_connections=other.max_connections)
        handle.timeout = other.timeout
        return handle

    async def disconnect(self) -> None:
        """Close the idle sockets, as the sync handle does, and give up the running loop's connections."""
        self.server.disconnect(alike=self._several)
        self.server.release_loop(alike=self._several)


class AsyncBlockingConnectionPool(AsyncConnectionPool):
    """The async handle beside a ``BlockingConnectionPool``."""

    timeout: float | None = DEFAULT_WAIT
    _blocking = True


# redis-py and valkey-py need not be installed for their names to be understood.
_BEHAVIOURS = {"ConnectionPool": ConnectionPool, "BlockingConnectionPool": BlockingConnectionPool}
_PACKAGES = ("redis", "valkey")
_SYNC_NAMES: dict[str, type[ConnectionPool]] = {
    f"{package}{module}.{name}": native
    for package in _PACKAGES
    for module in ("", ".connection")
    for name, native in _BEHAVIOURS.items()
}
_ASYNC_NAMES: dict[str, type[ConnectionPool]] = {
    f"{package}.asyncio{module}.{name}": native
    for package in _PACKAGES
    for module in ("", ".connection")
    for name, native in _BEHAVIOURS.items()
}
_SENTINEL_NAMES: dict[str, type[ConnectionPool]] = {
    f"{package}.sentinel.SentinelConnectionPool": ConnectionPool for package in _PACKAGES
}
_ASYNC_SENTINEL_NAMES: dict[str, type[ConnectionPool]] = {
    f"{package}.asyncio.sentinel.SentinelConnectionPool": ConnectionPool for package in _PACKAGES
}


def _name(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return f"{value.__module__}.{value.__qualname__}" if isinstance(value, type) else None


def _resolve(value: object, option: str, names: dict[str, type[ConnectionPool]]) -> type[PoolHandle]:
    name = _name(value)
    if name in names:
        return names[name]
    found = resolve(value, option) if isinstance(value, str) else value
    # An import path of redis-py's that is not in the table may still lead to a class that is.
    name = _name(found) if isinstance(found, type) else None
    if name in names:
        return names[name]
    if isinstance(found, type) and issubclass(found, PoolHandle) and found is not PoolHandle:
        return found
    shown = name or type(found).__name__
    message = (
        f"Option {option!r} must be a pool class of redis-py or valkey-py, or a subclass of "
        f"{ConnectionPool.__module__}.ConnectionPool; {shown} is neither"
    )
    raise ImproperlyConfigured(message)


def resolve_pool_class(value: object, topology: str) -> type[ConnectionPool]:
    """Return the class of sync handles that the option ``pool_class`` stands for.

    Args:
        value: dotted path, class, or ``None`` for the default.
        topology: the kind of backend.

    Raises:
        ImproperlyConfigured: it is no such class.
    """
    if value is None:
        return ConnectionPool
    names = _SYNC_NAMES | _SENTINEL_NAMES if topology == "sentinel" else _SYNC_NAMES
    found = None if _name(value) in _ASYNC_NAMES else _resolve(value, "pool_class", names)
    if found is None or not issubclass(found, ConnectionPool):
        raise ImproperlyConfigured(
            f"Option 'pool_class' must be a sync class; give {_name(value)} as 'async_pool_class'"
        )
    return found


def resolve_async_pool_class(value: object, topology: str) -> type[PoolHandle]:
    """Return the class that the option ``async_pool_class`` stands for; a sync one means its behaviour and hooks.

    Args:
        value: dotted path or class.
        topology: the kind of backend.

    Raises:
        ImproperlyConfigured: it is no such class.
    """
    names = _SYNC_NAMES | _ASYNC_NAMES
    if topology == "sentinel":
        names |= _SENTINEL_NAMES | _ASYNC_SENTINEL_NAMES
    return _resolve(value, "async_pool_class", names)


def async_counterpart(pool_class: type[PoolHandle]) -> type[AsyncConnectionPool]:
    """Return the class of async handles beside handles of *pool_class*."""
    if issubclass(pool_class, AsyncConnectionPool):
        return pool_class
    return AsyncBlockingConnectionPool if issubclass(pool_class, BlockingConnectionPool) else AsyncConnectionPool
