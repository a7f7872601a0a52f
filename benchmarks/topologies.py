"""Several servers for a row that needs them: a cluster and a Sentinel set, beside the one server of the run."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from benchmarks.contenders import CACHEX
from benchmarks.payload import check, fill
from tests.cluster_servers import Cluster
from tests.sentinel_servers import SentinelSet
from tests.servers import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.core.cache.backends.base import BaseCache

    from benchmarks.bench import Bench

__all__ = ["CLUSTER", "MASTER", "ONE_SERVER", "SENTINEL", "caches_on_all"]

ONE_SERVER = "one server"
CLUSTER = "cluster of 3 + 3"
SENTINEL = "Sentinel, 1 + 2"
# The master of that Sentinel set, for a client who knows where it is: it has replicas to feed.
MASTER = "a master with replicas"


@contextmanager
def caches_on_all(bench: Bench) -> Iterator[Mapping[str, BaseCache]]:
    """Run the other topologies for as long as it takes, or their heartbeats would disturb the other rows.

    Yields our backend on each, with the values in place.
    """
    family = next(family for family in FAMILIES if family.name == bench.server.kind)
    on_cluster, on_sentinel, on_one = (
        import_string(f"django_cachex.cache.{name}")
        for name in ("RedisClusterCache", "RedisSentinelCache", "RedisCache")
    )
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(family))
        sentinel_set = stack.enter_context(SentinelSet(family))
        made: dict[str, BaseCache] = {
            ONE_SERVER: bench.caches[CACHEX.name],
            CLUSTER: on_cluster(cluster.urls, {}),
            SENTINEL: on_sentinel(sentinel_set.url, {"OPTIONS": dict(sentinel_set.options)}),
            MASTER: on_one(sentinel_set.master().url, {}),
        }
        for name, cache in made.items():
            fill(cache)
            # Replicas have it a moment later.
            sentinel_set.settle()
            check(cache, name)
        yield made
