"""Blocking commands on a cluster: they wait on the node that has their keys, and nobody else is held up."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.outcomes import SLACK, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster
    from tests.servers import Server

LONG = 20


def blocked(node: Server) -> int:
    return int(node.info("clients")["blocked_clients"])


@pytest.mark.parametrize("method", ["blpop", "brpop", "blmove", "xread"])
def test_each_node_wakes_its_own(cache: RedisClusterCache, places: Places, call: Caller, method: str) -> None:
    for key in places.apart():
        node = places.owner(key)

        def push(key: str = key, node: Server = node) -> None:
            assert eventually(lambda: blocked(node) == 1)
            if method == "xread":
                cache.xadd(key, {"f": 1}, entry_id="1-1")
            else:
                cache.rpush(key, 7)

        pusher = threading.Thread(target=push)
        pusher.start()
        begun = time.monotonic()
        if method == "blmove":
            assert call(cache.blmove, key, key, LONG) == 7
        elif method == "xread":
            assert call(cache.xread, {key: "$"}, block=LONG * 1000)[key][0][0] == "1-1"
        else:
            assert call(getattr(cache, method), key, LONG) == (key, 7)
        assert time.monotonic() - begun < LONG / 2
        pusher.join()
        assert blocked(node) == 0


def test_nothing_comes_in_time(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    for key in places.apart():
        begun = time.monotonic()
        assert call(cache.blpop, key, 0.2) is None
        assert 0.19 < time.monotonic() - begun < 0.2 + SLACK


def test_many_wait_on_all_nodes(cluster: Cluster, make_cache: Callable[..., RedisClusterCache]) -> None:
    cache = make_cache(OPTIONS={"max_connections": 2})
    keys = [f"k{number}" for number in range(60)]

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(cache.ablpop(key, LONG)) for key in keys]
        all_wait = functools.partial(eventually, lambda: sum(map(blocked, cluster.primaries())) == len(keys))
        assert await asyncio.to_thread(all_wait)
        begun = time.monotonic()
        await cache.aset("n", 0)
        for number in range(100):
            assert await cache.aincr("n") == number + 1
        assert time.monotonic() - begun < LONG / 2
        for key in keys:
            await cache.arpush(key, key)
        return list(await asyncio.gather(*tasks))

    assert asyncio.run(main()) == [(key, key) for key in keys]
    with ThreadPoolExecutor(20) as threads:
        waiting = [threads.submit(cache.blpop, key, LONG) for key in keys[:20]]
        assert eventually(lambda: sum(map(blocked, cluster.primaries())) == 20)
        for key in keys[:20]:
            assert cache.rpush(key, 1) == 1
        assert [future.result(LONG) for future in waiting] == [(key, 1) for key in keys[:20]]


def test_the_slot_moves_meanwhile(cluster: Cluster, cache: RedisClusterCache, tag: str, call: Caller) -> None:
    """The old owner sends those who wait away with MOVED, and they wait on at the new one."""
    made = cache.make_key(tag)
    source = cluster.owner(made)
    target = next(node for node in cluster.primaries() if node is not source)

    def move() -> None:
        assert eventually(lambda: blocked(source) == 1)
        cluster.move(cluster.slot(made), source, target).run()
        assert eventually(lambda: blocked(target) == 1)
        target.command("RPUSH", made, "7")

    mover = threading.Thread(target=move)
    mover.start()
    assert call(cache.blpop, tag, LONG) == (tag, 7)
    mover.join()


def test_the_slot_moves_and_nothing_comes(cluster: Cluster, cache: RedisClusterCache, tag: str, call: Caller) -> None:
    """At the new owner the time begins anew: it is the server that counts it."""
    made = cache.make_key(tag)
    source = cluster.owner(made)
    target = next(node for node in cluster.primaries() if node is not source)

    def move() -> None:
        assert eventually(lambda: blocked(source) == 1)
        cluster.move(cluster.slot(made), source, target).run()

    mover = threading.Thread(target=move)
    mover.start()
    begun = time.monotonic()
    assert call(cache.blpop, tag, 2) is None
    assert 1.9 < time.monotonic() - begun < 2 * 2 + SLACK
    mover.join()
