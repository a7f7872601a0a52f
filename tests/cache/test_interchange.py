"""Rolling deploys: this backend and Django's own read and write the same keys."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache.backends.redis import RedisCache as DjangoCache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

pytestmark = pytest.mark.standalone("Django's own backend knows no other topology")

VALUES: list[Any] = [
    0,
    -5,
    2**63 - 1,
    10**25,
    True,
    False,
    None,
    1.5,
    "text",
    "12",
    b"12",
    b"\x00\r\n",
    [1, {"a": (2, None)}],
    {1, 2},
    Decimal("1.1"),
    "x" * 100_000,
]


@pytest.fixture
def djangos(server: Server, key_prefix: str) -> Iterator[DjangoCache]:
    cache = DjangoCache(server.url.replace("valkey://", "redis://"), {"KEY_PREFIX": key_prefix})
    yield cache
    client: Any = cache._cache
    for pool in client._pools.values():
        pool.disconnect()


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_both_directions(cache: RedisCache, djangos: DjangoCache, server: Server, call: Caller, value: Any) -> None:
    call(cache.set, "ours", value)
    djangos.set("theirs", value)
    ours, theirs = (server.command("GET", cache.make_key(key)) for key in ("ours", "theirs"))
    assert ours == theirs
    if type(value) is not int:
        assert ours == pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    for found in (djangos.get("ours"), call(cache.get, "theirs"), call(cache.get_many, ["theirs"])["theirs"]):
        assert found == value
        assert type(found) is type(value)


def test_the_same_keys(cache: RedisCache, djangos: DjangoCache, call: Caller) -> None:
    djangos.set_many({"a": 1, "b": "x"}, version=2)
    assert call(cache.get_many, ["a", "b"], version=2) == {"a": 1, "b": "x"}
    assert call(cache.incr, "a", version=2) == 2
    assert djangos.incr("a", version=2) == 3
    assert call(cache.add, "b", "y", version=2) is False
    assert djangos.add("c", [1], version=2) is True
    assert call(cache.delete_many, ["a", "b", "c"], version=2) == 3
    assert djangos.get_many(["a", "b", "c"], version=2) == {}


def test_timeouts(cache: RedisCache, djangos: DjangoCache, call: Caller) -> None:
    djangos.set("theirs", 1)
    assert call(cache.ttl, "theirs") in (299, 300)
    call(cache.set, "ours", 1, 100)
    assert djangos.touch("ours", 50) is True
    assert call(cache.ttl, "ours") in (49, 50)
    assert djangos.touch("ours", None) is True
    assert call(cache.ttl, "ours") is None
