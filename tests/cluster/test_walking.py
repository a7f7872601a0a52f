"""What visits every primary: keys, iter_keys, scan, delete_pattern, clear_all_versions, clear, flush_db."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex import KeyType
from django_cachex.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster


@pytest.fixture
def filled(cluster: Cluster, cache: RedisClusterCache) -> set[str]:
    """What is on an otherwise empty cluster: 600 keys on all nodes, in this version."""
    cache.clear()
    cache.set_many({f"k{number}": number for number in range(600)})
    cache.set("k1", 1, version=2)
    assert all(node.command("DBSIZE") for node in cluster.primaries())
    return {f"k{number}" for number in range(600)}


def test_keys(cache: RedisClusterCache, filled: set[str], call: Caller) -> None:
    found = call(cache.keys)
    assert sorted(found) == sorted(filled)
    assert sorted(call(cache.keys, "k1?")) == sorted(f"k1{number}" for number in range(10))
    assert call(cache.keys, version=2) == ["k1"]
    assert call(cache.keys, "nothing*") == []


@pytest.mark.parametrize("itersize", [None, 1, 7, 50, 10_000])
def test_iter_keys(cache: RedisClusterCache, filled: set[str], call: Caller, itersize: int | None) -> None:
    found = call(cache.iter_keys, itersize=itersize)
    assert len(found) >= 600
    assert set(found) == filled
    assert call(cache.iter_keys, "nothing*", itersize=itersize) == []


@pytest.mark.parametrize("count", [None, 1, 10, 100, 10_000])
def test_scan(cache: RedisClusterCache, filled: set[str], call: Caller, count: int | None) -> None:
    found: list[str] = []
    cursor, cursors = 0, []
    while True:
        cursor, page = call(cache.scan, cursor, "*", count)
        assert (type(cursor), type(page)) == (int, list)
        found += page
        if not cursor:
            break
        cursors.append(cursor)
    assert set(found) == filled
    assert len(set(cursors)) == len(cursors), "none comes twice, or the walk would turn in circles"
    assert max(cursors) > 2**63, "a cursor tells the node, too"


@pytest.mark.parametrize("kind", [str, lambda cursor: str(cursor).encode()], ids=["str", "bytes"])
def test_a_cursor_that_was_text(cache: RedisClusterCache, filled: set[str], call: Caller, kind: Any) -> None:
    """As it comes back out of a URL, or out of JSON."""
    cursor, found = 0, set()
    while True:
        cursor, keys = call(cache.scan, kind(cursor))
        found |= set(keys)
        if cursor == 0:
            break
    assert found == filled


def test_cursors_of_different_walks(cache: RedisClusterCache, filled: set[str], call: Caller) -> None:
    """A cursor is a value: it may be kept, used twice, and handed to another cache object."""
    pages: dict[int, set[str]] = {}
    cursor = 0
    while True:
        following, page = call(cache.scan, cursor, "*", 50)
        pages[cursor] = set(page)
        cursor = following
        if not cursor:
            break
    for start, page in reversed(pages.items()):
        assert set(call(cache.scan, start, "*", 50)[1]) == page


def test_scan_by_type(cache: RedisClusterCache, filled: set[str], places: Places, call: Caller) -> None:
    lists = {f"list-{key}" for key in places.apart("x")}
    for key in lists:
        call(cache.rpush, key, 1)
    found: set[str] = set()
    cursor = 0
    while True:
        cursor, page = call(cache.scan, cursor, "*", 10_000, None, KeyType.LIST)
        found |= set(page)
        if not cursor:
            break
    assert found == lists


@pytest.mark.parametrize("cursor", [2**64 * 3 + 1, 2**64 * 50, 2**200, -1, "x"])
def test_bad_cursors(cache: RedisClusterCache, call: Caller, cursor: Any) -> None:
    with pytest.raises(ResponseError, match="invalid cursor"):
        call(cache.scan, cursor)
    with pytest.raises(ResponseError, match="syntax error"):
        call(cache.scan, count=0)


def test_delete_pattern(cluster: Cluster, cache: RedisClusterCache, filled: set[str], call: Caller) -> None:
    assert call(cache.delete_pattern, "k1*", itersize=20) == 111
    assert call(cache.get_many, ["k1", "k2"]) == {"k2": 2}
    assert call(cache.delete_pattern, "*") == 489
    assert call(cache.keys) == []
    assert call(cache.keys, version=2) == ["k1"]
    assert sum(node.command("DBSIZE") for node in cluster.primaries()) == 1  # type: ignore[misc]


def test_clear_all_versions(
    cache: RedisClusterCache, make_cache: Callable[..., RedisClusterCache], filled: set[str], call: Caller
) -> None:
    other = make_cache(KEY_PREFIX=cache.key_prefix + "-other")
    call(other.set_many, {f"k{number}": number for number in range(20)})
    assert call(cache.clear_all_versions, itersize=30) == 601
    assert call(cache.clear_all_versions) == 0
    assert len(call(other.keys)) == 20


@pytest.mark.parametrize("method", ["clear", "flush_db"])
def test_clear(cluster: Cluster, cache: RedisClusterCache, filled: set[str], call: Caller, method: str) -> None:
    assert call(getattr(cache, method)) is True
    assert [node.command("DBSIZE") for node in cluster.primaries()] == [0, 0, 0]


def test_deleting_while_walking(cache: RedisClusterCache, filled: set[str], call: Caller) -> None:
    async def walk() -> set[str]:
        found = set()
        async for key in cache.aiter_keys(itersize=5):
            found.add(key)
            await cache.adelete(key)
        return found

    def walk_here() -> set[str]:
        found = set()
        for key in cache.iter_keys(itersize=5):
            found.add(key)
            cache.delete(key)
        return found

    assert (call.run(walk()) if call.is_async else walk_here()) == filled
    assert call(cache.keys) == []


def test_after_slots_have_moved(cluster: Cluster, cache: RedisClusterCache, filled: set[str], call: Caller) -> None:
    source, target, _ = cluster.primaries()
    cluster.reshard(200, source, target)
    assert set(call(cache.keys)) == filled
    assert set(call(cache.iter_keys, itersize=10)) == filled
    assert call(cache.delete_pattern, "*") == 600


def test_after_a_failover(cluster: Cluster, cache: RedisClusterCache, filled: set[str], call: Caller) -> None:
    cluster.failover(cluster.primaries()[0])
    assert set(call(cache.keys)) == filled
    assert set(call(cache.iter_keys, itersize=10)) == filled
    assert call(cache.clear) is True
    assert [node.command("DBSIZE") for node in cluster.primaries()] == [0, 0, 0]


def test_sets_are_walked_on_their_node(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    for key in places.apart():
        names = {f"{number}-{'x' * 70}" for number in range(1500)}
        call(cache.sadd, key, *names)
        assert set(call(cache.sscan_iter, key, count=100)) == names
