"""Keys, whatever they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex._core import Spec
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, astream, command, steps, stream, walk
from django_cachex.commands.replies import done, flag, integer, items, page, text
from django_cachex.exceptions import KeyNotFoundError
from django_cachex.types import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.commands.command import Steps, Stream
    from django_cachex.exceptions import ResponseError

__all__ = ["KeyCommands", "missing"]

# How many keys a step of a scan asks for.
ITERSIZE = 1000

# A cursor belongs to one server: scans that hand it out stay with the write server.
_SCAN = Spec("SCAN", write=True, repeatable=True, keys=(0, 0, 0), everywhere="page")
_UNLINK = Spec("UNLINK", write=True, repeatable=True, keys=(1, -1, 1), split="sum")


def missing(key: str) -> Callable[[ResponseError], Exception]:
    """Return what makes a ``KeyNotFoundError`` for *key* out of the server's ``no such key``."""

    def refused(error: ResponseError) -> Exception:
        return KeyNotFoundError(f"Key '{key}' not found") if "no such key" in str(error) else error

    return refused


def _type(reply: Any) -> KeyType | str | None:
    name = text(reply)
    if name == "none":
        return None
    return KeyType(name) if name in KeyType else name


class KeyCommands(Commands):
    """Find, rename and delete keys of any type."""

    @command("KEYS", keys=(0, 0, 0), everywhere="list", queued=False)
    def keys(self, pattern: str = "*", version: int | None = None) -> Command[list[str]]:
        r"""Return all keys that match *pattern*, at once (KEYS). On large databases use ``iter_keys``.

        Args:
            pattern: a glob on the user's part of the key: ``*``, ``?``, ``[a-c]``, ``[^a]``, ``\`` escapes.
            version: the keys' version.

        Returns:
            User keys in no particular order, none twice.
        """
        return Command(
            lambda reply: list(dict.fromkeys(self._user_keys(items(reply), version))), self._pattern(pattern, version)
        )

    akeys = aio(keys)

    @stream
    def iter_keys(self, pattern: str = "*", version: int | None = None, itersize: int | None = None) -> Stream[str]:
        """Yield the keys that match *pattern*, with bounded memory (SCAN). Nothing is sent before the first step.

        Args:
            pattern: a glob on the user's part of the key, as for ``keys``.
            version: the keys' version.
            itersize: how many keys the server looks at in a step; ``None`` is 1000.

        Yields:
            User keys in no particular order; one may come twice while keys are added and removed.
        """
        glob = self._pattern(pattern, version)
        yield from walk(
            lambda cursor, server: _scan(cursor, glob, itersize or ITERSIZE, at=server),
            lambda keys: self._user_keys(keys, version),
            self._read_server(),
        )

    aiter_keys = astream(iter_keys)

    @command("SCAN", write=True, repeatable=True, keys=(0, 0, 0), everywhere="page", queued=False)
    def scan(
        self,
        cursor: int = 0,
        pattern: str = "*",
        count: int | None = None,
        version: int | None = None,
        key_type: KeyType | str | None = None,
    ) -> Command[tuple[int, list[str]]]:
        """Take one step through the keys that match *pattern* (SCAN).

        Args:
            cursor: 0 to begin, then what the last step returned.
            pattern: a glob on the user's part of the key, as for ``keys``.
            count: how many keys the server looks at; ``None`` leaves that to it.
            version: the keys' version.
            key_type: only keys that hold this type.

        Returns:
            The next cursor, 0 when done, and user keys. A page may be empty.
        """

        def step(reply: Any) -> tuple[int, list[str]]:
            following, keys = page(reply)
            return following, self._user_keys(keys, version)

        args: list[Any] = [cursor, "MATCH", self._pattern(pattern, version)]
        if count is not None:
            args += ["COUNT", count]
        if key_type is not None:
            args += ["TYPE", str(key_type)]
        return Command(step, *args)

    ascan = aio(scan)

    @steps
    def delete_pattern(self, pattern: str, version: int | None = None, itersize: int | None = None) -> Steps[int]:
        """Delete the keys that match *pattern*, in batches (SCAN, UNLINK). Not atomic; memory is bounded.

        Args:
            pattern: a glob on the user's part of the key, as for ``keys``.
            version: the keys' version.
            itersize: how many keys the server looks at in a step; ``None`` is 1000.

        Returns:
            How many keys were deleted.
        """
        return (yield from _delete(self._pattern(pattern, version), itersize, lambda keys: keys))

    adelete_pattern = aio(delete_pattern)

    @steps
    def clear_all_versions(self, itersize: int | None = None) -> Steps[int]:
        """Delete all keys of this cache, of every version, in batches (SCAN, UNLINK). Not atomic.

        Where ``VERSION`` is an integer, versions are integers: what else stands in their place may be a longer prefix.

        Args:
            itersize: how many keys the server looks at in a step; ``None`` is 1000.

        Returns:
            How many keys were deleted.

        Raises:
            NotSupportedError: it cannot be told where the key function puts the version.
        """
        return (yield from _delete(self._every_version(), itersize, self._own_keys))

    aclear_all_versions = aio(clear_all_versions)

    @command("FLUSHDB", write=True, keys=(0, 0, 0), everywhere="done", queued=False)
    def flush_db(self) -> Command[bool]:
        """Empty the whole database (FLUSHDB), keys of other applications included."""
        return Command(done)

    aflush_db = aio(flush_db)

    @command("TYPE")
    def type(self, key: str, version: int | None = None) -> Command[KeyType | str | None]:
        """Return what *key* holds (TYPE).

        Returns:
            A ``KeyType``, the plain name for a module's type, ``None`` if the key does not exist.
        """
        return Command(_type, self._key(key, version))

    atype = aio(type)  # noqa: A003 - the method above, as the contract calls it

    @command("RENAME", write=True, keys=(1, 2, 1))
    def rename(
        self,
        src: str,
        dst: str,
        version: int | None = None,
        version_src: int | None = None,
        version_dst: int | None = None,
    ) -> Command[bool]:
        """Rename *src* to *dst*, which is replaced; the expiry is kept (RENAME).

        Returns:
            ``True``.

        Raises:
            KeyNotFoundError: *src* does not exist.
        """
        args = self._two_keys(src, dst, version, version_src, version_dst)
        return Command(done, *args, refused=missing(src))

    arename = aio(rename)

    @command("RENAMENX", write=True, keys=(1, 2, 1))
    def renamenx(
        self,
        src: str,
        dst: str,
        version: int | None = None,
        version_src: int | None = None,
        version_dst: int | None = None,
    ) -> Command[bool]:
        """Rename *src* to *dst* unless that exists; the expiry is kept (RENAMENX).

        Returns:
            Whether it was renamed.

        Raises:
            KeyNotFoundError: *src* does not exist.
        """
        args = self._two_keys(src, dst, version, version_src, version_dst)
        return Command(flag, *args, refused=missing(src))

    arenamenx = aio(renamenx)


def _scan(cursor: int, glob: str, count: int, *, at: int | None = None) -> Command[tuple[int, list[bytes]]]:
    return Command(page, cursor, "MATCH", glob, "COUNT", count, spec=_SCAN, at=at)


def _delete(glob: str, itersize: int | None, choose: Callable[[list[bytes]], list[bytes]]) -> Steps[int]:
    deleted = cursor = 0
    while True:
        cursor, found = yield _scan(cursor, glob, itersize or ITERSIZE)
        if keys := choose(found):
            deleted += yield Command(integer, *keys, spec=_UNLINK)
        if not cursor:
            return deleted
