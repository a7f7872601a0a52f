"""The names for ``BACKEND``."""

from __future__ import annotations

from django_cachex.client.cache import (
    KeyValueCache,
    RedisCache,
    RedisClusterCache,
    RedisSentinelCache,
    ValkeyCache,
    ValkeyClusterCache,
    ValkeySentinelCache,
)

__all__ = [
    "KeyValueCache",
    "RedisCache",
    "RedisClusterCache",
    "RedisSentinelCache",
    "ValkeyCache",
    "ValkeyClusterCache",
    "ValkeySentinelCache",
]
