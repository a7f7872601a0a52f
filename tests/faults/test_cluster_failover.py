"""Row 15: a primary of a cluster dies. Row 17: a cluster that does not serve."""

from __future__ import annotations

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.cache import RedisClusterCache, ValkeyClusterCache
from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError, ClusterDownError
from tests.caller import Caller
from tests.cluster_servers import NODE_TIMEOUT
from tests.faults.keys import keys_in
from tests.faults.load import Load, longest, rate
from tests.faults.outcomes import SLACK, attempt, eventually, until_it_works

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from tests.cluster_servers import Cluster
    from tests.faults.load import Script
    from tests.faults.proxy import Proxy
    from tests.servers import Server

# The usual limit of a call in seconds.
_DEADLINE = 3.0
_BACKENDS = {"redis": RedisClusterCache, "valkey": ValkeyClusterCache}
_THREADS, _TASKS = 2, 4


@pytest.fixture
def cache(cluster: Cluster, make_cache_at: Callable[..., Any]) -> Any:
    """A cache on the cluster, with default settings."""
    return make_cache_at(cluster.urls, _BACKENDS[cluster.family.name])


@pytest.fixture
def mended(cluster: Cluster) -> Iterator[None]:
    """Make the cluster whole again afterwards."""
    yield
    for node in cluster.nodes:
        if not node.running:
            node.start()
    cluster.settle()


def _keys(cluster: Cluster, cache: Any, primary: Server, count: int) -> list[str]:
    """Return keys that a primary serves."""
    return keys_in(cluster, cache, set(cluster.slots(primary)), count)


def _set_and_get(cache: Any, key: str, wrong: list[Any], *, keeps: bool) -> Script:
    """Write numbers to a key and read them; `keeps`: the server may not forget what it has acknowledged."""
    known: set[int | None] = {None}
    number = 0
    while True:
        number += 1
        written = yield cache.set, (key, f"{key}={number}")
        if written.error is None and keeps:
            known.clear()
        known.add(number)
        read = yield cache.get, (key,)
        if read.error is None:
            found = None if read.value is None else int(read.value.removeprefix(f"{key}="))
            if found not in known:
                wrong.append((key, found, known))


class TestPrimary:
    @pytest.mark.usefixtures("mended")
    def test_killed(self, cluster: Cluster, cache: Any, figure: Callable[[str], None]) -> None:
        victim, *others = cluster.primaries()
        wrong: list[Any] = []
        threads: dict[str, Script] = {}
        tasks: dict[str, Script] = {}
        hit: set[str] = set()
        for primary in (victim, *others):
            for index, key in enumerate(_keys(cluster, cache, primary, _THREADS + _TASKS)):
                script = _set_and_get(cache, key, wrong, keeps=primary is not victim)
                (threads if index < _THREADS else tasks)[key] = script
                if primary is victim:
                    hit.add(key)
        with Load(threads, tasks) as load:
            time.sleep(1)
            killed = time.monotonic()
            victim.kill()
            limit = NODE_TIMEOUT + 5 + SLACK
            assert load.until(lambda: load.recovered(killed, hit) is not None, limit)
            again = load.recovered(killed, hit)
            assert again is not None
            time.sleep(0.3)
            connections = [len(node.clients()) for node in cluster.running()]
        calls = load.calls
        rest = [call for call in calls if call.who not in hit]
        before, during = rate(rest, killed - 0.8, killed), rate(rest, killed, killed + again)
        errors = {type(call.error) for call in calls if call.error is not None}
        figure(
            f"row 15: writes again after {again:.2f} s, the others {during / before:.0%} of their rate meanwhile "
            f"(longest {longest(rest) * 1000:.0f} ms), longest of all {longest(calls):.2f} s, "
            f"connections {connections}, {len(calls)} calls"
        )
        assert wrong == []
        assert [call for call in rest if call.error is not None] == []
        assert errors <= {CacheConnectionError, CacheTimeoutError, ClusterDownError}
        assert longest(calls) < _DEADLINE + SLACK
        assert [call for call in load.since(killed + again + 0.1) if call.error is not None] == []
        # One for the loop, and those of the threads.
        assert max(connections) <= 1 + len(threads)
        # A figure, that is; but who waited for the dead would have stood still.
        assert during > before / 3

    def test_hands_over_in_order(self, cluster: Cluster, cache: Any, figure: Callable[[str], None]) -> None:
        primary = cluster.primaries()[0]
        wrong: list[Any] = []
        keys = _keys(cluster, cache, primary, _THREADS + _TASKS)
        scripts = {key: _set_and_get(cache, key, wrong, keeps=True) for key in keys}
        threads, tasks = dict(list(scripts.items())[:_THREADS]), dict(list(scripts.items())[_THREADS:])
        with Load(threads, tasks) as load:
            time.sleep(0.2)
            begun = time.monotonic()
            cluster.failover(primary)
            ended = time.monotonic()
            assert load.until(lambda: load.recovered(ended, keys) is not None, SLACK)
        errors = [call for call in load.calls if call.error is not None]
        pause = longest(load.since(begun - 0.1))
        figure(f"row 15: handed over in order, {len(errors)} errors, longest call {pause:.2f} s")
        assert errors == []
        assert wrong == []


class TestDown:
    @pytest.mark.usefixtures("mended")
    def test_shard(self, cluster: Cluster, cache: Any, figure: Callable[[str], None]) -> None:
        victim, *others = cluster.primaries()
        (lost,) = _keys(cluster, cache, victim, 1)
        kept = [_keys(cluster, cache, primary, 1)[0] for primary in others]
        with Caller("sync") as sync, Caller("async") as on_a_loop:
            for key in (lost, *kept):
                sync(cache.set, key, "v")
                on_a_loop(cache.get, key)
            _kill_shard(cluster, victim)
            seconds = []
            # Before the other nodes have noticed and after.
            end = time.monotonic() + NODE_TIMEOUT + 1
            while time.monotonic() < end:
                for call, (method, *args) in itertools.product((sync, on_a_loop), _calls(cache, lost)):
                    outcome = attempt(call, method, *args)
                    assert isinstance(outcome.error, CacheConnectionError | CacheTimeoutError | ClusterDownError)
                    seconds.append(outcome.seconds)
                assert [call(cache.get, key) for key in kept for call in (sync, on_a_loop)] == ["v"] * 4
                time.sleep(0.05)
        figure(f"row 17: a shard is dead, errors within {max(seconds):.2f} s, the others serve")
        assert max(seconds) < _DEADLINE + SLACK

    @pytest.mark.usefixtures("mended")
    def test_cluster(self, cluster: Cluster, make_cache_at: Callable[..., Any], figure: Callable[[str], None]) -> None:
        deadline = 2.0
        cache = make_cache_at(cluster.urls, _BACKENDS[cluster.family.name], operation_timeout=deadline)
        victim, other, _ = cluster.primaries()
        kept, nothing = _keys(cluster, cache, other, 2)
        cache.set(kept, "v")
        _require_full_coverage(cluster, "yes")
        _kill_shard(cluster, victim)
        with Caller("sync") as sync, Caller("async") as on_a_loop:
            try:
                end = time.monotonic() + NODE_TIMEOUT + 5 + SLACK
                # Until the others have noticed.
                while (first := attempt(on_a_loop, cache.get, kept)).error is None:
                    assert time.monotonic() < end
                    time.sleep(0.05)
                calls = itertools.product((sync, on_a_loop), [*_calls(cache, kept)[:2], *_blocking(cache, nothing)])
                outcomes = [first, *(attempt(call, method, *args) for call, (method, *args) in calls)]
            finally:
                for node in cluster.nodes:
                    if not node.running:
                        node.start()
                _require_full_coverage(cluster, "no")
            again = [until_it_works(call, cache.set, kept, "v") for call in (sync, on_a_loop)]
        slowest = max(outcome.seconds for outcome in outcomes)
        figure(f"row 17: CLUSTERDOWN told within {slowest:.2f} s of {deadline:.0f}, works {max(again):.2f} s later")
        assert {type(outcome.error) for outcome in outcomes} == {ClusterDownError}
        assert slowest < deadline + SLACK

    @pytest.mark.usefixtures("mended")
    def test_slow_refusals(
        self, cluster: Cluster, make_cache_at: Callable[..., Any], start_proxy: Callable[..., Proxy]
    ) -> None:
        """A last attempt that the time limit cuts short does not hide what the server says."""
        proxies = {node.plain_port: start_proxy(node) for node in cluster.nodes}
        cache = make_cache_at(
            [proxy.url for proxy in proxies.values()],
            _BACKENDS[cluster.family.name],
            address_remap=lambda host, port: (host, proxies[port].port if port in proxies else port),
            operation_timeout=2,
        )
        owner, other, _ = cluster.primaries()
        (kept,) = _keys(cluster, cache, other, 1)
        cache.set(kept, "v")
        for proxy in proxies.values():
            proxy.delay(0.05, 0.05)
        lost = cluster.slots(owner)[0]
        _require_full_coverage(cluster, "yes")
        with Caller("async") as on_a_loop, ThreadPoolExecutor(8) as threads:
            try:
                for node in (owner, *(node for node in cluster.nodes if node is not owner)):
                    node.command("CLUSTER", "DELSLOTS", lost)
                assert eventually(lambda: "cluster_state:fail" in str(other.command("CLUSTER", "INFO")))
                in_threads = [threads.submit(cache.set, kept, "v") for _ in range(8)]
                errors: list[Any] = on_a_loop.run(_together(cache.aget(kept) for _ in range(40)))
                errors += [future.exception() for future in in_threads]
            finally:
                owner.command("CLUSTER", "ADDSLOTS", lost)
                _require_full_coverage(cluster, "no")
        assert {type(error) for error in errors} == {ClusterDownError}


async def _together(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


def _kill_shard(cluster: Cluster, primary: Server) -> None:
    for node in (*cluster.replicas(primary), primary):
        node.kill()


def _require_full_coverage(cluster: Cluster, answer: str) -> None:
    for node in cluster.running():
        node.command("CONFIG", "SET", "cluster-require-full-coverage", answer)


def _blocking(cache: Any, key: str) -> list[tuple[Any, ...]]:
    """Return what waits for long, or for ever, once a server has accepted it."""
    return [(cache.blpop, key, 60), (cache.blpop, key, 0), (cache.xread, {key: "$"}, None, 60_000)]


def _calls(cache: Any, key: str) -> list[tuple[Any, ...]]:
    return [(cache.set, key, "v"), (cache.get, key), (cache.incr, key), (cache.get_many, [key, "a", "b"])]
