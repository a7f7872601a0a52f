"""Row 18: replicas that are read from stop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.cache import (
    RedisCache,
    RedisClusterCache,
    RedisSentinelCache,
    ValkeyCache,
    ValkeyClusterCache,
    ValkeySentinelCache,
)
from tests.faults.figures import FULL
from tests.faults.keys import keys_in
from tests.faults.load import Load, longest
from tests.faults.outcomes import SLACK, eventually
from tests.sentinel_servers import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster_servers import Cluster
    from tests.faults.load import Script
    from tests.sentinel_servers import SentinelSet
    from tests.servers import Family, Server

_THREADS, _TASKS = 3, 6
# In seconds: short, so that a replica that says nothing costs a test little.
_LIMITS = {"socket_connect_timeout": 0.4, "socket_timeout": 0.4, "operation_timeout": 2.0}
# Seconds until a replica that is well is read from.
_BACK = 10.0
_BACKENDS = {
    ("standalone", "redis"): RedisCache,
    ("standalone", "valkey"): ValkeyCache,
    ("sentinel", "redis"): RedisSentinelCache,
    ("sentinel", "valkey"): ValkeySentinelCache,
    ("cluster", "redis"): RedisClusterCache,
    ("cluster", "valkey"): ValkeyClusterCache,
}


@dataclass
class Place:
    """Where a key is.

    Attributes:
        servers: What the servers belong to.
        cache: A cache on them that reads from replicas.
        key: The key.
        primary: Who takes its writes.
        replicas: Who else has it.
    """

    servers: Cluster | SentinelSet
    cache: Any
    key: str
    primary: Server
    replicas: list[Server]


@pytest.fixture(params=["standalone", "sentinel", "cluster"])
def place(request: pytest.FixtureRequest, each_family: Family, make_cache_at: Callable[..., Any]) -> Place:
    """A key on each topology that has replicas."""
    backend = _BACKENDS[request.param, each_family.name]
    if request.param == "cluster":
        cluster: Cluster = request.getfixturevalue("cluster")
        primary = cluster.primaries()[0]
        cache = make_cache_at(cluster.urls, backend, read_from_replicas=True, **_LIMITS)
        (key,) = keys_in(cluster, cache, set(cluster.slots(primary)), 1)
        return Place(cluster, cache, key, primary, cluster.replicas(primary))
    sentinel_set: SentinelSet = request.getfixturevalue("sentinel_set")
    primary, replicas = sentinel_set.master(), sentinel_set.replicas()
    if request.param == "sentinel":
        cache = make_cache_at(sentinel_set.url, backend, **sentinel_set.options, **_LIMITS)
    else:
        cache = make_cache_at([primary.url, *(replica.url for replica in replicas)], backend, **_LIMITS)
    return Place(sentinel_set, cache, "k", primary, replicas)


def _reads(server: Server) -> int:
    """Return how many times a server has been asked for a key."""
    said = server.info("commandstats").get("cmdstat_get", "calls=0,")
    return int(said.partition("=")[2].partition(",")[0])


def _get(cache: Any, key: str, wrong: list[Any]) -> Script:
    while True:
        read = yield cache.get, (key,)
        if read.error is None and read.value != "v":
            wrong.append(read)


def _has_all(primary: Server, replica: Server) -> bool:
    has = replica.info("replication")["slave_repl_offset"]
    return int(has) >= int(primary.info("replication")["master_repl_offset"])


_ONE, _ALL = slice(1), slice(None)
_CASES = {"all-killed": ("killed", _ALL), "one-frozen": ("frozen", _ONE)}
if FULL:
    _CASES |= {"one-killed": ("killed", _ONE), "all-frozen": ("frozen", _ALL)}


@pytest.mark.parametrize("case", _CASES)
def test_stopped(case: str, place: Place, figure: Callable[[str], None]) -> None:
    how, which = _CASES[case]
    victims = place.replicas[which]
    cache, wrong = place.cache, list[Any]()
    cache.set(place.key, "v", None)
    assert eventually(lambda: all(_has_all(place.primary, replica) for replica in place.replicas))
    with Load(
        {f"thread{number}": _get(cache, place.key, wrong) for number in range(_THREADS)},
        {f"task{number}": _get(cache, place.key, wrong) for number in range(_TASKS)},
    ) as load:
        assert load.until(_read_from(place.replicas), _BACK)
        stopped = time.monotonic()
        for victim in victims:
            victim.kill() if how == "killed" else victim.suspend()
        time.sleep(0.8)
        for victim in victims:
            victim.start() if how == "killed" else victim.resume()
        back = time.monotonic()
        assert load.until(_read_from(victims), _BACK)
        used = time.monotonic() - back
    place.servers.settle()
    errors = [call for call in load.calls if call.error is not None]
    meanwhile = [call for call in load.since(stopped - 0.1) if call.begun < back]
    figure(
        f"row 18: {len(victims)} of {len(place.replicas)} replicas {how}, {len(meanwhile)} reads, "
        f"{len(errors)} errors, longest {longest(meanwhile):.2f} s, read from again after {used:.2f} s"
    )
    assert wrong == []
    assert errors == []
    assert longest(load.calls) < _LIMITS["operation_timeout"] + SLACK


def _read_from(servers: list[Server]) -> Callable[[], bool]:
    """Return what tells whether all of these have been read from since now."""
    before = {server: _reads(server) for server in servers}
    return lambda: all(_reads(server) > before[server] for server in servers)


def test_known_to_be_down(
    sentinel_set: SentinelSet, make_cache_at: Callable[..., Any], figure: Callable[[str], None]
) -> None:
    victim, other = sentinel_set.replicas()
    victim.kill()
    # The sentinels notice the lost connection, and say so to whoever asks for replicas.
    backend = _BACKENDS["sentinel", sentinel_set.family.name]
    assert eventually(lambda: all(_is_disconnected(sentinel, victim) for sentinel in sentinel_set.sentinels))
    cache = make_cache_at(sentinel_set.url, backend, **sentinel_set.options, client_name="late")
    cache.set("k", "v", None)
    assert cache.get("k", "v") == "v"
    victim.start()
    sentinel_set.settle()
    back = time.monotonic()
    read_from = _read_from([victim, other])
    with Load({"thread": _get(cache, "absent", [])}, {"task": _get(cache, "absent", [])}) as load:
        read = load.until(read_from, _BACK)
    figure(f"row 18: a replica that was down at first is read from {time.monotonic() - back:.2f} s after it is back")
    assert read


def _is_disconnected(sentinel: Server, replica: Server) -> bool:
    rows: Any = sentinel.command("SENTINEL", "REPLICAS", SERVICE)
    found = [dict(zip(row[::2], row[1::2], strict=True)) for row in rows]
    return any(row[b"port"] == str(replica.port).encode() and row[b"flags"] != b"slave" for row in found)
