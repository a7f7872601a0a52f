"""Writes go to the master, reads to its replicas, and to the master when there is none."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.cluster.places import calls_of
from tests.faults.outcomes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisSentinelCache
    from tests.caller import Caller
    from tests.sentinel_servers import SentinelSet


def test_who_does_what(sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller) -> None:
    master, replicas = sentinel_set.master(), sentinel_set.replicas()
    call(cache.set, "k", 1)
    # A replica that was not linked yet when the sentinels were asked is used from the next time on.
    start = calls_of(replicas, "get")
    assert eventually(lambda: call(cache.get, "k") != 2 and all(map(int.__lt__, start, calls_of(replicas, "get"))))
    before = calls_of([master], "get", "mget"), calls_of(replicas, "get")
    assert master.command("GET", cache.make_key("k")) == b"1"
    assert eventually(lambda: call(cache.get, "k") == 1)
    for _ in range(50):
        assert call(cache.get, "k", 7) in {1, 7}
    assert call(cache.incr, "k") == 2
    call(cache.get_many, ["k"])
    # The test's own GET.
    assert calls_of([master], "get", "mget") == [before[0][0] + 1]
    assert all(new > old for new, old in zip(calls_of(replicas, "get"), before[1], strict=True)), "each in its turn"


def test_pipelines_are_the_masters(sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller) -> None:
    for transaction in (True, False):
        p: Any = (cache.apipeline if call.is_async else cache.pipeline)(transaction=transaction)
        for number in range(20):
            p.set("k", number).get("k")
        result = p.execute()
        found = call.run(result) if call.is_async else result
        assert found == [item for number in range(20) for item in (True, number)]


def test_what_was_just_written_can_be_changed(cache: RedisSentinelCache, call: Caller) -> None:
    """Whatever writes, writes on the master, also what reads first."""
    for number in range(50):
        key = f"k{number}"
        call(cache.set, key, number)
        assert call(cache.incr, key) == number + 1
        assert call(cache.add, key, 0) is False
        assert call(cache.touch, key) is True
        assert call(cache.rename, key, "new") is True
        assert call(cache.delete, "new") is True


def test_walks_stay_with_one_server(sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller) -> None:
    """A cursor means something to the server that it is from, and to no other."""
    data = {f"k{number}" for number in range(300)}
    members = {f"{number}-{'x' * 70}" for number in range(1500)}
    call(cache.set_many, dict.fromkeys(data, 1))
    call(cache.sadd, "set", *members)
    assert eventually(lambda: call(cache.scard, "set") == 1500 and len(call(cache.keys)) == 301)
    for _ in range(6):
        before = calls_of(sentinel_set.nodes, "scan")
        assert set(call(cache.iter_keys, "k*", itersize=10)) == data
        assert sum(new > old for new, old in zip(calls_of(sentinel_set.nodes, "scan"), before, strict=True)) == 1
        before = calls_of(sentinel_set.nodes, "sscan")
        assert set(call(cache.sscan_iter, "set", count=50)) == members
        assert sum(new > old for new, old in zip(calls_of(sentinel_set.nodes, "sscan"), before, strict=True)) == 1
    cursor, found = 0, set()
    while True:
        cursor, page = call(cache.scan, cursor, "k*", 10)
        found |= set(page)
        if not cursor:
            break
    assert found == data
    assert call(cache.delete_pattern, "*", itersize=10) == 301


def test_blocking_commands_wait_on_the_master(
    sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller
) -> None:
    master = sentinel_set.master()
    with ThreadPoolExecutor(1) as threads:

        def push() -> None:
            assert eventually(lambda: master.info("clients")["blocked_clients"] != "0")
            cache.rpush("k", 5)

        pushed = threads.submit(push)
        assert call(cache.blpop, "k", 20) == ("k", 5)
        pushed.result(20)


def test_a_dead_replica_is_left_out(
    sentinel_set: SentinelSet, make_cache: Callable[..., RedisSentinelCache], call: Caller
) -> None:
    cache = make_cache(client_name=f"one-dead-{call.mode}")
    call(cache.set, "k", 1)
    assert eventually(lambda: [call(cache.get, "k") for _ in range(20)] == [1] * 20)
    victim = sentinel_set.replicas()[0]
    victim.kill()
    try:
        begun = time.monotonic()
        for _ in range(50):
            assert call(cache.get, "k") == 1
        assert time.monotonic() - begun < 3
        assert call(cache.incr, "k") == 2
    finally:
        victim.start()
    sentinel_set.settle()
    before = calls_of([victim], "get")
    assert eventually(lambda: call(cache.get, "k") == 2 and calls_of([victim], "get") > before), "it is back"


def test_no_replica_at_all(
    sentinel_set: SentinelSet, make_cache: Callable[..., RedisSentinelCache], call: Caller
) -> None:
    cache = make_cache(client_name=f"all-dead-{call.mode}")
    call(cache.set, "k", 1)
    dead = sentinel_set.replicas()
    for node in dead:
        node.kill()
    try:
        for number in range(20):
            assert call(cache.get, "k") == 1 + number
            assert call(cache.incr, "k") == 2 + number
        late = make_cache(client_name=f"late-{call.mode}")
        assert call(late.get, "k") == 21, "also for those who come later"
    finally:
        for node in dead:
            node.start()


def test_another_database(
    sentinel_set: SentinelSet, make_cache: Callable[..., RedisSentinelCache], call: Caller
) -> None:
    cache = make_cache(sentinel_set.url + "/5")
    call(cache.set, "k", 1)
    assert eventually(lambda: call(cache.get, "k") == 1)
    with sentinel_set.master().client() as control:
        control("SELECT", 5)
        assert control("GET", cache.make_key("k")) == b"1"
    assert call(make_cache().get, "k") is None


def test_connections(sentinel_set: SentinelSet, make_cache: Callable[..., RedisSentinelCache]) -> None:
    cache = make_cache(client_name="counted")

    async def use() -> list[int]:
        for _ in range(5):
            await asyncio.gather(*(cache.aset(f"k{number}", 1) for number in range(50)))
            await asyncio.gather(*(cache.aget(f"k{number}") for number in range(50)))
        return [sum(client["name"] == "counted" for client in node.clients()) for node in sentinel_set.nodes]

    # One more may be the one that the servers were asked who they are on.
    assert max(asyncio.run(use())) <= 2
    sentinels = [sum(c["name"] == "counted" for c in sentinel.clients()) for sentinel in sentinel_set.sentinels]
    assert max(sentinels) <= 1


def test_each_form_of_location(sentinel_set: SentinelSet, make_cache: Callable[..., Any], key_prefix: str) -> None:
    from django_cachex.cache import RedisSentinelCache, ValkeySentinelCache

    hosts = ",".join(f"{host}:{port}" for host, port in sentinel_set.addresses)
    service = sentinel_set.url.partition("://")[2]
    for backend in (RedisSentinelCache, ValkeySentinelCache):
        for location, options in (
            (f"redis+sentinel://{hosts}/{service}", {}),
            (f"valkey+sentinel://{hosts}/{service}/0", {}),
            (f"valkey://{service}", {"sentinels": [f"{host}:{port}" for host, port in sentinel_set.addresses]}),
            (f"redis://{service}/0", {"sentinels": [f"redis://{h}:{p}" for h, p in sentinel_set.addresses]}),
        ):
            cache = backend(location, {"KEY_PREFIX": key_prefix, "OPTIONS": options})
            cache.set("k", location)
            assert cache.pipeline().get("k").execute() == [location]
