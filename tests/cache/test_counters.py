"""incr and decr: one atomic step that keeps the expiry, and leaves alone what it cannot count."""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import KeyNotFoundError, NoPermissionError, ResponseError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

MOST = 2**63 - 1


class Size(enum.IntEnum):
    SMALL = 3


def test_counting(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "n", 10)
    assert call(cache.incr, "n") == 11
    assert call(cache.incr, "n", 5) == 16
    assert call(cache.incr, "n", -6) == 10
    assert call(cache.incr, "n", delta=0) == 10
    assert call(cache.decr, "n") == 9
    assert call(cache.decr, "n", 12) == -3
    assert call(cache.decr, "n", delta=-13) == 10
    assert call(cache.get, "n") == 10
    assert type(call(cache.incr, "n")) is int


def test_what_may_be_counted(cache: RedisCache, server: Server, call: Caller) -> None:
    call(cache.add, "added", 1)
    call(cache.set_many, {"many": 1, "other": "x"})
    server.command("SET", cache.make_key("elsewhere"), "1")
    for key in ("added", "many", "elsewhere"):
        assert call(cache.incr, key) == 2


def test_versions(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "n", 1, version=2)
    with pytest.raises(KeyNotFoundError):
        call(cache.incr, "n")
    assert call(cache.incr, "n", version=2) == 2
    assert call(cache.decr, "n", version=2) == 1
    cache.version = 2
    assert call(cache.incr, "n", 1, None) == 2


def test_the_expiry_is_kept(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "n", 1, 100)
    call(cache.incr, "n")
    assert 90 < call(cache.ttl, "n") <= 100
    call(cache.set, "n", 1, None)
    call(cache.decr, "n")
    assert call(cache.ttl, "n") is None


@pytest.mark.parametrize("method", ["incr", "decr"])
def test_nothing_there(cache: RedisCache, call: Caller, method: str) -> None:
    with pytest.raises(KeyNotFoundError, match="not found") as caught:
        call(getattr(cache, method), "n")
    assert isinstance(caught.value, ValueError)
    assert call(cache.has_key, "n") is False


@pytest.mark.parametrize("value", [None, True, Size.SMALL, 1.5, "1", "text", b"5", [1], 10**30], ids=repr)
def test_no_integers(cache: RedisCache, server: Server, call: Caller, value: Any) -> None:
    call(cache.set, "n", value, 100)
    stored = server.command("GET", cache.make_key("n"))
    for method in (cache.incr, cache.decr):
        with pytest.raises(ResponseError, match=r"^ERR value is not an integer or out of range") as caught:
            call(method, "n")
        assert not isinstance(caught.value, KeyNotFoundError)
    assert server.command("GET", cache.make_key("n")) == stored
    assert call(cache.ttl, "n") > 90


def test_another_type(cache: RedisCache, server: Server, call: Caller) -> None:
    server.command("RPUSH", cache.make_key("n"), "a")
    with pytest.raises(WrongTypeError, match=r"^WRONGTYPE "):
        call(cache.incr, "n")
    assert server.command("LLEN", cache.make_key("n")) == 1


def test_overflow(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "n", MOST)
    with pytest.raises(ResponseError, match="overflow"):
        call(cache.incr, "n")
    assert call(cache.get, "n") == MOST
    assert call(cache.decr, "n", MOST) == 0
    assert call(cache.decr, "n", MOST) == -MOST
    assert call(cache.decr, "n") == -MOST - 1
    with pytest.raises(ResponseError, match="overflow"):
        call(cache.decr, "n")
    assert call(cache.get, "n") == -MOST - 1


@pytest.mark.parametrize("delta", [1.5, "x", "", "1 ", 2**63, -(2**63) - 1, 10**30, b"\xff"], ids=repr)
def test_a_delta_that_is_no_integer(cache: RedisCache, call: Caller, delta: Any) -> None:
    call(cache.set, "n", 1, 100)
    with pytest.raises(ResponseError, match=r"^ERR value is not an integer or out of range"):
        call(cache.incr, "n", delta)
    assert call(cache.get, "n") == 1


@pytest.mark.parametrize("delta", [None, [], object()])
def test_a_delta_that_cannot_be_sent(cache: RedisCache, call: Caller, delta: Any) -> None:
    call(cache.set, "n", 1)
    with pytest.raises(TypeError):
        call(cache.incr, "n", delta)
    assert call(cache.get, "n") == 1


def test_deltas_of_other_types(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "n", 1)
    assert call(cache.incr, "n", Size.SMALL) == 4
    assert call(cache.incr, "n", delta=True) == 5
    assert call(cache.incr, "n", "5") == 10


def test_at_the_same_time(cache: RedisCache, call: Caller) -> None:
    call(cache.set, "n", 0)
    sums = call.every([(cache.incr, "n")] * 200)
    assert sorted(sums) == list(range(1, 201))


def test_after_the_server_forgot_the_script(cache: RedisCache, server: Server, call: Caller) -> None:
    call(cache.set, "n", 1)
    server.command("SCRIPT", "FLUSH")
    assert call(cache.incr, "n") == 2
    assert call(cache.incr, "n") == 3


def test_a_version_that_changes_on_the_way(cache: RedisCache, server: Server) -> None:
    """The key is made once, also where the script has to be sent after all."""

    async def work() -> None:
        await cache.aset("n", 1)
        await cache.aset("n", 100, version=2)
        server.command("SCRIPT", "FLUSH")
        task = asyncio.create_task(cache.aincr("n"))
        await asyncio.sleep(0)
        cache.version = 2
        assert await task == 2
        task = asyncio.create_task(cache.aincr("none"))
        await asyncio.sleep(0)
        cache.version = 3
        with pytest.raises(KeyNotFoundError, match=cache.make_key("none", 2)):
            await task

    asyncio.run(work())


def test_users_who_may_not_run_scripts(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller
) -> None:
    server = start_server(
        users={
            "plain": "on >pw ~* +@all -@scripting",
            "eval-only": "on >pw ~* +@all -evalsha",
            "reader": "on >pw ~* +@read +@connection",
        }
    )
    for user in ("plain", "eval-only"):
        cache = make_cache(server.url_for(user=user, password="pw"))
        call(cache.set, "n", 1, 100)
        assert call(cache.incr, "n") == 2
        assert call(cache.decr, "n", 5) == -3
        assert call(cache.ttl, "n") > 90
        with pytest.raises(KeyNotFoundError):
            call(cache.incr, "missing")
        assert call(cache.has_key, "missing") is False
        call(cache.set, "n", "text")
        with pytest.raises(ResponseError, match=r"^ERR value is not an integer"):
            call(cache.incr, "n")
    reader = make_cache(server.url_for(user="reader", password="pw"))
    server.command("SET", reader.make_key("n"), "1")
    with pytest.raises(NoPermissionError, match=r"^NOPERM .*incrby"):
        call(reader.incr, "n")
    assert call(reader.get, "n") == 1
