"""Where keys are, and what the nodes have been asked."""

from __future__ import annotations

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.faults.outcomes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_cachex.cache import RedisClusterCache
    from tests.cluster_servers import Cluster
    from tests.servers import Server

__all__ = ["Places", "calls_of", "one_is_slow"]


class Places:
    """The keys of a cache on a cluster."""

    def __init__(self, cluster: Cluster, cache: RedisClusterCache) -> None:
        """Look at a cache on a cluster."""
        self._cluster, self._cache = cluster, cache

    def keys_at(self, node: Server, prefix: str = "k") -> Iterator[str]:
        """Yield user keys without a hash tag that `node` is the primary of, each in another slot."""
        mine, seen = set(self._cluster.slots(node)), set()
        for number in itertools.count():
            key = f"{prefix}{number}"
            slot = self._cluster.slot(self._cache.make_key(key))
            if slot in mine and slot not in seen:
                seen.add(slot)
                yield key

    def apart(self, prefix: str = "k") -> list[str]:
        """Return a user key for each primary, in the order of `cluster.primaries()`."""
        return [next(self.keys_at(node, prefix)) for node in self._cluster.primaries()]

    def owner(self, key: str) -> Server:
        """Return the primary of a user key."""
        return self._cluster.owner(self._cache.make_key(key))


def calls_of(nodes: list[Server], *names: str) -> list[int]:
    """Return how many of these commands each node has executed in its life."""
    return [sum(_calls(node.info("commandstats"), name) for name in names) for node in nodes]


@contextlib.contextmanager
def one_is_slow(cluster: Cluster, slow: Server, *names: str) -> Iterator[None]:
    """Keep one primary from answering for a second, in which the others are to execute one of these commands."""
    others = [node for node in cluster.primaries() if node is not slow]
    before = calls_of(others, *names)

    def all_have() -> bool:
        return all(new > old for new, old in zip(calls_of(others, *names), before, strict=True))

    slow.command("CLIENT", "PAUSE", 1000, "ALL")
    with ThreadPoolExecutor(1) as pool:
        have = pool.submit(eventually, all_have, seconds=0.8)
        yield
        assert have.result(), "they were to wait for the slow one"


def _calls(stats: dict[str, str], name: str) -> int:
    said = stats.get(f"cmdstat_{name}", "calls=0")
    return int(said.partition("calls=")[2].partition(",")[0])
