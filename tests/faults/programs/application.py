"""What the programs have in common: a configured Django, and a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.conf import settings

if TYPE_CHECKING:
    from django_cachex.cache import RedisCache

__all__ = ["make_cache"]


def make_cache(url: str, **options: Any) -> RedisCache:
    """Return a cache as an application would have it."""
    settings.configure()
    django.setup()
    from django_cachex.cache import RedisCache

    return RedisCache(url, {"OPTIONS": options})
