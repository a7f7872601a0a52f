"""Hashes: fields are text, values are values."""

from __future__ import annotations

import enum
import math
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from django.http import QueryDict

from django_cachex.exceptions import ResponseError, SerializerError, WrongTypeError
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

VALUES = [0, -7, 2**70, True, None, 1.5, "", "text", "5", b"\xff\x00", [1, {"a": (2,)}], {"k": {1}}]


class Level(enum.IntEnum):
    HIGH = 3


@pytest.fixture
def unreachable(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: what raises anything but a connection error on it has sent nothing."""
    return make_cache(f"redis://127.0.0.1:{free_port()}")


def stored(cache: RedisCache, server: Server) -> dict[bytes, bytes]:
    flat: Any = server.command("HGETALL", cache.make_key("k"))
    return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back(cache: RedisCache, server: Server, call_anyhow: Caller, value: Any) -> None:
    assert call_anyhow(cache.hset, "k", "f", value) == 1
    assert call_anyhow(cache.hget, "k", "f") == value
    assert type(call_anyhow(cache.hget, "k", "f")) is type(value)
    assert call_anyhow(cache.hvals, "k") == [value]
    assert call_anyhow(cache.hgetall, "k") == {"f": value}
    assert call_anyhow(cache.hmget, "k", "f") == [value]
    raw = stored(cache, server)[b"f"]
    assert raw == str(value).encode() if type(value) is int else pickle.loads(raw) == value


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("f", "f"),
        ("", ""),
        ("with space", "with space"),
        ("naïve ☃", "naïve ☃"),
        (b"bytes", "bytes"),
        (b"\xff", "\udcff"),
        ("\udcff", "\udcff"),
        (5, "5"),
        (-5, "-5"),
        (2**80, str(2**80)),
        (1.5, "1.5"),
        (1e30, "1e+30"),
        (Level.HIGH, "3"),
    ],
    ids=repr,
)
def test_fields_are_text(cache: RedisCache, server: Server, call_anyhow: Caller, field: Any, text: str) -> None:
    assert call_anyhow(cache.hset, "k", field, "v") == 1
    assert list(stored(cache, server)) == [text.encode("utf-8", "surrogateescape")]
    assert call_anyhow(cache.hset, "k", mapping={field: "w"}) == 0
    assert call_anyhow(cache.hset, "k", items=[field, "x"]) == 0
    assert call_anyhow(cache.hsetnx, "k", field, "y") is False
    assert call_anyhow(cache.hget, "k", field) == call_anyhow(cache.hget, "k", text) == "x"
    assert call_anyhow(cache.hmget, "k", field, text) == ["x", "x"]
    assert call_anyhow(cache.hexists, "k", field) is True
    assert call_anyhow(cache.hkeys, "k") == [text]
    assert call_anyhow(cache.hgetall, "k") == {text: "x"}
    assert call_anyhow(cache.hdel, "k", field) == 1
    assert call_anyhow(cache.hincrby, "k", field) == 1
    assert call_anyhow(cache.hincrbyfloat, "k", field) == 2.0
    assert call_anyhow(cache.hkeys, "k") == [text]


@pytest.mark.parametrize(
    "field", [None, [], ("f",), {"f": 1}, object(), bytearray(b"f")], ids=lambda f: type(f).__name__
)
def test_what_is_no_field(unreachable: RedisCache, call_anyhow: Caller, field: Any) -> None:
    cache = unreachable
    for method, *args in (
        (cache.hget, "k", field),
        (cache.hmget, "k", "f", field),
        (cache.hdel, "k", field),
        (cache.hexists, "k", field),
        (cache.hsetnx, "k", field, 1),
        (cache.hincrby, "k", field),
        (cache.hincrbyfloat, "k", field),
        (cache.hset, "k", None, None, None, None, [field, 1]),
    ):
        with pytest.raises(TypeError, match="str, bytes, int or float expected"):
            call_anyhow(method, *args)


def test_missing_key(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.hget, "k", "f") is None
    assert call_anyhow(cache.hmget, "k", "f", "g") == [None, None]
    assert call_anyhow(cache.hgetall, "k") == {}
    assert call_anyhow(cache.hkeys, "k") == []
    assert call_anyhow(cache.hvals, "k") == []
    assert call_anyhow(cache.hdel, "k", "f") == 0
    assert call_anyhow(cache.hexists, "k", "f") is False
    length = call_anyhow(cache.hlen, "k")
    assert length == 0
    assert type(length) is int
    assert server.command("EXISTS", cache.make_key("k")) == 0


# HSET


def test_hset_combines_all_three_ways(cache: RedisCache, call_anyhow: Caller) -> None:
    new = call_anyhow(cache.hset, "k", "a", 1, mapping={"b": 2, "c": None}, items=["d", 4, "e", [5]])
    assert new == 5
    assert type(new) is int
    assert call_anyhow(cache.hgetall, "k") == {"a": 1, "b": 2, "c": None, "d": 4, "e": [5]}
    assert call_anyhow(cache.hset, "k", "a", 10, mapping={"b": 20, "f": 6}) == 1
    assert call_anyhow(cache.hset, "k", mapping={"b": 21}, items=["c", 30]) == 0
    assert call_anyhow(cache.hset, "k", "d", 40, None, None, ("e", 50, "g", 7)) == 1
    assert call_anyhow(cache.hgetall, "k") == {"a": 10, "b": 21, "c": 30, "d": 40, "e": 50, "f": 6, "g": 7}
    # What is named twice: the later wins, in the order of the arguments.
    assert call_anyhow(cache.hset, "k", "z", 1, mapping={"z": 2}, items=["z", 3, "z", 4]) == 1
    assert call_anyhow(cache.hget, "k", "z") == 4


def test_hset_stores_none(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.hset, "k", "f") == 1
    assert call_anyhow(cache.hset, "k", "g", None) == 1
    assert call_anyhow(cache.hset, key="k", field="h", value=None, version=None, mapping=None, items=None) == 1
    assert call_anyhow(cache.hget, "k", "f") is None
    assert call_anyhow(cache.hexists, "k", "f") is True
    assert call_anyhow(cache.hgetall, "k") == {"f": None, "g": None, "h": None}


def test_hset_with_an_empty_part(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.hset, "k", "f", 1, mapping={}, items=[]) == 1
    assert call_anyhow(cache.hset, "k", mapping={}, items=["g", 2]) == 1
    assert call_anyhow(cache.hset, "k", mapping={"h": 3}, items=()) == 1
    assert call_anyhow(cache.hset, "k", items=iter(["i", 4])) == 1
    assert call_anyhow(cache.hset, "k", "", "") == 1
    assert call_anyhow(cache.hgetall, "k") == {"f": 1, "g": 2, "h": 3, "i": 4, "": ""}


@pytest.mark.parametrize("mistaken", [{"f": 1, "g": 2}, "fv", b"fv"], ids=str)
def test_hset_takes_no_text_and_no_mapping_for_items(
    unreachable: RedisCache, call_anyhow: Caller, mistaken: Any
) -> None:
    with pytest.raises(TypeError, match="items are fields and values in turn"):
        call_anyhow(unreachable.hset, "k", items=mistaken)


def test_hset_takes_any_mapping(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.hset, "k", mapping=QueryDict("a=1&a=2&b=3")) == 2
    assert call_anyhow(cache.hgetall, "k") == {"a": "2", "b": "3"}


@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"mapping": {}},
        {"items": []},
        {"mapping": {}, "items": ()},
        {"items": ["f"]},
        {"items": ["f", 1, "g"]},
        {"field": "a", "value": 1, "items": ["f"]},
        {"value": 1},
        {"value": 1, "mapping": {"f": 1}},
    ],
    ids=str,
)
def test_hset_refuses_nothing_and_odd_items(unreachable: RedisCache, call_anyhow: Caller, nothing: Any) -> None:
    with pytest.raises(ValueError, match="field"):
        call_anyhow(unreachable.hset, "k", **nothing)


@pytest.mark.parametrize("wrong", [{"mapping": ["f", 1]}, {"mapping": "f"}, {"mapping": 5}, {"items": 5}], ids=str)
def test_hset_refuses_other_types(unreachable: RedisCache, call_anyhow: Caller, wrong: Any) -> None:
    with pytest.raises(TypeError):
        call_anyhow(unreachable.hset, "k", **wrong)


def test_what_cannot_be_serialized(cache: RedisCache, call_anyhow: Caller) -> None:
    for method, *args in (
        (cache.hset, "k", "f", lambda: None),
        (cache.hset, "k", "f", 1, None, {"g": lambda: None}),
        (cache.hsetnx, "k", "f", lambda: None),
    ):
        with pytest.raises(SerializerError):
            call_anyhow(method, *args)
    assert call_anyhow(cache.hlen, "k") == 0


def test_many_fields(cache: RedisCache, call_anyhow: Caller) -> None:
    fields = {f"field-{number}": number for number in range(5000)}
    assert call_anyhow(cache.hset, "k", mapping=fields) == 5000
    assert call_anyhow(cache.hgetall, "k") == fields
    assert sorted(call_anyhow(cache.hkeys, "k")) == sorted(fields)
    assert sorted(call_anyhow(cache.hvals, "k")) == list(range(5000))
    assert call_anyhow(cache.hmget, "k", *fields, "none") == [*range(5000), None]
    assert call_anyhow(cache.hdel, "k", *fields) == 5000
    assert call_anyhow(cache.has_key, "k") is False


# The others


def test_hsetnx(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.hsetnx, "k", "f", None) is True
    assert call_anyhow(cache.hsetnx, "k", "f", 2) is False
    assert call_anyhow(cache.hget, "k", "f") is None
    assert call_anyhow(cache.hsetnx, key="k", field="g", value=3, version=None) is True
    assert call_anyhow(cache.hgetall, "k") == {"f": None, "g": 3}


def test_hmget_keeps_order_and_repetitions(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.hset, "k", mapping={"a": 1, "b": None, "c": "x"})
    assert call_anyhow(cache.hmget, "k", "c", "none", "a", "b", "c") == ["x", None, 1, None, "x"]


def test_hdel(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.hset, "k", mapping={"a": 1, "b": 2, "c": 3})
    assert call_anyhow(cache.hdel, "k", "a", "a", "none", "b") == 2
    assert call_anyhow(cache.hkeys, "k") == ["c"]
    assert call_anyhow(cache.hdel, "k", "c") == 1
    assert call_anyhow(cache.has_key, "k") is False


def test_no_fields(unreachable: RedisCache, call_anyhow: Caller) -> None:
    for method in (unreachable.hmget, unreachable.hdel):
        with pytest.raises(ValueError, match="at least one field"):
            call_anyhow(method, "k")
        with pytest.raises(ValueError, match="at least one field"):
            call_anyhow(method, "k", version=2)


def test_hlen_hkeys_hvals(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.hset, "k", mapping={"a": 1, "b": [2]})
    assert call_anyhow(cache.hlen, "k") == 2
    assert call_anyhow(cache.hkeys, "k") == ["a", "b"]
    assert call_anyhow(cache.hvals, "k") == [1, [2]]
    assert call_anyhow(cache.hexists, "k", "a") is True
    assert call_anyhow(cache.hexists, "k", "c") is False


def test_hincrby(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.hincrby, "k", "f") == 1
    assert call_anyhow(cache.hincrby, "k", "f", 41) == 42
    assert call_anyhow(cache.hincrby, "k", "f", -50) == -8
    value = call_anyhow(cache.hincrby, key="k", field="f", amount=0, version=None)
    assert value == -8
    assert type(value) is int
    assert call_anyhow(cache.hget, "k", "f") == -8
    call_anyhow(cache.hset, "k", "set", 2**63 - 2)
    assert call_anyhow(cache.hincrby, "k", "set") == 2**63 - 1


@pytest.mark.parametrize("value", ["text", "5", 1.5, None, True, [1], 2**63], ids=repr)
def test_hincrby_of_what_is_no_integer(cache: RedisCache, call_anyhow: Caller, value: Any) -> None:
    call_anyhow(cache.hset, "k", "f", value)
    with pytest.raises(ResponseError, match=r"^ERR hash value is not an integer"):
        call_anyhow(cache.hincrby, "k", "f")
    assert call_anyhow(cache.hget, "k", "f") == value


def test_hincrby_by_what_is_no_integer(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.hset, "k", "f", 2**63 - 1)
    with pytest.raises(ResponseError, match="overflow"):
        call_anyhow(cache.hincrby, "k", "f")
    for amount in (1.5, "x", 2**63):
        with pytest.raises(ResponseError, match=r"^ERR value is not an integer"):
            call_anyhow(cache.hincrby, "k", "f", amount)
    for nonsense in (None, [], object()):
        with pytest.raises(TypeError):
            call_anyhow(cache.hincrby, "k", "f", nonsense)
    assert call_anyhow(cache.hget, "k", "f") == 2**63 - 1


def test_hincrbyfloat(cache: RedisCache, call_anyhow: Caller) -> None:
    value = call_anyhow(cache.hincrbyfloat, "k", "f")
    assert value == 1.0
    assert type(value) is float
    assert call_anyhow(cache.hincrbyfloat, "k", "f", 0.25) == 1.25
    assert call_anyhow(cache.hget, "k", "f") == 1.25
    assert call_anyhow(cache.hincrbyfloat, "k", "f", -3) == -1.75
    assert call_anyhow(cache.hgetall, "k") == {"f": -1.75}
    assert call_anyhow(cache.hincrbyfloat, key="k", field="f", amount=1.75, version=None) == 0.0
    assert call_anyhow(cache.hget, "k", "f") == 0
    # Integers of hset and hincrby are numbers too.
    call_anyhow(cache.hset, "k", "g", 10)
    assert call_anyhow(cache.hincrbyfloat, "k", "g", 0.5) == 10.5
    assert call_anyhow(cache.hincrbyfloat, "k", "h", 1e-5) == pytest.approx(1e-5)
    assert call_anyhow(cache.hincrbyfloat, "k", "i", 1e20) == 1e20


@pytest.mark.parametrize("value", [1.5, "1.5", "text", None, True], ids=repr)
def test_hincrbyfloat_of_what_is_no_number(cache: RedisCache, call_anyhow: Caller, value: Any) -> None:
    call_anyhow(cache.hset, "k", "f", value)
    with pytest.raises(ResponseError, match=r"^ERR hash value is not a float"):
        call_anyhow(cache.hincrbyfloat, "k", "f")
    assert call_anyhow(cache.hget, "k", "f") == value


@pytest.mark.parametrize("amount", [math.inf, -math.inf, math.nan, "x"], ids=str)
def test_hincrbyfloat_by_what_is_no_number(cache: RedisCache, call_anyhow: Caller, amount: Any) -> None:
    call_anyhow(cache.hset, "k", "f", 1)
    with pytest.raises(ResponseError):
        call_anyhow(cache.hincrbyfloat, "k", "f", amount)
    assert call_anyhow(cache.hget, "k", "f") == 1


# All of them


def test_versions_and_keywords(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.hset, "k", "f", 1, 2) == 1
    assert server.command("TYPE", cache.make_key("k", 2)) == "hash"
    assert call_anyhow(cache.hset, "k", "f", 1) == 1
    assert call_anyhow(cache.hsetnx, "k", "g", 2, 2) is True
    assert call_anyhow(cache.hget, "k", "g", 2) == call_anyhow(cache.hget, key="k", field="g", version=2) == 2
    assert call_anyhow(cache.hmget, "k", "f", "g", version=2) == [1, 2]
    assert call_anyhow(cache.hgetall, "k", 2) == call_anyhow(cache.hgetall, key="k", version=2) == {"f": 1, "g": 2}
    assert call_anyhow(cache.hkeys, "k", version=2) == ["f", "g"]
    assert call_anyhow(cache.hvals, "k", 2) == [1, 2]
    assert call_anyhow(cache.hlen, "k", 2) == 2
    assert call_anyhow(cache.hexists, "k", "g", 2) is True
    assert call_anyhow(cache.hincrby, "k", "g", 1, 2) == 3
    assert call_anyhow(cache.hincrbyfloat, "k", "g", 1, 2) == 4.0
    assert call_anyhow(cache.hdel, "k", "f", "g", version=2) == 2
    assert call_anyhow(cache.hgetall, "k") == {"f": 1}


def test_wrong_type(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.rpush, "k", 1)
    for method, *args in (
        (cache.hset, "f", 1),
        (cache.hsetnx, "f", 1),
        (cache.hget, "f"),
        (cache.hmget, "f"),
        (cache.hgetall,),
        (cache.hdel, "f"),
        (cache.hexists, "f"),
        (cache.hlen,),
        (cache.hkeys,),
        (cache.hvals,),
        (cache.hincrby, "f"),
        (cache.hincrbyfloat, "f"),
    ):
        with pytest.raises(WrongTypeError, match=r"^WRONGTYPE "):
            call_anyhow(method, "k", *args)
    assert call_anyhow(cache.lrange, "k", 0, -1) == [1]


def test_undecodable_values(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    server.command("HSET", cache.make_key("k"), "f", b"\x80nothing")
    for method, *args in ((cache.hget, "f"), (cache.hmget, "f"), (cache.hgetall,), (cache.hvals,)):
        with pytest.raises(SerializerError):
            call_anyhow(method, "k", *args)
    assert call_anyhow(cache.hkeys, "k") == ["f"]


@pytest.mark.parametrize("protocol", [2, 3])
def test_results_do_not_depend_on_the_protocol(
    make_cache: Callable[..., RedisCache], call_anyhow: Caller, protocol: int
) -> None:
    cache = make_cache(OPTIONS={"protocol": protocol})
    assert call_anyhow(cache.hgetall, "k") == {}
    assert call_anyhow(cache.hget, "k", "f") is None
    assert call_anyhow(cache.hset, "k", mapping={"f": 1, "g": [2]}) == 2
    assert call_anyhow(cache.hgetall, "k") == {"f": 1, "g": [2]}
    assert call_anyhow(cache.hmget, "k", "g", "none") == [[2], None]
    assert call_anyhow(cache.hkeys, "k") == ["f", "g"]
    assert call_anyhow(cache.hexists, "k", "f") is True
    value = call_anyhow(cache.hincrbyfloat, "k", "f", 0.5)
    assert value == 1.5
    assert type(value) is float


def test_client_takes_made_keys(cache: RedisCache, server: Server, call: Caller) -> None:
    client, key = cache._cache, cache.make_key("k")
    assert call(client.hset, key, "f", 1, {"g": 2}, ["h", 3]) == 3
    assert call(client.hset, key, mapping={"f": 5}) == 0
    assert call(client.hmget, key, "f", "h") == [5, 3]
    assert call(client.hincrby, key, "f", 2) == 7
    assert call(cache.hgetall, "k") == {"f": 7, "g": 2, "h": 3}
    with pytest.raises(TypeError):
        call(client.hget, key, "f", version=2)
