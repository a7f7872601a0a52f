"""MessagePack: compact, quick, and harmless to read; with the types that Django applications use."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise

from django_cachex.serializers.base import BaseSerializer
from django_cachex.serializers.numbers import unambiguous

try:
    import msgpack
except ImportError as error:
    raise ImportError("MsgpackSerializer needs the extra django-cachex[msgpack]: pip install msgpack") from error

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MsgpackSerializer"]


class MsgpackSerializer(BaseSerializer):
    """Writes MessagePack, with extension types for what it does not know.

    Dates, times, durations, decimals, UUIDs, sets and integers of any size come back equal. Lazy strings become
    strings, tuples become lists (within a set or as a key of a dict they stay tuples).
    """

    def _dumps(self, obj: Any) -> bytes:
        return unambiguous(_pack(obj))

    def _loads(self, data: bytes) -> Any:
        return _unpack(data)


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=_extend)
    return packed


def _unpack(data: bytes, *, lists: bool = True) -> Any:
    try:
        return msgpack.unpackb(data, strict_map_key=False, use_list=lists, ext_hook=_restore)
    except TypeError:
        # The key of some dict was a tuple, and lists are no keys.
        return msgpack.unpackb(
            data, strict_map_key=False, use_list=lists, ext_hook=_restore, object_pairs_hook=_with_tuples_as_keys
        )


def _with_tuples_as_keys(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    return {_hashable(key): value for key, value in pairs}


def _hashable(key: Any) -> Any:
    return tuple(map(_hashable, key)) if isinstance(key, list) else key


def _zone(zone: dt.tzinfo | None, offset: dt.timedelta | None) -> str | float | None:
    """A time zone by its name if it has one, else as the seconds that it is off UTC."""
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key:
        return zone.key
    return None if offset is None else offset.total_seconds()


def _zone_of(zone: str | float | None) -> dt.tzinfo | None:
    if zone is None:
        return None
    return zoneinfo.ZoneInfo(zone) if isinstance(zone, str) else dt.timezone(dt.timedelta(seconds=zone))


def _pack_datetime(value: dt.datetime) -> bytes:
    return _pack([value.replace(tzinfo=None).isoformat(), _zone(value.tzinfo, value.utcoffset()), value.fold])


def _unpack_datetime(data: bytes) -> dt.datetime:
    text, zone, fold = _unpack(data)
    return dt.datetime.fromisoformat(text).replace(tzinfo=_zone_of(zone), fold=fold)


def _pack_time(value: dt.time) -> bytes:
    return _pack([value.replace(tzinfo=None).isoformat(), _zone(value.tzinfo, value.utcoffset()), value.fold])


def _unpack_time(data: bytes) -> dt.time:
    text, zone, fold = _unpack(data)
    return dt.time.fromisoformat(text).replace(tzinfo=_zone_of(zone), fold=fold)


def _pack_duration(value: dt.timedelta) -> bytes:
    return _pack([value.days, value.seconds, value.microseconds])


def _pack_integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, signed=True)


# In the order in which they are tried: a datetime is a date, too. The codes are part of the stored format.
_TYPES: tuple[tuple[type[Any], int, Callable[[Any], bytes], Callable[[bytes], Any]], ...] = (
    (dt.datetime, 1, _pack_datetime, _unpack_datetime),
    (
        dt.date,
        2,
        lambda value: value.isoformat().encode(),
        lambda data: dt.date.fromisoformat(data.decode()),
    ),
    (dt.time, 3, _pack_time, _unpack_time),
    (dt.timedelta, 4, _pack_duration, lambda data: dt.timedelta(*_unpack(data))),
    (decimal.Decimal, 5, lambda value: str(value).encode(), lambda data: decimal.Decimal(data.decode())),
    (uuid.UUID, 6, lambda value: value.bytes, lambda data: uuid.UUID(bytes=data)),
    (set, 7, lambda value: _pack(list(value)), lambda data: set(_unpack(data, lists=False))),
    (frozenset, 8, lambda value: _pack(list(value)), lambda data: frozenset(_unpack(data, lists=False))),
    (int, 9, _pack_integer, lambda data: int.from_bytes(data, signed=True)),
)
_RESTORE = {code: unpack for _, code, _, unpack in _TYPES}


def _extend(value: Any) -> Any:
    if isinstance(value, Promise):
        return str(value)
    for known, code, pack, _ in _TYPES:
        if isinstance(value, known):
            return msgpack.ExtType(code, pack(value))
    raise TypeError(type(value).__qualname__)


def _restore(code: int, data: bytes) -> Any:
    restore = _RESTORE.get(code)
    if restore is None:
        raise ValueError(f"unknown extension type {code}")
    return restore(bytes(data))
