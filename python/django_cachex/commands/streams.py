"""Streams and their consumer groups."""

# ruff: noqa: D417, FBT001, FBT002 - the class says what `key` and `version` are; flags stand where the contract has them

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django_cachex.commands.arguments import field_text, some
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, command
from django_cachex.commands.overloads import claiming, listing, stepping
from django_cachex.commands.replies import done, integer, text
from django_cachex.commands.stream_replies import (
    claimed,
    described,
    each_described,
    entries,
    news,
    pending,
    step,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_cachex.commands.arguments import Field
    from django_cachex.commands.stream_replies import Entry

__all__ = ["StreamCommands"]


class StreamCommands(Commands):
    """Logs of entries: ``(id, {field: value})``. Values are encoded as everywhere, ids and fields are plain text.

    *key* and *version* are those of the stream; a missing one is empty. All times are in milliseconds.
    """

    @command("XADD", write=True)
    def xadd(
        self,
        key: str,
        fields: Mapping[Any, Any],
        entry_id: Field = "*",
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: bool = False,
        minid: Field | None = None,
        limit: int | None = None,
        version: int | None = None,
    ) -> Command[str | None]:
        """Append an entry (XADD).

        Args:
            fields: field -> value, at least one.
            entry_id: larger than the last one; ``*`` lets the server choose.
            maxlen: trim to so many entries; see ``xtrim``.
            approximate: trim only what costs little.
            nomkstream: do nothing if there is no stream yet.
            minid: trim entries with smaller ids, instead.
            limit: look at so many entries at most while trimming.

        Returns:
            The entry's id; ``None`` with *nomkstream* where there is no stream.

        Raises:
            ValueError: there is no field, or *maxlen*, *minid* and *limit* do not go together.
            ResponseError: the id is not larger than the last one.
        """
        words = [word for name, data in _some("field", fields) for word in (field_text(name), self._encode(data))]
        options = _options(NOMKSTREAM=bool(nomkstream)) + _trimming(maxlen, minid, limit, approximate=approximate)
        return Command(_added, self._key(key, version), *options, field_text(entry_id), *words)

    axadd = aio(xadd)

    @command("XLEN")
    def xlen(self, key: str, version: int | None = None) -> Command[int]:
        """Return how many entries there are (XLEN)."""
        return Command(integer, self._key(key, version))

    axlen = aio(xlen)

    @command("XRANGE")
    def xrange(
        self, key: str, start: Field = "-", end: Field = "+", count: int | None = None, version: int | None = None
    ) -> Command[list[Entry]]:
        """Return the entries from id *start* to id *end*, oldest first, *count* of them at most (XRANGE).

        ``-`` is the smallest id, ``+`` the largest; ``(`` in front of an id leaves that one out.
        """
        args = self._key(key, version), field_text(start), field_text(end)
        return Command(entries(self._value), *args, *_options(COUNT=count))

    axrange = aio(xrange)

    @command("XREVRANGE")
    def xrevrange(
        self, key: str, end: Field = "+", start: Field = "-", count: int | None = None, version: int | None = None
    ) -> Command[list[Entry]]:
        """Return the entries from id *end* down to id *start*, newest first (XREVRANGE); see ``xrange``."""
        args = self._key(key, version), field_text(end), field_text(start)
        return Command(entries(self._value), *args, *_options(COUNT=count))

    axrevrange = aio(xrevrange)

    @command("XREAD", keys="streams")
    def xread(
        self,
        streams: Mapping[str, Field],
        count: int | None = None,
        block: int | None = None,
        version: int | None = None,
    ) -> Command[dict[str, list[Entry]] | None]:
        """Return what came after the entries seen last (XREAD).

        Args:
            streams: key -> id seen last, at least one; ``0-0`` begins with the first entry, ``$`` with the next.
            count: so many entries of each stream at most.
            block: wait so many milliseconds if there is nothing, 0 for ever; ``None`` does not wait.

        Returns:
            Key -> entries, without streams that have no news; ``None`` if none has.

        Raises:
            ValueError: *streams* is empty.
        """
        return self._read_streams(_options(COUNT=count, BLOCK=block), streams, block, version)

    axread = aio(xread)

    @command("XTRIM", write=True)
    def xtrim(
        self,
        key: str,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: Field | None = None,
        limit: int | None = None,
        version: int | None = None,
    ) -> Command[int]:
        """Remove the oldest entries; return how many (XTRIM).

        Args:
            maxlen: keep so many entries.
            approximate: remove only whole nodes of the server's: that costs little, and leaves some more entries.
            minid: keep entries from this id on, instead.
            limit: look at so many entries at most; only if *approximate*.

        Raises:
            ValueError: neither or both of *maxlen* and *minid*, or *limit* without *approximate*.
        """
        words = some("maxlen or minid", _trimming(maxlen, minid, limit, approximate=approximate))
        return Command.of(integer, self._key(key, version), words)

    axtrim = aio(xtrim)

    @command("XDEL", write=True)
    def xdel(self, key: str, *entry_ids: Field, version: int | None = None) -> Command[int]:
        """Delete entries, at least one; return how many there were (XDEL)."""
        return Command.of(integer, self._key(key, version), _ids(entry_ids))

    axdel = aio(xdel)

    @command("XINFO STREAM", keys=(2, 2, 1))
    def xinfo_stream(self, key: str, full: bool = False, version: int | None = None) -> Command[dict[str, Any]]:
        """Return what the server knows of a stream, under its own names (XINFO STREAM).

        Args:
            full: with the first ten ``entries``, and ``groups`` as dicts that have ``consumers`` as dicts in turn.

        Returns:
            Texts and numbers; ``first-entry`` and ``last-entry`` are entries or ``None``.

        Raises:
            ResponseError: there is no stream.
        """
        return Command(described(self._value), self._key(key, version), *_options(FULL=bool(full)))

    axinfo_stream = aio(xinfo_stream)

    @command("XINFO GROUPS", keys=(2, 2, 1))
    def xinfo_groups(self, key: str, version: int | None = None) -> Command[list[dict[str, Any]]]:
        """Return ``name``, ``consumers``, ``pending``, ``last-delivered-id`` and so on of each group (XINFO GROUPS).

        Raises:
            ResponseError: there is no stream.
        """
        return Command(each_described(self._value), self._key(key, version))

    axinfo_groups = aio(xinfo_groups)

    @command("XINFO CONSUMERS", keys=(2, 2, 1))
    def xinfo_consumers(self, key: str, group: Field, version: int | None = None) -> Command[list[dict[str, Any]]]:
        """Return ``name``, ``pending``, ``idle`` and so on of each consumer of *group* (XINFO CONSUMERS).

        Raises:
            ResponseError: there is no stream or no such group.
        """
        return Command(each_described(self._value), self._key(key, version), field_text(group))

    axinfo_consumers = aio(xinfo_consumers)

    @command("XGROUP CREATE", write=True, keys=(2, 2, 1))
    def xgroup_create(
        self,
        key: str,
        group: Field,
        entry_id: Field = "$",
        mkstream: bool = False,
        entries_read: int | None = None,
        version: int | None = None,
    ) -> Command[bool]:
        """Create a group of consumers; return ``True`` (XGROUP CREATE).

        Args:
            group: its name.
            entry_id: the last entry that counts as delivered to it; ``$`` is the newest, ``0`` none.
            mkstream: make an empty stream if there is none.
            entries_read: how many entries count as read by it, for the server's idea of its lag (Redis 7).

        Raises:
            ResponseError: there is no stream, or there is such a group already (``BUSYGROUP``).
        """
        args = self._key(key, version), field_text(group), field_text(entry_id)
        return Command(done, *args, *_options(MKSTREAM=bool(mkstream), ENTRIESREAD=entries_read))

    axgroup_create = aio(xgroup_create)

    @command("XGROUP DESTROY", write=True, keys=(2, 2, 1))
    def xgroup_destroy(self, key: str, group: Field, version: int | None = None) -> Command[int]:
        """Remove *group* with all that is pending; return 1, or 0 if it does not exist (XGROUP DESTROY).

        Raises:
            ResponseError: there is no stream.
        """
        return Command(integer, self._key(key, version), field_text(group))

    axgroup_destroy = aio(xgroup_destroy)

    @command("XGROUP SETID", write=True, keys=(2, 2, 1))
    def xgroup_setid(
        self, key: str, group: Field, entry_id: Field, entries_read: int | None = None, version: int | None = None
    ) -> Command[bool]:
        """Say anew what counts as delivered to *group*, as in ``xgroup_create``; return ``True`` (XGROUP SETID).

        Raises:
            ResponseError: there is no stream or no such group.
        """
        args = self._key(key, version), field_text(group), field_text(entry_id)
        return Command(done, *args, *_options(ENTRIESREAD=entries_read))

    axgroup_setid = aio(xgroup_setid)

    @command("XGROUP DELCONSUMER", write=True, keys=(2, 2, 1))
    def xgroup_delconsumer(self, key: str, group: Field, consumer: Field, version: int | None = None) -> Command[int]:
        """Remove *consumer*; return how many entries were pending for it, and no longer are (XGROUP DELCONSUMER).

        Raises:
            ResponseError: there is no stream or no such group.
        """
        return Command(integer, self._key(key, version), field_text(group), field_text(consumer))

    axgroup_delconsumer = aio(xgroup_delconsumer)

    @command("XREADGROUP", write=True, keys="streams")
    def xreadgroup(
        self,
        group: Field,
        consumer: Field,
        streams: Mapping[str, Field],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
        version: int | None = None,
    ) -> Command[dict[str, list[Entry]] | None]:
        """Read as one of a group: each entry goes to one consumer, and is pending until acknowledged (XREADGROUP).

        Args:
            group: the group's name.
            consumer: the consumer's name; it need not exist.
            streams: key -> ``>`` for entries that nobody got yet, or an id for what is pending for this consumer after
                it.
            count: so many entries of each stream at most.
            block: wait so many milliseconds if there is nothing, 0 for ever; ``None`` does not wait.
            noack: let nothing be pending.

        Returns:
            As ``xread``; pending entries that have been deleted have no fields.

        Raises:
            ValueError: *streams* is empty.
            ResponseError: there is no such group (``NOGROUP``).
        """
        options = _options(COUNT=count, BLOCK=block, NOACK=bool(noack))
        return self._read_streams(["GROUP", field_text(group), field_text(consumer), *options], streams, block, version)

    axreadgroup = aio(xreadgroup)

    @command("XACK", write=True)
    def xack(self, key: str, group: Field, *entry_ids: Field, version: int | None = None) -> Command[int]:
        """Acknowledge entries, at least one; return how many were pending (XACK)."""
        return Command(integer, self._key(key, version), field_text(group), *_ids(entry_ids))

    axack = aio(xack)

    @listing
    @command("XPENDING")
    def xpending(
        self,
        key: str,
        group: Field,
        start: Field | None = None,
        end: Field | None = None,
        count: int | None = None,
        consumer: Field | None = None,
        idle: int | None = None,
        version: int | None = None,
    ) -> Command[Any]:
        """Return what is pending in a group, in sum, or with *start*, *end* and *count* each entry (XPENDING).

        Args:
            group: the group's name.
            start: the smallest id, ``-`` for any.
            end: the largest id, ``+`` for any.
            count: so many entries at most.
            consumer: only what is pending for this one.
            idle: only what was delivered so many milliseconds ago or before.

        Returns:
            A dict of ``pending``, ``min``, ``max`` and ``consumers``, these as dicts of ``name`` and ``pending``; or a
            list of dicts of ``message_id``, ``consumer``, ``time_since_delivered`` and ``times_delivered``.

        Raises:
            ValueError: the range is incomplete, or missing where *consumer* or *idle* needs one.
            ResponseError: there is no such group (``NOGROUP``).
        """
        args = self._key(key, version), field_text(group)
        bounds = start, end, count, consumer, idle
        if all(bound is None for bound in bounds):
            return Command(summary, *args)
        if start is None or end is None or count is None:
            raise ValueError("start, end and count belong together; consumer and idle need them")
        last = [] if consumer is None else [field_text(consumer)]
        return Command(pending, *args, *_options(IDLE=idle), field_text(start), field_text(end), count, *last)

    axpending = aio(xpending)

    @claiming
    @command("XCLAIM", write=True)
    def xclaim(
        self,
        key: str,
        group: Field,
        consumer: Field,
        min_idle_time: int,
        entry_ids: Iterable[Field],
        idle: int | None = None,
        time: int | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: bool = False,
        version: int | None = None,
    ) -> Command[Any]:
        """Let pending entries be another consumer's (XCLAIM).

        Args:
            group: the group's name.
            consumer: who gets them.
            min_idle_time: only what was delivered so many milliseconds ago or before.
            entry_ids: which ones, at least one; a single id may stand for itself.
            idle: let them count as delivered so many milliseconds ago, instead of now.
            time: let them count as delivered at this Unix time in milliseconds, instead.
            retrycount: let them count as delivered so many times.
            force: also those that are pending for nobody.
            justid: return ids only, and do not count a delivery.

        Returns:
            The entries that were claimed, or their ids; those deleted meanwhile are left out.

        Raises:
            ValueError: *entry_ids* is empty.
            ResponseError: there is no such group (``NOGROUP``).
        """
        args = self._key(key, version), field_text(group), field_text(consumer), min_idle_time, *_ids(entry_ids)
        options = _options(IDLE=idle, TIME=time, RETRYCOUNT=retrycount, FORCE=bool(force), JUSTID=bool(justid))
        return Command(claimed(self._value, justid=justid), *args, *options)

    axclaim = aio(xclaim)

    @stepping
    @command("XAUTOCLAIM", write=True)
    def xautoclaim(
        self,
        key: str,
        group: Field,
        consumer: Field,
        min_idle_time: int,
        start_id: Field = "0-0",
        count: int | None = None,
        justid: bool = False,
        version: int | None = None,
    ) -> Command[tuple[str, Any, list[str]]]:
        """Take one step through what is pending, and let it be another consumer's (XAUTOCLAIM).

        Args:
            group: the group's name.
            consumer: who gets the entries.
            min_idle_time: only what was delivered so many milliseconds ago or before.
            start_id: ``0-0`` to begin, then what the last step returned.
            count: so many entries at most; ``None`` leaves that to the server.
            justid: return ids only, and do not count a delivery.

        Returns:
            The id to go on with, ``0-0`` when done; the entries that were claimed, or their ids; the ids of those that
            turned out to be deleted and are no longer pending (before Redis 7 always empty).

        Raises:
            ResponseError: there is no such group (``NOGROUP``).
        """
        args = self._key(key, version), field_text(group), field_text(consumer), min_idle_time, field_text(start_id)
        return Command(step(self._value, justid=justid), *args, *_options(COUNT=count, JUSTID=bool(justid)))

    axautoclaim = aio(xautoclaim)

    def _read_streams(
        self, words: list[Any], streams: Mapping[str, Field], block: int | None, version: int | None
    ) -> Command[dict[str, list[Entry]] | None]:
        # Of those that make the same key the last one counts.
        seen = {self._key(key, version): (key, field_text(seen)) for key, seen in _some("stream", streams)}
        keys = {made: key for made, (key, _) in seen.items()}
        ids = [last for _, last in seen.values()]
        if block is not None and block >= _FOR_EVER:
            raise ValueError("block is too long")
        wait = None if block is None else block / 1000
        return Command(news(keys, self._value), *words, "STREAMS", *keys, *ids, wait=wait)


# In milliseconds; what the server's clock can still add up.
_FOR_EVER = 2**62


def _some(what: str, given: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    if not isinstance(given, Mapping):
        raise TypeError(f"a mapping was expected, not {type(given).__name__}")
    return some(what, given.items())


# Words that stand alone.
_FLAGS = frozenset({"NOMKSTREAM", "FULL", "MKSTREAM", "NOACK", "FORCE", "JUSTID"})


def _options(**given: Any) -> list[Any]:
    """Return the words for what is given."""
    words: list[Any] = []
    for word, argument in given.items():
        if word in _FLAGS:
            words += [word] * argument
        elif argument is not None:
            words += (word, argument)
    return words


def _trimming(maxlen: int | None, minid: Field | None, limit: int | None, *, approximate: bool) -> list[Any]:
    strategy = _options(MAXLEN=maxlen, MINID=None if minid is None else field_text(minid))
    if maxlen is not None and minid is not None:
        raise ValueError("maxlen and minid exclude each other")
    if limit is not None and not (strategy and approximate):
        raise ValueError("limit needs approximate trimming by maxlen or minid")
    strategy[1:1] = ("~" if approximate else "=") * bool(strategy)
    return strategy + _options(LIMIT=limit)


def _ids(entry_ids: Iterable[Field]) -> list[str | bytes]:
    listed = [entry_ids] if isinstance(entry_ids, (str, bytes)) else entry_ids
    return [field_text(entry_id) for entry_id in some("entry id", listed)]


def _added(reply: Any) -> str | None:
    return None if reply is None else text(reply)
