"""Client classes: encoding and the wire."""

from __future__ import annotations

from django_cachex.client.cluster import RedisClusterCacheClient, ValkeyClusterCacheClient
from django_cachex.client.default import KeyValueCacheClient, RedisCacheClient, ValkeyCacheClient
from django_cachex.client.pipeline import AsyncPipeline, Pipeline
from django_cachex.client.sentinel import RedisSentinelCacheClient, ValkeySentinelCacheClient

__all__ = [
    "AsyncPipeline",
    "KeyValueCacheClient",
    "Pipeline",
    "RedisCacheClient",
    "RedisClusterCacheClient",
    "RedisSentinelCacheClient",
    "ValkeyCacheClient",
    "ValkeyClusterCacheClient",
    "ValkeySentinelCacheClient",
]
