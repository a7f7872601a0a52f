"""Who is compared: django-cachex, Django's own backend, and the packages people use in its place.

Each runs with the defaults of its own documentation. Each has a database of its own on the one server, so that its
connections can be counted and its values do not meet another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.cache.backends.base import BaseCache

__all__ = ["CACHEX", "CONTENDERS", "DJANGO", "DJANGO_REDIS", "VCACHE", "Contender", "named"]

# Seconds: what one row sets, another still reads at the end of the run, and that is later than Django's 300.
_TIMEOUT = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Contender:
    """A cache backend under its name, with the distributions whose versions belong beside its figures."""

    name: str
    backend: str
    db: int
    distributions: tuple[str, ...]

    def location(self, port: int, db: int | None = None, host: str = "127.0.0.1") -> str:
        """Return the LOCATION of this contender's database (or of `db`) on the server at `host` and `port`."""
        return f"redis://{host}:{port}/{self.db if db is None else db}"

    def factory(self) -> Callable[[str, dict[str, object]], BaseCache]:
        """Import and return the BACKEND class: what Django calls with LOCATION and the other parameters."""
        found: Callable[[str, dict[str, object]], BaseCache] = import_string(self.backend)
        return found

    def new(self, port: int, db: int | None = None, host: str = "127.0.0.1") -> BaseCache:
        """Build a backend object as Django's cache handler does."""
        return self.factory()(self.location(port, db, host), {"TIMEOUT": _TIMEOUT})

    def versions(self) -> str:
        """Return the installed versions, such as "redis 8.1.0, hiredis 3.5.0"."""
        return ", ".join(f"{name} {metadata.version(name)}" for name in self.distributions)


CACHEX = Contender("django-cachex", "django_cachex.cache.RedisCache", 0, ("django-cachex",))
DJANGO = Contender("Django", "django.core.cache.backends.redis.RedisCache", 1, ("Django", "redis", "hiredis"))
DJANGO_REDIS = Contender("django-redis", "django_redis.cache.RedisCache", 2, ("django-redis", "redis", "hiredis"))
VCACHE = Contender("django-vcache", "django_vcache.backend.ValkeyCache", 3, ("django-vcache",))

CONTENDERS = (CACHEX, DJANGO, DJANGO_REDIS, VCACHE)


def named(name: str) -> Contender:
    """Return the contender called `name`; raises `KeyError` when there is none."""
    return {contender.name: contender for contender in CONTENDERS}[name]
