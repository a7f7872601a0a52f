"""What tests of clusters may ask for: a cluster that is whole, and caches on it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.cache import RedisClusterCache
from tests.cluster.places import Places
from tests.cluster_servers import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster_servers import SlotMove
    from tests.servers import Family, Server

__all__ = ["cache", "cluster", "ends", "make_cache", "move", "places", "running_cluster", "start_cluster", "tag"]


@pytest.fixture(scope="session")
def running_cluster(family: Family) -> Iterator[Cluster]:
    """The cluster that all tests share."""
    with Cluster(family) as running:
        yield running


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster of three primaries with a replica each: leave all of its nodes running, whoever has which slots."""
    yield running_cluster
    running_cluster.settle()


@pytest.fixture
def start_cluster(family: Family) -> Iterator[Callable[..., Cluster]]:
    """Start a cluster for one test alone: `start_cluster(password="x")`; takes the arguments of `Cluster`."""
    started: list[Cluster] = []

    def start(**options: Any) -> Cluster:
        started.append(Cluster(family, **options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def make_cache(running_cluster: Cluster, key_prefix: str) -> Callable[..., RedisClusterCache]:
    """Make caches: `make_cache(OPTIONS={...})`; `location` for another place than the shared cluster."""

    def make(location: str | list[str] | None = None, **params: Any) -> RedisClusterCache:
        return RedisClusterCache(location or running_cluster.urls, {"KEY_PREFIX": key_prefix, **params})

    return make


@pytest.fixture
def cache(make_cache: Callable[..., RedisClusterCache]) -> RedisClusterCache:
    """A cache with default settings, and a key prefix of its own."""
    return make_cache()


@pytest.fixture
def tag(cluster: Cluster) -> str:
    """A hash tag whose slot is empty: other tests leave thousands of keys in the cluster that they all share."""
    while True:
        tag = f"{{{secrets.token_hex(4)}}}"
        if cluster.owner(tag).command("CLUSTER", "COUNTKEYSINSLOT", cluster.slot(tag)) == 0:
            return tag


@pytest.fixture
def ends(cluster: Cluster, cache: RedisClusterCache, tag: str) -> tuple[Server, Server]:
    """Whose slot `tag` is, and another primary."""
    source = cluster.owner(cache.make_key(tag))
    return source, next(node for node in cluster.primaries() if node is not source)


@pytest.fixture
def move(cluster: Cluster, cache: RedisClusterCache, ends: tuple[Server, Server], tag: str) -> Iterator[SlotMove]:
    """The move of that slot from the one to the other, which is done after the test at the latest."""
    found = cluster.move(cluster.slot(cache.make_key(tag)), *ends)
    yield found
    found.move_keys()
    found.end()


@pytest.fixture
def places(cluster: Cluster, cache: RedisClusterCache) -> Places:
    """Where the keys of `cache` are on `cluster`."""
    return Places(cluster, cache)
