"""BLPOP, BRPOP, BLMOVE: how long they wait, what wakes them, and that nobody waits for those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from django_cachex.exceptions import (
    CacheConnectionError,
    CacheTimeoutError,
    ResponseError,
    SerializerError,
    WrongTypeError,
)
from tests.caller import Caller
from tests.faults.outcomes import eventually
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_cachex.cache import RedisCache
    from tests.control import Control
    from tests.servers import Server

pytestmark = pytest.mark.one_slot

# Nobody waits longer; a test that needs it fails.
LONG = 20
POPS = ["blpop", "brpop", "blmove"]


def blocked(server: Server) -> int:
    """How many clients the server lets wait."""
    return int(server.info("clients")["blocked_clients"])


@pytest.fixture
def meanwhile(server: Server) -> Iterator[Callable[..., None]]:
    """Do something from another thread once somebody waits: `meanwhile(lambda command: command("RPUSH", "k", 1))`."""
    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:

        def begin(act: Callable[[Control], Any], on: Server = server, waiting: int = 1) -> None:
            command = stack.enter_context(on.client())

            def wait_and_act() -> None:
                deadline = time.monotonic() + LONG
                while blocked(on) != waiting:
                    assert time.monotonic() < deadline, "nobody waits"
                    time.sleep(0.005)
                act(command)

            futures.append(pool.submit(wait_and_act))

        futures: list[Any] = []
        yield begin
        for future in futures:
            future.result(LONG)


@pytest.fixture
def unreachable(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: what raises anything but a connection error on it has sent nothing."""
    return make_cache(f"redis://127.0.0.1:{free_port()}")


def pop(cache: RedisCache, call: Caller, method: str, timeout: Any, key: str = "k") -> Any:
    """Call one of the three, on one key, for the value alone."""
    if method == "blmove":
        return call(cache.blmove, key, "moved", timeout)
    found = call(getattr(cache, method), key, timeout)
    if found is None:
        return None
    assert type(found) is tuple
    assert found[0] == key
    return found[1]


# What is there already


def test_values_that_are_there(cache: RedisCache, call: Caller) -> None:
    call(cache.rpush, "k", 1, None, [3], "4")
    assert call(cache.blpop, "k") == ("k", 1)
    assert call(cache.brpop, "k") == ("k", "4")
    assert call(cache.blpop, keys="k", timeout=LONG, version=None) == ("k", None)
    assert call(cache.brpop, ["k"], timeout=None) == ("k", [3])
    assert call(cache.has_key, "k") is False


def test_blmove(cache: RedisCache, call: Caller) -> None:
    call(cache.rpush, "src", 1, 2, [3], None)
    assert call(cache.blmove, "src", "dst", 0) == 1
    assert call(cache.blmove, "src", "dst", LONG, "right", "Left") is None
    assert call(cache.blmove, "src", "dst", None, wherefrom="RIGHT") == [3]
    assert call(cache.blmove, src="src", dst="src", timeout=1, whereto="LEFT") == 2
    assert call(cache.lrange, "src", 0, -1) == [2]
    assert call(cache.lrange, "dst", 0, -1) == [None, 1, [3]]


def test_keys_are_tried_in_order(cache: RedisCache, call: Caller) -> None:
    for key in ("a", "b", "c"):
        call(cache.rpush, key, f"{key}1", f"{key}2")
    assert call(cache.blpop, ["none", "b", "a"], 1) == ("b", "b1")
    assert call(cache.brpop, ("c", "b"), 1) == ("c", "c2")
    assert call(cache.blpop, iter(["c", "a"]), 1) == ("c", "c1")
    assert call(cache.blpop, {"c": 1, "b": 2, "a": 3}, 1) == ("b", "b2")
    assert call(cache.blpop, ["b", "b", "c", "a", "a"], 1) == ("a", "a1")


def test_the_key_as_passed_comes_back(cache: RedisCache, call: Caller) -> None:
    class Name(str):
        __slots__ = ()

    for text in ("plain", "naïve☃", "a:b:c", "*[x]?", "\udcff", "\udcc3\udca9"):
        key = Name(text)
        call(cache.rpush, text, 1)
        found = call(cache.blpop, ["none", key], 1)
        assert found == (text, 1)
        assert found[0] is key


def test_versions(cache: RedisCache, call: Caller) -> None:
    call(cache.rpush, "k", 1, version=1)
    call(cache.rpush, "k", 2, 22, 222, version=2)
    assert call(cache.blpop, "k", 1, 2) == ("k", 2)
    assert call(cache.brpop, ["none", "k"], 1, version=2) == ("k", 222)
    assert call(cache.blmove, "k", "k", 1, version=2, version_dst=1) == 22
    assert call(cache.blmove, "k", "k", 1, "LEFT", "LEFT", None, 1, 3) == 1
    assert call(cache.blpop, "k", 1, version=3) == ("k", 1)
    assert call(cache.blpop, "k", 1) == ("k", 22)


def test_client_takes_made_keys(cache: RedisCache, call: Caller) -> None:
    client, key, other = cache._cache, cache.make_key("k"), cache.make_key("other")
    call(client.rpush, key, 1, 2)
    assert call(client.blpop, [other, key], 1) == (key, 1)
    assert call(client.blmove, key, other, 1, "RIGHT", "LEFT") == 2
    assert call(client.brpop, other, 1) == (other, 2)


# How long


@pytest.mark.parametrize("method", POPS)
@pytest.mark.parametrize("timeout", [0.05, 0.3, 1], ids=str)
def test_nothing_comes_in_time(cache: RedisCache, call_on_any_loop: Caller, method: str, timeout: float) -> None:
    begun = time.monotonic()
    assert pop(cache, call_on_any_loop, method, timeout) is None
    assert timeout - 0.01 < time.monotonic() - begun < timeout + LONG
    # The connection is as good as new.
    call_on_any_loop(cache.rpush, "k", 1)
    assert pop(cache, call_on_any_loop, method, timeout) == 1


@pytest.mark.parametrize("method", POPS)
def test_the_shortest_time_is_not_for_ever(cache: RedisCache, call: Caller, method: str) -> None:
    for timeout in (0.001, 0.0004, 1e-9, 5e-324):
        begun = time.monotonic()
        assert pop(cache, call, method, timeout) is None
        assert time.monotonic() - begun < LONG


@pytest.mark.parametrize(("method", "timeout"), [("blpop", 0), ("brpop", None), ("blmove", 0.0), ("blpop", -0.0)])
def test_for_ever(
    make_cache: Callable[..., RedisCache],
    call_on_any_loop: Caller,
    meanwhile: Callable[..., None],
    method: str,
    timeout: Any,
) -> None:
    cache = make_cache(OPTIONS={"socket_timeout": 0.2, "operation_timeout": 0.4})

    def push_late(command: Control) -> None:
        time.sleep(0.6)
        command("RPUSH", cache.make_key("k"), 5)

    meanwhile(push_late)
    assert pop(cache, call_on_any_loop, method, timeout) == 5


@pytest.mark.parametrize("method", ["blpop", "blmove"])
def test_own_time_comes_before_the_socket_timeout(
    make_cache: Callable[..., RedisCache], call_on_any_loop: Caller, method: str
) -> None:
    cache = make_cache(OPTIONS={"socket_timeout": 0.2, "operation_timeout": 0.3})
    begun = time.monotonic()
    assert pop(cache, call_on_any_loop, method, 0.6) is None
    assert 0.59 < time.monotonic() - begun < LONG


@pytest.mark.parametrize("method", POPS)
@pytest.mark.parametrize("timeout", [-1, -0.5, -0.0001, -5e-324, -(10**9)], ids=str)
def test_less_than_no_time(cache: RedisCache, call: Caller, method: str, timeout: float) -> None:
    call(cache.rpush, "k", 1)
    with pytest.raises(ResponseError, match=r"^ERR timeout is negative"):
        pop(cache, call, method, timeout)
    assert call(cache.llen, "k") == 1


@pytest.mark.parametrize("method", POPS)
@pytest.mark.parametrize("timeout", [10**18, 10**30, 10**400, 1e17, 1e300], ids=lambda timeout: str(timeout)[:8])
def test_more_time_than_there_is(cache: RedisCache, call: Caller, method: str, timeout: float) -> None:
    with pytest.raises(ResponseError, match=r"^ERR timeout is (out of range|not a float|negative)"):
        pop(cache, call, method, timeout)
    assert pop(cache, call, method, 0.01) is None


@pytest.mark.parametrize("method", POPS)
def test_times_that_are_none(unreachable: RedisCache, call: Caller, method: str) -> None:
    for timeout in (math.inf, -math.inf, math.nan):
        with pytest.raises(ValueError, match="finite"):
            pop(unreachable, call, method, timeout)
    for nonsense in ("1", b"1", [], timedelta(seconds=1), object()):
        with pytest.raises(TypeError, match="seconds"):
            pop(unreachable, call, method, nonsense)


def test_wrong_arguments(unreachable: RedisCache, call: Caller) -> None:
    for method in (unreachable.blpop, unreachable.brpop):
        nothings: list[Any] = [[], (), {}, iter(())]
        for nothing in nothings:
            with pytest.raises(ValueError, match="at least one key"):
                call(method, nothing, 1)
        with pytest.raises(TypeError):
            call(method, None)
    with pytest.raises(TypeError, match="timeout"):
        call(unreachable.blmove, "src", "dst")
    for side in ("", "TOP", None):
        with pytest.raises(ValueError, match="LEFT or RIGHT"):
            call(unreachable.blmove, "src", "dst", 1, side)
        with pytest.raises(ValueError, match="LEFT or RIGHT"):
            call(unreachable.blmove, "src", "dst", 1, "LEFT", side)


def test_not_on_pipelines(cache: RedisCache) -> None:
    for pipeline in (cache.pipeline(), cache.apipeline()):
        for name in (*POPS, *("a" + name for name in POPS)):
            assert not hasattr(pipeline, name)


# What wakes them, and what ends them


@pytest.mark.parametrize("method", POPS)
def test_a_push_wakes(cache: RedisCache, call_on_any_loop: Caller, meanwhile: Callable[..., None], method: str) -> None:
    pushed: list[float] = []

    def push(command: Control) -> None:
        pushed.append(time.monotonic())
        command("RPUSH", cache.make_key("k"), 5)

    for _ in range(3):
        meanwhile(push)
        assert pop(cache, call_on_any_loop, method, LONG) == 5
        assert time.monotonic() - pushed[-1] < LONG / 2


def test_a_push_to_any_of_the_keys_wakes(cache: RedisCache, call: Caller, meanwhile: Callable[..., None]) -> None:
    meanwhile(lambda command: command("RPUSH", cache.make_key("b"), 1, 2))
    assert call(cache.blpop, ["a", "b", "c"], LONG) == ("b", 1)


@pytest.mark.parametrize("protocol", [2, 3])
def test_protocols(
    make_cache: Callable[..., RedisCache], call: Caller, meanwhile: Callable[..., None], protocol: int
) -> None:
    cache = make_cache(OPTIONS={"protocol": protocol})
    for method in POPS:
        assert pop(cache, call, method, 0.01) is None
        meanwhile(lambda command: command("RPUSH", cache.make_key("k"), 5))
        assert pop(cache, call, method, LONG) == 5


@pytest.mark.parametrize("method", POPS)
def test_wrong_type(cache: RedisCache, call: Caller, method: str) -> None:
    call(cache.set, "k", "text")
    with pytest.raises(WrongTypeError, match=r"^WRONGTYPE "):
        pop(cache, call, method, 1)


@pytest.mark.parametrize("method", POPS)
def test_undecodable_values(cache: RedisCache, server: Server, call: Caller, method: str) -> None:
    server.command("RPUSH", cache.make_key("k"), b"\x80nothing")
    with pytest.raises(SerializerError):
        pop(cache, call, method, 1)


@pytest.mark.parametrize("method", POPS)
def test_unblocked_by_hand(
    cache: RedisCache, server: Server, call: Caller, meanwhile: Callable[..., None], method: str
) -> None:
    def unblock(how: str) -> Callable[[Control], None]:
        def act(command: Control) -> None:
            for client in server.clients():
                if "b" in client["flags"]:
                    command("CLIENT", "UNBLOCK", client["id"], how)

        return act

    meanwhile(unblock("TIMEOUT"))
    assert pop(cache, call, method, LONG) is None
    meanwhile(unblock("ERROR"))
    with pytest.raises(ResponseError, match=r"^UNBLOCKED "):
        pop(cache, call, method, LONG)


@pytest.mark.parametrize("method", POPS)
def test_a_server_that_dies(
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
    call_on_any_loop: Caller,
    meanwhile: Callable[..., None],
    method: str,
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    ended: list[float] = []

    def kill(_: Control) -> None:
        ended.append(time.monotonic())
        server.kill()

    meanwhile(kill, on=server)
    with pytest.raises(CacheConnectionError):
        pop(cache, call_on_any_loop, method, LONG)
    # A pop is not sent again: what it took before would be lost.
    assert time.monotonic() - ended[0] < LONG / 2
    server.start()
    assert eventually(lambda: pop(cache, call_on_any_loop, method, 0.01) is None)


@pytest.mark.parametrize("method", ["brpop", "blmove"])
def test_a_server_that_freezes(
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
    call_on_any_loop: Caller,
    meanwhile: Callable[..., None],
    method: str,
) -> None:
    server = start_server()
    cache = make_cache(server.url, OPTIONS={"socket_timeout": 0.5})
    meanwhile(lambda _: server.suspend(), on=server)
    begun = time.monotonic()
    with pytest.raises(CacheTimeoutError):
        pop(cache, call_on_any_loop, method, 0.6)
    assert 1.0 < time.monotonic() - begun < 2.5
    server.resume()
    call_on_any_loop(cache.rpush, "k", 5)
    assert pop(cache, call_on_any_loop, method, 1) == 5


# Many of them


def test_many_in_threads(server: Server, make_cache: Callable[..., RedisCache]) -> None:
    cache = make_cache(OPTIONS={"max_connections": 2})
    waiters = 60
    with ThreadPoolExecutor(waiters) as pool:
        found = [pool.submit(cache.blpop, f"k{number}", LONG) for number in range(waiters)]
        assert eventually(lambda: blocked(server) == waiters, seconds=LONG)
        begun = time.monotonic()
        cache.set("ordinary", 0)
        for number in range(400):
            assert cache.incr("ordinary") == number + 1
        assert time.monotonic() - begun < LONG / 2
        numbers = random.sample(range(waiters), waiters)
        for number in numbers:
            cache.rpush(f"k{number}", number)
            assert found[number].result(LONG) == (f"k{number}", number)
    assert blocked(server) == 0


@pytest.mark.parametrize("method", POPS)
def test_many_in_one_loop(server: Server, make_cache: Callable[..., RedisCache], method: str) -> None:
    cache = make_cache(OPTIONS={"max_connections": 2})
    waiters = 150

    async def wait(number: int) -> Any:
        if method == "blmove":
            return f"k{number}", await cache.ablmove(f"k{number}", "moved", LONG)
        return await getattr(cache, "a" + method)(f"k{number}", LONG)

    async def main() -> None:
        tasks = [asyncio.create_task(wait(number)) for number in range(waiters)]
        deadline = time.monotonic() + LONG
        while blocked(server) < waiters:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        begun = time.monotonic()
        await cache.aset("ordinary", 0)
        for number in range(400):
            assert await cache.aincr("ordinary") == number + 1
        assert time.monotonic() - begun < LONG / 2
        assert not any(task.done() for task in tasks)
        for number in random.sample(range(waiters), waiters):
            await cache.arpush(f"k{number}", number)
            async with asyncio.timeout(2):
                assert await tasks[number] == (f"k{number}", number)

    asyncio.run(main())
    assert blocked(server) == 0


def test_threads_and_loops_share_the_work(server: Server, cache: RedisCache) -> None:
    """Every value goes to exactly one of those who wait for the same key."""
    each = 100

    def in_thread() -> list[Any]:
        taken = []
        while (found := cache.blpop("k", 0.5)) is not None:
            taken.append(found[1])
        return taken

    async def in_task() -> list[Any]:
        taken = []
        while (found := await cache.ablpop("k", 0.5)) is not None:
            taken.append(found[1])
        return taken

    async def in_loop() -> list[Any]:
        return [value for taken in await asyncio.gather(*(in_task() for _ in range(5))) for value in taken]

    with ThreadPoolExecutor(16) as pool:
        takers = [pool.submit(in_thread) for _ in range(4)]
        takers += [pool.submit(asyncio.run, in_loop()) for _ in range(2)]
        pushers = [
            pool.submit(lambda first: [cache.rpush("k", first + n) for n in range(each)], pusher * each)
            for pusher in range(4)
        ]
        for pusher in pushers:
            pusher.result(LONG)
        taken = [value for taker in takers for value in taker.result(LONG)]
    assert sorted(taken) == list(range(4 * each))


def test_waiting_threads_let_others_run(server: Server, cache: RedisCache) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiter = threads.submit(cache.blpop, "k", LONG)
        # Whoever waits with the interpreter locked has come back before anybody else runs.
        for _ in range(20):
            time.sleep(0.005)
        assert eventually(lambda: blocked(server) == 1)
        assert not waiter.done()
        cache.rpush("k", "v")
        assert waiter.result(LONG) == ("k", "v")


# Cancelling


async def until_blocked(server: Server, waiters: int) -> None:
    deadline = time.monotonic() + LONG
    while blocked(server) != waiters:
        assert time.monotonic() < deadline, f"{blocked(server)} instead of {waiters} are waiting"
        await asyncio.sleep(0.005)


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def on_any_loop(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """`run` on a loop of either kind."""
    with Caller("async", request.param) as caller:
        yield caller


@pytest.mark.parametrize("method", POPS)
def test_the_next_push_goes_to_another(server: Server, cache: RedisCache, on_any_loop: Caller, method: str) -> None:
    async def wait(timeout: float) -> Any:
        if method == "blmove":
            return await cache.ablmove("k", "moved", timeout)
        found = await getattr(cache, "a" + method)("k", timeout)
        return found[1]

    async def main() -> None:
        first = asyncio.create_task(wait(0))
        await until_blocked(server, 1)
        second = asyncio.create_task(wait(LONG))
        await until_blocked(server, 2)
        begun = time.monotonic()
        await cancel(first)
        await until_blocked(server, 1)
        assert time.monotonic() - begun < LONG / 2
        await cache.arpush("k", 5)
        assert await second == 5

    on_any_loop.run(main())


def test_half_of_many_are_cancelled(server: Server, cache: RedisCache, on_any_loop: Caller) -> None:
    async def main() -> None:
        tasks = [asyncio.create_task(cache.ablpop("k", LONG)) for _ in range(60)]
        await until_blocked(server, 60)
        random.shuffle(tasks)
        await cancel(*tasks[:30])
        await until_blocked(server, 30)
        await cache.arpush("k", *range(30))
        values = [found[1] for found in await asyncio.gather(*tasks[30:]) if found is not None]
        assert sorted(values) == list(range(30))

    on_any_loop.run(main())


def test_cancelled_at_any_moment(server: Server, cache: RedisCache, on_any_loop: Caller) -> None:
    async def one(number: int) -> None:
        task = asyncio.create_task(cache.ablpop(f"k{number}", LONG))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await asyncio.sleep(random.random() * 0.01 if number % 2 else 0)
        await cancel(task)
        # What comes next on this loop is not answered with anything of what was given up.
        assert await cache.aget(f"none{number}", number) == number

    async def main() -> None:
        for _ in range(4):
            await asyncio.gather(*(one(number) for number in range(50)))
        await until_blocked(server, 0)

    on_any_loop.run(main())


def test_a_time_limit_from_outside(server: Server, cache: RedisCache, on_any_loop: Caller) -> None:
    async def main() -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(cache.ablpop("k", 0), 0.05)
        await until_blocked(server, 0)
        await cache.arpush("k", 5)
        assert await cache.ablpop("k", 1) == ("k", 5)

    on_any_loop.run(main())


def test_a_loop_that_ends(server: Server, cache: RedisCache) -> None:
    async def main() -> None:
        task = asyncio.create_task(cache.ablpop("k", 0))
        await until_blocked(server, 1)
        assert not task.done()

    for _ in range(3):
        # run() cancels what is left.
        asyncio.run(main())
        assert eventually(lambda: blocked(server) == 0)
    cache.rpush("k", 5)
    assert cache.blpop("k", 1) == ("k", 5)
