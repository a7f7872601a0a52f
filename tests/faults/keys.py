"""Keys that lie where a scenario wants them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container

    from tests.cluster_servers import Cluster

__all__ = ["keys_in"]


def keys_in(cluster: Cluster, cache: Any, slots: Container[int], count: int) -> list[str]:
    """Return so many user keys, hash tags all of them, that a cache keeps in one of these slots."""
    tags = (f"{{k{number}}}" for number in itertools.count())
    return list(itertools.islice((tag for tag in tags if cluster.slot(cache.make_key(tag)) in slots), count))
