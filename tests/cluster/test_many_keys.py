"""get_many, set_many, delete_many over several nodes: one merged result, all nodes at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from django_cachex.exceptions import CacheTimeoutError, OutOfMemoryError
from tests.cluster.places import calls_of, one_is_slow
from tests.faults.outcomes import SLACK

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster


def test_results_are_merged_in_the_order_of_the_keys(cache: RedisClusterCache, call: Caller) -> None:
    data = {f"key-{number}": {"number": number} for number in range(500)}
    assert call(cache.set_many, data) == []
    asked = [*reversed(data), "missing"]
    found = call(cache.get_many, asked)
    assert found == data
    assert list(found) == asked[:-1]
    assert call(cache.delete_many, asked) == 500
    assert call(cache.get_many, asked) == {}


def test_every_key_is_where_it_belongs(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    keys = places.apart()
    call(cache.set_many, dict.fromkeys(keys, 7), 100)
    for key in keys:
        assert places.owner(key).command("GET", cache.make_key(key)) == b"7"
        assert 90 < call(cache.ttl, key) <= 100


def test_what_holds_no_string_is_skipped(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    one, two, three = places.apart()
    call(cache.set_many, {one: 1, three: 3})
    call(cache.rpush, two, 2)
    assert call(cache.get_many, [three, two, one]) == {three: 3, one: 1}
    call(cache.set_many, {two: 4})
    assert call(cache.get_many, [two]) == {two: 4}


def test_timeouts_that_are_over(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    keys = places.apart()
    call(cache.set_many, dict.fromkeys(keys, 1))
    assert call(cache.set_many, dict.fromkeys(keys, 2), 0) == []
    assert call(cache.get_many, keys) == {}


def test_keys_of_one_slot_are_asked_for_together(
    cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller
) -> None:
    primaries = cluster.primaries()
    keys = [f"{{tag}}{number}" for number in range(50)]
    call(cache.set_many, dict.fromkeys(keys, 1))
    before = calls_of(primaries, "mget", "get", "del", "unlink")
    assert len(call(cache.get_many, keys)) == 50
    assert call(cache.delete_many, keys) == 50
    after = calls_of(primaries, "mget", "get", "del", "unlink")
    owner = primaries.index(places.owner("{tag}"))
    assert [new - old for new, old in zip(after, before, strict=True)] == [2 * (i == owner) for i in range(3)]


@pytest.mark.parametrize("method", ["get_many", "set_many", "delete_many"])
def test_all_nodes_work_at_the_same_time(
    cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller, method: str
) -> None:
    data = dict.fromkeys(places.apart(), 1)
    call(cache.set_many, data)
    for node in cluster.primaries():
        with one_is_slow(cluster, node, "get", "mget", "set", "setex", "mset", "unlink", "del"):
            call(getattr(cache, method), data)


def test_one_node_refuses(cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller) -> None:
    keys = places.apart()
    call(cache.set_many, dict.fromkeys(keys, 1))
    refusing = cluster.primaries()[1]
    refusing.command("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError, match=r"^OOM "):
            call(cache.set_many, dict.fromkeys(keys, 2))
        assert call(cache.get_many, keys) == {keys[0]: 2, keys[1]: 1, keys[2]: 2}, "the others were applied"
    finally:
        refusing.command("CONFIG", "SET", "maxmemory", 0)
    assert call(cache.set_many, dict.fromkeys(keys, 3)) == [], "all connections are still in order"
    assert call(cache.get_many, keys) == dict.fromkeys(keys, 3)


def test_one_node_is_silent(
    cluster: Cluster, make_cache: Callable[..., RedisClusterCache], places: Places, call: Caller
) -> None:
    cache = make_cache(OPTIONS={"socket_timeout": 0.4, "operation_timeout": 0.8, "retry": 0})
    keys = places.apart()
    call(cache.set_many, dict.fromkeys(keys, 1))
    cluster.primaries()[1].command("CLIENT", "PAUSE", 1000, "ALL")
    begun = time.monotonic()
    with pytest.raises(CacheTimeoutError):
        call(cache.get_many, keys)
    assert time.monotonic() - begun < 0.8 + SLACK
    assert call(cache.get_many, [keys[0], keys[2]]) == {keys[0]: 1, keys[2]: 1}, "the others are not held up"
    time.sleep(1)
    assert call(cache.get_many, keys) == dict.fromkeys(keys, 1)


def test_nothing_given(cache: RedisClusterCache, call: Caller) -> None:
    assert call(cache.get_many, []) == {}
    assert call(cache.set_many, {}) == []
    assert call(cache.delete_many, []) is None


def test_many_callers(cache: RedisClusterCache, call: Caller) -> None:
    data = [{f"{part}-{number}": number for number in range(40)} for part in range(25)]
    assert call.every([(cache.set_many, part) for part in data]) == [[]] * 25
    assert call.every([(cache.get_many, list(part)) for part in data]) == data
    assert call.every([(cache.delete_many, list(part)) for part in data]) == [40] * 25
