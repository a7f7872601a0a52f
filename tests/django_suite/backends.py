"""The backends that Django's tests run on, and the servers that each of them needs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster_servers import Cluster
from tests.sentinel_servers import SERVICE, SentinelSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Family

__all__ = ["CLUSTER", "OURS", "SENTINEL", "STANDALONE", "THEIRS", "Backend", "serving"]


@dataclass(frozen=True)
class Backend:
    """A cache backend under Django's tests.

    Attributes:
        name: What reports call it.
        cache: The dotted path of its cache class.
        client: The dotted path of its client class.
        tree: The folder of the tests that name it, in the home of an edition.
        one_database: Whether its servers have one database alone.
    """

    name: str
    cache: str
    client: str
    tree: str
    one_database: bool = False


THEIRS = Backend(
    "Django's backend",
    "django.core.cache.backends.redis.RedisCache",
    "django.core.cache.backends.redis.RedisCacheClient",
    "own",
)


def _ours(kind: str, tree: str, *, one_database: bool = False) -> Backend:
    name = f"django-cachex, Redis{kind}Cache"
    path = "django_cachex.{}.Redis" + kind + "Cache{}"
    return Backend(name, path.format("cache", ""), path.format("client", "Client"), tree, one_database)


STANDALONE = _ours("", "ours")
CLUSTER = _ours("Cluster", "ours-cluster", one_database=True)
SENTINEL = _ours("Sentinel", "ours-sentinel")
#: All of ours.
OURS = (STANDALONE, CLUSTER, SENTINEL)


@contextlib.contextmanager
def serving(backend: Backend, family: Family) -> Iterator[str]:
    """Run the servers for a backend, and give its LOCATION.

    Args:
        backend: The backend.
        family: The server program; what is started is for one run alone, as the tests flush it.
    """
    if backend is CLUSTER:
        with Cluster(family) as cluster:
            # One is enough to find the others; with several locations a test expects replicas among them.
            yield f"redis://127.0.0.1:{cluster.nodes[0].port}"
    elif backend is SENTINEL:
        with SentinelSet(family) as watched:
            # Django's tests read at once what they have written, which a replica may not have yet.
            for replica in watched.replicas():
                replica.kill()
            watched.settle()
            # In the URL, as some tests put OPTIONS of their own in the place of the settings'.
            sentinels = ",".join(f"{host}:{port}" for host, port in watched.addresses)
            yield f"redis+sentinel://{sentinels}/{SERVICE}"
    else:
        with family.start() as server:
            # redis-py knows the scheme of either family by this name only.
            yield f"redis://127.0.0.1:{server.port}"
