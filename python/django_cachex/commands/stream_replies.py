"""What servers tell of streams, as results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_cachex.commands.replies import fields, integer, items, text, texts
from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Entry", "claimed", "described", "each_described", "entries", "news", "pending", "step", "summary"]

type Entry = tuple[str, dict[str, Any]]
type Value = Callable[[Any], Any]


def _pairs(reply: Any) -> Iterator[tuple[Any, Any]]:
    flat = items(reply)
    if len(flat) % 2:
        raise ResponseError("unexpected reply: a name without what it names")
    return zip(flat[::2], flat[1::2], strict=True)


def _entry(value: Value) -> Callable[[Any], Entry]:
    named = fields(value)

    def entry(reply: Any) -> Entry:
        entry_id, flat = items(reply, 2)
        # Of an entry that was deleted while pending only the id is left.
        return text(entry_id), {} if flat is None else named(flat)

    return entry


def entries(value: Value) -> Callable[[Any], list[Entry]]:
    """Return what makes entries out of an array reply, and none out of nil, the answer to COUNT 0."""
    entry = _entry(value)
    return lambda reply: [] if reply is None else [entry(item) for item in items(reply)]


def news(keys: dict[str, str], value: Value) -> Callable[[Any], dict[str, list[Entry]] | None]:
    """Return what makes entries by stream out of XREAD's reply; *keys* has the streams' names by made key."""
    listed = entries(value)

    def read(reply: Any) -> dict[str, list[Entry]] | None:
        if reply is None:
            return None
        # RESP3 has a map here, RESP2 an array of pairs.
        nested = all(isinstance(item, list) for item in items(reply))
        found = {text(key): told for key, told in ((items(pair, 2) for pair in reply) if nested else _pairs(reply))}
        if not found.keys() <= keys.keys():
            raise ResponseError("unexpected reply: a stream that was not asked for")
        return {keys[key]: news for key, told in found.items() if (news := listed(told))} or None

    return read


def claimed(value: Value, *, justid: bool) -> Callable[[Any], list[Any]]:
    """Return what makes entries, or ids, out of XCLAIM's reply."""
    made = text if justid else _entry(value)
    # Before Redis 7 nil stands for entries deleted meanwhile, and for nothing at all.
    return lambda reply: [] if reply is None else [made(item) for item in items(reply) if item is not None]


def step(value: Value, *, justid: bool) -> Callable[[Any], tuple[str, list[Any], list[str]]]:
    """Return what makes the next id, entries or ids, and the ids of deleted entries out of XAUTOCLAIM's reply."""
    listed = claimed(value, justid=justid)

    def stepped(reply: Any) -> tuple[str, list[Any], list[str]]:
        # Before Redis 7 the deleted ones are not told.
        following, found, deleted = items([*items(reply), []][:3], 3)
        return text(following), listed(found), texts(deleted)

    return stepped


def described(value: Value) -> Callable[[Any], dict[str, Any]]:
    """Return what makes a dict out of XINFO's reply."""
    entry = _entry(value)

    def plain(reply: Any) -> Any:
        if isinstance(reply, list):
            return [plain(item) for item in reply]
        return reply if reply is None or type(reply) is int else text(reply)

    def detail(name: str, reply: Any) -> Any:
        if name in ("first-entry", "last-entry") and reply is not None:
            return entry(reply)
        if name == "entries":
            return [entry(item) for item in items(reply)]
        if name in ("groups", "consumers") and isinstance(reply, list):
            return [description(item) for item in reply]
        return plain(reply)

    def description(reply: Any) -> dict[str, Any]:
        return {name: detail(name, told) for name, told in ((text(name), told) for name, told in _pairs(reply))}

    return description


def each_described(value: Value) -> Callable[[Any], list[dict[str, Any]]]:
    """Return what makes a list of dicts out of XINFO's reply."""
    description = described(value)
    return lambda reply: [description(item) for item in items(reply)]


def summary(reply: Any) -> dict[str, Any]:
    """Return what XPENDING tells of a group."""
    count, smallest, largest, consumers = items(reply, 4)
    named = (items(consumer, 2) for consumer in ([] if consumers is None else items(consumers)))
    return {
        "pending": integer(count),
        "min": None if smallest is None else text(smallest),
        "max": None if largest is None else text(largest),
        "consumers": [{"name": text(name), "pending": _digits(number)} for name, number in named],
    }


def _digits(reply: Any) -> int:
    digits = text(reply)
    if not digits.isdecimal():
        raise ResponseError("unexpected reply: a count was expected")
    return int(digits)


_PENDING: dict[str, Callable[[Any], Any]] = {
    "message_id": text,
    "consumer": text,
    "time_since_delivered": integer,
    "times_delivered": integer,
}


def pending(reply: Any) -> list[dict[str, Any]]:
    """Return what XPENDING tells of each entry."""
    rows = (zip(_PENDING.items(), items(row, len(_PENDING)), strict=True) for row in items(reply))
    return [{name: made(told) for (name, made), told in row} for row in rows]
