"""The cache classes: what Django's ``caches["..."]`` returns. They own keys, versions and timeouts."""

from __future__ import annotations

import warnings
from copy import copy
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Self

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache, CacheKeyWarning, default_key_func
from django.core.exceptions import ImproperlyConfigured

from django_cachex import _core
from django_cachex._core import Unread
from django_cachex.client.cluster import RedisClusterCacheClient, ValkeyClusterCacheClient
from django_cachex.client.codec import build_codec
from django_cachex.client.default import KeyValueCacheClient, RedisCacheClient, ValkeyCacheClient
from django_cachex.client.layout import KeyLayout
from django_cachex.client.owner import ClientOwner
from django_cachex.client.pipeline import AsyncPipeline, Pipeline
from django_cachex.client.sentinel import RedisSentinelCacheClient, ValkeySentinelCacheClient
from django_cachex.commands import strings
from django_cachex.commands.command import Direct
from django_cachex.commands.hashes import HashCommands
from django_cachex.commands.keys import KeyCommands
from django_cachex.commands.lists import ListCommands
from django_cachex.commands.replies import check
from django_cachex.commands.scripts import EVALSHA, ScriptCommands, digest
from django_cachex.commands.server import ServerCommands
from django_cachex.commands.sets import SetCommands
from django_cachex.commands.sorted_sets import SortedSetCommands
from django_cachex.commands.streams import StreamCommands
from django_cachex.commands.ttl import TtlCommands
from django_cachex.exceptions import NoPermissionError, NoScriptError, NotSupportedError
from django_cachex.option_values import resolve
from django_cachex.redaction import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from django_cachex._core import Spec
    from django_cachex.commands.command import Built

__all__ = [
    "KeyValueCache",
    "RedisCache",
    "RedisClusterCache",
    "RedisSentinelCache",
    "ValkeyCache",
    "ValkeyClusterCache",
    "ValkeySentinelCache",
]

_KEYS = _core.KeyMaker(BaseCache, default_key_func)


class KeyValueCache[ClientT: KeyValueCacheClient[Any]](
    KeyLayout,
    ClientOwner[ClientT],
    TtlCommands,
    KeyCommands,
    HashCommands,
    ListCommands,
    SetCommands,
    SortedSetCommands,
    StreamCommands,
    ScriptCommands,
    ServerCommands,
    Direct,
    BaseCache,
):
    """What all backends have in common. Its leaves name a client class."""

    _missing_key = object()

    def __init__(self, server: str | Sequence[str], params: dict[str, Any]) -> None:
        """Check ``LOCATION`` and ``OPTIONS``; nothing is connected or started.

        Args:
            server: ``LOCATION``.
            params: the other keys of the ``CACHES`` entry.

        Raises:
            ImproperlyConfigured: anything in it is wrong.
            ImportError: an optional package is missing.
        """
        super().__init__(params)
        self._options: Mapping[str, Any] = params.get("OPTIONS") or {}
        try:
            settings = self._client_class()._settings_of(server, self._options)  # noqa: SLF001 - of this package
            if "makers" not in settings.memo:
                build_codec(settings)
        except BaseException as error:
            scrub(error)
            del server, params
            raise
        self._servers = settings.locations.copy()
        reverse = params.get("REVERSE_KEY_FUNCTION")
        if reverse is not None:
            reverse = resolve(reverse, "REVERSE_KEY_FUNCTION") if isinstance(reverse, str) else reverse
            if not callable(reverse):
                raise ImproperlyConfigured("REVERSE_KEY_FUNCTION is neither a callable nor the dotted path of one")
        self._reverse_key_func: Callable[[str], str] | None = reverse

    # Keys

    def get_backend_timeout(self, timeout: float | None = DEFAULT_TIMEOUT) -> int | None:
        """Return a timeout in whole seconds, ``None`` for no expiry."""
        if timeout == DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return None if timeout is None else max(0, int(timeout))

    def make_and_validate_key(self, key: str, version: int | None = None) -> str:
        """Return the made key; warn with ``CacheKeyWarning`` if memcached would refuse it."""
        return _KEYS.make_and_validate(self, key, version)

    def _probe(self, key: str, version: int | None) -> str:
        """Return what commands make of a stand-in for a key; nobody is warned of those."""
        make = self.make_and_validate_key
        if getattr(make, "__func__", None) is _MAKE_AND_VALIDATE:
            return str(self.make_key(key, version=version))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheKeyWarning)
            return make(key, version=version)

    def _read_server(self) -> int:
        return self._cache._read_server()  # noqa: SLF001 - of this package

    # Values

    def encode(self, value: Any) -> int | bytes:
        """Return what is stored for *value*: an exact int as it is, anything else serialized and compressed.

        Raises:
            SerializerError: it cannot be serialized.
            CompressorError: it cannot be compressed.
        """
        return self._cache.encode(value)

    def decode(self, data: int | bytes) -> Any:
        """Return the value that stored *data* stands for.

        Raises:
            SerializerError: no configured serializer can read it.
            ValueTooLargeError: it decompresses to more than ``max_decompressed_size``.
        """
        return self._cache.decode(data)

    @property
    def _coder(self) -> ClientT:
        """The client, which encodes and decodes as the cache does where somebody has replaced one of these."""
        client = self._cache
        if getattr(self.encode, "__func__", None) is _ENCODE and getattr(self.decode, "__func__", None) is _DECODE:
            return client
        coder = copy(client)
        coder.encode, coder.decode = self.encode, self.decode  # type: ignore[method-assign]
        return coder

    def get_client(self, key: str | None = None, *, write: bool = False) -> Any:
        """Return a raw client of a read server, or with ``write`` of the write server."""
        return self._cache.get_client(key, write=write)

    async def get_async_client(self, key: str | None = None, *, write: bool = False) -> Any:
        """Return a raw async client of the running loop; see ``get_client``."""
        return await self._cache.get_async_client(key, write=write)

    def _run(self, spec: Spec | None, built: Built[Any]) -> Any:
        return self._cache._run(spec, built)  # noqa: SLF001 - of this package

    async def _arun(self, spec: Spec | None, built: Built[Any]) -> Any:
        return await self._cache._arun(spec, built)  # noqa: SLF001 - of this package

    # Django's methods

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return the value at *key*, or *default* if there is none (GET)."""
        value = self._shortcut.get(self, key, default, version)
        if value is NotImplemented:
            return self._coder.get(self.make_and_validate_key(key, version=version), default)
        return value

    async def aget(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return the value at *key*, or *default* if there is none (GET)."""
        sent = self._shortcut.send_get(self, key, default, version)
        if sent is None:
            return await self._coder.aget(self.make_and_validate_key(key, version=version), default)
        found = await sent
        return found.result() if type(found) is Unread else found

    def set(
        self,
        key: str,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        nx: bool = False,
        xx: bool = False,
        get: bool = False,
    ) -> Any:
        """Store *value* at *key* (SET).

        Args:
            key: the key.
            value: what to store.
            timeout: seconds to live, cut to whole ones; ``None`` is for ever, zero and less deletes the key.
            version: the key's version.
            nx: only if the key does not exist.
            xx: only if the key exists.
            get: return the previous value; with ``nx`` this needs Redis 7.

        Returns:
            ``None``; with ``nx`` or ``xx`` whether it was stored; with ``get`` the previous value or ``None``.

        Raises:
            ValueError: ``nx`` together with ``xx``.
            WrongTypeError: ``get`` on a key that holds no string.
        """
        if nx or xx or get:
            key = self.make_and_validate_key(key, version=version)
            return self._coder.set(key, value, self.get_backend_timeout(timeout), nx=nx, xx=xx, get=get)
        if not self._shortcut.set(self, key, value, timeout, version):
            key = self.make_and_validate_key(key, version=version)
            self._coder.set(key, value, self.get_backend_timeout(timeout))
        return None

    async def aset(
        self,
        key: str,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
        *,
        nx: bool = False,
        xx: bool = False,
        get: bool = False,
    ) -> Any:
        """Store *value* at *key*; see ``set`` (SET)."""
        if nx or xx or get:
            key = self.make_and_validate_key(key, version=version)
            return await self._coder.aset(key, value, self.get_backend_timeout(timeout), nx=nx, xx=xx, get=get)
        sent = self._shortcut.send_set(self, key, value, timeout, version)
        if sent is None:
            key = self.make_and_validate_key(key, version=version)
            await self._coder.aset(key, value, self.get_backend_timeout(timeout))
        else:
            await sent
        return None

    def add(self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Store *value* unless *key* exists (SET NX); return whether it was stored.

        With a timeout of zero or less nothing is stored, and the result tells whether it would have been.
        """
        return self._coder.add(self._key(key, version), value, self.get_backend_timeout(timeout))

    async def aadd(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Store *value* unless *key* exists (SET NX); return whether it was stored.

        With a timeout of zero or less nothing is stored, and the result tells whether it would have been.
        """
        return await self._coder.aadd(self._key(key, version), value, self.get_backend_timeout(timeout))

    def touch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Let *key* live for *timeout* seconds, for ever with ``None`` (EXPIRE, PERSIST); return whether it exists."""
        return self._cache.touch(self._key(key, version), self.get_backend_timeout(timeout))

    async def atouch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Let *key* live for *timeout* seconds, for ever with ``None`` (EXPIRE, PERSIST); return whether it exists."""
        return await self._cache.atouch(self._key(key, version), self.get_backend_timeout(timeout))

    def delete(self, key: str, version: int | None = None) -> bool:
        """Delete *key* (DEL); return whether it existed."""
        return self._cache.delete(self._key(key, version))

    async def adelete(self, key: str, version: int | None = None) -> bool:
        """Delete *key* (DEL); return whether it existed."""
        return await self._cache.adelete(self._key(key, version))

    def has_key(self, key: str, version: int | None = None) -> bool:
        """Return whether *key* exists, whatever it holds (EXISTS)."""
        return self._cache.has_key(self._key(key, version))

    async def ahas_key(self, key: str, version: int | None = None) -> bool:
        """Return whether *key* exists, whatever it holds (EXISTS)."""
        return await self._cache.ahas_key(self._key(key, version))

    def _made(self, keys: Iterable[str], version: int | None) -> dict[str, str]:
        return {self.make_and_validate_key(key, version=version): key for key in keys}

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Return the values of those of *keys* that hold one, in the order of *keys* (MGET)."""
        keys = list(keys)
        found = self._shortcut.get_many(self, keys, version)
        if found is NotImplemented:
            made = self._made(keys, version)
            found = {made[key]: value for key, value in self._coder.get_many(made).items()}
        return found

    async def aget_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        """Return the values of those of *keys* that hold one, in the order of *keys* (MGET)."""
        keys = list(keys)
        shortcut = self._shortcut
        sent = shortcut.send_get_many(self, keys, version)
        if sent is None:
            made = self._made(keys, version)
            return {made[key]: value for key, value in (await self._coder.aget_many(made)).items()}
        return shortcut.found_many(self, await sent, keys)

    def set_many(
        self, data: Mapping[str, Any], timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        """Store several values, in one step except on a cluster (MSET, or SET in one MULTI); return ``[]``."""
        data = dict(data or {})
        replies = self._shortcut.set_many(self, data, timeout, version)
        if replies is NotImplemented:
            made = {self.make_and_validate_key(key, version=version): value for key, value in data.items()}
            self._coder.set_many(made, self.get_backend_timeout(timeout))
        else:
            check(replies)
        return []

    async def aset_many(
        self, data: Mapping[str, Any], timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[str]:
        """Store several values, in one step except on a cluster (MSET, or SET in one MULTI); return ``[]``."""
        data = dict(data or {})
        sent = self._shortcut.send_set_many(self, data, timeout, version)
        if sent is None:
            made = {self.make_and_validate_key(key, version=version): value for key, value in data.items()}
            await self._coder.aset_many(made, self.get_backend_timeout(timeout))
        else:
            check(await sent)
        return []

    def delete_many(self, keys: Iterable[str], version: int | None = None) -> int | None:  # type: ignore[override]
        """Delete *keys* (DEL); return how many existed, ``None`` if none were given."""
        return self._cache.delete_many(self._made(keys or (), version))

    async def adelete_many(self, keys: Iterable[str], version: int | None = None) -> int | None:  # type: ignore[override]
        """Delete *keys* (DEL); return how many existed, ``None`` if none were given."""
        return await self._cache.adelete_many(self._made(keys or (), version))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add *delta* to the integer at *key*, in one step on the server; the expiry is kept.

        Returns:
            The new value.

        Raises:
            KeyNotFoundError: the key does not exist; a ``ValueError``.
            ResponseError: it holds no integer, or the sum exceeds 64 bits.
            WrongTypeError: it holds no string.
        """
        return self._cache.incr(self._key(key, version), delta)

    async def aincr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add *delta* to the integer at *key*; see ``incr``."""
        # It may be another one when the server turns out not to know the script.
        current = self.version
        sent = self._shortcut.send_incr(self, key, delta, version)
        if sent is None:
            return await self._cache.aincr(self._key(key, version), delta)
        value, refusal = None, None
        try:
            value = await sent
        except (NoScriptError, NoPermissionError) as error:
            refusal = error
        if type(value) is int:
            return value
        made = self._key(key, current if version is None else version)
        if refusal is None:
            return strings.summed(made, value)
        return await self._cache._aincr_otherwise(made, delta, refusal)  # noqa: SLF001

    def decr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Subtract *delta* from the integer at *key*; see ``incr``."""
        return self.incr(key, -delta, version=version)

    async def adecr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Subtract *delta* from the integer at *key*; see ``incr``."""
        return await self.aincr(key, -delta, version=version)

    @property
    def _replaces_undecodable(self) -> bool:
        # What counts as missing is there all the same, and would keep its place for ever.
        return self._cache._settings.on_undecodable == "miss"  # noqa: SLF001 - of this package

    def get_or_set(
        self, key: str, default: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Return the value at *key*; if there is none, store *default* and return what is there then.

        Args:
            key: the key.
            default: a value, or a callable that makes one; it is called on a miss only.
            timeout: seconds to live, as for ``set``.
            version: the key's version.
        """
        value = self.get(key, self._missing_key, version=version)
        if value is not self._missing_key:
            return value
        if callable(default):
            default = default()
        added = self.add(key, default, timeout=timeout, version=version)
        value = self.get(key, self._missing_key, version=version)
        if value is not self._missing_key:
            return value
        if not added and self._replaces_undecodable:
            self.set(key, default, timeout=timeout, version=version)
        return default

    async def aget_or_set(
        self, key: str, default: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Return the value at *key*; as ``get_or_set``. What a callable *default* returns is awaited if it can be."""
        value = await self.aget(key, self._missing_key, version=version)
        if value is not self._missing_key:
            return value
        if callable(default):
            default = default()
            if isawaitable(default):
                default = await default
        added = await self.aadd(key, default, timeout=timeout, version=version)
        value = await self.aget(key, self._missing_key, version=version)
        if value is not self._missing_key:
            return value
        if not added and self._replaces_undecodable:
            await self.aset(key, default, timeout=timeout, version=version)
        return default

    def incr_version(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Move *key* to the version *delta* higher (RENAME); the expiry is kept, an existing target is replaced.

        On a cluster, where the two may be on different servers, it is copied and then deleted, which is not atomic.

        Returns:
            The new version.

        Raises:
            KeyNotFoundError: the key does not exist; a ``ValueError``.
        """
        old = self.version if version is None else version
        self._cache._move(self._key(key, old), self._key(key, old + delta), key)  # noqa: SLF001 - of this package
        return old + delta

    async def aincr_version(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Move *key* to the version *delta* higher; see ``incr_version`` (RENAME)."""
        old = self.version if version is None else version
        await self._cache._amove(self._key(key, old), self._key(key, old + delta), key)  # noqa: SLF001
        return old + delta

    def decr_version(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Move *key* to the version *delta* lower; see ``incr_version`` (RENAME)."""
        return self.incr_version(key, -delta, version)

    async def adecr_version(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Move *key* to the version *delta* lower; see ``incr_version`` (RENAME)."""
        return await self.aincr_version(key, -delta, version)

    def clear(self) -> bool:  # type: ignore[override]
        """Empty the whole database (FLUSHDB), keys of other applications included; return ``True``."""
        return self._cache.clear()

    async def aclear(self) -> bool:  # type: ignore[override]
        """Empty the whole database (FLUSHDB), keys of other applications included; return ``True``."""
        return await self._cache.aclear()

    def close(self, **kwargs: Any) -> None:
        """Do nothing: connections belong to the process, and Django calls this after every request."""

    async def aclose(self, **kwargs: Any) -> None:
        """Do nothing; see ``close``."""

    # Pipelines

    def pipeline(self, *, transaction: bool = True, version: int | None = None) -> Pipeline:
        """Return an empty pipeline, whose commands are sent together.

        Args:
            transaction: they take effect together too (MULTI, EXEC).
            version: the version of keys that are queued without one.
        """
        return Pipeline(self, transaction=transaction, version=version)

    def apipeline(self, *, transaction: bool = True, version: int | None = None) -> AsyncPipeline:
        """Return an empty pipeline for async code; see ``pipeline``. It may be awaited, and gives itself."""
        return AsyncPipeline(self, transaction=transaction, version=version)

    # Not there yet

    def lock(self, key: str, *args: Any, **kwargs: Any) -> Self:
        """Raise ``NotSupportedError``: locks come with a later release."""
        raise NotSupportedError("lock", type(self).__name__)

    def alock(self, key: str, *args: Any, **kwargs: Any) -> Self:
        """Raise ``NotSupportedError``: locks come with a later release."""
        raise NotSupportedError("alock", type(self).__name__)

    def semaphore(self, key: str, *args: Any, **kwargs: Any) -> Self:
        """Raise ``NotSupportedError``: semaphores come with a later release."""
        raise NotSupportedError("semaphore", type(self).__name__)

    def asemaphore(self, key: str, *args: Any, **kwargs: Any) -> Self:
        """Raise ``NotSupportedError``: semaphores come with a later release."""
        raise NotSupportedError("asemaphore", type(self).__name__)


# To tell whether they are overridden or patched, on a class or on an instance.
_MAKE_AND_VALIDATE = KeyValueCache.make_and_validate_key
_ENCODE, _DECODE = KeyValueCache.encode, KeyValueCache.decode


KeyValueCache._shortcuts = _core.Shortcuts(  # noqa: SLF001 - our own
    _KEYS,
    KeyValueCache,
    KeyValueCacheClient,
    get=strings.GET,
    set=strings.SET,
    mget=strings.MGET,
    mset=strings.MSET,
    incr=(EVALSHA, partial(digest, strings.INCR)),
)


class RedisCache(KeyValueCache[RedisCacheClient]):
    """One Redis or Valkey server, or a primary and its read replicas."""

    _class: type[RedisCacheClient] | None = RedisCacheClient


class ValkeyCache(KeyValueCache[ValkeyCacheClient]):
    """One Valkey or Redis server, or a primary and its read replicas."""

    _class: type[ValkeyCacheClient] | None = ValkeyCacheClient


class _ClusterCache[ClientT: KeyValueCacheClient[Any]](KeyValueCache[ClientT]):
    """Keys are spread over servers, so that few pipelines can be transactions: none is unless it is asked for."""

    def pipeline(self, *, transaction: bool = False, version: int | None = None) -> Pipeline:
        """Return an empty pipeline; see ``KeyValueCache.pipeline``. In a transaction all keys must share a slot."""
        return super().pipeline(transaction=transaction, version=version)

    def apipeline(self, *, transaction: bool = False, version: int | None = None) -> AsyncPipeline:
        """Return an empty pipeline for async code; see ``pipeline``. It may be awaited, and gives itself."""
        return super().apipeline(transaction=transaction, version=version)


class RedisClusterCache(_ClusterCache[RedisClusterCacheClient]):
    """A Redis or Valkey Cluster; ``LOCATION`` names some of its nodes."""

    _class: type[RedisClusterCacheClient] | None = RedisClusterCacheClient


class ValkeyClusterCache(_ClusterCache[ValkeyClusterCacheClient]):
    """A Valkey or Redis Cluster; ``LOCATION`` names some of its nodes."""

    _class: type[ValkeyClusterCacheClient] | None = ValkeyClusterCacheClient


class RedisSentinelCache(KeyValueCache[RedisSentinelCacheClient]):
    """A master and its replicas, watched over by sentinels; ``LOCATION`` names the service."""

    _class: type[RedisSentinelCacheClient] | None = RedisSentinelCacheClient


class ValkeySentinelCache(KeyValueCache[ValkeySentinelCacheClient]):
    """A master and its replicas, watched over by sentinels; ``LOCATION`` names the service."""

    _class: type[ValkeySentinelCacheClient] | None = ValkeySentinelCacheClient
