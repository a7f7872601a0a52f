"""The names for ``BACKEND``."""

from __future__ import annotations

from django_cachex.client.cache import KeyValueCache, RedisCache, ValkeyCache

__all__ = ["KeyValueCache", "RedisCache", "ValkeyCache"]
