"""Every error that this package raises.

::

    CachexError
    ├── CacheConnectionError (also ConnectionError)
    │   ├── AuthenticationError
    │   ├── BusyLoadingError
    │   ├── MaxConnectionsError
    │   ├── MasterNotFoundError
    │   └── ClusterUnreachableError
    ├── CacheTimeoutError (also TimeoutError)
    ├── ResponseError
    │   ├── WrongTypeError (also TypeError)
    │   ├── ReadOnlyError
    │   ├── NoScriptError
    │   ├── NoPermissionError
    │   ├── OutOfMemoryError
    │   ├── ExecAbortError
    │   ├── CrossSlotError
    │   └── ClusterDownError
    ├── KeyNotFoundError (also ValueError)
    ├── SerializerError
    │   └── PickleSerializerError (also pickle.PicklingError, pickle.UnpicklingError)
    ├── CompressorError
    ├── ValueTooLargeError (also ValueError)
    ├── NotSupportedError
    ├── LockError
    │   └── LockNotOwnedError
    └── SemaphoreError
        └── SemaphoreTimeoutError

Where redis-py or valkey-py is installed, a class is also a subclass of theirs for the same failure, so that
``except redis.exceptions.ConnectionError`` keeps working.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import pickle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = [
    "AuthenticationError",
    "BusyLoadingError",
    "CacheConnectionError",
    "CacheTimeoutError",
    "CachexError",
    "ClusterDownError",
    "ClusterUnreachableError",
    "CompressorError",
    "CrossSlotError",
    "ExecAbortError",
    "KeyNotFoundError",
    "LockError",
    "LockNotOwnedError",
    "MasterNotFoundError",
    "MaxConnectionsError",
    "NoPermissionError",
    "NoScriptError",
    "NotSupportedError",
    "OutOfMemoryError",
    "PickleSerializerError",
    "ReadOnlyError",
    "ResponseError",
    "SemaphoreError",
    "SemaphoreTimeoutError",
    "SerializerError",
    "ValueTooLargeError",
    "WrongTypeError",
]


def _installed(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_PEERS = tuple(
    (_installed(f"{package}.exceptions"), _installed(f"{package}.sentinel")) for package in ("redis", "valkey")
)


def _also[E: type](name: str) -> Callable[[E], E]:
    """Add redis-py's and valkey-py's class *name* to the bases, as far as they are installed and have it."""
    peers = []
    for exceptions, sentinel in _PEERS:
        for module in (exceptions, sentinel):
            peer = getattr(module, name, None)
            if isinstance(peer, type):
                peers.append(peer)
                break

    def rebuild(cls: E) -> E:
        if not peers:
            return cls
        body = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__")}
        # Their constructors set attributes; ours, an OSError's above all, never reach them.
        for peer in reversed(peers):
            with contextlib.suppress(TypeError):  # some want the server's text, and keep nothing
                body = {**vars(peer()), **body}
        rebuilt: E = type(cls)(cls.__name__, (*cls.__bases__, *peers), body)
        return rebuilt

    return rebuild


class CachexError(Exception):
    """The root. Raised itself only for an internal failure of the library."""

    def __repr__(self) -> str:
        """Show class and message, whatever other bases would show."""
        return f"{type(self).__name__}({str(self)!r})"


@_also("ConnectionError")
class CacheConnectionError(CachexError, builtins.ConnectionError):
    """A server could not be reached, closed the connection, failed at TLS, or does not speak the protocol."""


@_also("AuthenticationError")
class AuthenticationError(CacheConnectionError):
    """Credentials are missing or wrong."""


@_also("BusyLoadingError")
class BusyLoadingError(CacheConnectionError):
    """The server is loading its data set."""


@_also("MaxConnectionsError")
class MaxConnectionsError(CacheConnectionError):
    """All ``max_connections`` sockets are in use."""


@_also("MasterNotFoundError")
class MasterNotFoundError(CacheConnectionError):
    """No sentinel knows a usable master."""


class ClusterUnreachableError(CacheConnectionError):
    """No node of the cluster answers, neither a start-up node nor another."""


@_also("TimeoutError")
class CacheTimeoutError(CachexError, builtins.TimeoutError):
    """A limit on connecting, on a reply, or on the whole operation was exceeded."""


@_also("ResponseError")
class ResponseError(CachexError):
    """The server refused a command."""


class WrongTypeError(ResponseError, TypeError):
    """The key holds another type of value (``WRONGTYPE``)."""


@_also("ReadOnlyError")
class ReadOnlyError(ResponseError):
    """The server is a replica (``READONLY``)."""


@_also("NoScriptError")
class NoScriptError(ResponseError):
    """The server does not know the script (``NOSCRIPT``)."""


@_also("NoPermissionError")
class NoPermissionError(ResponseError):
    """The user may not do this (``NOPERM``)."""


@_also("OutOfMemoryError")
class OutOfMemoryError(ResponseError):
    """The server is out of memory (``OOM``)."""


@_also("ExecAbortError")
class ExecAbortError(ResponseError):
    """The server refused a transaction (``EXECABORT``)."""


@_also("ClusterCrossSlotError")
class CrossSlotError(ResponseError):
    """The keys of one command lie in several slots (``CROSSSLOT``)."""


@_also("ClusterDownError")
class ClusterDownError(ResponseError):
    """The cluster does not serve the slot (``CLUSTERDOWN``)."""


class KeyNotFoundError(CachexError, ValueError):
    """The key that was to be changed does not exist."""


class SerializerError(CachexError):
    """A value cannot be serialized, or stored bytes cannot be read."""


class PickleSerializerError(SerializerError, pickle.PicklingError, pickle.UnpicklingError):
    """What pickle refuses, in either direction."""


class CompressorError(CachexError):
    """A compressor failed."""


class ValueTooLargeError(CachexError, ValueError):
    """A value exceeds ``max_value_size`` or ``max_decompressed_size``."""


class NotSupportedError(CachexError):
    """This backend cannot do it.

    Attributes:
        operation: what was asked for.
        backend: who cannot do it, or ``None``.
    """

    def __init__(self, operation: str, backend: str | None = None) -> None:
        """Keep what was asked for, and of whom."""
        self.operation = operation
        self.backend = backend
        by = f" by {backend}" if backend else ""
        super().__init__(f"Operation '{operation}' is not supported{by}")

    def __reduce__(self) -> tuple[type[NotSupportedError], tuple[str, str | None], dict[str, Any]]:
        """Pickle by the arguments, not by the message."""
        return type(self), (self.operation, self.backend), self.__dict__


@_also("LockError")
class LockError(CachexError):
    """A lock could not be acquired, or is not held."""


@_also("LockNotOwnedError")
class LockNotOwnedError(LockError):
    """The lock expired or was taken over."""


class SemaphoreError(CachexError):
    """A semaphore is not held, or is held already."""


class SemaphoreTimeoutError(SemaphoreError):
    """There was no room in time."""
