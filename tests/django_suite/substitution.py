"""Our names in place of Django's, in Django's own cache tests."""

from __future__ import annotations

__all__ = ["substituted"]

# All that `cache/tests.py` says about the backend under test. `_lib` of our client is the native module, as that of
# Django's is `redis`.
_NAMES = (
    (
        "from django.core.cache.backends.redis import RedisCacheClient",
        "from django_cachex.client import RedisCacheClient",
    ),
    (
        '"django.core.cache.backends.redis.RedisCacheClient.get_client"',
        '"django_cachex.client.RedisCacheClient.get_client"',
    ),
    ('"django.core.cache.backends.redis.RedisCache"', '"django_cachex.cache.RedisCache"'),
    ("        import redis\n", "        import django_cachex._core as redis\n"),
)


def substituted(source: str) -> str:
    """Return Django's `cache/tests.py` with our names.

    Args:
        source: The file as Django ships it.

    Raises:
        ValueError: It does not mention what it should, or mentions Django's backend elsewhere too; then the tests would
            run on something else than they say.
    """
    for theirs, ours in _NAMES:
        if source.count(theirs) != 1:
            raise ValueError(f"expected once in cache/tests.py, found {source.count(theirs)} times: {theirs.strip()}")
        source = source.replace(theirs, ours)
    if "cache.backends.redis" in source:
        raise ValueError("cache/tests.py names Django's Redis backend in a way unknown here")
    return source
