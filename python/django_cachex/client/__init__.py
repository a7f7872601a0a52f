"""Client classes: encoding and the wire."""

from __future__ import annotations

from django_cachex.client.default import KeyValueCacheClient, RedisCacheClient, ValkeyCacheClient

__all__ = ["KeyValueCacheClient", "RedisCacheClient", "ValkeyCacheClient"]
