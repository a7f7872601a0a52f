"""Our names in place of Django's, in Django's own cache tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.django_suite.backends import THEIRS

if TYPE_CHECKING:
    from tests.django_suite.backends import Backend

__all__ = ["substituted"]


def _pairs(ours: Backend) -> list[tuple[str, str]]:
    """Return all that `cache/tests.py` says about the backend under test, each with what is to stand there."""
    module, name = ours.client.rsplit(".", 1)
    pairs = [
        (
            "from django.core.cache.backends.redis import RedisCacheClient",
            f"from {module} import {name} as RedisCacheClient",
        ),
        (f'"{THEIRS.client}.get_client"', f'"{ours.client}.get_client"'),
        (f'"{THEIRS.cache}"', f'"{ours.cache}"'),
        # `_lib` of our client is the native module, as that of Django's is `redis`.
        ("        import redis\n", "        import django_cachex._core as redis\n"),
    ]
    if ours.one_database:
        # The only thing in these tests that a cluster cannot do: it has no database 5, so there it is 0.
        pairs += [('"db": 5,', '"db": 0,'), ('connection_kwargs["db"], 5)', 'connection_kwargs["db"], 0)')]
    return pairs


def substituted(source: str, ours: Backend) -> str:
    """Return Django's `cache/tests.py` with our names.

    Args:
        source: The file as Django ships it.
        ours: The backend to name.

    Raises:
        ValueError: It does not mention what it should, or mentions Django's backend elsewhere too; then the tests would
            run on something else than they say.
    """
    for theirs, replacement in _pairs(ours):
        if source.count(theirs) != 1:
            raise ValueError(f"expected once in cache/tests.py, found {source.count(theirs)} times: {theirs.strip()}")
        source = source.replace(theirs, replacement)
    if "cache.backends.redis" in source:
        raise ValueError("cache/tests.py names Django's Redis backend in a way unknown here")
    return source
