"""get_or_set: what is called, what is awaited, and who wins a race."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django_cachex.cache import RedisCache
    from tests.caller import Caller


def test_hit_and_miss(cache: RedisCache, call: Caller) -> None:
    calls: list[int] = []

    def default() -> str:
        calls.append(1)
        return "made"

    assert call(cache.get_or_set, "k", default, 100) == "made"
    assert call(cache.get_or_set, "k", default, 5) == "made"
    assert calls == [1]
    assert 90 < call(cache.ttl, "k") <= 100


def test_plain_defaults(cache: RedisCache, call: Caller) -> None:
    assert call(cache.get_or_set, "k", "plain") == "plain"
    assert call(cache.get_or_set, "k", "other") == "plain"
    assert call(cache.get_or_set, "none", None) is None
    assert call(cache.has_key, "none") is True
    assert call(cache.get_or_set, "none", "x") is None, "a stored None is a value"
    assert call(cache.get_or_set, "gone", "x", 0) == "x"
    assert call(cache.has_key, "gone") is False
    assert call(cache.get_or_set, "k", "two", version=2) == "two"
    assert call(cache.get, "k") == "plain"


def test_a_default_is_needed(cache: RedisCache, call: Caller) -> None:
    with pytest.raises(TypeError, match=r"get_or_set\(\) missing 1 required positional argument: 'default'"):
        call(cache.get_or_set, "k")


def test_a_failing_default(cache: RedisCache, call: Caller) -> None:
    def default() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        call(cache.get_or_set, "k", default)
    assert call(cache.has_key, "k") is False


def test_awaitable_defaults(cache: RedisCache, call: Caller) -> None:
    if not call.is_async:
        return

    async def coroutine() -> str:
        await asyncio.sleep(0)
        return "awaited"

    assert call(cache.get_or_set, "a", coroutine) == "awaited"
    assert call(cache.get_or_set, "a", coroutine) == "awaited"

    async def with_a_future() -> Any:
        future = asyncio.get_running_loop().create_future()
        future.set_result({"of": "a future"})
        return await cache.aget_or_set("b", lambda: future)

    assert call.run(with_a_future()) == {"of": "a future"}
    assert call(cache.get, "b") == {"of": "a future"}


def test_the_winner_of_a_race(cache: RedisCache, call: Caller) -> None:
    def default() -> str:
        cache.set("k", "the winner's")
        return "mine"

    assert call(cache.get_or_set, "k", default) == "the winner's"


def test_the_winner_is_gone_again(cache: RedisCache, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(*args: Any, **kwargs: Any) -> bool:
        return False

    async def aadd(*args: Any, **kwargs: Any) -> bool:
        return False

    monkeypatch.setattr(cache, "add", add)
    monkeypatch.setattr(cache, "aadd", aadd)
    assert call(cache.get_or_set, "k", lambda: "mine") == "mine"
    assert call(cache.has_key, "k") is False
