"""The clients of a cluster. What is sent where is the engine's business."""

from __future__ import annotations

from django_cachex.client.default import KeyValueCacheClient
from django_cachex.client.raw import AsyncRedisCluster, AsyncValkeyCluster, RedisCluster, ValkeyCluster

__all__ = ["RedisClusterCacheClient", "ValkeyClusterCacheClient"]


class _ClusterClient[ClientT: RedisCluster](KeyValueCacheClient[ClientT]):
    """What the clients of both families have in common."""

    _topology = "cluster"

    def _get_connection_pool_index(self, write: bool) -> int:  # noqa: FBT001 - Django's signature
        """Return the index of the start-up nodes' handle: there is one for all nodes, as they are all alike."""
        return 0


class RedisClusterCacheClient(_ClusterClient[RedisCluster]):
    """A Redis or Valkey Cluster."""

    _client_type = RedisCluster
    _async_client_type = AsyncRedisCluster


class ValkeyClusterCacheClient(_ClusterClient[ValkeyCluster]):
    """A Valkey or Redis Cluster."""

    _client_type = ValkeyCluster
    _async_client_type = AsyncValkeyCluster
