"""The clients of a master that sentinels watch over, and of its replicas. Who that is now is the engine's business."""

from __future__ import annotations

from django_cachex.client.default import KeyValueCacheClient
from django_cachex.client.raw import AsyncRedis, AsyncValkey, Redis, Valkey

__all__ = ["RedisSentinelCacheClient", "ValkeySentinelCacheClient"]


class RedisSentinelCacheClient(KeyValueCacheClient[Redis]):
    """Redis or Valkey servers behind Sentinel."""

    _topology = "sentinel"
    _client_type = Redis
    _async_client_type = AsyncRedis


class ValkeySentinelCacheClient(KeyValueCacheClient[Valkey]):
    """Valkey or Redis servers behind Sentinel."""

    _topology = "sentinel"
    _client_type = Valkey
    _async_client_type = AsyncValkey
