"""What type checkers know of a cache's methods. Never run: `test_types.py` has mypy read it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_type

from django_cachex import KeyType
from django_cachex.cache import KeyValueCache, RedisCache
from django_cachex.client import RedisCacheClient, ValkeyCacheClient

if TYPE_CHECKING:
    from django_cachex.cache import ValkeyCache

__all__: list[str] = []


def djangos_methods(cache: RedisCache) -> None:
    assert_type(cache.get("k"), Any)
    assert_type(cache.get("k", default=1, version=2), Any)
    assert_type(cache.set("k", 1, nx=True), Any)
    assert_type(cache.add("k", 1, 1.5), bool)
    assert_type(cache.touch("k", None), bool)
    assert_type(cache.delete("k"), bool)
    assert_type(cache.has_key("k"), bool)
    assert_type("k" in cache, bool)
    assert_type(cache.get_many(k for k in "ab"), dict[str, Any])
    assert_type(cache.set_many({"k": 1}), list[str])
    assert_type(cache.delete_many(["k"]), int | None)
    assert_type(cache.incr("k"), int)
    assert_type(cache.decr("k", 5), int)
    assert_type(cache.get_or_set("k", lambda: 1), Any)
    assert_type(cache.incr_version("k"), int)
    assert_type(cache.decr_version("k"), int)
    assert_type(cache.clear(), bool)
    assert_type(cache.encode("x"), int | bytes)


async def djangos_async_methods(cache: RedisCache) -> None:
    assert_type(await cache.aget("k"), Any)
    assert_type(await cache.aadd("k", 1), bool)
    assert_type(await cache.atouch("k"), bool)
    assert_type(await cache.adelete("k"), bool)
    assert_type(await cache.ahas_key("k"), bool)
    assert_type(await cache.aget_many(["k"]), dict[str, Any])
    assert_type(await cache.aset_many({"k": 1}), list[str])
    assert_type(await cache.adelete_many(["k"]), int | None)
    assert_type(await cache.aincr("k"), int)
    assert_type(await cache.aincr_version("k"), int)
    assert_type(await cache.aclear(), bool)


def declared_methods(cache: ValkeyCache) -> None:
    assert_type(cache.ttl("k"), int | None)
    assert_type(cache.pttl("k", version=2), int | None)
    assert_type(cache.expiretime("k"), int | None)
    assert_type(cache.expire("k", timedelta(seconds=1)), bool)
    assert_type(cache.pexpire("k", 1.5), bool)
    assert_type(cache.expireat("k", datetime.now(UTC)), bool)
    assert_type(cache.pexpireat("k", 1), bool)
    assert_type(cache.persist("k"), bool)
    assert_type(cache.keys("*"), list[str])
    assert_type(cache.iter_keys("*", itersize=5), Generator[str])
    assert_type(cache.scan(0, key_type=KeyType.LIST), tuple[int, list[str]])
    assert_type(cache.delete_pattern("*"), int)
    assert_type(cache.clear_all_versions(), int)
    assert_type(cache.flush_db(), bool)
    assert_type(cache.type("k"), KeyType | str | None)
    assert_type(cache.rename("a", "b", version_dst=2), bool)
    assert_type(cache.renamenx("a", "b"), bool)


async def declared_async_methods(cache: ValkeyCache) -> None:
    assert_type(await cache.attl("k"), int | None)
    assert_type(await cache.aexpire("k", 5, version=2), bool)
    assert_type(await cache.akeys("*"), list[str])
    assert_type(cache.aiter_keys("*"), AsyncGenerator[str])
    assert_type([key async for key in cache.aiter_keys()], list[str])
    assert_type(await cache.ascan(), tuple[int, list[str]])
    assert_type(await cache.adelete_pattern("*"), int)
    assert_type(await cache.atype("k"), KeyType | str | None)
    assert_type(await cache.arename("a", "b"), bool)


def mistakes(cache: RedisCache) -> None:
    """Each of these is an error: an ignore that is not needed is one, too."""
    cache.ttl()  # type: ignore[call-arg]
    cache.ttl(5)  # type: ignore[arg-type]
    cache.expire("k")  # type: ignore[call-arg]
    cache.expire("k", None)  # type: ignore[arg-type]
    cache.expire("k", "10")  # type: ignore[arg-type]
    cache.expireat("k", timedelta(seconds=1))  # type: ignore[arg-type]
    cache.scan(pattern=1)  # type: ignore[arg-type]
    cache.rename("a")  # type: ignore[call-arg]
    cache.set("k", 1, None, None, True)  # type: ignore[call-arg]
    cache.no_such_method()  # type: ignore[attr-defined]


def classes(cache: RedisCache, other: ValkeyCache) -> None:
    assert_type(cache._cache, RedisCacheClient)
    assert_type(other._cache, ValkeyCacheClient)


class MyClient(RedisCacheClient):
    """A client of one's own."""


class MyCache(RedisCache):
    """May name it."""

    _class = MyClient


class MyBackend(KeyValueCache[MyClient]):
    """And so may a backend from scratch."""

    _class = MyClient
