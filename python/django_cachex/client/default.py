"""The client classes: encoding and the wire. Keys are made keys, timeouts are whole seconds or ``None``."""

from __future__ import annotations

import contextlib
from os import urandom
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.core.exceptions import ImproperlyConfigured

from django_cachex import _core
from django_cachex._core import Codec, Spec, Unread
from django_cachex.client.codec import build_codec
from django_cachex.client.raw import AsyncRedis, AsyncValkey, Redis, Valkey
from django_cachex.commands import strings
from django_cachex.commands.command import Command, Direct, Transaction, aio, command, steps
from django_cachex.commands.hashes import HashCommands
from django_cachex.commands.keys import KeyCommands, missing
from django_cachex.commands.lists import ListCommands
from django_cachex.commands.replies import as_is, check, done, flag, integer, refuse, unexpected
from django_cachex.commands.scripts import EVAL, EVALSHA, ScriptCommands, digest
from django_cachex.commands.server import ServerCommands
from django_cachex.commands.sets import SetCommands
from django_cachex.commands.sorted_sets import SortedSetCommands
from django_cachex.commands.streams import StreamCommands
from django_cachex.commands.ttl import TtlCommands
from django_cachex.exceptions import (
    CrossSlotError,
    KeyNotFoundError,
    NoPermissionError,
    NoScriptError,
    ResponseError,
    SerializerError,
)
from django_cachex.options import CACHE_OPTIONS
from django_cachex.redaction import scrub
from django_cachex.settings import Settings
from django_cachex.undecodable import report

if TYPE_CHECKING:
    import weakref
    from asyncio import AbstractEventLoop
    from collections.abc import Iterable, Mapping, Sequence

    from django_cachex._core import Batch, Engine
    from django_cachex.commands.command import Built, Steps
    from django_cachex.options import Topology
    from django_cachex.pools import AsyncConnectionPool, ConnectionPool

__all__ = ["KeyValueCacheClient", "RedisCacheClient", "ValkeyCacheClient"]

_ABSENT = object()

_RENAME = Spec("RENAME", write=True, keys=(1, 2, 1))
_DUMP = Spec("DUMP", write=False)
_PTTL = Spec("PTTL", write=False)
_RESTORE = Spec("RESTORE", write=True)


class KeyValueCacheClient[ClientT](
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
):
    """What all clients have in common. Its leaves differ in topology and raw client type."""

    _takes_versions = False
    _topology: ClassVar[Topology]
    _client_type: ClassVar[type[Any] | None] = None
    _async_client_type: ClassVar[type[Any] | None] = None
    _CLIENT_ONLY_OPTIONS: ClassVar[frozenset[str]] = frozenset(CACHE_OPTIONS)

    _lib = _core

    def __init__(
        self,
        servers: str | Sequence[str],
        serializer: Any = None,
        pool_class: Any = None,
        parser_class: Any = None,
        *,
        async_pool_class: Any = None,
        compressor: Any = None,
        **options: Any,
    ) -> None:
        """Look the settings up; nothing is connected or started.

        Args:
            servers: URLs, as from ``LOCATION``.
            serializer: see ``OPTIONS``.
            pool_class: see ``OPTIONS``.
            parser_class: accepted for compatibility; replies are parsed natively.
            async_pool_class: see ``OPTIONS``.
            compressor: see ``OPTIONS``.
            options: the other ``OPTIONS``.

        Raises:
            ImproperlyConfigured: an option is unknown or has a bad value.
        """
        # For each request a cache is made, and its client with the first call: written out, this takes no time.
        if serializer is not None:
            options["serializer"] = serializer
        if pool_class is not None:
            options["pool_class"] = pool_class
        if parser_class is not None:
            options["parser_class"] = parser_class
        if async_pool_class is not None:
            options["async_pool_class"] = async_pool_class
        if compressor is not None:
            options["compressor"] = compressor
        try:
            settings = self._settings_of(servers, options)
            self._serializers, self._compressors, self._codec = build_codec(settings)
            vars(self)["_serializer"] = self._serializers[0]
        except BaseException as error:
            scrub(error)
            del servers, options, serializer, pool_class, parser_class, async_pool_class, compressor
            raise
        self._settings = settings
        self._servers = settings.servers
        self._engine = settings.engine
        self._async_engine = settings.async_engine
        self._pool_class = settings.pool_class
        self._async_pool_class = settings.async_pool_class
        self._pools: dict[int, ConnectionPool] = {}
        # Raw clients have no state, so one for reads and one for writes will do.
        self._raw: list[ClientT | None] = [None, None]

    @classmethod
    def _settings_of(cls, servers: str | Sequence[str], options: Mapping[str, Any]) -> Settings:
        if cls._client_type is None:
            raise ImproperlyConfigured(
                f"{cls.__name__} is a base class: use one of its leaves, such as RedisCacheClient"
            )
        # A class attribute that subclasses extend is, to the type checker, not the instance attribute it asks for.
        return Settings.of(cls._topology, servers, options, cls)  # type: ignore[arg-type]

    # Servers

    @property
    def _cache(self) -> Self:
        """What sends the commands; caches have their client by this name."""
        return self

    @property
    def _client(self) -> type[ClientT]:
        return self._client_class

    @property
    def _client_class(self) -> type[ClientT]:
        return self._client_type  # type: ignore[return-value]

    @property
    def _async_client_class(self) -> type[Any]:
        return self._async_client_type  # type: ignore[return-value]

    @property
    def _async_pools(self) -> weakref.WeakKeyDictionary[AbstractEventLoop, dict[int, AsyncConnectionPool]]:
        return self._settings.async_pools

    def _get_connection_pool_index(self, write: bool) -> int:  # noqa: FBT001 - Django's signature
        """Return the index of a server that serves writes, or of one that serves reads."""
        if write or len(self._servers) == 1:
            return 0
        import random  # noqa: PLC0415 - it takes long to import, and only replicas need it

        return random.randrange(1, len(self._servers))  # noqa: S311 - it spreads load

    def _get_connection_pool(self, write: bool) -> ConnectionPool:  # noqa: FBT001 - Django's signature
        index = self._get_connection_pool_index(write)
        return self._pools.setdefault(index, self._settings.handles[index])

    def _get_async_connection_pool(self, write: bool) -> AsyncConnectionPool:  # noqa: FBT001 - as its sync twin
        # A few milliseconds of import that sync projects need not pay.
        from asyncio import get_running_loop  # noqa: PLC0415

        return self._settings.async_handle(get_running_loop(), self._get_connection_pool_index(write))

    def get_client(self, key: str | None = None, *, write: bool = False) -> ClientT:
        """Return a raw client of a read server, or of the write server.

        Args:
            key: ignored here; on a cluster commands are routed by their own keys.
            write: ask for the write server.
        """
        write = bool(write)
        client = self._raw[write]
        if client is None:
            client = self._raw[write] = self._client_class(self._engine, write=write)  # type: ignore[call-arg]
        return client

    async def get_async_client(self, key: str | None = None, *, write: bool = False) -> Any:
        """Return a raw async client; see ``get_client``."""
        return self._async_client_class(self._async_engine, write=bool(write))

    def close(self, **kwargs: Any) -> None:
        """Do nothing: connections belong to the process, and Django calls this after every request."""

    async def aclose(self, **kwargs: Any) -> None:
        """Do nothing; see ``close``."""

    # Sending

    def _run(self, spec: Spec | None, built: Built[Any]) -> Any:
        if isinstance(built, Transaction):
            batch = _batch(self._engine, built)
            return built.reply(check(self._engine.call_batch(batch, True, built.spread)))  # noqa: FBT003
        return self._engine.run(built.spec or spec, built)  # type: ignore[arg-type]

    async def _arun(self, spec: Spec | None, built: Built[Any]) -> Any:
        if isinstance(built, Transaction):
            batch = _batch(self._async_engine, built)
            return built.reply(check(await self._async_engine.send_batch(batch, True, built.spread)))  # noqa: FBT003
        try:
            result = await self._async_engine.start(built.spec or spec, built)  # type: ignore[arg-type]
        except ResponseError as error:
            refuse(built.refused, error)
        return result.result() if type(result) is Unread else result

    def _key(self, key: str, version: int | None = None) -> str:
        return key

    def _pattern(self, pattern: str, version: int | None = None) -> str:
        return pattern

    def _every_version(self) -> str:
        return "*"

    def _own_keys(self, keys: list[bytes]) -> list[bytes]:
        return keys

    def _user_keys(self, keys: Iterable[bytes], version: int | None) -> list[str]:
        return [key.decode("utf-8", "surrogateescape") for key in keys]

    def _read_server(self) -> int:
        if self._topology == "standalone":
            return self._get_connection_pool_index(write=False)
        # The engine finds out which servers there are. A number means the same one to it as long as that is there.
        return 1 + int.from_bytes(urandom(2))

    # Values

    @property
    def _serializer(self) -> Any:
        return self._serializers[0]

    @_serializer.setter
    def _serializer(self, serializer: Any) -> None:
        self._serializers = [serializer, *self._serializers[1:]]
        # Where those who put another in its place for a while look for what was there.
        vars(self)["_serializer"] = serializer
        self._codec = Codec(self._serializers, self._compressors, self._settings.max_decompressed_size)
        # The shortcut has the codec of before. It makes way for methods that an object has of its own.
        self.encode, self.decode = self._codec.encode, self._codec.decode  # type: ignore[method-assign]

    def encode(self, value: Any) -> int | bytes:
        """Return what is stored for *value*: an exact int as it is, anything else serialized and compressed.

        Raises:
            SerializerError: it cannot be serialized.
            CompressorError: it cannot be compressed.
        """
        return self._codec.encode(value)

    def decode(self, data: int | bytes) -> Any:
        """Return the value that stored *data* stands for.

        Raises:
            SerializerError: no configured serializer can read it.
            ValueTooLargeError: it decompresses to more than ``max_decompressed_size``.
        """
        return self._codec.decode(data)

    def _missing(self, error: SerializerError) -> None:
        """Let bytes that cannot be read count as missing, where the settings say so."""
        if self._settings.on_undecodable != "miss":
            raise error
        report(error)

    def _found(self, data: Any, default: Any) -> Any:
        if data is None:
            return default
        if type(data) is not bytes:
            raise unexpected(data)
        try:
            return self.decode(data)
        except SerializerError as error:
            self._missing(error)
            return default

    def _found_many(self, keys: Iterable[str], replies: list[Any]) -> dict[str, Any]:
        found = ((key, self._found(data, _ABSENT)) for key, data in zip(keys, replies, strict=True))
        return {key: value for key, value in found if value is not _ABSENT}

    # Django's methods

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value at *key*, or *default* if there is none (GET)."""
        return self._found(self._engine.call(strings.GET, (key,)), default)

    async def aget(self, key: str, default: Any = None) -> Any:
        """Return the value at *key*, or *default* if there is none (GET)."""
        return self._found(await self._async_engine.send(strings.GET, (key,)), default)

    @command("SET", write=True)
    def add(self, key: str, value: Any, timeout: int | None) -> Command[bool]:
        """Store *value* unless *key* exists (SET NX); return whether it was stored.

        With a timeout of zero or less nothing is stored, and the result tells whether it could have been.
        """
        return strings.add(key, self.encode(value), timeout)

    aadd = aio(add)

    def set(
        self, key: str, value: Any, timeout: int | None, *, nx: bool = False, xx: bool = False, get: bool = False
    ) -> Any:
        """Store *value* (SET); a timeout of zero or less deletes the key.

        Args:
            key: the made key.
            value: what to store.
            timeout: seconds to live; ``None`` is for ever.
            nx: only if the key does not exist.
            xx: only if the key exists.
            get: return the previous value.

        Returns:
            ``None``; with ``nx`` or ``xx`` whether it was stored; with ``get`` the previous value or ``None``.

        Raises:
            ValueError: ``nx`` together with ``xx``.
            WrongTypeError: ``get`` on a key that holds no string.
        """
        if nx or xx or get:
            return self._set_if(key, value, timeout, nx, xx, get)
        self._engine.call(*strings.plain_set(key, self.encode(value), timeout))
        return None

    async def aset(
        self, key: str, value: Any, timeout: int | None, *, nx: bool = False, xx: bool = False, get: bool = False
    ) -> Any:
        """Store *value*; see ``set`` (SET)."""
        if nx or xx or get:
            return await self._aset_if(key, value, timeout, nx, xx, get)
        await self._async_engine.send(*strings.plain_set(key, self.encode(value), timeout))
        return None

    @command("SET", write=True)
    def _set_if(self, key: str, value: Any, timeout: int | None, nx: bool, xx: bool, get: bool) -> Command[Any]:  # noqa: FBT001
        return strings.set_if(self._optional, key, self.encode(value), timeout, nx=nx, xx=xx, get=get)

    _aset_if = aio(_set_if)

    def _optional(self, reply: bytes | None) -> Any:
        return None if reply is None else self.decode(reply)

    @command("EXPIRE", write=True, repeatable=True)
    def touch(self, key: str, timeout: int | None) -> Command[bool] | Transaction[bool]:
        """Let *key* live for *timeout* seconds, with ``None`` for ever (EXPIRE, PERSIST); return whether it exists."""
        return strings.touch(key, timeout)

    atouch = aio(touch)

    @command("DEL", write=True, repeatable=True, keys=(1, -1, 1))
    def delete(self, key: str) -> Command[bool]:
        """Delete *key* (DEL); return whether it existed."""
        return Command(flag, key)

    adelete = aio(delete)

    @command("EXISTS", keys=(1, -1, 1))
    def has_key(self, key: str) -> Command[bool]:
        """Return whether *key* exists, whatever it holds (EXISTS)."""
        return Command(flag, key)

    ahas_key = aio(has_key)

    @steps
    def get_many(self, keys: Iterable[str]) -> Steps[dict[str, Any]]:
        """Return the values of those of *keys* that hold one (MGET)."""
        listed = list(keys)
        if not listed:
            return {}
        return self._found_many(listed, (yield strings.get_many(listed)))

    aget_many = aio(get_many)

    @steps
    def set_many(self, data: Mapping[str, Any], timeout: int | None) -> Steps[None]:
        """Store several values at once (SET for each in one MULTI, or MSET); zero or less deletes the keys."""
        stored = {key: self.encode(value) for key, value in data.items()}
        if stored:
            yield strings.set_many(stored, timeout)

    aset_many = aio(set_many)

    @steps
    def delete_many(self, keys: Iterable[str]) -> Steps[int | None]:
        """Delete *keys* (DEL); return how many existed, ``None`` if none were given."""
        listed = list(keys)
        if not listed:
            return None
        deleted: int = yield strings.delete_many(listed)
        return deleted

    adelete_many = aio(delete_many)

    def incr(self, key: str, delta: int) -> int:
        """Add *delta* to the integer at *key*, in one step on the server, and return the sum; the expiry is kept.

        Raises:
            KeyNotFoundError: the key does not exist.
            ResponseError: it holds no integer, or the sum exceeds 64 bits.
        """
        # Not by the engine itself: Django's own tests see to it that `incr` asks for the client of the write server.
        client: Any = self.get_client(key, write=True)
        try:
            value = client.execute_command("EVALSHA", digest(strings.INCR), 1, key, delta)
        except (NoScriptError, NoPermissionError) as error:
            refusal = error
        else:
            return value if type(value) is int else strings.summed(key, value)
        return self._incr_otherwise(key, delta, refusal)

    async def aincr(self, key: str, delta: int) -> int:
        """Add *delta* to the integer at *key*; see ``incr``."""
        try:
            value = await self._async_engine.send(EVALSHA, (digest(strings.INCR), 1, key, delta))
        except (NoScriptError, NoPermissionError) as error:
            refusal = error
        else:
            return value if type(value) is int else strings.summed(key, value)
        return await self._aincr_otherwise(key, delta, refusal)

    def decr(self, key: str, delta: int) -> int:
        """Subtract *delta* from the integer at *key*; see ``incr``."""
        return self.incr(key, -delta)

    async def adecr(self, key: str, delta: int) -> int:
        """Subtract *delta* from the integer at *key*; see ``incr``."""
        return await self.aincr(key, -delta)

    @steps
    def _incr_otherwise(self, key: str, delta: int, error: ResponseError) -> Steps[int]:
        """Load the script on the way, or do without where the user may not run scripts."""
        if not isinstance(error, NoPermissionError):
            with contextlib.suppress(NoPermissionError):
                return strings.summed(key, (yield Command(as_is, strings.INCR, 1, key, delta, spec=EVAL)))
        # Two steps, as Django's own backend does it.
        exists = yield Command(flag, key, spec=strings.EXISTS)
        return strings.summed(key, (yield Command(integer, key, delta, spec=strings.INCRBY)) if exists else None)

    _aincr_otherwise = aio(_incr_otherwise)

    @steps
    def _move(self, src: str, dst: str, key: str) -> Steps[None]:
        """Rename *src*, the user's *key*, to *dst*; between servers of a cluster copy it and then delete it."""
        try:
            yield Command(done, src, dst, spec=_RENAME, refused=missing(key))
        except CrossSlotError:
            dump, ttl = yield Transaction(as_is, [(_DUMP, (src,)), (_PTTL, (src,))])
            if dump is None:
                raise KeyNotFoundError(f"Key '{key}' not found") from None
            # To RESTORE 0 is no expiry, to PTTL less than a millisecond.
            left = 0 if integer(ttl) < 0 else max(ttl, 1)
            yield Command(done, dst, left, dump, "REPLACE", spec=_RESTORE)
            yield Command(done, src, spec=strings.DEL)

    _amove = aio(_move)

    @command("FLUSHDB", write=True, keys=(0, 0, 0), everywhere="done")
    def clear(self) -> Command[bool]:
        """Empty the whole database (FLUSHDB)."""
        return Command(done)

    aclear = aio(clear)


def _batch(engine: Engine, built: Transaction[Any]) -> Batch:
    batch = engine.batch()
    if built.spread:
        for item in built.commands:
            batch.push(item)
    else:
        batch.push(*built.commands)
    return batch


class RedisCacheClient(KeyValueCacheClient[Redis]):
    """One server, or a primary and its read replicas."""

    _topology = "standalone"
    _client_type = Redis
    _async_client_type = AsyncRedis


class ValkeyCacheClient(KeyValueCacheClient[Valkey]):
    """One server, or a primary and its read replicas."""

    _topology = "standalone"
    _client_type = Valkey
    _async_client_type = AsyncValkey
