"""incr_version on a cluster: a rename where both keys share a slot, a copy and a delete where they do not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import KeyNotFoundError
from tests.cluster.places import calls_of

if TYPE_CHECKING:
    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster_servers import Cluster

# How a key of each type is made, and how it is read.
TYPES: list[tuple[tuple[Any, ...], tuple[Any, ...], Any]] = [
    (("SET", "v\x00\r\n"), ("GET",), b"v\x00\r\n"),
    (("RPUSH", "a", "b"), ("LRANGE", 0, -1), [b"a", b"b"]),
    (("SADD", "a"), ("SMEMBERS",), [b"a"]),
    (("HSET", "f", "v"), ("HGETALL",), [b"f", b"v"]),
    (("ZADD", 1.5, "a"), ("ZRANGE", 0, -1, "WITHSCORES"), [b"a", b"1.5"]),
    (("XADD", "5-1", "f", "v"), ("XRANGE", "-", "+"), [[b"5-1", [b"f", b"v"]]]),
]


def test_the_versions_of_a_key_are_in_different_slots(cluster: Cluster, cache: RedisClusterCache) -> None:
    slots = [cluster.slot(cache.make_key("k", version)) for version in (1, 2)]
    assert slots[0] != slots[1]


@pytest.mark.parametrize("key", ["k", "{k}"])
@pytest.mark.parametrize(("making", "reading", "value"), TYPES, ids=[making[0] for making, _, _ in TYPES])
@pytest.mark.parametrize("expires", [True, False], ids=["expires", "stays"])
def test_any_type(
    cluster: Cluster,
    cache: RedisClusterCache,
    call: Caller,
    key: str,
    making: tuple[Any, ...],
    reading: tuple[Any, ...],
    value: Any,
    *,
    expires: bool,
) -> None:
    one, two = cache.make_key(key, 1), cache.make_key(key, 2)
    source, target = cluster.owner(one), cluster.owner(two)
    source.command(making[0], one, *making[1:])
    if expires:
        source.command("PEXPIRE", one, 100_000)
    assert call(cache.incr_version, key) == 2
    assert source.command("EXISTS", one) == 0
    assert target.command(reading[0], two, *reading[1:]) == value
    left = target.command("PTTL", two)
    assert isinstance(left, int)
    assert 90_000 < left <= 100_000 if expires else left == -1
    assert call(cache.decr_version, key, version=2) == 1
    assert source.command(reading[0], one, *reading[1:]) == value
    assert target.command("EXISTS", two) == 0


def test_between_any_two_nodes(cache: RedisClusterCache, call: Caller) -> None:
    for number in range(40):
        call(cache.set, f"k{number}", number, 100)
        assert call(cache.incr_version, f"k{number}", number - 20) == number - 19
        assert call(cache.get, f"k{number}", version=number - 19) == number


def test_one_slot_takes_one_command(cluster: Cluster, cache: RedisClusterCache, call: Caller) -> None:
    call(cache.set, "{k}", 1)
    before = sum(calls_of(cluster.primaries(), "rename", "dump", "restore", "copy"))
    assert call(cache.incr_version, "{k}") == 2
    assert sum(calls_of(cluster.primaries(), "rename")) >= 1
    assert sum(calls_of(cluster.primaries(), "rename", "dump", "restore", "copy")) == before + 1


def test_an_existing_target_is_replaced(cluster: Cluster, cache: RedisClusterCache, call: Caller) -> None:
    call(cache.set, "k", "new", 100)
    call(cache.rpush, "k", "old", version=2)
    assert call(cache.incr_version, "k") == 2
    assert call(cache.get, "k", version=2) == "new"
    assert 90 < call(cache.ttl, "k", version=2) <= 100
    call(cache.set, "k", "newer", None)
    assert call(cache.incr_version, "k") == 2
    assert call(cache.ttl, "k", version=2) is None


def test_no_delta(cache: RedisClusterCache, call: Caller) -> None:
    call(cache.set, "k", "v", 100)
    assert call(cache.incr_version, "k", 0) == 1
    assert call(cache.get, "k") == "v"


@pytest.mark.parametrize("key", ["k", "{k}"])
def test_nothing_there(cache: RedisClusterCache, call: Caller, key: str) -> None:
    call(cache.set, key, "other", version=2)
    with pytest.raises(KeyNotFoundError, match="not found"):
        call(cache.incr_version, key)
    with pytest.raises(KeyNotFoundError, match="not found"):
        call(cache.decr_version, key, version=7)
    assert call(cache.get, key, version=2) == "other"


def test_large_values(cache: RedisClusterCache, call: Caller) -> None:
    value = b"\x00\r\n" * 1_000_000
    call(cache.set, "k", value, 100)
    assert call(cache.incr_version, "k") == 2
    assert call(cache.get, "k", version=2) == value


def test_a_key_that_is_about_to_expire(cache: RedisClusterCache, call: Caller) -> None:
    """The copy never lives longer, and never for ever."""
    for _ in range(20):
        call(cache.set, "k", 1, None)
        call(cache.pexpire, "k", 4)
        try:
            call(cache.incr_version, "k")
        except KeyNotFoundError:
            continue
        assert call(cache.pttl, "k", version=2) is not None
        time.sleep(0.01)
        assert call(cache.has_key, "k", version=2) is False


def test_out_of_a_slot_that_is_moving(cluster: Cluster, cache: RedisClusterCache, tag: str, call: Caller) -> None:
    """To another slot: what is copied is where the server says."""
    key = tag.strip("{}")
    call(cache.set, key, "v", 100)
    slot = cluster.slot(cache.make_key(key))
    source = cluster.owner(slot)
    move = cluster.move(slot, source, next(node for node in cluster.primaries() if node is not source))
    move.begin()
    try:
        move.move_keys()
        assert call(cache.incr_version, key) == 2
        assert call(cache.get, key, version=2) == "v"
        assert 90 < call(cache.ttl, key, version=2) <= 100
        assert call(cache.decr_version, key, version=2) == 1
        assert call(cache.get, key) == "v"
    finally:
        move.move_keys()
        move.end()
