"""get_many, set_many, delete_many: order, iterables of every kind, and nothing given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server


def commands(server: Server) -> int:
    """How many commands that read or write values the server has seen in its life."""
    stats = server.info("commandstats")
    said = [stats.get(f"cmdstat_{name}", "calls=0") for name in ("get", "mget", "set", "mset", "del", "multi")]
    return sum(int(row.partition("calls=")[2].partition(",")[0]) for row in said)


def test_get_many(cache: RedisCache, call: Caller) -> None:
    call(cache.set_many, {"a": 1, "b": "text", "c": None, "d": [1]})
    found = call(cache.get_many, ["d", "missing", "c", "a"])
    assert found == {"d": [1], "c": None, "a": 1}
    assert list(found) == ["d", "c", "a"]
    assert call(cache.get_many, ["missing"]) == {}


@pytest.mark.parametrize(
    "kind", [list, tuple, set, frozenset, iter, dict.fromkeys, lambda keys: (key for key in keys)], ids=repr
)
def test_any_iterable_once(cache: RedisCache, call: Caller, kind: Callable[[list[str]], Any]) -> None:
    call(cache.set_many, {"a": 1, "b": 2})
    assert call(cache.get_many, kind(["a", "b"])) == {"a": 1, "b": 2}
    assert call(cache.delete_many, kind(["a", "b", "missing"])) == 2
    assert call(cache.get_many, ["a", "b"]) == {}


def test_nothing_given_sends_nothing(cache: RedisCache, server: Server, call: Caller) -> None:
    call(cache.get, "connected")
    before = commands(server)
    assert call(cache.get_many, []) == {}
    assert call(cache.get_many, iter(())) == {}
    assert call(cache.set_many, {}) == []
    assert call(cache.set_many, {}, 0) == []
    assert call(cache.delete_many, []) is None
    assert call(cache.delete_many, iter(())) is None
    assert commands(server) == before


def test_the_keys_come_back_as_passed(cache: RedisCache, call: Caller) -> None:
    class Key(str):
        __slots__ = ()

    key = Key("k")
    call(cache.set_many, {key: 1, 5: 2})
    found = call(cache.get_many, [key, 5])
    assert found == {"k": 1, 5: 2}
    assert next(iter(found)) is key


def test_keys_twice(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "a", 1)
    assert call(cache.get_many, ["a", "a"]) == {"a": 1}
    assert call(cache.delete_many, ["a", "a"]) == 1


def test_set_many(cache: RedisCache, call: Caller) -> None:
    assert call(cache.set_many, {"a": 1, "b": {"x": 2}}, 100) == []
    assert 90 < call(cache.ttl, "a") <= 100
    assert call(cache.set_many, {"a": 3}, None) == []
    assert call(cache.ttl, "a") is None
    assert call(cache.get_many, ["a", "b"]) == {"a": 3, "b": {"x": 2}}
    for timeout in (0, -1, 0.5):
        call(cache.set_many, {"a": 1, "b": 2}, None)
        assert call(cache.set_many, {"a": 4, "b": 5, "c": 6}, timeout) == []
        assert call(cache.get_many, ["a", "b", "c"]) == {}


def test_versions(cache: RedisCache, call: Caller) -> None:
    call(cache.set_many, {"a": 1, "b": 2}, version=2)
    assert call(cache.get_many, ["a", "b"]) == {}
    assert call(cache.get_many, ["a", "b"], version=2) == {"a": 1, "b": 2}
    assert call(cache.delete_many, ["a", "b"]) == 0
    assert call(cache.delete_many, ["a", "b"], version=2) == 2


def test_many_keys(cache: RedisCache, call: Caller) -> None:
    data = {f"key-{i}": {"i": i} for i in range(5000)}
    call(cache.set_many, data)
    assert call(cache.get_many, list(data)) == data
    assert call(cache.delete_many, list(data)) == 5000


@pytest.mark.parametrize("timeout", [None, 100])
def test_all_or_nothing(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller, timeout: int | None
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    call(cache.set, "before", 1)
    server.command("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(OutOfMemoryError, match=r"^OOM command not allowed"):
        call(cache.set_many, {"a": 1, "b": 2}, timeout)
    server.command("CONFIG", "SET", "maxmemory", 0)
    assert call(cache.get_many, ["before", "a", "b"]) == {"before": 1}
    assert call(cache.set_many, {"a": 1, "b": 2}, timeout) == [], "the connection is still in order"
    assert call(cache.get_many, ["a", "b"]) == {"a": 1, "b": 2}
