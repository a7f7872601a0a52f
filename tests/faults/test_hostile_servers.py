"""Row 24: servers that do not speak the protocol, or speak it to do harm."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError, CachexError, ResponseError
from tests.faults.figures import size
from tests.faults.memory import resident
from tests.faults.outcomes import SLACK, attempt, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.faults.proxy import Proxy
    from tests.servers import Server

_TRIGGER = b"hostile"

# Neither of these is a reply.
_NOT_REPLIES: dict[str, dict[str, Any]] = {
    "a huge bulk string": {"head": b"$9223372036854775807\r\n"},
    "a longer one than any number": {"head": b"$99999999999999999999999999\r\n"},
    "a bulk string that is not believed": {"head": b"$500000000\r\n", "unit": b"x", "units": 1000, "close": True},
    "a negative bulk string": {"head": b"$-2\r\n"},
    "a huge array": {"head": b"*9223372036854775807\r\n", "unit": b":1\r\n", "units": 1000, "close": True},
    "an array that is not believed": {"head": b"*2000000000\r\n", "close": True},
    "a negative array": {"head": b"*-5\r\n"},
    "a huge map": {"head": b"%9223372036854775807\r\n", "close": True},
    "depth 200": {"head": b"", "unit": b"*1\r\n", "units": 200},
    "depth 1,000,000": {"head": b"", "unit": b"*1\r\n", "units": 1_000_000},
    "garbage": {"head": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    "binary garbage": {"head": bytes(range(128, 256)) * 10 + b"\r\n"},
    "no terminator": {"head": b"$3\r\nabcde\r\n"},
    "no terminator behind a large one": {"head": b"$100000\r\n" + b"x" * 100_000 + b"abcde\r\n"},
    "not a number": {"head": b"$abc\r\n"},
    "an integer that is none": {"head": b":12a\r\n"},
    "an endless line": {"head": b"+", "unit": b"x" * 1000, "units": -1},
    "an endless number": {"head": b"$", "unit": b"1" * 1000, "units": -1},
    "an endless error": {"head": b"-ERR ", "unit": b"x" * 1000, "units": -1},
    "a streamed string": {"head": b"$?\r\n;4\r\nabcd\r\n;0\r\n"},
    "nothing but an end": {"head": b"", "close": True},
    "half a reply": {"head": b"$10\r\nabc", "close": True},
    "line feeds only": {"head": b"$3\nabc\n"},
}


@pytest.mark.parametrize("what", _NOT_REPLIES)
def test_what_is_no_reply(
    what: str,
    call: Caller,
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    proxy = start_proxy(server)
    cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 1, "operation_timeout": 1.5})
    call(cache.set, "other", "v")
    before = resident()
    proxy.answer(trigger=_TRIGGER, **_NOT_REPLIES[what])
    outcome = attempt(call, cache.get, "hostile")
    grown = resident() - before
    proxy.heal()
    figure(f"row 24: {what}: {type(outcome.error).__name__}, {outcome.seconds:.3f} s, {grown / 1e6:.1f} MB more")
    assert isinstance(outcome.error, CacheConnectionError | ResponseError), outcome
    assert grown < 16_000_000
    assert call(cache.get, "other") == "v"
    # The hostile connections are closed: the one of the last call is all there is.
    assert eventually(lambda: proxy.open() == 1)


# Well-formed, and not what GET answers.
_OTHER_REPLIES = [b"*2\r\n:1\r\n:2\r\n", b"*0\r\n", b"%1\r\n+a\r\n+b\r\n", b"+OK\r\n", b",1.5\r\n", b"#t\r\n", b"_\r\n"]


@pytest.mark.parametrize("method", ["get", "get_many", "incr", "delete", "set", "has_key"])
def test_the_wrong_type(
    method: str,
    call: Caller,
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
) -> None:
    proxy = start_proxy(server)
    cache = make_cache(proxy.url)
    call(cache.set, "other", "v")
    args: tuple[Any, ...] = {"get_many": (["hostile"],), "set": ("hostile", "v")}.get(method, ("hostile",))
    for reply in _OTHER_REPLIES:
        proxy.answer(reply, trigger=_TRIGGER)
        outcome = attempt(call, getattr(cache, method), *args)
        assert outcome.error is None or isinstance(outcome.error, CachexError), (reply, outcome)
        proxy.heal()
        assert call(cache.get, "other") == "v"


def test_replies_that_nobody_asked_for(
    call: Caller,
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
) -> None:
    proxy = start_proxy(server)
    cache = make_cache(proxy.url)
    call(cache.set_many, {f"k{number}": number for number in range(20)})
    for extra in (b"$1\r\n7\r\n", b"+OK\r\n" * 5, b":1", b">2\r\n+message\r\n+x\r\n$1\r\n7\r\n"):
        proxy.answer(b"$4\r\nI99.\r\n" + extra, trigger=_TRIGGER)
        attempt(call, cache.get, "hostile")
        proxy.heal()
        for number in range(20):
            assert call(cache.get, f"k{number}") == number


def test_everyone_on_the_connection_is_told(
    server: Server, start_proxy: Callable[[Server], Proxy], make_cache: Callable[..., RedisCache]
) -> None:
    proxy = start_proxy(server)
    cache = make_cache(proxy.url, OPTIONS={"retry": 0})

    async def work() -> None:
        await cache.aset("k", "v")
        proxy.answer(b"garbage\r\n", trigger=_TRIGGER)
        calls = [cache.aget("hostile" if number == 50 else "k") for number in range(100)]
        async with asyncio.timeout(10):
            found = await asyncio.gather(*calls, return_exceptions=True)
        assert all(each == "v" or isinstance(each, CacheConnectionError) for each in found)
        assert isinstance(found[50], CacheConnectionError)
        proxy.heal()
        assert await cache.aget("k") == "v"

    asyncio.run(work())


def test_flipped_bits(
    call: Caller,
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    proxy = start_proxy(server)
    limits = {"socket_timeout": 0.05, "socket_connect_timeout": 0.05, "operation_timeout": 0.2}
    cache = make_cache(proxy.url, OPTIONS={**limits, "serializer": "django_cachex.serializers.pickle.PickleSerializer"})
    trials = size(100, 5_000)
    call(cache.set, "k", 12345)
    errors = 0
    for _ in range(trials):
        proxy.corrupt(trigger=b"\r\nGET\r\n")
        outcome = attempt(call, cache.get, "k")
        errors += outcome.error is not None
        assert outcome.seconds < 0.2 + SLACK
    proxy.heal()
    time.sleep(0.2)
    figure(f"row 24: {trials} replies with a bit flipped, {errors} errors")
    assert isinstance(attempt(call, cache.get, "k").error, CacheTimeoutError | CacheConnectionError | None)
    time.sleep(1.1)
    assert call(cache.get, "k") == 12345


def test_a_large_array_in_small_pieces(
    call: Caller,
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    proxy = start_proxy(server)
    cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 20, "operation_timeout": 20})
    client = call(cache.get_client)

    def took(items: int) -> float:
        proxy.answer(b"*%d\r\n" % items, trigger=_TRIGGER, unit=b"$4\r\nabcd\r\n", units=items, size=1000)
        start = time.thread_time()
        found = client.execute_command("LRANGE", "hostile", 0, -1)
        if call.is_async:
            found = call.run(found)
        spent = time.thread_time() - start
        assert found == [b"abcd"] * items
        return spent

    took(1000)
    # That the work is linear is counted in src/wire/tests/hostile.rs.
    small, large = took(125_000), took(1_000_000)
    figure(f"row 24: an array of 1.25 MB in 1 kB pieces {small:.3f} s, of 10 MB {large:.3f} s of client CPU")
