"""Sorted sets: scores down to the last bit, limits, ranks, and pairs from either protocol."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import ResponseError, SerializerError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

INF = math.inf


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def cache(request: pytest.FixtureRequest, make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache that speaks the one protocol or the other."""
    return make_cache(OPTIONS={"protocol": request.param})


@pytest.fixture
def nowhere(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: whatever sends something fails otherwise than a wrong argument does."""
    return make_cache("redis://127.0.0.1:1")


@pytest.fixture
def filled(cache: RedisCache, call_anyhow: Caller) -> RedisCache:
    """A cache with five members at "k", and at "many" some that are not text."""
    call_anyhow(cache.zadd, "k", {"a": 1, "b": 2, "c": 3, "d": 4.5, "e": 10})
    call_anyhow(cache.zadd, "many", {1: -INF, None: 0, ("t", 1): 0.1, "x": INF})
    return cache


MANY = [(1, -INF), (None, 0.0), (("t", 1), 0.1), ("x", INF)]


class Level(IntEnum):
    LOW = 3


class Odd(float):
    def __repr__(self) -> str:
        return "odd"

    __str__ = __repr__


# zadd


def test_zadd(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.zadd, "k", {"a": 1, "b": 2, 3: 3}) == 3
    added = call_anyhow(cache.zadd, "k", {"a": 5, "c": 1})
    assert (added, type(added)) == (1, int)
    assert server.command("TYPE", cache.make_key("k")) == "zset"
    assert server.command("ZSCORE", cache.make_key("k"), "3") == b"3"
    assert call_anyhow(cache.zrange, "k", 0, -1, withscores=True) == [("c", 1.0), ("b", 2.0), (3, 3.0), ("a", 5.0)]
    assert call_anyhow(cache.zadd, key="k", mapping={"a": 5}, version=None) == 0


@pytest.mark.parametrize(
    ("flags", "mapping", "result", "scores"),
    [
        ({}, {"a": 6, "b": 7}, 1, [6.0, 7.0]),
        ({"ch": True}, {"a": 6, "b": 7}, 2, [6.0, 7.0]),
        ({"ch": True}, {"a": 5}, 0, [5.0, None]),
        ({"nx": True}, {"a": 6, "b": 7}, 1, [5.0, 7.0]),
        ({"nx": True, "ch": True}, {"a": 6, "b": 7}, 1, [5.0, 7.0]),
        ({"xx": True}, {"a": 6, "b": 7}, 0, [6.0, None]),
        ({"xx": True, "ch": True}, {"a": 6, "b": 7}, 1, [6.0, None]),
        ({"gt": True, "ch": True}, {"a": 6, "b": 7}, 2, [6.0, 7.0]),
        ({"gt": True, "ch": True}, {"a": 4, "b": 7}, 1, [5.0, 7.0]),
        ({"lt": True, "ch": True}, {"a": 6}, 0, [5.0, None]),
        ({"lt": True, "ch": True}, {"a": 4}, 1, [4.0, None]),
        ({"xx": True, "gt": True, "ch": True}, {"a": 6, "b": 7}, 1, [6.0, None]),
        ({"xx": True, "lt": True, "ch": True}, {"a": 6, "b": 7}, 0, [5.0, None]),
        ({"incr": True}, {"a": 1.5}, 6.5, [6.5, None]),
        ({"incr": True}, {"b": -2}, -2.0, [5.0, -2.0]),
        ({"incr": True, "ch": True}, {"a": 1}, 6.0, [6.0, None]),
        ({"incr": True, "nx": True}, {"a": 1}, None, [5.0, None]),
        ({"incr": True, "nx": True}, {"b": 1}, 1.0, [5.0, 1.0]),
        ({"incr": True, "xx": True}, {"b": 1}, None, [5.0, None]),
        ({"incr": True, "gt": True}, {"a": -1}, None, [5.0, None]),
        ({"incr": True, "lt": True}, {"a": -1}, 4.0, [4.0, None]),
        ({"incr": True, "xx": True, "lt": True}, {"a": 1}, None, [5.0, None]),
        ({"incr": True}, {"a": INF}, INF, [INF, None]),
        ({"nx": False, "xx": False, "ch": False, "incr": False, "gt": False, "lt": False}, {"b": 1}, 1, [5.0, 1.0]),
    ],
    ids=str,
)
def test_flags(
    cache: RedisCache,
    call_anyhow: Caller,
    flags: dict[str, bool],
    mapping: dict[str, float],
    result: float | None,
    scores: list[float | None],
) -> None:
    call_anyhow(cache.zadd, "k", {"a": 5})
    found = call_anyhow(cache.zadd, "k", mapping, **flags)
    assert (found, type(found)) == (result, type(result))
    assert call_anyhow(cache.zmscore, "k", "a", "b") == scores


@pytest.mark.parametrize(
    "flags",
    [
        {"nx": True, "xx": True},
        {"nx": True, "gt": True},
        {"nx": True, "lt": True},
        {"gt": True, "lt": True},
        {"xx": True, "gt": True, "lt": True},
        {"nx": True, "xx": True, "incr": True, "ch": True},
    ],
    ids=str,
)
def test_flags_that_exclude_each_other(nowhere: RedisCache, call_anyhow: Caller, flags: dict[str, bool]) -> None:
    with pytest.raises(ValueError, match="exclude"):
        call_anyhow(nowhere.zadd, "k", {"a": 1}, **flags)


def test_unfit_mappings(nowhere: RedisCache, call_anyhow: Caller) -> None:
    with pytest.raises(ValueError, match="at least one"):
        call_anyhow(nowhere.zadd, "k", {})
    with pytest.raises(ValueError, match="at least one"):
        call_anyhow(nowhere.zadd, "k", {}, incr=True)
    with pytest.raises(ValueError, match="one member"):
        call_anyhow(nowhere.zadd, "k", {"a": 1, "b": 2}, incr=True)
    for mapping in (None, [("a", 1)], "a", {"a"}):
        with pytest.raises(TypeError, match="mapping"):
            call_anyhow(nowhere.zadd, "k", mapping)
    with pytest.raises(TypeError):
        call_anyhow(nowhere.zadd, "k", {"a": 1}, True)


# Scores


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0, 0.0),
        (-7, -7.0),
        (2**53, 2.0**53),
        (10**30, 1e30),
        (1.5, 1.5),
        (0.1 + 0.2, 0.1 + 0.2),
        (1e22, 1e22),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        (INF, INF),
        (-INF, -INF),
        ("1.5", 1.5),
        ("-3", -3.0),
        ("1e3", 1000.0),
        ("inf", INF),
        ("+inf", INF),
        ("-inf", -INF),
        (Level.LOW, 3.0),
        (Odd(2.5), 2.5),
    ],
    ids=repr,
)
def test_scores(cache: RedisCache, call_anyhow: Caller, score: Any, expected: float) -> None:
    def same(found: Any) -> None:
        assert (found, type(found)) == (expected, float)

    assert call_anyhow(cache.zadd, "k", {"m": score}) == 1
    same(call_anyhow(cache.zscore, "k", "m"))
    same(call_anyhow(cache.zmscore, "k", "m")[0])
    same(call_anyhow(cache.zincrby, "k", score, "new"))
    same(call_anyhow(cache.zadd, "k", {"newer": score}, incr=True))
    for _, found in call_anyhow(cache.zrange, "k", 0, -1, withscores=True):
        same(found)
    assert call_anyhow(cache.zcount, "k", score, score) == 3
    assert call_anyhow(cache.zrangebyscore, "k", score, score) == ["m", "new", "newer"]
    assert call_anyhow(cache.zrevrangebyscore, "k", score, score) == ["newer", "new", "m"]
    same(call_anyhow(cache.zpopmin, "k")[0][1])
    assert call_anyhow(cache.zremrangebyscore, "k", score, score) == 2


def calls_with(cache: RedisCache, score: Any) -> list[tuple[Any, ...]]:
    return [
        (cache.zadd, "k", {"m": score}),
        (cache.zincrby, "k", score, "m"),
        (cache.zcount, "k", score, 1),
        (cache.zcount, "k", 1, score),
        (cache.zrangebyscore, "k", score, 1),
        (cache.zrangebyscore, "k", 1, score),
        (cache.zrevrangebyscore, "k", score, 1),
        (cache.zrevrangebyscore, "k", 1, score),
        (cache.zremrangebyscore, "k", score, 1),
        (cache.zremrangebyscore, "k", 1, score),
    ]


@pytest.mark.parametrize("score", [math.nan, "nan", "abc", "1.5x", "((5"], ids=repr)
def test_no_number(filled: RedisCache, call_anyhow: Caller, score: Any) -> None:
    for method, *args in calls_with(filled, score):
        with pytest.raises(ResponseError, match=r"not a (valid )?float"):
            call_anyhow(method, *args)
    with pytest.raises(ResponseError, match="not a valid float"):
        call_anyhow(filled.zadd, "k", {"m": 1, "n": score})
    assert call_anyhow(filled.zcard, "k") == 5


@pytest.mark.parametrize("score", [None, b"1", True, [], object(), 1j], ids=lambda score: type(score).__name__)
def test_no_score_at_all(nowhere: RedisCache, call_anyhow: Caller, score: Any) -> None:
    for method, *args in calls_with(nowhere, score):
        with pytest.raises(TypeError, match=f"not {type(score).__name__}"):
            call_anyhow(method, *args)


def test_sums_that_are_no_number(filled: RedisCache, call_anyhow: Caller) -> None:
    with pytest.raises(ResponseError, match="not a number"):
        call_anyhow(filled.zincrby, "many", -INF, "x")
    with pytest.raises(ResponseError, match="not a number"):
        call_anyhow(filled.zadd, "many", {1: INF}, incr=True)
    assert call_anyhow(filled.zmscore, "many", "x", 1) == [INF, -INF]


def test_zincrby(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.zincrby, "k", 2, "m") == 2.0
    assert call_anyhow(cache.zincrby, "k", -0.5, "m") == 1.5
    assert call_anyhow(cache.zincrby, key="k", amount="10", member="m", version=None) == 11.5
    assert type(call_anyhow(cache.zincrby, "k", 1, (1, 2))) is float
    assert call_anyhow(cache.zscore, "k", (1, 2)) == 1.0


# One member, and how many


def test_zscore(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.zscore, "none", "a") is None
    assert call_anyhow(filled.zscore, "k", "z") is None
    assert call_anyhow(filled.zscore, "k", "d") == 4.5
    assert [call_anyhow(filled.zscore, "many", member) for member, _ in MANY] == [score for _, score in MANY]


def test_zmscore(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.zmscore, "none", "a", "b") == [None, None]
    found = call_anyhow(filled.zmscore, "k", "b", "z", "a", "b")
    assert found == [2.0, None, 1.0, 2.0]
    assert [type(score) for score in found if score is not None] == [float] * 3
    assert call_anyhow(filled.zmscore, "many", "x") == [INF]


def test_ranks(filled: RedisCache, call_anyhow: Caller) -> None:
    for method in (filled.zrank, filled.zrevrank):
        assert call_anyhow(method, "none", "a") is None
        assert call_anyhow(method, "k", "z") is None
        assert call_anyhow(method, "k", "c") == 2
    rank = call_anyhow(filled.zrank, "k", "a")
    assert (rank, type(rank)) == (0, int)
    assert call_anyhow(filled.zrevrank, "k", "a") == 4
    assert call_anyhow(filled.zrank, "many", ("t", 1)) == 2
    assert call_anyhow(filled.zrevrank, "many", None) == 2


def test_zcard(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.zcard, "none") == 0
    assert call_anyhow(filled.zcard, "k") == 5


def test_zrem(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.zrem, "none", "a") == 0
    assert call_anyhow(filled.zrem, "k", "a", "z", "b", "a") == 2
    assert call_anyhow(filled.zrem, "k", "c", "d", "e") == 3
    assert call_anyhow(filled.type, "k") is None
    assert call_anyhow(filled.zrem, "many", 1, None, ("t", 1), "x") == 4


LIMITS = [
    (("-inf", "+inf"), "abcde"),
    ((-INF, INF), "abcde"),
    ((2, 4.5), "bcd"),
    (("2", "4.5"), "bcd"),
    (("(2", 4.5), "cd"),
    ((2, "(4.5"), "bc"),
    (("(2", "(4.5"), "c"),
    (("(2", "(2"), ""),
    (("(-inf", "(inf"), "abcde"),
    ((5, 1), ""),
    ((3, 3), "c"),
    ((11, "inf"), ""),
]


@pytest.mark.parametrize(("limits", "members"), LIMITS, ids=str)
def test_limits(filled: RedisCache, call_anyhow: Caller, limits: tuple[Any, Any], members: str) -> None:
    assert call_anyhow(filled.zcount, "k", *limits) == len(members)
    assert call_anyhow(filled.zrangebyscore, "k", *limits) == list(members)
    assert call_anyhow(filled.zrevrangebyscore, "k", *reversed(limits)) == list(reversed(members))
    assert call_anyhow(filled.zremrangebyscore, "k", *limits) == len(members)
    assert call_anyhow(filled.zrange, "k", 0, -1) == [member for member in "abcde" if member not in members]
    assert call_anyhow(filled.zcount, "none", *limits) == 0
    assert call_anyhow(filled.zremrangebyscore, "none", *limits) == 0
    assert call_anyhow(filled.zrangebyscore, "none", *limits) == []
    assert call_anyhow(filled.zrevrangebyscore, "none", *limits) == []


# Ranges


@pytest.mark.parametrize(
    ("start", "end", "members"),
    [
        (0, -1, "abcde"),
        (0, 0, "a"),
        (1, 3, "bcd"),
        (-2, -1, "de"),
        (0, 100, "abcde"),
        (-100, 1, "ab"),
        (3, 1, ""),
        (5, 9, ""),
    ],
)
def test_by_rank(filled: RedisCache, call_anyhow: Caller, start: int, end: int, members: str) -> None:
    upwards = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.5, "e": 10.0}
    downwards = dict(zip("abcde", "edcba", strict=True))
    falling = [downwards[member] for member in members]
    assert call_anyhow(filled.zrange, "k", start, end) == list(members)
    assert call_anyhow(filled.zrange, "k", start, end, withscores=True) == [(m, upwards[m]) for m in members]
    for method, options in [(filled.zrange, {"desc": True}), (filled.zrevrange, {})]:
        assert call_anyhow(method, "k", start, end, **options) == falling
        assert call_anyhow(method, "k", start, end, **options, withscores=True) == [(m, upwards[m]) for m in falling]
        assert call_anyhow(method, "none", start, end, **options, withscores=True) == []
    assert call_anyhow(filled.zrange, "none", start, end) == []
    assert call_anyhow(filled.zremrangebyrank, "none", start, end) == 0
    assert call_anyhow(filled.zremrangebyrank, "k", start, end) == len(members)
    assert call_anyhow(filled.zrange, "k", 0, -1) == [member for member in "abcde" if member not in members]


def test_pairs(filled: RedisCache, call_anyhow: Caller) -> None:
    calls: list[tuple[Any, ...]] = [
        (MANY, filled.zrange, "many", 0, -1),
        (MANY, filled.zrangebyscore, "many", "-inf", "inf"),
        (MANY[::-1], filled.zrevrange, "many", 0, -1),
        (MANY[::-1], filled.zrevrangebyscore, "many", "inf", "-inf"),
    ]
    for expected, method, *args in calls:
        found = call_anyhow(method, *args, withscores=True)
        assert found == expected
        assert {type(pair) for pair in found} == {tuple}
        assert {type(score) for _, score in found} == {float}
        assert call_anyhow(method, *args) == [member for member, _ in expected]


def test_members_that_are_lists(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    members: list[Any] = [[1], [[2], 3.5], {}]
    for member in members:
        assert call_anyhow(cache.zincrby, "k", 1, member) == 1.0
        assert call_anyhow(cache.zscore, "k", member) == 1.0
    assert call_anyhow(cache.zrem, "k", [[2], 3.5]) == 1
    assert sorted(call_anyhow(cache.zrange, "k", 0, -1, withscores=True), key=str) == [([1], 1.0), ({}, 1.0)]
    assert len(call_anyhow(cache.zpopmax, "k", 5)) == 2


@pytest.mark.parametrize(
    ("start", "num", "members"),
    [(0, 2, "bc"), (1, 2, "cd"), (0, 100, "bcde"), (2, -1, "de"), (4, 1, ""), (0, 0, ""), (-1, 2, "")],
)
def test_slices(filled: RedisCache, call_anyhow: Caller, start: int, num: int, members: str) -> None:
    assert call_anyhow(filled.zrangebyscore, "k", 2, "inf", start=start, num=num) == list(members)
    found = call_anyhow(filled.zrangebyscore, "k", 2, "inf", withscores=True, start=start, num=num)
    assert [member for member, _ in found] == list(members)
    falling = dict(zip("bcde", "dcba", strict=True))
    expected = [falling[member] for member in members]
    assert call_anyhow(filled.zrevrangebyscore, "k", 4.5, "-inf", start=start, num=num) == expected
    found = call_anyhow(filled.zrevrangebyscore, "k", 4.5, "-inf", withscores=True, start=start, num=num)
    assert [member for member, _ in found] == expected


def test_half_a_slice(nowhere: RedisCache, call_anyhow: Caller) -> None:
    for method in (nowhere.zrangebyscore, nowhere.zrevrangebyscore):
        for half in ({"start": 0}, {"num": 0}, {"start": 1, "num": None}):
            with pytest.raises(ValueError, match="together"):
                call_anyhow(method, "k", 1, 2, **half)


def test_ranks_that_are_none(filled: RedisCache, call_anyhow: Caller) -> None:
    for method in (filled.zrange, filled.zrevrange, filled.zremrangebyrank):
        for rank in (0.5, "x"):
            with pytest.raises(ResponseError, match="not an integer"):
                call_anyhow(method, "k", rank, -1)


# zpopmin, zpopmax


def test_pop(filled: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(filled.zpopmin, "k") == [("a", 1.0)]
    assert call_anyhow(filled.zpopmax, "k") == [("e", 10.0)]
    assert call_anyhow(filled.zpopmin, "k", 1) == [("b", 2.0)]
    assert call_anyhow(filled.zpopmax, "k", count=5) == [("d", 4.5), ("c", 3.0)]
    assert call_anyhow(filled.type, "k") is None
    assert call_anyhow(filled.zpopmin, "many", 2) == MANY[:2]
    assert call_anyhow(filled.zpopmax, "many", 2) == MANY[:1:-1]


@pytest.mark.parametrize("method", ["zpopmin", "zpopmax"])
def test_pop_of_nothing(filled: RedisCache, call_anyhow: Caller, method: str) -> None:
    for count in (None, 0, 1, 5):
        assert call_anyhow(getattr(filled, method), "none", count) == []
    assert call_anyhow(getattr(filled, method), "k", 0) == []
    with pytest.raises(ResponseError, match="out of range"):
        call_anyhow(getattr(filled, method), "k", -1)
    assert call_anyhow(filled.zcard, "k") == 5


# What does not work


@pytest.mark.parametrize("method", ["zrem", "zmscore"])
def test_no_members(nowhere: RedisCache, call_anyhow: Caller, method: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        call_anyhow(getattr(nowhere, method), "k")


def test_members_that_cannot_be_stored(nowhere: RedisCache, call_anyhow: Caller) -> None:
    unfit = lambda: None  # noqa: E731 - a lambda is what cannot be pickled
    calls: list[tuple[Any, ...]] = [
        (nowhere.zadd, "k", {"a": 1, unfit: 2}),
        (nowhere.zrem, "k", "a", unfit),
        (nowhere.zincrby, "k", 1, unfit),
        (nowhere.zscore, "k", unfit),
        (nowhere.zmscore, "k", unfit),
        (nowhere.zrank, "k", unfit),
        (nowhere.zrevrank, "k", unfit),
    ]
    for method, *args in calls:
        with pytest.raises(SerializerError):
            call_anyhow(method, *args)


def test_members_that_cannot_be_read(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    server.command("ZADD", cache.make_key("k"), "1", "no pickle")
    calls: list[tuple[Any, ...]] = [
        (cache.zrange, "k", 0, -1),
        (cache.zrangebyscore, "k", 0, 5),
        (cache.zpopmin, "k"),
    ]
    for method, *args in calls:
        with pytest.raises(SerializerError):
            call_anyhow(method, *args)


def test_other_types(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.set, "k", "v")
    calls: list[tuple[Any, ...]] = [
        (cache.zadd, "k", {"a": 1}),
        (cache.zrem, "k", "a"),
        (cache.zcard, "k"),
        (cache.zcount, "k", 0, 1),
        (cache.zincrby, "k", 1, "a"),
        (cache.zscore, "k", "a"),
        (cache.zmscore, "k", "a"),
        (cache.zrank, "k", "a"),
        (cache.zrevrank, "k", "a"),
        (cache.zrange, "k", 0, -1),
        (cache.zrevrange, "k", 0, -1),
        (cache.zrangebyscore, "k", 0, 1),
        (cache.zrevrangebyscore, "k", 1, 0),
        (cache.zremrangebyrank, "k", 0, -1),
        (cache.zremrangebyscore, "k", 0, 1),
        (cache.zpopmin, "k"),
        (cache.zpopmax, "k", 2),
    ]
    for method, *args in calls:
        with pytest.raises(WrongTypeError, match=r"^WRONGTYPE"):
            call_anyhow(method, *args)
    assert call_anyhow(cache.get, "k") == "v"


def test_versions(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.zadd, "k", {"a": 1, "b": 2, "c": 3, "d": 4}, version=2) == 4
    assert call_anyhow(cache.zcard, "k") == 0
    assert call_anyhow(cache.zcard, "k", 2) == 4
    assert call_anyhow(cache.zcount, "k", 1, 2, 2) == 2
    assert call_anyhow(cache.zincrby, "k", 1, "d", 2) == 5.0
    assert call_anyhow(cache.zscore, key="k", member="d", version=2) == 5.0
    assert call_anyhow(cache.zmscore, "k", "d", version=2) == [5.0]
    assert call_anyhow(cache.zmscore, "k", "d", 2) == [None, None]
    assert call_anyhow(cache.zrank, "k", "d", 2) == 3
    assert call_anyhow(cache.zrevrank, "k", "d", version=2) == 0
    assert call_anyhow(cache.zrange, key="k", start=0, end=0, version=2) == ["a"]
    assert call_anyhow(cache.zrevrange, "k", 0, 0, version=2) == ["d"]
    assert call_anyhow(cache.zrangebyscore, key="k", min_score=1, max_score=2, version=2) == ["a", "b"]
    assert call_anyhow(cache.zrevrangebyscore, key="k", max_score=2, min_score=1, version=2) == ["b", "a"]
    assert call_anyhow(cache.zrem, "k", "a", version=2) == 1
    assert call_anyhow(cache.zremrangebyrank, "k", 0, 0, 2) == 1
    assert call_anyhow(cache.zremrangebyscore, "k", 3, 3, version=2) == 1
    assert call_anyhow(cache.zpopmin, key="k", count=None, version=2) == [("d", 5.0)]
    assert call_anyhow(cache.zpopmax, "k", 1, 2) == []


def test_on_the_client(cache: RedisCache, call: Caller) -> None:
    client, key = cache._cache, cache.make_key("k")
    assert call(client.zadd, key, {"a": 1, "b": 2}, ch=True) == 2
    assert call(cache.zscore, "k", "a") == 1.0
    assert call(client.zrange, key, 0, -1, withscores=True) == [("a", 1.0), ("b", 2.0)]
    assert call(client.zpopmax, key, 1) == [("b", 2.0)]
    with pytest.raises(TypeError, match="version"):
        call(client.zcard, key, version=1)


def test_clients_take_keywords_where_caches_do(cache: RedisCache, call: Caller) -> None:
    client: Any = cache._cache
    call(client.zadd, "z", {"a": 1, "b": 2})
    for method, args in [
        (client.zrange, ("z", 0, -1, True)),
        (client.zrange, ("z", 0, -1, True, True)),
        (client.zadd, ("z", {"n": 1}, True, False, False, False, False, False)),
        (client.zrevrange, ("z", 0, -1, True)),
        (client.zrevrangebyscore, ("z", "+inf", "-inf", True, 0, 1)),
        (client.eval_script, ("return #KEYS", ["k"], [1], None, None)),
    ]:
        with pytest.raises(TypeError):
            call(method, *args)
    assert call(client.zrange, "z", 0, -1, desc=True, withscores=True) == [("b", 2.0), ("a", 1.0)]
