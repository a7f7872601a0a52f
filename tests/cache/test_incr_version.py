"""incr_version and decr_version: a rename that keeps value, type and expiry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_cachex.exceptions import KeyNotFoundError

if TYPE_CHECKING:
    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server


def test_up_and_down(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", "v", 100)
    assert call(cache.incr_version, "k") == 2
    assert call(cache.get, "k") is None
    assert call(cache.get, "k", version=2) == "v"
    assert 90 < call(cache.ttl, "k", version=2) <= 100
    assert call(cache.incr_version, "k", 3, 2) == 5
    assert call(cache.decr_version, "k", version=5) == 4
    assert call(cache.decr_version, "k", 3, 4) == 1
    assert call(cache.get, "k") == "v"
    assert call(cache.incr_version, "k", delta=-3) == -2
    assert call(cache.get, "k", version=-2) == "v"


def test_the_cache_s_own_version(cache: RedisCache, call: Caller) -> None:
    cache.version = 7
    call(cache.set, "k", None, None)
    assert call(cache.incr_version, "k") == 8
    assert call(cache.ttl, "k", version=8) is None
    assert call(cache.decr_version, "k", 1, 8) == 7
    assert call(cache.has_key, "k") is True


def test_no_delta(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", "v", 100)
    assert call(cache.incr_version, "k", 0) == 1
    assert call(cache.get, "k") == "v"


def test_an_existing_target_is_replaced(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "k", "new", 100)
    call(cache.set, "k", "old", None, version=2)
    assert call(cache.incr_version, "k") == 2
    assert call(cache.get, "k", version=2) == "new"
    assert call(cache.ttl, "k", version=2) <= 100


def test_any_type(cache: RedisCache, server: Server, call: Caller) -> None:
    server.command("RPUSH", cache.make_key("k"), "a")
    assert call(cache.incr_version, "k") == 2
    assert server.command("LRANGE", cache.make_key("k", 2), 0, -1) == [b"a"]


@pytest.mark.parametrize("method", ["incr_version", "decr_version"])
def test_nothing_there(cache: RedisCache, call: Caller, method: str) -> None:
    with pytest.raises(KeyNotFoundError, match="not found") as caught:
        call(getattr(cache, method), "k")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(KeyNotFoundError):
        call(getattr(cache, method), "k", version=2)
    assert call(cache.has_key, "k", version=2) is False
