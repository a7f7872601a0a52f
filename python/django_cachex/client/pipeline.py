"""Pipelines: commands that are queued here and sent together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from django_cachex._core import Spec
from django_cachex.commands import strings
from django_cachex.commands.command import Command, Queued, Transaction, command
from django_cachex.commands.hashes import HashCommands
from django_cachex.commands.keys import KeyCommands
from django_cachex.commands.lists import ListCommands
from django_cachex.commands.replies import check, done, flag
from django_cachex.commands.scripts import QueuedScripts
from django_cachex.commands.sets import SetCommands
from django_cachex.commands.sorted_sets import SortedSetCommands
from django_cachex.commands.streams import StreamCommands
from django_cachex.commands.ttl import TtlCommands
from django_cachex.exceptions import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from django_cachex.client.cache import KeyValueCache
    from django_cachex.commands.command import Built

__all__ = ["AsyncPipeline", "Pipeline"]

_MULTI = Spec("MULTI", write=True, keys=(0, 0, 0))
_EXEC = Spec("EXEC", write=True, keys=(0, 0, 0))


_SET = Spec("SET", write=True)


class BasePipeline(
    TtlCommands,
    KeyCommands,
    HashCommands,
    ListCommands,
    SetCommands,
    SortedSetCommands,
    StreamCommands,
    QueuedScripts,
    Queued,
):
    """What queues commands. Its methods check their arguments, make keys and encode values at once, and chain."""

    def __init__(self, cache: KeyValueCache[Any], *, transaction: bool, version: int | None) -> None:
        """Begin empty.

        Args:
            cache: makes keys and encodes values.
            transaction: the commands take effect together.
            version: the version of keys that are queued without one.
        """
        self._cache = cache
        self._client = cache._coder  # noqa: SLF001 - of this package
        self._transaction = bool(transaction)
        self._version = version
        self._engine = self._engine_of(self._client)
        self._batch = self._engine.batch()
        # Each command asks for them: looked up once.
        self._shortcut = cache._own_shortcut()  # noqa: SLF001 - of this package
        self._found = self._shortcut.found(cache, None)
        values = cache._values_of  # noqa: SLF001 - of this package
        self._encode = values.encode  # type: ignore[assignment, method-assign]
        self._value = values.one  # type: ignore[assignment, method-assign]
        self._values = values.all  # type: ignore[assignment, method-assign]

    @staticmethod
    def _engine_of(client: Any) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        """Return how many calls are queued."""
        return int(self._batch.calls)

    def __bool__(self) -> bool:
        """Return ``True``, also when nothing is queued."""
        return True

    def reset(self) -> None:
        """Discard what is queued."""
        self._batch.clear()

    # Queueing

    def _push(self, spec: Spec, built: Built[Any]) -> Self:
        if isinstance(built, Transaction):
            return self._push_several(spec, built)
        if built.wait is not None:
            raise NotSupportedError(f"{spec.name.lower()} with block", type(self).__name__)
        self._batch.call(spec, built)
        return self

    def _push_several(self, spec: Spec, built: Transaction[Any]) -> Self:
        commands, reply = tuple(built.commands), built.reply
        if self._transaction or self._engine.sharded:
            # A cluster's node may send each of the commands elsewhere: a transaction among others would not survive it.
            together = self._transaction or not built.spread
            self._batch.call_several(spec.name, lambda replies: reply(check(replies)), commands, together=together)
            return self
        whole = ((_MULTI, ()), *commands, (_EXEC, ()))
        self._batch.call_several(spec.name, lambda replies: reply(check(replies[-1])), whole, together=True)
        return self

    def _push_nothing(self, spec: Spec, result: Any) -> Self:
        """Queue a call that has its result already."""
        self._batch.call_several(spec.name, lambda _: result, (), together=True)
        return self

    def _take(self) -> Any:
        batch, self._batch = self._batch, self._engine.batch()
        return batch

    def _key(self, key: str, version: int | None = None) -> str:
        return self._cache._key(key, self._version if version is None else version)  # noqa: SLF001

    def _user_keys(self, keys: Iterable[bytes], version: int | None) -> list[str]:
        return self._cache._user_keys(keys, version)  # noqa: SLF001 - of this package

    def encode(self, value: Any) -> int | bytes:
        """Return what is stored for *value*; see ``KeyValueCache.encode``."""
        return self._client.encode(value)  # type: ignore[no-any-return]

    def decode(self, data: int | bytes) -> Any:
        """Return the value that stored *data* stands for; see ``KeyValueCache.decode``."""
        return self._client.decode(data)

    # Django's methods

    # What is queued most goes straight to the batch: building a command each time would take longer than sending it.

    def get(self, key: str, default: Any = None, version: int | None = None) -> Self:
        """Return the value at *key*, or *default* if there is none (GET)."""
        if version is None:
            version = self._version
        found = self._found if default is None else self._shortcut.found(self._cache, default)
        if not self._shortcut.queue_get(self._batch, self._cache, key, version, found):
            client = self._client
            built = Command(lambda data: client._found(data, default), self._key(key, version))  # noqa: SLF001
            self._batch.call(strings.GET, built)
        return self

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
    ) -> Self:
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
            ``True`` if it was stored, ``None`` if ``nx`` or ``xx`` prevented it; with ``get`` the previous value or
            ``None``.

        Raises:
            ValueError: ``nx`` together with ``xx``.
            WrongTypeError: ``get`` on a key that holds no string.
        """
        if version is None:
            version = self._version
        if not (nx or xx or get):
            batch = self._batch
            if not self._shortcut.queue_set(batch, self._cache, key, value, timeout, version, done):
                seconds = self._cache.get_backend_timeout(timeout)
                spec, args = strings.plain_set(self._key(key, version), self.encode(value), seconds)
                batch.call(spec, Command(done, *args))
            return self
        made, seconds = self._key(key, version), self._cache.get_backend_timeout(timeout)
        optional = self._client._optional  # noqa: SLF001 - of this package
        built = strings.set_if(optional, made, self.encode(value), seconds, nx=nx, xx=xx, get=get)
        stored = built.reply
        reply = stored if get else lambda reply: True if stored(reply) else None
        return self._push(_SET, Command(reply, *built.args, spec=built.spec))

    @command("SET", write=True)
    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Command[bool]:
        """Store *value* unless *key* exists (SET NX); return whether it was stored."""
        return strings.add(self._key(key, version), self.encode(value), self._cache.get_backend_timeout(timeout))

    @command("EXPIRE", write=True, repeatable=True)
    def touch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> Built[bool]:
        """Let *key* live for *timeout* seconds, for ever with ``None`` (EXPIRE, PERSIST); return whether it exists."""
        return strings.touch(self._key(key, version), self._cache.get_backend_timeout(timeout))

    @command("DEL", write=True, repeatable=True, keys=(1, -1, 1))
    def delete(self, key: str, version: int | None = None) -> Command[bool]:
        """Delete *key* (DEL); return whether it existed."""
        return Command(flag, self._key(key, version))

    @command("EXISTS", keys=(1, -1, 1))
    def has_key(self, key: str, version: int | None = None) -> Command[bool]:
        """Return whether *key* exists, whatever it holds (EXISTS)."""
        return Command(flag, self._key(key, version))

    @command("EXISTS", keys=(1, -1, 1))
    def exists(self, key: str, version: int | None = None) -> Command[bool]:
        """Return whether *key* exists, whatever it holds (EXISTS)."""
        return Command(flag, self._key(key, version))

    @command("EVAL", write=True, keys="numkeys")
    def incr(self, key: str, delta: int = 1, version: int | None = None) -> Command[int]:
        """Add *delta* to the integer at *key*, in one step on the server; the expiry is kept.

        Returns:
            The new value.

        Raises:
            KeyNotFoundError: the key does not exist; a ``ValueError``.
            ResponseError: it holds no integer, or the sum exceeds 64 bits.
            WrongTypeError: it holds no string.
        """
        made = self._key(key, version)
        return Command(lambda reply: strings.summed(made, reply), strings.INCR, 1, made, delta)

    def decr(self, key: str, delta: int = 1, version: int | None = None) -> Self:
        """Subtract *delta* from the integer at *key*; see ``incr``."""
        return self.incr(key, -delta, version)

    def get_many(self, keys: Iterable[str], version: int | None = None) -> Self:
        """Return the values of those of *keys* that hold one, in the order of *keys* (MGET)."""
        made = {self._key(key, version): key for key in keys}
        if not made:
            return self._push_nothing(strings.MGET, {})
        built = strings.get_many(list(made))
        raw, found_many = built.reply, self._client._found_many  # noqa: SLF001 - of this package
        return self._push(strings.MGET, Command(lambda reply: found_many(made.values(), raw(reply)), *built.args))

    def set_many(
        self, data: Mapping[str, Any], timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Self:
        """Store several values in one step (SET in one MULTI, or MSET); return ``[]``: none fails alone."""
        stored = {self._key(key, version): self.encode(value) for key, value in dict(data or {}).items()}
        if not stored:
            return self._push_nothing(strings.MSET, [])
        built = strings.set_many(stored, self._cache.get_backend_timeout(timeout))
        if isinstance(built, Transaction):
            return self._push(strings.MSET, Transaction(_no_failures, built.commands, spread=built.spread))
        return self._push(strings.MSET, Command(_no_failures, *built.args, spec=built.spec))

    def delete_many(self, keys: Iterable[str], version: int | None = None) -> Self:
        """Delete *keys* (DEL); return how many existed, ``None`` if none were given."""
        made = {self._key(key, version): None for key in keys or ()}
        if not made:
            return self._push_nothing(strings.DEL, None)
        return self._push(strings.DEL, strings.delete_many(list(made)))


def _no_failures(_: Any) -> list[str]:
    return []


class Pipeline(BasePipeline):
    """Commands that are sent together, from sync code.

    ``with cache.pipeline() as p: p.set("a", 1).get("b"); results = p.execute()``. What has not been executed when the
    block ends is discarded. Afterwards the pipeline can be used again. Not to be shared between threads.
    """

    @staticmethod
    def _engine_of(client: Any) -> Any:
        return client._engine  # noqa: SLF001 - of this package

    def __enter__(self) -> Self:
        """Return the pipeline."""
        return self

    def __exit__(self, *_: object) -> None:
        """Discard what is queued."""
        self.reset()

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """Send what is queued, in one write, and return the results in order (MULTI, EXEC if transactional).

        Args:
            raise_on_error: raise the first failure, with a note that tells position and command; else failures are
                returned as items.

        Raises:
            CachexError: a command failed, or the connection, or the transaction was refused as a whole.
        """
        batch = self._take()
        replies = self._engine.call_batch(batch, self._transaction) if len(batch) else []
        return batch.results(replies, bool(raise_on_error))  # type: ignore[no-any-return]


class AsyncPipeline(BasePipeline):
    """As ``Pipeline``, from async code: queueing is synchronous, ``execute`` is a coroutine."""

    @staticmethod
    def _engine_of(client: Any) -> Any:
        return client._async_engine  # noqa: SLF001 - of this package

    def __enter__(self) -> NoReturn:
        """Raise ``TypeError``."""
        raise TypeError("an AsyncPipeline is used in an 'async with' block")

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is no plain block."""

    async def __aenter__(self) -> Self:
        """Return the pipeline."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Discard what is queued."""
        self.reset()

    def __await__(self) -> Generator[Any, None, Self]:
        """Give the pipeline itself."""
        yield from ()
        return self

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """Send what is queued and return the results; see ``Pipeline.execute``."""
        batch = self._take()
        replies = await self._engine.send_batch(batch, self._transaction) if len(batch) else []
        return batch.results(replies, bool(raise_on_error))  # type: ignore[no-any-return]
