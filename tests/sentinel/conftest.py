"""What tests of Sentinel may ask for: a set that is whole, and caches on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.cache import RedisSentinelCache
from tests.sentinel_servers import SentinelSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import Family

__all__ = ["cache", "make_cache", "running_set", "sentinel_set", "start_sentinel_set"]


@pytest.fixture(scope="session")
def running_set(family: Family) -> Iterator[SentinelSet]:
    """The servers and sentinels that all tests share."""
    with SentinelSet(family) as running:
        yield running


@pytest.fixture
def sentinel_set(running_set: SentinelSet) -> Iterator[SentinelSet]:
    """A master, two replicas, three sentinels: leave all of them running, whoever is the master."""
    yield running_set
    running_set.settle()


@pytest.fixture
def start_sentinel_set(family: Family) -> Iterator[Callable[..., SentinelSet]]:
    """Start a set for one test alone: `start_sentinel_set(password="x")`; takes the arguments of `SentinelSet`."""
    started: list[SentinelSet] = []

    def start(**options: Any) -> SentinelSet:
        started.append(SentinelSet(family, **options))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def make_cache(running_set: SentinelSet, key_prefix: str) -> Callable[..., RedisSentinelCache]:
    """Make caches: `make_cache(sentinels=[...], password="x")` takes OPTIONS as keywords.

    Without `on` it is the set that all tests share; without `location` its service.
    """

    def make(location: str | None = None, *, on: SentinelSet | None = None, **options: Any) -> RedisSentinelCache:
        where = on or running_set
        params = {"KEY_PREFIX": key_prefix, "OPTIONS": {**where.options, **options}}
        return RedisSentinelCache(location or where.url, params)

    return make


@pytest.fixture
def cache(make_cache: Callable[..., RedisSentinelCache]) -> RedisSentinelCache:
    """A cache with default settings, and a key prefix of its own."""
    return make_cache()
