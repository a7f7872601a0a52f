"""Lists: both ends, indexes, and values that are found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import ResponseError, SerializerError, WrongTypeError
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

VALUES = [0, -7, 2**70, True, None, 1.5, "", "text", "5", b"\xff\x00", [1, {"a": (2,)}], {"k": {1}}]


@pytest.fixture
def unreachable(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: what raises anything but a connection error on it has sent nothing."""
    return make_cache(f"redis://127.0.0.1:{free_port()}")


def test_values_come_back(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.rpush, "k", *VALUES) == len(VALUES)
    assert server.command("TYPE", cache.make_key("k")) == "list"
    assert server.command("LRANGE", cache.make_key("k"), 0, 1) == [b"0", b"-7"]
    back = call_anyhow(cache.lrange, "k", 0, -1)
    assert back == VALUES
    assert [type(value) for value in back] == [type(value) for value in VALUES]
    for index, value in enumerate(VALUES):
        assert call_anyhow(cache.lindex, "k", index) == value
        assert call_anyhow(cache.lpos, "k", value) == index
    assert call_anyhow(cache.lpop, "k", 2) == VALUES[:2]
    for value in VALUES[2:]:
        assert call_anyhow(cache.lpop, "k") == value
    assert call_anyhow(cache.has_key, "k") is False


@pytest.mark.one_slot
def test_missing_key(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.lpop, "k") is None
    assert call_anyhow(cache.rpop, "k") is None
    for count in (0, 1, 100):
        assert call_anyhow(cache.lpop, "k", count) == []
        assert call_anyhow(cache.rpop, "k", count) == []
    assert call_anyhow(cache.llen, "k") == 0
    assert call_anyhow(cache.lrange, "k", 0, -1) == []
    assert call_anyhow(cache.lindex, "k", 0) is None
    assert call_anyhow(cache.lrem, "k", 0, "x") == 0
    assert call_anyhow(cache.ltrim, "k", 0, 1) is True
    assert call_anyhow(cache.linsert, "k", "BEFORE", "x", "y") == 0
    assert call_anyhow(cache.lpos, "k", "x") is None
    assert call_anyhow(cache.lpos, "k", "x", count=0) == []
    assert call_anyhow(cache.lmove, "k", "k2") is None
    with pytest.raises(ResponseError, match=r"^ERR no such key"):
        call_anyhow(cache.lset, "k", 0, "x")
    assert server.command("EXISTS", cache.make_key("k"), cache.make_key("k2")) == 0


def test_pushes(cache: RedisCache, call_anyhow: Caller) -> None:
    length = call_anyhow(cache.lpush, "k", 1, 2, 3)
    assert length == 3
    assert type(length) is int
    assert call_anyhow(cache.rpush, "k", 4, [5]) == 5
    assert call_anyhow(cache.lpush, "k", None) == 6
    assert call_anyhow(cache.lrange, "k", 0, -1) == [None, 3, 2, 1, 4, [5]]
    assert call_anyhow(cache.llen, "k") == 6


def test_many_values(cache: RedisCache, call_anyhow: Caller) -> None:
    values = list(range(5000))
    assert call_anyhow(cache.rpush, "k", *values) == 5000
    assert call_anyhow(cache.lrange, "k", 0, -1) == values
    assert call_anyhow(cache.rpop, "k", 5001) == values[::-1]


def test_nothing_to_push(unreachable: RedisCache, call_anyhow: Caller) -> None:
    for method in (unreachable.lpush, unreachable.rpush):
        with pytest.raises(ValueError, match="at least one value"):
            call_anyhow(method, "k")
        with pytest.raises(SerializerError):
            call_anyhow(method, "k", 1, lambda: None)


def test_pops(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.rpush, "k", *range(10))
    assert call_anyhow(cache.lpop, "k") == 0
    assert call_anyhow(cache.rpop, "k") == 9
    assert call_anyhow(cache.lpop, "k", 2) == [1, 2]
    assert call_anyhow(cache.rpop, "k", 2) == [8, 7]
    assert call_anyhow(cache.lpop, "k", count=1) == [3]
    assert call_anyhow(cache.lpop, "k", 0) == call_anyhow(cache.rpop, "k", count=0) == []
    assert call_anyhow(cache.rpop, "k", 100) == [6, 5, 4]
    assert call_anyhow(cache.has_key, "k") is False


@pytest.mark.parametrize("count", [-1, -(2**70), 2**70, 1.5, "x"], ids=str)
def test_pops_of_no_count(cache: RedisCache, call_anyhow: Caller, count: Any) -> None:
    call_anyhow(cache.rpush, "k", 1, 2)
    for method in (cache.lpop, cache.rpop):
        with pytest.raises(ResponseError, match=r"^ERR value is (out of range|not an integer)"):
            call_anyhow(method, "k", count)
    assert call_anyhow(cache.llen, "k") == 2


@pytest.mark.parametrize(
    ("start", "end"), [(0, -1), (1, 3), (-3, -2), (3, 1), (0, 0), (-100, 100), (5, 9), (4, 4), (-1, -1), (0, -6)]
)
def test_ranges(cache: RedisCache, call_anyhow: Caller, start: int, end: int) -> None:
    values = ["a", "b", "c", "d", "e"]
    call_anyhow(cache.rpush, "k", *values)
    # As Python slices, with the end included.
    first = max(start + 5, 0) if start < 0 else start
    expected = values[first : (end + 5 if end < 0 else end) + 1] if end >= -5 else []
    assert call_anyhow(cache.lrange, "k", start, end) == expected
    assert call_anyhow(cache.lrange, key="k", start=start, end=end) == expected
    assert call_anyhow(cache.ltrim, "k", start, end) is True
    assert call_anyhow(cache.lrange, "k", 0, -1) == expected
    assert call_anyhow(cache.has_key, "k") is bool(expected)


def test_lindex(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.rpush, "k", "a", None, "c")
    assert [call_anyhow(cache.lindex, "k", index) for index in range(-4, 4)] == [
        None, "a", None, "c", "a", None, "c", None,
    ]  # fmt: skip


def test_indexes_that_are_none(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.rpush, "k", 1)
    for method, *args in (
        (cache.lindex, "x"),
        (cache.lrange, 0, 1.5),
        (cache.ltrim, "x", 1),
        (cache.lset, "x", 1),
        (cache.lrem, "x", 1),
    ):
        with pytest.raises(ResponseError, match=r"^ERR value is not an integer"):
            call_anyhow(method, "k", *args)
    assert call_anyhow(cache.lrange, "k", 0, -1) == [1]


def test_lset(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.rpush, "k", 1, 2, 3)
    assert call_anyhow(cache.lset, "k", 0, [1]) is True
    assert call_anyhow(cache.lset, key="k", index=-1, value=None) is True
    assert call_anyhow(cache.lrange, "k", 0, -1) == [[1], 2, None]
    for index in (3, -4):
        with pytest.raises(ResponseError, match=r"^ERR index out of range"):
            call_anyhow(cache.lset, "k", index, 0)


@pytest.mark.parametrize(
    ("count", "removed", "left"),
    [
        (0, 3, [1, 2]),
        (2, 2, [1, 2, "x"]),
        (-2, 2, ["x", 1, 2]),
        (9, 3, [1, 2]),
        (-9, 3, [1, 2]),
        (1, 1, [1, "x", 2, "x"]),
    ],
)
def test_lrem(cache: RedisCache, call_anyhow: Caller, count: int, removed: int, left: list[Any]) -> None:
    call_anyhow(cache.rpush, "k", "x", 1, "x", 2, "x")
    assert call_anyhow(cache.lrem, "k", count, "none") == 0
    assert call_anyhow(cache.lrem, "k", count, "x") == removed
    assert call_anyhow(cache.lrange, "k", 0, -1) == left


@pytest.mark.parametrize("where", ["BEFORE", "before", "Before"])
def test_linsert_before(cache: RedisCache, call_anyhow: Caller, where: str) -> None:
    call_anyhow(cache.rpush, "k", "a", [1], "a")
    length = call_anyhow(cache.linsert, "k", where, [1], None)
    assert length == 4
    assert type(length) is int
    assert call_anyhow(cache.linsert, key="k", where=where, pivot="a", value=0) == 5
    assert call_anyhow(cache.lrange, "k", 0, -1) == [0, "a", None, [1], "a"]
    assert call_anyhow(cache.linsert, "k", where, "none", 1) == -1
    assert call_anyhow(cache.linsert, "none", where, "none", 1) == 0
    assert call_anyhow(cache.has_key, "none") is False


@pytest.mark.parametrize("where", ["AFTER", "after", "aFTER"])
def test_linsert_after(cache: RedisCache, call_anyhow: Caller, where: str) -> None:
    call_anyhow(cache.rpush, "k", "a", "b", "a")
    assert call_anyhow(cache.linsert, "k", where, "a", 1) == 4
    assert call_anyhow(cache.lrange, "k", 0, -1) == ["a", 1, "b", "a"]


@pytest.mark.parametrize("where", ["", "BESIDE", " BEFORE", b"BEFORE", None, 1], ids=repr)
def test_linsert_elsewhere(unreachable: RedisCache, call_anyhow: Caller, where: Any) -> None:
    with pytest.raises(ValueError, match="BEFORE or AFTER"):
        call_anyhow(unreachable.linsert, "k", where, "a", 1)


def test_lpos(cache: RedisCache, call_anyhow: Caller) -> None:
    # Indexes:                           0    1    2    3  4    5
    call_anyhow(cache.rpush, "k", "a", "b", "a", 1, "a", None)
    index = call_anyhow(cache.lpos, "k", "a")
    assert index == 0
    assert type(index) is int
    assert call_anyhow(cache.lpos, "k", None) == 5
    assert call_anyhow(cache.lpos, "k", 1) == 3
    assert call_anyhow(cache.lpos, "k", "1") is None
    assert call_anyhow(cache.lpos, "k", "a", 2) == 2
    assert call_anyhow(cache.lpos, "k", "a", -1) == 4
    assert call_anyhow(cache.lpos, "k", "a", rank=4) is None
    assert call_anyhow(cache.lpos, "k", "a", count=0) == [0, 2, 4]
    assert call_anyhow(cache.lpos, "k", "a", count=2) == [0, 2]
    assert call_anyhow(cache.lpos, "k", "a", count=1) == [0]
    assert call_anyhow(cache.lpos, "k", "a", -1, 0) == [4, 2, 0]
    assert call_anyhow(cache.lpos, "k", "a", 2, 0) == [2, 4]
    assert call_anyhow(cache.lpos, "k", "none", count=0) == call_anyhow(cache.lpos, "k", "none", count=5) == []
    assert call_anyhow(cache.lpos, "k", 1, maxlen=3) is None
    assert call_anyhow(cache.lpos, "k", 1, maxlen=4) == 3
    assert call_anyhow(cache.lpos, "k", 1, maxlen=0) == 3
    assert call_anyhow(cache.lpos, "k", "a", None, 0, 3) == [0, 2]
    assert call_anyhow(cache.lpos, key="k", value="a", rank=-1, count=2, maxlen=3, version=None) == [4]


@pytest.mark.parametrize(
    "options", [{"rank": 0}, {"count": -1}, {"maxlen": -1}, {"rank": "x"}, {"count": 1.5}], ids=str
)
def test_lpos_refused(cache: RedisCache, call_anyhow: Caller, options: dict[str, Any]) -> None:
    call_anyhow(cache.rpush, "k", "a")
    with pytest.raises(ResponseError, match=r"^ERR "):
        call_anyhow(cache.lpos, "k", "a", **options)


@pytest.mark.one_slot
@pytest.mark.parametrize(
    ("sides", "moved", "src", "dst"),
    [
        ((), 1, [2, 3], [9, 1]),
        (("LEFT", "RIGHT"), 1, [2, 3], [9, 1]),
        (("left", "LEFT"), 1, [2, 3], [1, 9]),
        (("Right", "left"), 3, [1, 2], [3, 9]),
        (("RIGHT", "RIGHT"), 3, [1, 2], [9, 3]),
        (("RIGHT",), 3, [1, 2], [9, 3]),
    ],
    ids=str,
)
def test_lmove(
    cache: RedisCache, call_anyhow: Caller, sides: tuple[str, ...], moved: int, src: list[int], dst: list[int]
) -> None:
    call_anyhow(cache.rpush, "src", 1, 2, 3)
    call_anyhow(cache.rpush, "dst", 9)
    assert call_anyhow(cache.lmove, "src", "dst", *sides) == moved
    assert call_anyhow(cache.lrange, "src", 0, -1) == src
    assert call_anyhow(cache.lrange, "dst", 0, -1) == dst


def test_lmove_within_a_list(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.rpush, "k", 1, [2], 3)
    assert call_anyhow(cache.lmove, "k", "k") == 1
    assert call_anyhow(cache.lmove, src="k", dst="k", wherefrom="left", whereto="right") == [2]
    assert call_anyhow(cache.lrange, "k", 0, -1) == [3, 1, [2]]


@pytest.mark.one_slot
def test_lmove_between_versions(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.rpush, "k", 1, 2, 3, 4, version=1)
    assert call_anyhow(cache.lmove, "k", "k", version_src=1, version_dst=2) == 1
    assert call_anyhow(cache.lmove, "k", "k", version_dst=2) == 2
    assert call_anyhow(cache.lmove, "k", "k", version=2, version_src=1) == 3
    assert call_anyhow(cache.lmove, "k", "k", "LEFT", "RIGHT", 1, None, 3) == 4
    assert call_anyhow(cache.lmove, "k", "none", version=2) == 1
    assert call_anyhow(cache.lrange, "k", 0, -1, version=2) == [2, 3]
    assert call_anyhow(cache.lrange, "k", 0, -1, 3) == [4]
    assert call_anyhow(cache.lrange, "none", 0, -1, 2) == [1]
    assert call_anyhow(cache.has_key, "k", version=1) is False


@pytest.mark.parametrize("side", ["", "TOP", "LEFT ", b"LEFT", None, 0], ids=repr)
def test_lmove_from_nowhere(unreachable: RedisCache, call_anyhow: Caller, side: Any) -> None:
    with pytest.raises(ValueError, match="LEFT or RIGHT"):
        call_anyhow(unreachable.lmove, "src", "dst", side)
    with pytest.raises(ValueError, match="LEFT or RIGHT"):
        call_anyhow(unreachable.lmove, "src", "dst", "LEFT", side)


# All of them


def test_versions_and_keywords(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.rpush, "k", 1, version=2) == 1
    assert call_anyhow(cache.lpush, "k", 0, version=2) == 2
    assert call_anyhow(cache.llen, "k") == 0
    assert call_anyhow(cache.llen, "k", 2) == call_anyhow(cache.llen, key="k", version=2) == 2
    assert call_anyhow(cache.lrange, "k", 0, -1, 2) == [0, 1]
    assert call_anyhow(cache.lindex, "k", 0, 2) == call_anyhow(cache.lindex, key="k", index=0, version=2) == 0
    assert call_anyhow(cache.lset, "k", 0, "x", 2) is True
    assert call_anyhow(cache.linsert, "k", "AFTER", "x", "y", 2) == 3
    assert call_anyhow(cache.lpos, "k", "y", None, None, None, 2) == 1
    assert call_anyhow(cache.lrem, "k", 0, "y", 2) == call_anyhow(cache.lrem, key="k", count=0, value=1, version=2) == 1
    assert call_anyhow(cache.rpush, "k", 1, 2, 3, version=2) == 4
    assert call_anyhow(cache.lpop, "k", None, 2) == "x"
    assert call_anyhow(cache.rpop, "k", 1, 2) == [3]
    assert call_anyhow(cache.rpop, key="k", version=2) == 2
    assert call_anyhow(cache.ltrim, "k", 1, 0, 2) is True
    assert call_anyhow(cache.has_key, "k", 2) is False


@pytest.mark.one_slot
def test_wrong_type(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.hset, "k", "f", 1)
    call_anyhow(cache.rpush, "list", 1)
    for method, *args in (
        (cache.lpush, 1),
        (cache.rpush, 1),
        (cache.lpop,),
        (cache.rpop,),
        (cache.lpop, 2),
        (cache.rpop, 0),
        (cache.llen,),
        (cache.lrange, 0, -1),
        (cache.lindex, 0),
        (cache.lset, 0, 1),
        (cache.lrem, 0, 1),
        (cache.ltrim, 0, 1),
        (cache.linsert, "BEFORE", 1, 2),
        (cache.lpos, 1),
        (cache.lmove, "list"),
    ):
        with pytest.raises(WrongTypeError, match=r"^WRONGTYPE "):
            call_anyhow(method, "k", *args)
    with pytest.raises(WrongTypeError):
        call_anyhow(cache.lmove, "list", "k")
    assert call_anyhow(cache.lrange, "list", 0, -1) == [1]
    assert call_anyhow(cache.hgetall, "k") == {"f": 1}


@pytest.mark.one_slot
def test_undecodable_values(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    server.command("RPUSH", cache.make_key("k"), b"\x80nothing", "1", b"\x80nothing")
    for method, *args in ((cache.lrange, 0, -1), (cache.lindex, 0), (cache.lmove, "k2"), (cache.rpop, 2)):
        with pytest.raises(SerializerError):
            call_anyhow(method, "k", *args)
    assert call_anyhow(cache.llen, "k") == 0


@pytest.mark.parametrize("protocol", [2, 3])
def test_results_do_not_depend_on_the_protocol(
    make_cache: Callable[..., RedisCache], call_anyhow: Caller, protocol: int
) -> None:
    cache = make_cache(OPTIONS={"protocol": protocol})
    assert call_anyhow(cache.lpop, "k") is None
    assert call_anyhow(cache.lpop, "k", 1) == []
    assert call_anyhow(cache.lindex, "k", 0) is None
    assert call_anyhow(cache.lpos, "k", 1) is None
    assert call_anyhow(cache.lpos, "k", 1, count=0) == []
    assert call_anyhow(cache.lmove, "k", "k") is None
    assert call_anyhow(cache.rpush, "k", 1, [2], 1) == 3
    assert call_anyhow(cache.lpos, "k", 1, count=0) == [0, 2]
    assert call_anyhow(cache.lrange, "k", 0, -1) == [1, [2], 1]
    assert call_anyhow(cache.lpop, "k", 2) == [1, [2]]


@pytest.mark.one_slot
def test_client_takes_made_keys(cache: RedisCache, call: Caller) -> None:
    client, key, other = cache._cache, cache.make_key("k"), cache.make_key("other")
    assert call(client.rpush, key, 1, 2, 3, 4) == 4
    assert call(client.lmove, key, other, "RIGHT", "LEFT") == 4
    assert call(client.lpop, key, 2) == [1, 2]
    assert call(client.lpos, key, 3, None, 0, 5) == [0]
    assert call(cache.lrange, "k", 0, -1) == [3]
    assert call(cache.lrange, "other", 0, -1) == [4]
    with pytest.raises(TypeError):
        call(client.llen, key, version=2)
    with pytest.raises(TypeError):
        call(client.lmove, key, other, version_src=2)
