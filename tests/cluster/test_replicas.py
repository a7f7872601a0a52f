"""`read_from_replicas`: reads go to a replica of the slot, everything else and everything in need to the primary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.places import calls_of
from tests.faults.outcomes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster


@pytest.fixture
def reading(make_cache: Callable[..., RedisClusterCache]) -> RedisClusterCache:
    """A cache that reads from replicas."""
    return make_cache(OPTIONS={"read_from_replicas": True})


def catch_up(cluster: Cluster, cache: RedisClusterCache, call: Caller, expected: dict[str, int]) -> None:
    """Wait until the replicas have what was written."""
    assert eventually(lambda: call(cache.get_many, expected) == expected)


def test_reads_go_to_replicas(cluster: Cluster, reading: RedisClusterCache, places: Places, call: Caller) -> None:
    primaries, replicas = cluster.primaries(), [cluster.replicas(node)[0] for node in cluster.primaries()]
    data = dict.fromkeys(places.apart(), 1)
    call(reading.set_many, data)
    catch_up(cluster, reading, call, data)
    names = ("get", "mget", "exists", "ttl", "type")
    before = calls_of(primaries, *names), calls_of(replicas, *names)
    for key in data:
        assert call(reading.get, key) == 1
        assert call(reading.has_key, key) is True
        assert call(reading.ttl, key) > 0
        assert call(reading.type, key) == "string"
    assert call(reading.get_many, data) == data
    after = calls_of(primaries, *names), calls_of(replicas, *names)
    assert after[0] == before[0]
    assert all(new - old >= 5 for new, old in zip(after[1], before[1], strict=True))


def test_writes_go_to_primaries(cluster: Cluster, reading: RedisClusterCache, places: Places, call: Caller) -> None:
    for key in places.apart():
        call(reading.set, key, 1)
        assert call(reading.incr, key) == 2
        assert call(reading.add, key, 1) is False
        assert call(reading.touch, key, 9) is True
        assert call(reading.eval_script, "return redis.call('GET', KEYS[1])", keys=[reading.make_key(key)]) == b"2"
        p: Any = reading.apipeline() if call.is_async else reading.pipeline()
        result = p.set(key, 5).get(key).execute()
        assert (call.run(result) if call.is_async else result) == [True, 5], "all of a pipeline, too"
        assert call(reading.delete, key) is True


def test_by_default_primaries_are_read(
    cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller
) -> None:
    before = calls_of(cluster.replicas(), "get", "mget")
    keys = places.apart()
    for _ in range(10):
        call(cache.get_many, keys)
        call(cache.get, keys[0])
    assert calls_of(cluster.replicas(), "get", "mget") == before


def test_walks(cluster: Cluster, reading: RedisClusterCache, call: Caller) -> None:
    data = {f"k{number}": number for number in range(300)}
    call(reading.set_many, data)
    catch_up(cluster, reading, call, data)
    assert set(call(reading.keys)) == set(data)
    assert set(call(reading.iter_keys, itersize=20)) == set(data)
    assert call(reading.delete_pattern, "*", itersize=20) == 300


def test_a_dead_replica(cluster: Cluster, reading: RedisClusterCache, places: Places, call: Caller) -> None:
    data = dict.fromkeys(places.apart(), 1)
    call(reading.set_many, data)
    catch_up(cluster, reading, call, data)
    victim = cluster.replicas(cluster.primaries()[0])[0]
    victim.kill()
    try:
        for _ in range(20):
            begun = time.monotonic()
            for key in data:
                assert call(reading.get, key) == 1, "the primary has it"
            assert call(reading.get_many, data) == data
            assert time.monotonic() - begun < 3
    finally:
        victim.start()
    cluster.settle()
    before = calls_of([victim], "get", "mget")
    key = next(iter(data))
    assert eventually(lambda: call(reading.get, key) == 1 and calls_of([victim], "get", "mget") > before), (
        "it serves reads again once it is back"
    )


def test_after_a_failover(cluster: Cluster, reading: RedisClusterCache, places: Places, call: Caller) -> None:
    data = dict.fromkeys(places.apart(), 1)
    call(reading.set_many, data)
    catch_up(cluster, reading, call, data)
    cluster.failover(cluster.primaries()[0])
    for key in data:
        assert call(reading.get, key) == 1
        call(reading.set, key, 2)
    catch_up(cluster, reading, call, dict.fromkeys(data, 2))


def test_a_walk_through_a_set_stays_with_one_replica(
    start_cluster: Callable[..., Cluster], make_cache: Callable[..., RedisClusterCache], call: Caller
) -> None:
    """A cursor means nothing to another one."""
    cluster = start_cluster()
    primary, other, _ = cluster.primaries()
    second = cluster.replicas(other)[0]
    name = primary.command("CLUSTER", "MYID")
    assert isinstance(name, bytes)
    second.command("CLUSTER", "REPLICATE", name)
    assert eventually(lambda: len(cluster.replicas(primary)) == 2, seconds=20)
    assert eventually(lambda: primary.is_replicated(2))
    cache = make_cache(cluster.urls, OPTIONS={"read_from_replicas": True})
    key = next(f"k{number}" for number in range(1000) if cluster.owner(cache.make_key(f"k{number}")) is primary)
    members = set(range(3000))
    call(cache.sadd, key, *members)
    written = int(primary.info("replication")["master_repl_offset"])
    # Each of them: the walk may take either.
    assert eventually(
        lambda: all(int(node.info("replication")["slave_repl_offset"]) >= written for node in cluster.replicas(primary))
    )
    assert call(cache.scard, key) == 3000
    for _ in range(5):
        before = calls_of(cluster.replicas(primary), "sscan")
        found = list(call(cache.sscan_iter, key, count=100))
        assert set(found) == members
        steps = [new - old for new, old in zip(calls_of(cluster.replicas(primary), "sscan"), before, strict=True)]
        assert sorted(map(bool, steps)) == [False, True], "all steps at one of them"
