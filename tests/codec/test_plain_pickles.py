"""Pickles of plain values are read and written natively: as pickle reads them, and to the byte as it writes them."""

from __future__ import annotations

import copyreg
import datetime as dt
import json
import math
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from django_cachex.cache import RedisCache
from django_cachex.exceptions import PickleSerializerError, SerializerError
from django_cachex.serializers.pickle import PickleSerializer

CACHE = RedisCache("redis://127.0.0.1:1", {})

ATOMS = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.integers(-(2**70), 2**70)
    | some.floats()
    | some.text()
    | some.binary(max_size=300)
    | some.dates()
    | some.datetimes(timezones=some.none() | some.just(UTC) | some.just(timezone(timedelta(hours=5.5))))
    | some.timedeltas()
    | some.decimals()
)
KEYS = some.none() | some.booleans() | some.integers() | some.text() | some.tuples(some.integers(), some.text())
VALUES = some.recursive(
    ATOMS,
    lambda inner: some.lists(inner) | some.dictionaries(KEYS, inner) | some.lists(inner, max_size=5).map(tuple),
    max_leaves=40,
)


def same(one: Any, other: Any) -> bool:
    """Equal, of the same types, and not a number where the other is none."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, (Decimal, datetime)):
        return repr(one) == repr(other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(map(repr, one)) == list(map(repr, other)) and all(map(same, one.values(), other.values()))
    return bool(one == other)


@given(VALUES, some.sampled_from(range(pickle.HIGHEST_PROTOCOL + 1)))
@example({"id": 1, "name": "n" * 200, "price": 1.5, "tags": ["a", "b"], "none": None}, 5)
@example([[], {}, (), [()], {"a": {}}], 4)
@example(list(range(300)), 5)
@example("\ud800", 5)
def test_every_protocol(value: Any, protocol: int) -> None:
    stored = pickle.dumps(value, protocol)
    assert same(CACHE.decode(stored), pickle.loads(stored))


WRITERS = {
    protocol: RedisCache("redis://127.0.0.1:1", {"OPTIONS": {"serializer": PickleSerializer(protocol)}})
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}


def shared(value: Any) -> list[Any]:
    """The same object at several places, and an equal one that is another."""
    return [value, (value, value), {"a": value}, pickle.loads(pickle.dumps(value))]


def many(value: Any) -> list[Any]:
    """The same object, and equal ones, so often that the memo needs long references."""
    return [value, *[pickle.loads(pickle.dumps([value, "x" * 9])) for _ in range(150)], value]


@given(VALUES | VALUES.map(shared) | VALUES.map(many), some.sampled_from(list(WRITERS)))
@example({"id": 1, "name": "n" * 200, "price": 1.5, "tags": ["a", "b"], "none": None}, 5)
@example([[], {}, (), [()], {"a": {}}, "", b""], 5)
@example(list(range(300)), 5)
@example(list(map(str, range(10, 10 + 255))), 5)
@example(list(map(str, range(10, 10 + 256))), 5)
@example([[]] * 2, 5)
@example([str(10**9)] * 2, 5)
@example(({"a": [str(10**9)] * 2},) * 2, 5)
@example([*shared("a" * 3), *[[] for _ in range(250)]], 5)
@example([None] * 999, 5)
@example([None] * 1001, 5)
@example("x" * 255, 4)
@example("x" * 256, 4)
@example(b"x" * 255, 4)
@example(b"x" * 256, 4)
@example("x" * 32 * 1024, 4)
@example("x" * (32 * 1024 + 1), 4)
@example("x" * 70_000, 5)
@example([str(number) * 9 for number in range(10**6, 10**6 + 999)], 5)
@example("\ud800", 5)
@example(256, 5)
@example({"date": date(2026, 11, 23), "datetime": datetime(2026, 11, 23, 1, 2, 3, 4, UTC)}, 5)
@example([datetime(2026, 11, 23, 1, fold=1), datetime.max, date.max, date.min], 4)  # noqa: DTZ001, DTZ901 - naive ones
@example([datetime.now(UTC), UTC, datetime.now(UTC), timedelta(-1, 2, 3), timezone(timedelta(hours=1), "x")], 5)
@example([Decimal("1.50"), Decimal("1.50"), Decimal("NaN"), Decimal("-Infinity"), Decimal(0)], 5)
@example(
    [sign * 2**bits + off for bits in (8, 16, 31, 32, 39, 47, 62, 63, 64) for sign in (1, -1) for off in (-1, 0, 1)], 5
)
def test_to_the_byte(value: Any, protocol: int) -> None:
    if type(value) is not int:
        assert WRITERS[protocol].encode(value) == pickle.dumps(value, protocol)


class Text(str):
    """As template engines have them."""

    __slots__ = ()


def test_to_the_byte_though_odd() -> None:
    """Subclasses keep their class, what contains itself ends, and what is deep is left to pickle."""
    loop: list[Any] = [1]
    loop.append(loop)
    knot: tuple[Any, ...] = ([],)
    knot[0].append(knot)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    for value in (Text("x"), [True, False, Text("x")], loop, knot, [knot, knot[0]], deep, {1: {2, 3}}, 1.5, -0.0, None):
        assert CACHE.encode(value) == pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def test_classes_of_which_the_application_has_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, date, lambda value: (str, (value.isoformat(),)))
    assert CACHE.decode(CACHE.encode([date(2026, 11, 23)])) == ["2026-11-23"]


class Frozen(date):
    """As packages that freeze time put in its place."""


def test_classes_in_whose_place_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    real = date(2026, 11, 23)
    stored = CACHE.encode([real])
    monkeypatch.setattr(dt, "date", Frozen)
    assert [type(value) for value in CACHE.decode(stored)] == [Frozen]
    with pytest.raises(PickleSerializerError):
        CACHE.encode([real])
    monkeypatch.undo()
    assert [type(value) for value in CACHE.decode(stored)] == [date]


@pytest.mark.parametrize(
    "opcodes",
    [
        b"\x8c\x08datetime\x8c\x04date\x93K\x01\x85R.",
        b"\x8c\x08datetime\x8c\x04date\x93C\x04\xff\xff\xff\xff\x85R.",
        b"\x8c\x08datetime\x8c\x04date\x93R.",
        b"\x8c\x08datetime\x8c\x04date\x93]R.",
        b"\x8c\x07decimal\x8c\x07Decimal\x93\x8c\x01x\x85R.",
        b"K\x01)R.",
        b"\x8c\x08datetime\x93.",
        b"K\x01K\x02\x93.",
        b"\x8c\x08datetime\x8c\x07nothing\x93.",
    ],
)
def test_objects_that_cannot_be(opcodes: bytes) -> None:
    with pytest.raises(SerializerError):
        CACHE.decode(b"\x80\x05" + opcodes)


def test_a_class_is_a_value_too() -> None:
    assert CACHE.decode(CACHE.encode([date, date, Decimal])) == [date, date, Decimal]


@pytest.mark.parametrize("state", [b"\x07\xea\x0b\x1d", b"\x07\xea\x0b\x1d\x01\x02\x03\x00\x00\x04"])
def test_what_dates_are_made_of_may_be_referred_to(state: bytes) -> None:
    """The bytes and the tuple are not made with the date: whoever refers to them gets them all the same."""
    name = b"date" if len(state) == 4 else b"datetime"
    known = b"\x8c\x08datetime\x94\x8c" + bytes([len(name)]) + name + b"\x94\x93\x94"
    made = known + b"C" + bytes([len(state)]) + state + b"\x94\x85\x94R\x94"
    stored = b"\x80\x04](" + made + b"h\x03h\x04h\x05e."
    moment = {4: date(2026, 11, 29), 10: datetime(2026, 11, 29, 1, 2, 3, 4)}[len(state)]  # noqa: DTZ001 - as stored
    assert CACHE.decode(stored) == pickle.loads(stored) == [moment, state, (state,), moment]


def test_what_is_shared_stays_shared() -> None:
    inner = ["x"]
    one, other, text, again = CACHE.decode(CACHE.encode([inner, inner, "text" * 9, "text" * 9]))
    assert one is other
    assert text == again
    loop: list[Any] = [1]
    loop.append(loop)
    found = CACHE.decode(CACHE.encode(loop))
    assert found[1] is found


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
        {1, 2},
        UUID(int=5),
        b"x" * 40_000,
        ["x" * 40_000],
        Exception("x"),
        range(3),
    ],
)
def test_others_are_left_to_pickle(value: Any) -> None:
    found = CACHE.decode(CACHE.encode(value))
    assert type(found) is type(value)
    assert repr(found) == repr(value)


@given(some.binary(max_size=60))
@example(b".")
@example(b"(u.")
@example(b"}(]N(u.")
@example(b"]N(ae.")
@example(b"(K\x01(t.")
@example(b"}]Ns.")
@example(b"h\x00.")
@example(b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN.")
@example(b"NN.")
def test_hostile_bytes(data: bytes) -> None:
    """Whatever pickle reads is read as pickle reads it, and whatever it refuses is refused."""
    # Only what makes plain values: this must not call anything.
    stored = b"\x80\x05" + bytes(byte for byte in data if byte not in b"cR\x93\x81\x92oib")
    try:
        expected = pickle.loads(stored)
    except Exception:  # noqa: BLE001 - whatever pickle raises
        with pytest.raises((PickleSerializerError, SerializerError)):
            CACHE.decode(stored)
    else:
        assert same(CACHE.decode(stored), expected)


def test_equal_keys_that_were_two_stay_two() -> None:
    """Stored again they are the same bytes, as members of lists and sets have to be."""
    value = [json.loads('{"task": "a"}'), json.loads('{"task": "b"}')]
    stored = CACHE.encode(value)
    for _ in range(3):
        found = CACHE.decode(stored)
        assert found == value
        assert CACHE.encode(found) == stored
    shared = [dict.fromkeys(["task"], number) for number in range(2)]
    assert CACHE.encode(CACHE.decode(CACHE.encode(shared))) == CACHE.encode(shared) == pickle.dumps(shared, 5)


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x80\x05N(.",
        b"\x80\x05N(\x94.",
        b"\x80\x05](Na.",
        b"\x80\x05](N\x94a.",
        b"\x80\x05}(NNs.",
        b"\x80\x04]()a.",
        b"\x80\x05]((Ne.",
        b"\x80\x05N(N\x86.",
    ],
)
def test_marks_are_respected(damaged: bytes) -> None:
    with pytest.raises((pickle.UnpicklingError, IndexError, AttributeError)):
        pickle.loads(damaged)
    with pytest.raises(SerializerError):
        CACHE.decode(damaged)


def test_classes_with_a_number() -> None:
    copyreg.add_extension("datetime", "date", 240)
    try:
        value = [date(2024, 2, 29)]
        assert CACHE.encode(value) == pickle.dumps(value, 5)
        assert CACHE.decode(CACHE.encode(value)) == value
    finally:
        copyreg.remove_extension("datetime", "date", 240)
