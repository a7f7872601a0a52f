"""Sets: results as sets, lists and single members; versions; steps through large sets."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import ResponseError, SerializerError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

# One of each way in which members are stored: digits, text, pickles.
MEMBERS = {1, -(10**30), "a", "1", b"\x00\xff", None, 2.5, ("t", 1), frozenset({1}), ""}


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def cache(request: pytest.FixtureRequest, make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache that speaks the one protocol or the other."""
    return make_cache(OPTIONS={"protocol": request.param})


@pytest.fixture
def nowhere(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: whatever sends something fails otherwise than a wrong argument does."""
    return make_cache("redis://127.0.0.1:1")


def test_sadd(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.sadd, "k", "a") == 1
    assert call_anyhow(cache.sadd, "k", "a", "b", 3) == 2
    added = call_anyhow(cache.sadd, "k", "b", 3)
    assert (added, type(added)) == (0, int)
    assert server.command("TYPE", cache.make_key("k")) == "set"
    assert server.command("SISMEMBER", cache.make_key("k"), "3") == 1
    assert call_anyhow(cache.sadd, "k", [1], {"x": 1}, [1]) == 2
    assert call_anyhow(cache.scard, "k") == 5


def test_srem(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.srem, "k", "a") == 0
    call_anyhow(cache.sadd, "k", "a", "b", 3, [1])
    assert call_anyhow(cache.srem, "k", "a", "z", [1], "a") == 2
    assert call_anyhow(cache.smembers, "k") == {"b", 3}
    assert call_anyhow(cache.srem, "k", 3, "b") == 2
    assert call_anyhow(cache.type, "k") is None


def test_scard(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.scard, "k") == 0
    call_anyhow(cache.sadd, "k", 1, 2, 3)
    assert call_anyhow(cache.scard, "k") == 3


def test_members_of_all_kinds(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.smembers, "k") == set()
    assert call_anyhow(cache.sadd, "k", *MEMBERS) == len(MEMBERS)
    found = call_anyhow(cache.smembers, "k")
    assert (found, type(found)) == (MEMBERS, set)
    assert {type(member) for member in found} == {type(member) for member in MEMBERS}
    for member in MEMBERS:
        assert call_anyhow(cache.sismember, "k", member) is True
    assert call_anyhow(cache.srem, "k", *MEMBERS) == len(MEMBERS)


def test_sismember(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.sismember, "k", "a") is False
    call_anyhow(cache.sadd, "k", "a", 1, None, {"x": [1]})
    for member, there in [("a", True), (1, True), ("1", False), (None, True), ({"x": [1]}, True), (2, False)]:
        assert call_anyhow(cache.sismember, "k", member) is there


def test_smismember(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.smismember, "k", "a", "b") == [False, False]
    call_anyhow(cache.sadd, "k", "a", 1)
    found = call_anyhow(cache.smismember, "k", "b", "a", 1, "1", "a")
    assert found == [False, True, True, False, True]
    assert {type(one) for one in found} == {bool}
    assert call_anyhow(cache.smismember, "k", "a") == [True]


def test_spop(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.spop, "k") is None
    call_anyhow(cache.sadd, "k", [1])
    assert call_anyhow(cache.spop, "k") == [1]
    assert call_anyhow(cache.type, "k") is None
    call_anyhow(cache.sadd, "k", *MEMBERS)
    popped = call_anyhow(cache.spop, "k")
    assert popped in MEMBERS
    assert call_anyhow(cache.smembers, "k") == MEMBERS - {popped}


def test_spop_of_several(cache: RedisCache, call_anyhow: Caller) -> None:
    for count in (0, 1, 5):
        assert call_anyhow(cache.spop, "k", count) == set()
    call_anyhow(cache.sadd, "k", *MEMBERS)
    assert call_anyhow(cache.spop, "k", 0) == set()
    popped = call_anyhow(cache.spop, "k", 3)
    assert (len(popped), type(popped)) == (3, set)
    one = call_anyhow(cache.spop, "k", count=1)
    assert (len(one), type(one)) == (1, set)
    rest = call_anyhow(cache.spop, "k", 100)
    assert len(rest) == len(MEMBERS) - 4
    assert popped | one | rest == MEMBERS
    with pytest.raises(ResponseError, match="out of range"):
        call_anyhow(cache.spop, "k", -1)


def test_srandmember(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.srandmember, "k") is None
    for count in (0, 3, -3):
        assert call_anyhow(cache.srandmember, "k", count) == []
    call_anyhow(cache.sadd, "k", *MEMBERS)
    assert call_anyhow(cache.srandmember, "k") in MEMBERS
    for count, length in [(0, 0), (1, 1), (3, 3), (100, len(MEMBERS))]:
        found = call_anyhow(cache.srandmember, "k", count)
        assert (len(found), type(found)) == (length, list)
        assert len(set(found)) == length
        assert set(found) <= MEMBERS
    repeated = call_anyhow(cache.srandmember, "k", count=-50)
    assert len(repeated) == 50
    assert set(repeated) <= MEMBERS
    assert call_anyhow(cache.scard, "k") == len(MEMBERS)


def test_srandmember_of_what_is_not_hashable(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.sadd, "k", [1])
    assert call_anyhow(cache.srandmember, "k") == [1]
    assert call_anyhow(cache.srandmember, "k", 5) == [[1]]
    assert call_anyhow(cache.srandmember, "k", -2) == [[1], [1]]


@pytest.mark.one_slot
def test_smove(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.smove, "a", "b", 1) is False
    call_anyhow(cache.sadd, "a", 1, "x")
    assert call_anyhow(cache.smove, "a", "b", 2) is False
    assert call_anyhow(cache.smove, "a", "b", 1) is True
    assert call_anyhow(cache.smove, src="a", dst="b", member="x") is True
    assert call_anyhow(cache.smembers, "b") == {1, "x"}
    assert call_anyhow(cache.type, "a") is None


@pytest.mark.one_slot
@pytest.mark.parametrize(
    ("versions", "src", "dst"),
    [
        ({}, 1, 1),
        ({"version": 2}, 2, 2),
        ({"version_src": 2}, 2, 1),
        ({"version_dst": 2}, 1, 2),
        ({"version": 3, "version_src": 2}, 2, 3),
        ({"version": 3, "version_dst": 2}, 3, 2),
        ({"version": 3, "version_src": 4, "version_dst": 5}, 4, 5),
    ],
    ids=str,
)
def test_versions_of_a_move(
    cache: RedisCache, call_anyhow: Caller, versions: dict[str, int], src: int, dst: int
) -> None:
    call_anyhow(cache.sadd, "a", "m", version=src)
    assert call_anyhow(cache.smove, "a", "b", "m", **versions) is True
    assert call_anyhow(cache.smembers, "b", version=dst) == {"m"}
    assert call_anyhow(cache.scard, "a", version=src) == 0


COMBINED = [
    ("sdiff", ["a", "b"], {1, 2}),
    ("sdiff", ["b", "a"], {4}),
    ("sdiff", ["a", "b", "c"], {2}),
    ("sdiff", ["a", "none"], {1, 2, 3}),
    ("sdiff", ["none", "a"], set()),
    ("sinter", ["a", "b"], {3}),
    ("sinter", ["a", "b", "c"], set()),
    ("sinter", ["a", "none"], set()),
    ("sunion", ["a", "b", "c"], {1, 2, 3, 4, "x"}),
    ("sunion", ["none", "a"], {1, 2, 3}),
    *((method, ["a"], {1, 2, 3}) for method in ("sdiff", "sinter", "sunion")),
    *((method, ["none"], set()) for method in ("sdiff", "sinter", "sunion")),
]


def fill(cache: RedisCache, call: Caller, version: int | None = None) -> None:
    call(cache.sadd, "a", 1, 2, 3, version=version)
    call(cache.sadd, "b", 3, 4, version=version)
    call(cache.sadd, "c", 1, "x", version=version)


@pytest.mark.one_slot
@pytest.mark.parametrize(("method", "keys", "expected"), COMBINED, ids=str)
def test_combined(cache: RedisCache, call_anyhow: Caller, method: str, keys: list[str], expected: set[Any]) -> None:
    fill(cache, call_anyhow)
    found = call_anyhow(getattr(cache, method), keys)
    assert (found, type(found)) == (expected, set)
    assert call_anyhow(getattr(cache, method), (key for key in keys)) == expected
    if len(keys) == 1:
        assert call_anyhow(getattr(cache, method), keys[0]) == expected
    assert call_anyhow(getattr(cache, method), keys, version=2) == set()


@pytest.mark.one_slot
@pytest.mark.parametrize(("method", "keys", "expected"), COMBINED, ids=str)
def test_combined_and_stored(
    cache: RedisCache, call_anyhow: Caller, method: str, keys: list[str], expected: set[Any]
) -> None:
    fill(cache, call_anyhow)
    store = getattr(cache, method + "store")
    call_anyhow(cache.set, "dest", "a string", 100)
    assert call_anyhow(store, "dest", keys) == len(expected)
    assert call_anyhow(cache.smembers, "dest") == expected
    assert call_anyhow(cache.type, "dest") == ("set" if expected else None)
    assert call_anyhow(store, dest="dest", keys=(key for key in keys)) == len(expected)
    if len(keys) == 1:
        assert call_anyhow(store, "dest", keys[0]) == len(expected)
    assert call_anyhow(store, "a", ["a", *keys[1:]]) == call_anyhow(cache.scard, "a")


@pytest.mark.one_slot
@pytest.mark.parametrize("method", ["sdiffstore", "sinterstore", "sunionstore"])
@pytest.mark.parametrize(
    ("versions", "dest", "keys"),
    [
        ({}, 1, 1),
        ({"version": 2}, 2, 2),
        ({"version_dest": 2}, 2, 1),
        ({"version_keys": 2}, 1, 2),
        ({"version": 3, "version_dest": 2}, 2, 3),
        ({"version": 3, "version_keys": 2}, 3, 2),
        ({"version": 3, "version_dest": 4, "version_keys": 5}, 4, 5),
    ],
    ids=str,
)
def test_versions_of_a_store(
    cache: RedisCache, call_anyhow: Caller, method: str, versions: dict[str, int], dest: int, keys: int
) -> None:
    call_anyhow(cache.sadd, "a", "m", version=keys)
    assert call_anyhow(getattr(cache, method), "d", "a", **versions) == 1
    assert call_anyhow(cache.smembers, "d", version=dest) == {"m"}


# sscan


def test_sscan(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.sscan, "k") == (0, set())
    names = {f"{number}-{'x' * 70}" for number in range(300)}
    call_anyhow(cache.sadd, "k", *names)
    found: set[Any] = set()
    cursor, steps = 0, 0
    while True:
        cursor, page = call_anyhow(cache.sscan, "k", cursor, None, 20)
        assert (type(cursor), type(page)) == (int, set)
        found |= page
        steps += 1
        if not cursor:
            break
    assert found == names
    assert 5 < steps < 60
    assert call_anyhow(cache.sscan, key="k", cursor=0, match=None, count=10_000, version=None) == (0, names)
    assert call_anyhow(cache.sscan, "k", version=2) == (0, set())


def test_matching_members(cache: RedisCache, call: Caller) -> None:
    call(cache.sadd, "k", *range(200))
    expected = {5, *range(50, 60)}
    assert call(cache.sscan, "k", 0, "5*", 10_000) == (0, {5, *range(50, 60)})
    assert call(cache.sscan, "k", match=b"5*", count=10_000)[1] == expected
    assert set(call(cache.sscan_iter, "k", "5*")) == expected
    assert call(cache.sscan_iter, "k", match="none") == []


def test_sscan_iter(cache: RedisCache, call: Caller) -> None:
    assert call(cache.sscan_iter, "k") == []
    names = {f"{number}-{'x' * 70}" for number in range(2500)}
    call(cache.sadd, "k", *names)
    assert set(call(cache.sscan_iter, "k")) == names
    assert set(call(cache.sscan_iter, key="k", match=None, count=50, version=None)) == names
    assert call(cache.sscan_iter, "k", version=2) == []
    call(cache.sadd, "lists", [1], [2])
    assert sorted(call(cache.sscan_iter, "lists")) == [[1], [2]]


def test_sscan_iter_is_lazy(nowhere: RedisCache, call: Caller) -> None:
    assert inspect.isgeneratorfunction(nowhere.sscan_iter)
    assert inspect.isasyncgenfunction(nowhere.asscan_iter)
    if not call.is_async:
        nowhere.sscan_iter("k").close()

    async def started() -> None:
        await nowhere.asscan_iter("k").aclose()

    call.run(started())


def test_leaving_early(cache: RedisCache, call: Caller) -> None:
    call(cache.sadd, "k", *(f"{number}-{'x' * 70}" for number in range(500)))

    async def some() -> list[str]:
        found: list[str] = []
        async for member in cache.asscan_iter("k", count=10):
            found.append(member)
            if len(found) == 3:
                break
        return found

    found = (
        call.run(some())
        if call.is_async
        else [member for member, _ in zip(cache.sscan_iter("k", count=10), "abc", strict=False)]
    )
    assert len(found) == 3
    assert call(cache.sismember, "k", found[0]) is True


def test_a_walk_stays_with_one_server(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller
) -> None:
    servers = [start_server() for _ in range(3)]
    cache = make_cache([server.url for server in servers])
    # So many numbers that the server hands them out in several steps; the thousands tell which server it was.
    for index, server in enumerate(servers):
        server.command("SADD", cache.make_key("k"), *(str(1000 * index + number) for number in range(700)))
    seen = {frozenset(member // 1000 for member in call(cache.sscan_iter, "k", count=20)) for _ in range(20)}
    assert seen == {frozenset([1]), frozenset([2])}
    _, members = call(cache.sscan, "k")
    assert {member // 1000 for member in members} == {0}


def test_bad_steps(cache: RedisCache, call: Caller) -> None:
    call(cache.sadd, "k", 1)
    for count in (0, -1):
        with pytest.raises(ResponseError, match="syntax error"):
            call(cache.sscan, "k", count=count)
        with pytest.raises(ResponseError, match="syntax error"):
            call(cache.sscan_iter, "k", count=count)
    with pytest.raises(ResponseError, match="invalid cursor"):
        call(cache.sscan, "k", "x")


# What does not work


def test_members_that_are_not_hashable(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.sadd, "k", [1])
    calls: list[tuple[Any, ...]] = [
        (cache.smembers, "k"),
        (cache.sunion, ["k"]),
        (cache.sinter, ["k", "k"]),
        (cache.sdiff, "k"),
        (cache.sscan, "k"),
        (cache.spop, "k", 1),
    ]
    for method, *args in calls:
        with pytest.raises(TypeError, match="unhashable"):
            call_anyhow(method, *args)
    assert call_anyhow(cache.scard, "k") == 0


@pytest.mark.parametrize("method", ["sadd", "srem", "smismember"])
def test_no_members(nowhere: RedisCache, call_anyhow: Caller, method: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        call_anyhow(getattr(nowhere, method), "k")
    with pytest.raises(ValueError, match="at least one"):
        call_anyhow(getattr(nowhere, method), "k", version=2)


@pytest.mark.parametrize("method", ["sdiff", "sinter", "sunion", "sdiffstore", "sinterstore", "sunionstore"])
def test_no_keys(nowhere: RedisCache, call_anyhow: Caller, method: str) -> None:
    dest = ["dest"] if method.endswith("store") else []
    empty: list[Any] = [[], (), iter([])]
    for keys in empty:
        with pytest.raises(ValueError, match="at least one"):
            call_anyhow(getattr(nowhere, method), *dest, keys)


def test_members_that_cannot_be_stored(nowhere: RedisCache, call_anyhow: Caller) -> None:
    unfit = lambda: None  # noqa: E731 - a lambda is what cannot be pickled
    calls: list[tuple[Any, ...]] = [
        (nowhere.sadd, "k", 1, unfit),
        (nowhere.srem, "k", unfit),
        (nowhere.sismember, "k", unfit),
        (nowhere.smismember, "k", unfit),
        (nowhere.smove, "k", "l", unfit),
    ]
    for method, *args in calls:
        with pytest.raises(SerializerError):
            call_anyhow(method, *args)


def test_members_that_cannot_be_read(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    server.command("SADD", cache.make_key("k"), "no pickle")
    calls: list[tuple[Any, ...]] = [
        (cache.smembers, "k"),
        (cache.srandmember, "k"),
        (cache.srandmember, "k", -2),
        (cache.sunion, "k"),
        (cache.sscan, "k"),
        (cache.spop, "k"),
    ]
    for method, *args in calls:
        with pytest.raises(SerializerError):
            call_anyhow(method, *args)


@pytest.mark.one_slot
def test_other_types(cache: RedisCache, call_anyhow: Caller) -> None:
    call_anyhow(cache.set, "k", "v")
    call_anyhow(cache.sadd, "s", 1)
    calls: list[tuple[Any, ...]] = [
        (cache.sadd, "k", 1),
        (cache.srem, "k", 1),
        (cache.scard, "k"),
        (cache.sismember, "k", 1),
        (cache.smismember, "k", 1),
        (cache.smembers, "k"),
        (cache.spop, "k"),
        (cache.spop, "k", 2),
        (cache.srandmember, "k"),
        (cache.srandmember, "k", 2),
        (cache.smove, "k", "s", 1),
        (cache.smove, "s", "k", 1),
        (cache.sdiff, ["s", "k"]),
        (cache.sinter, ["k", "s"]),
        (cache.sunion, "k"),
        (cache.sdiffstore, "d", ["s", "k"]),
        (cache.sinterstore, "d", ["k", "s"]),
        (cache.sunionstore, "d", "k"),
        (cache.sscan, "k"),
    ]
    for method, *args in calls:
        with pytest.raises(WrongTypeError, match=r"^WRONGTYPE"):
            call_anyhow(method, *args)
    assert call_anyhow(cache.get, "k") == "v"
    assert call_anyhow(cache.smembers, "s") == {1}


def test_iterating_over_another_type(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", "v")
    with pytest.raises(WrongTypeError, match=r"^WRONGTYPE"):
        call(cache.sscan_iter, "k")


def test_versions_and_keywords(cache: RedisCache, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.sadd, "k", 1, 2, version=2) == 2
    assert call_anyhow(cache.scard, "k") == 0
    assert call_anyhow(cache.scard, "k", 2) == 2
    assert call_anyhow(cache.sismember, key="k", member=1, version=2) is True
    assert call_anyhow(cache.sismember, "k", 1, 3) is False
    assert call_anyhow(cache.smismember, "k", 1, version=3) == [False]
    assert call_anyhow(cache.smembers, key="k", version=2) == {1, 2}
    assert call_anyhow(cache.srandmember, "k", 5, 2) in ([1, 2], [2, 1])
    assert call_anyhow(cache.srandmember, "k", version=2) in (1, 2)
    assert call_anyhow(cache.sunion, "k", 2) == {1, 2}
    assert call_anyhow(cache.srem, "k", 1) == 0
    assert call_anyhow(cache.srem, "k", 1, version=2) == 1
    assert call_anyhow(cache.spop, key="k", count=None, version=2) == 2


@pytest.mark.one_slot
def test_on_the_client(cache: RedisCache, call: Caller) -> None:
    client, key = cache._cache, cache.make_key("k")
    assert call(client.sadd, key, 1, "a") == 2
    assert call(cache.smembers, "k") == {1, "a"}
    assert call(client.sunionstore, cache.make_key("l"), [key]) == 2
    assert call(client.smove, key, cache.make_key("l"), 1) is True
    assert call(client.sscan_iter, key) == ["a"]
    with pytest.raises(TypeError, match="version"):
        call(client.scard, key, version=1)
