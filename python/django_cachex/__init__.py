"""django-cachex: the native Redis and Valkey cache backend for Django."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex._core import __version__
from django_cachex.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    CacheConnectionError,
    CacheTimeoutError,
    CachexError,
    ClusterDownError,
    ClusterUnreachableError,
    CompressorError,
    CrossSlotError,
    ExecAbortError,
    KeyNotFoundError,
    LockError,
    LockNotOwnedError,
    MasterNotFoundError,
    MaxConnectionsError,
    NoPermissionError,
    NoScriptError,
    NotSupportedError,
    OutOfMemoryError,
    PickleSerializerError,
    ReadOnlyError,
    ResponseError,
    SemaphoreError,
    SemaphoreTimeoutError,
    SerializerError,
    ValueTooLargeError,
    WrongTypeError,
)
from django_cachex.types import KeyType

if TYPE_CHECKING:
    from django_cachex.client.pipeline import AsyncPipeline, Pipeline
    from django_cachex.script import (
        ScriptHelpers,
        decode_list_post,
        decode_single_post,
        full_encode_pre,
        keys_only_pre,
    )

__all__ = [
    "AsyncPipeline",
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
    "KeyType",
    "LockError",
    "LockNotOwnedError",
    "MasterNotFoundError",
    "MaxConnectionsError",
    "NoPermissionError",
    "NoScriptError",
    "NotSupportedError",
    "OutOfMemoryError",
    "PickleSerializerError",
    "Pipeline",
    "ReadOnlyError",
    "ResponseError",
    "ScriptHelpers",
    "SemaphoreError",
    "SemaphoreTimeoutError",
    "SerializerError",
    "ValueTooLargeError",
    "WrongTypeError",
    "__version__",
    "decode_list_post",
    "decode_single_post",
    "full_encode_pre",
    "keys_only_pre",
]

# What imports the whole client, or is needed by few.
_LATER = {
    "AsyncPipeline": "client.pipeline",
    "Pipeline": "client.pipeline",
    "ScriptHelpers": "script",
    "decode_list_post": "script",
    "decode_single_post": "script",
    "full_encode_pre": "script",
    "keys_only_pre": "script",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, once."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found
