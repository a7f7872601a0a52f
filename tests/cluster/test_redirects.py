"""MOVED, ASK, TRYAGAIN and failovers: followed within the call, and the map of slots is renewed with restraint."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CacheTimeoutError, ResponseError
from tests.cluster.places import calls_of
from tests.faults.outcomes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster, SlotMove
    from tests.servers import Server


def test_moved(cluster: Cluster, cache: RedisClusterCache, ends: tuple[Server, Server], call: Caller, tag: str) -> None:
    key = tag + "k"
    call(cache.set, key, 1)
    cluster.move(cluster.slot(cache.make_key(tag)), *ends).run()
    assert call(cache.incr, key) == 2, "not even what may be sent once only is lost"
    assert call(cache.rpush, key + "l", "a") == 1
    assert ends[1].command("GET", cache.make_key(key)) == b"2"
    before = calls_of([ends[0]], "incrby", "eval", "evalsha", "incr")
    for number in range(20):
        assert call(cache.incr, key) == 3 + number
    assert calls_of([ends[0]], "incrby", "eval", "evalsha", "incr") == before, "the map knows by now"


def test_ask(
    cluster: Cluster, cache: RedisClusterCache, ends: tuple[Server, Server], move: SlotMove, call: Caller, tag: str
) -> None:
    keys = [f"{tag}{number}" for number in range(10)]
    call(cache.set_many, dict.fromkeys(keys, 1))
    move.begin()
    assert move.move_keys(5) == 5
    for key in keys:
        assert call(cache.get, key) == 1
        assert call(cache.incr, key) == 2
        assert call(cache.touch, key, 100) is True
    assert call(cache.add, tag + "new", "v") is True
    assert ends[0].command("CLUSTER", "COUNTKEYSINSLOT", cluster.slot(tag)) == 5, "what is new is new at the target"
    assert call(cache.get, tag + "new") == "v"
    assert call(cache.get, tag + "missing") is None
    move.move_keys()
    for key in keys:
        assert call(cache.incr, key) == 3


def test_ask_is_followed_once_each(
    cluster: Cluster, cache: RedisClusterCache, ends: tuple[Server, Server], move: SlotMove, call: Caller, tag: str
) -> None:
    """The slot is still the owner's: the map is not changed by ASK."""
    call(cache.set, tag + "stays", 1)
    move.begin()
    before = calls_of(list(ends), "asking")
    for number in range(5):
        call(cache.get, f"{tag}absent{number}")
    assert [new - old for new, old in zip(calls_of(list(ends), "asking"), before, strict=True)] == [0, 5]
    call(cache.get, tag + "stays")
    assert calls_of(list(ends), "asking")[1] - before[1] == 5


def test_try_again(cache: RedisClusterCache, move: SlotMove, call: Caller, tag: str) -> None:
    """Some keys are here, others there: the call waits until they are together."""
    keys = [f"{tag}{number}" for number in range(10)]
    call(cache.set_many, dict.fromkeys(keys, 1))
    move.begin()
    move.move_keys(5)
    mover = threading.Timer(0.3, move.move_keys)
    mover.start()
    begun = time.monotonic()
    assert call(cache.get_many, keys) == dict.fromkeys(keys, 1)
    assert time.monotonic() - begun > 0.2
    mover.join()


def test_trying_again_in_vain(
    make_cache: Callable[..., RedisClusterCache], cache: RedisClusterCache, move: SlotMove, call: Caller, tag: str
) -> None:
    impatient = make_cache(OPTIONS={"operation_timeout": 0.5, "socket_timeout": 0.4})
    keys = [f"{tag}{number}" for number in range(10)]
    call(cache.set_many, dict.fromkeys(keys, 1))
    call(impatient.get, "warm")
    move.begin()
    move.move_keys(5)
    begun = time.monotonic()
    with pytest.raises((ResponseError, CacheTimeoutError), match="TRYAGAIN"):
        call(impatient.get_many, keys)
    assert 0.3 < time.monotonic() - begun < 3, "as long as there is time, and no longer"
    assert call(impatient.get, keys[0]) == 1


def test_sent_there_and_put_off(cache: RedisClusterCache, move: SlotMove, call: Caller, tag: str) -> None:
    """One key has moved, another exists nowhere: the owner says ASK, the target TRYAGAIN, until the move is over."""
    call(cache.set, tag + "a", 1)
    move.begin()
    assert move.move_keys() == 1
    mover = threading.Timer(0.6, move.end)
    mover.start()
    begun = time.monotonic()
    assert call(cache.get_many, [tag + "a", tag + "b"]) == {tag + "a": 1}
    assert time.monotonic() - begun > 0.5
    mover.join()


@pytest.mark.parametrize("redirects", [0, 1])
def test_max_redirects(
    cluster: Cluster,
    make_cache: Callable[..., RedisClusterCache],
    cache: RedisClusterCache,
    ends: tuple[Server, Server],
    call: Caller,
    redirects: int,
    tag: str,
) -> None:
    limited = make_cache(OPTIONS={"max_redirects": redirects, "client_name": f"limited-{redirects}-{call.mode}"})
    call(limited.set, tag + "k", 1)
    cluster.move(cluster.slot(cache.make_key(tag)), *ends).run()
    if redirects:
        assert call(limited.get, tag + "k") == 1
    else:
        with pytest.raises(ResponseError, match=r"^MOVED "):
            call(limited.get, tag + "k")
        assert call(limited.get, tag + "k") == 1, "the map knows by now"


def test_many_moves_at_once_cost_few_questions(
    cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller
) -> None:
    source, target, _ = cluster.primaries()
    keys = [key for _, key in zip(range(100), places.keys_at(source), strict=False)]
    call(cache.set_many, dict.fromkeys(keys, 1))
    slots = [cluster.slot(cache.make_key(key)) for key in keys]
    for slot in slots:
        cluster.move(slot, source, target).run()
    before = sum(calls_of(cluster.nodes, "cluster|slots", "cluster|shards", "cluster|nodes"))
    begun = time.monotonic()
    for key in keys:
        assert call(cache.get, key) == 1
    asked = sum(calls_of(cluster.nodes, "cluster|slots", "cluster|shards", "cluster|nodes")) - before
    # `places` and `cluster` themselves do not ask here; once a second is the limit, and one seed after the other.
    assert asked <= 2 + 2 * (time.monotonic() - begun)


def test_the_map_is_renewed_by_and_by(
    cluster: Cluster, make_cache: Callable[..., RedisClusterCache], places: Places, call: Caller
) -> None:
    cache = make_cache(OPTIONS={"topology_refresh_interval": 0.2, "client_name": f"renewing-{call.mode}"})
    call(cache.get, "k")
    before = sum(calls_of(cluster.nodes, "cluster|slots"))
    deadline = time.monotonic() + 10
    while sum(calls_of(cluster.nodes, "cluster|slots")) < before + 2:
        assert time.monotonic() < deadline, "nobody asks"
        call(cache.get, "k")
        time.sleep(0.05)


# Failovers


def test_the_first_call_after_a_failover(
    start_cluster: Callable[..., Cluster], make_cache: Callable[..., RedisClusterCache], call: Caller
) -> None:
    """Whatever it is: that the old primary refuses connections is a reason to wait for a look at the map."""
    cluster = start_cluster()
    names = ("get", "get_many", "set_many", "pipeline")
    caches = [make_cache(cluster.urls, OPTIONS={"client_name": f"{name}-{call.mode}"}) for name in names]
    dead, *others = cluster.primaries()
    made = caches[0].make_key
    keys = [next(f"k{n}" for n in range(1000) if cluster.owner(made(f"k{n}")) is node) for node in (dead, *others)]
    for cache in caches:
        call(cache.set_many, dict.fromkeys(keys, 1))
    heir = cluster.replicas(dead)[0]
    dead.kill()
    assert eventually(lambda: heir.info("replication")["role"] == "master", seconds=30)
    cluster.settle()
    by_get, by_get_many, by_set_many, by_pipeline = caches
    assert call(by_get.get, keys[0]) == 1
    assert call(by_get_many.get_many, keys) == dict.fromkeys(keys, 1)
    assert call(by_set_many.set_many, dict.fromkeys(keys, 2)) == []
    p: Any = by_pipeline.apipeline() if call.is_async else by_pipeline.pipeline()
    for key in keys:
        p.get(key)
    assert (call.run(p.execute()) if call.is_async else p.execute()) == [2, 2, 2]


def test_writes_go_on_through_a_failover(
    cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller
) -> None:
    keys = places.apart()
    call(cache.set_many, dict.fromkeys(keys, 0))
    stop = threading.Event()
    problems: list[Any] = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                cache.set_many(dict.fromkeys(keys, number), None)
                found = cache.get_many(keys)
                if found != dict.fromkeys(keys, number):
                    problems.append(found)
            except Exception as error:  # noqa: BLE001 - whatever it is, there should be none
                problems.append(error)
            time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        cluster.failover(cluster.primaries()[0])
        time.sleep(0.3)
    finally:
        stop.set()
        writer.join()
    assert problems == []
    assert call(cache.get_many, keys).keys() == set(keys)


def test_what_has_no_key_after_a_failover(cluster: Cluster, cache: RedisClusterCache, call: Caller) -> None:
    """The old primary answers READONLY, which names no other server."""
    call(cache.get, "k")
    for _ in range(2):
        cluster.failover(cluster.owner(0))
        assert call(cache.flush_db) is True
        assert call(cache.eval, "redis.call('PUBLISH', 'channel', 'message'); return 1", 0) == 1
