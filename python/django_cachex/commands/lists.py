"""Lists: values in order, pushed and popped at both ends."""

# ruff: noqa: D417 - the class says what `key` and `version` are

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from django_cachex.commands.arguments import as_keys, choice
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, command
from django_cachex.commands.overloads import finding, popping
from django_cachex.commands.replies import done, integer, items
from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ListCommands"]


class ListCommands(Commands):
    """Values are encoded as everywhere and compared by the server as bytes.

    *key* and *version* are those of the list, *version* that of all keys; a missing one is empty.

    All raise ``WrongTypeError`` if the key holds something else. Indexes count from 0, negative ones from the end.
    """

    @command("LPUSH", write=True)
    def lpush(self, key: str, *values: Any, version: int | None = None) -> Command[int]:
        """Insert values at the head, one after another: the last one ends up first; return the new length (LPUSH).

        Raises:
            ValueError: no value is given.
        """
        return Command.of(integer, self._key(key, version), self._encode_all(values))

    alpush = aio(lpush)

    @command("RPUSH", write=True)
    def rpush(self, key: str, *values: Any, version: int | None = None) -> Command[int]:
        """Append values at the tail; return the new length (RPUSH).

        Raises:
            ValueError: no value is given.
        """
        return Command.of(integer, self._key(key, version), self._encode_all(values))

    arpush = aio(rpush)

    @popping
    @command("LPOP", write=True)
    def lpop(self, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
        """Remove and return values at the head (LPOP). A list without values is gone.

        Returns:
            One value, ``None`` if there is none; with *count* a list of up to so many.

        Raises:
            ResponseError: *count* is negative, or the server is older than Redis 6.2 and knows none.
        """
        return self._pop(key, count, version)

    alpop = aio(lpop)

    @popping
    @command("RPOP", write=True)
    def rpop(self, key: str, count: int | None = None, version: int | None = None) -> Command[Any]:
        """Remove and return values at the tail, the last one first; see ``lpop`` (RPOP)."""
        return self._pop(key, count, version)

    arpop = aio(rpop)

    @command("LLEN")
    def llen(self, key: str, version: int | None = None) -> Command[int]:
        """Return the length (LLEN)."""
        return Command(integer, self._key(key, version))

    allen = aio(llen)

    @command("LRANGE")
    def lrange(self, key: str, start: int, end: int, version: int | None = None) -> Command[list[Any]]:
        """Return the values from *start* to *end*, both included (LRANGE)."""
        return Command(self._values, self._key(key, version), start, end)

    alrange = aio(lrange)

    @command("LINDEX")
    def lindex(self, key: str, index: int, version: int | None = None) -> Command[Any]:
        """Return the value at *index* (LINDEX), ``None`` if that is out of range."""
        return Command(self._value, self._key(key, version), index)

    alindex = aio(lindex)

    @command("LSET", write=True)
    def lset(self, key: str, index: int, value: Any, version: int | None = None) -> Command[bool]:
        """Replace the value at *index*; return ``True`` (LSET).

        Raises:
            ResponseError: the key does not exist, or *index* is out of range.
        """
        return Command(done, self._key(key, version), index, self._encode(value))

    alset = aio(lset)

    @command("LREM", write=True)
    def lrem(self, key: str, count: int, value: Any, version: int | None = None) -> Command[int]:
        """Remove values equal to *value* (LREM).

        Args:
            count: at most so many, from the head; if negative, from the tail; 0 removes all.
            value: the value.

        Returns:
            How many were removed.
        """
        return Command(integer, self._key(key, version), count, self._encode(value))

    alrem = aio(lrem)

    @command("LTRIM", write=True)
    def ltrim(self, key: str, start: int, end: int, version: int | None = None) -> Command[bool]:
        """Remove what is not between *start* and *end*, both kept; return ``True`` (LTRIM)."""
        return Command(done, self._key(key, version), start, end)

    altrim = aio(ltrim)

    @command("LINSERT", write=True)
    def linsert(self, key: str, where: str, pivot: Any, value: Any, version: int | None = None) -> Command[int]:
        """Insert *value* beside the first value equal to *pivot* (LINSERT).

        Args:
            where: ``"BEFORE"`` or ``"AFTER"``, in any case.
            pivot: the value to look for.
            value: the value to insert.

        Returns:
            The new length, -1 if *pivot* is not in the list, 0 if the key does not exist.

        Raises:
            ValueError: *where* is something else.
        """
        side = choice(where, "BEFORE", "AFTER")
        return Command(integer, self._key(key, version), side, self._encode(pivot), self._encode(value))

    alinsert = aio(linsert)

    @finding
    @command("LPOS")
    def lpos(
        self,
        key: str,
        value: Any,
        rank: int | None = None,
        count: int | None = None,
        maxlen: int | None = None,
        version: int | None = None,
    ) -> Command[Any]:
        """Return where *value* is (LPOS).

        Args:
            value: the value to look for.
            rank: begin with the so many-th match; if negative, counted and searched from the tail.
            count: how many indexes to return; 0 returns all.
            maxlen: compare at most so many values; 0 compares all.

        Returns:
            An index, ``None`` if there is none; with *count* a list of indexes.

        Raises:
            ResponseError: *rank* is 0, or *count* or *maxlen* is negative.
        """
        options = [
            word
            for name, number in (("RANK", rank), ("COUNT", count), ("MAXLEN", maxlen))
            if number is not None
            for word in (name, number)
        ]
        reply = _index if count is None else _indexes
        return Command(reply, self._key(key, version), self._encode(value), *options)

    alpos = aio(lpos)

    @command("LMOVE", write=True, keys=(1, 2, 1))
    def lmove(
        self,
        src: str,
        dst: str,
        wherefrom: str = "LEFT",
        whereto: str = "RIGHT",
        version: int | None = None,
        version_src: int | None = None,
        version_dst: int | None = None,
    ) -> Command[Any]:
        """Move a value from one list to another, or within one (LMOVE).

        Args:
            src: the key to take from.
            dst: the key to put to.
            wherefrom: the end to take from: ``"LEFT"`` (the head) or ``"RIGHT"``, in any case.
            whereto: the end to put to.
            version_src: the version of *src*, if another.
            version_dst: the version of *dst*, if another.

        Returns:
            The value; ``None`` if *src* is empty.

        Raises:
            ValueError: an end is something else.
        """
        move = self._moving(src, dst, wherefrom, whereto, version, version_src, version_dst)
        return Command(self._value, *move)

    almove = aio(lmove)

    @command("BLPOP", write=True, keys=(1, -2, 1), queued=False)
    def blpop(
        self, keys: str | Iterable[str], timeout: float | None = 0, version: int | None = None
    ) -> Command[tuple[str, Any] | None]:
        """Remove and return the head of the first list that is not empty; wait while all are (BLPOP).

        Args:
            keys: one key, or several in order of preference.
            timeout: how many seconds to wait; 0 and ``None`` wait for ever.

        Returns:
            The key, as it was given, and the value; ``None`` if there was none in time.

        Raises:
            ValueError: no key is given, or *timeout* is infinite or not a number.
            ResponseError: *timeout* is negative.
        """
        return self._blocking_pop(keys, timeout, version)

    ablpop = aio(blpop)

    @command("BRPOP", write=True, keys=(1, -2, 1), queued=False)
    def brpop(
        self, keys: str | Iterable[str], timeout: float | None = 0, version: int | None = None
    ) -> Command[tuple[str, Any] | None]:
        """Remove and return the tail of the first list that is not empty; see ``blpop`` (BRPOP)."""
        return self._blocking_pop(keys, timeout, version)

    abrpop = aio(brpop)

    @command("BLMOVE", write=True, keys=(1, 2, 1), queued=False)
    def blmove(
        self,
        src: str,
        dst: str,
        timeout: float | None,
        wherefrom: str = "LEFT",
        whereto: str = "RIGHT",
        version: int | None = None,
        version_src: int | None = None,
        version_dst: int | None = None,
    ) -> Command[Any]:
        """Move a value from one list to another, as ``lmove``; wait while there is none (BLMOVE).

        Args:
            timeout: how many seconds to wait; 0 and ``None`` wait for ever.

        Returns:
            The value; ``None`` if there was none in time.

        Raises:
            ValueError: an end is neither ``"LEFT"`` nor ``"RIGHT"``, or *timeout* is infinite or not a number.
            ResponseError: *timeout* is negative.
        """
        move = self._moving(src, dst, wherefrom, whereto, version, version_src, version_dst)
        seconds = _seconds(timeout)
        return Command(self._value, *move, seconds, wait=_wait(seconds))

    ablmove = aio(blmove)

    def _pop(self, key: str, count: int | None, version: int | None) -> Command[Any]:
        if count is None:
            return Command(self._value, self._key(key, version))
        # Asked for a list, the server answers nil for a missing key.
        return Command(lambda reply: [] if reply is None else self._values(reply), self._key(key, version), count)

    def _moving(
        self,
        src: str,
        dst: str,
        wherefrom: str,
        whereto: str,
        version: int | None,
        version_src: int | None,
        version_dst: int | None,
    ) -> tuple[str, str, str, str]:
        return (
            *self._two_keys(src, dst, version, version_src, version_dst),
            choice(wherefrom, "LEFT", "RIGHT"),
            choice(whereto, "LEFT", "RIGHT"),
        )

    def _blocking_pop(
        self, keys: str | Iterable[str], timeout: float | None, version: int | None
    ) -> Command[tuple[str, Any] | None]:
        # As bytes: different texts may be one key to the server.
        given = {self._key(key, version).encode("utf-8", "surrogateescape"): key for key in as_keys(keys)}
        seconds = _seconds(timeout)

        def popped(reply: Any) -> tuple[str, Any] | None:
            if reply is None:
                return None
            made, data = items(reply, 2)
            if not isinstance(made, bytes) or made not in given:
                raise ResponseError("unexpected reply: a key that was not asked for")
            return given[made], self._value(data)

        return Command(popped, *given, seconds, wait=_wait(seconds))


def _index(reply: Any) -> int | None:
    return None if reply is None else integer(reply)


def _indexes(reply: Any) -> list[int]:
    return [integer(index) for index in items(reply)]


def _seconds(timeout: float | None) -> float:
    """Return for how long the server is to wait; 0 is for ever."""
    if timeout is None:
        return 0
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"a number of seconds was expected, not {type(timeout).__name__}")
    if not abs(timeout) < math.inf:
        raise ValueError(f"a finite number was expected, not {timeout}")
    # Servers round to milliseconds, some towards zero, and zero would be for ever.
    if timeout < 0:
        return math.floor(timeout)
    return max(timeout, 0.001) if timeout else 0


def _wait(seconds: float) -> float | None:
    # A negative timeout is refused at once, one of a billion seconds or more if the server cannot count so far.
    return None if seconds < 0 else min(seconds, 1e9)
