"""Row 5: a server that stands still. Row 6: one that is busy. Row 7: a network that swallows everything."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError, CachexError
from tests.control import Control
from tests.faults.figures import size
from tests.faults.outcomes import SLACK, attempt, until_it_works
from tests.servers import CONTROL_LOGIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.faults.proxy import Proxy
    from tests.servers import Server


class TestFrozen:
    def test_every_call_comes_back(
        self,
        call_on_any_loop: Caller,
        start_server: Callable[..., Server],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        call = call_on_any_loop
        server = start_server()
        limits = {"socket_connect_timeout": 0.3, "socket_timeout": 0.4, "operation_timeout": 0.6}
        cache = make_cache(server.url, OPTIONS=limits)
        call(cache.set, "k", "v")
        server.suspend()
        calls: list[tuple[Any, ...]] = [(cache.get, "k"), (cache.get, "k"), (cache.set, "k", "v"), (cache.incr, "n")]
        outcomes = [attempt(call, method, *args) for method, *args in calls]
        longest = max(outcome.seconds for outcome in outcomes)
        assert all(isinstance(outcome.error, CacheTimeoutError | CacheConnectionError) for outcome in outcomes)
        assert isinstance(outcomes[0].error, CacheTimeoutError)
        server.resume()
        again = until_it_works(call, cache.get, "k")
        figure(f"row 5: longest call {longest:.3f} s of 0.6, works {again:.3f} s after SIGCONT")
        assert longest < 0.6 + SLACK
        assert again < 1 + SLACK

    def test_with_the_usual_limits(
        self,
        start_server: Callable[..., Server],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        server = start_server()
        cache = make_cache(server.url)
        cache.set("k", "v")
        longest: list[float] = []

        def run(_: int) -> None:
            start = time.perf_counter()
            with pytest.raises((CacheTimeoutError, CacheConnectionError)):
                cache.get("k")
            longest.append(time.perf_counter() - start)

        async def together() -> None:
            await cache.aget("k")
            server.suspend()
            with ThreadPoolExecutor(8) as pool:
                loop = asyncio.get_running_loop()
                threads = [loop.run_in_executor(pool, run, number) for number in range(8)]
                start = time.perf_counter()
                found = await asyncio.gather(*(cache.aget(f"k{n}") for n in range(500)), return_exceptions=True)
                longest.append(time.perf_counter() - start)
                assert {type(each) for each in found} == {CacheTimeoutError}
                await asyncio.gather(*threads)
            server.resume()

        asyncio.run(together())
        figure(f"row 5: 8 threads and 500 awaits, longest {max(longest):.3f} s of 3")
        assert max(longest) < 3 + SLACK

    def test_replies_that_came_while_the_loop_was_blocked(
        self, server: Server, make_cache: Callable[..., RedisCache]
    ) -> None:
        cache = make_cache(server.url, OPTIONS={"socket_timeout": 0.4, "operation_timeout": 0.5})

        async def work() -> None:
            await cache.aset("k", "v")
            for _ in range(3):
                tasks = [asyncio.create_task(cache.aget("k")) for _ in range(50)]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                time.sleep(0.8)  # noqa: ASYNC251 - as a view does that should not
                assert await asyncio.gather(*tasks) == ["v"] * 50

        asyncio.run(work())


class TestTrickle:
    """A reply that keeps coming is not silence, however long it takes in all."""

    def test_a_large_reply(
        self,
        call_on_any_loop: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        call = call_on_any_loop
        proxy = start_proxy(server)
        value = "a large value " * 5_000
        cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 0.5, "operation_timeout": 30})
        call(cache.set, "k", value)
        proxy.throttle(len(value) // 20, 0.05, trigger=b"GET")
        begun = time.monotonic()
        assert call(cache.get, "k") == value
        assert time.monotonic() - begun > 0.5
        assert call(cache.get_many, ["k"]) == {"k": value}
        assert len(proxy.accepted()) == 1

    def test_one_that_stops(
        self,
        call_on_any_loop: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        call = call_on_any_loop
        proxy = start_proxy(server)
        value = "a large value " * 5_000
        cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 0.2, "operation_timeout": 30})
        call(cache.set, "k", value)
        proxy.throttle(len(value) // 2, 60, trigger=b"GET")
        silent = attempt(call, cache.get, "k")
        assert isinstance(silent.error, CacheTimeoutError)
        assert silent.seconds < 3 * 0.2 + SLACK

    def test_one_that_takes_longer_than_the_call_may(
        self,
        call_on_any_loop: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        call = call_on_any_loop
        proxy = start_proxy(server)
        value = "a large value " * 5_000
        cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 0.3, "operation_timeout": 0.6})
        call(cache.set, "k", value)
        proxy.throttle(len(value) // 400, 0.05, trigger=b"GET")
        late = attempt(call, cache.get, "k")
        assert isinstance(late.error, CacheTimeoutError)
        assert late.seconds < 0.6 + SLACK


class TestBusy:
    @pytest.mark.parametrize("how", ["sleep", "pause"])
    def test_it_is_left_in_peace(
        self,
        how: str,
        start_server: Callable[..., Server],
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        seconds = size(4, 10)
        server = start_server()
        # With an introduction, and without: then there is nothing in a handshake that a busy server would not answer.
        silent = {"lib_name": None, "lib_version": None}
        ways = [(start_proxy(server), options) for options in ({}, silent)]
        caches = [make_cache(proxy.url, OPTIONS={"socket_timeout": 1, **options}) for proxy, options in ways]
        over = threading.Event()
        failed = [0, 0]

        def thread(which: int) -> None:
            while not over.is_set():
                try:
                    caches[which].get("k")
                except CachexError:
                    failed[which] += 1
                    time.sleep(0.005)

        async def task(which: int) -> None:
            while not over.is_set():
                try:
                    await caches[which].aget("k")
                except CachexError:
                    failed[which] += 1
                    await asyncio.sleep(0.005)

        async def tasks(which: int) -> None:
            await asyncio.gather(*(task(which) for _ in range(20)))

        with ThreadPoolExecutor(20) as pool:
            callers = [pool.submit(thread, which) for which in (0, 1) for _ in range(8)]
            callers += [pool.submit(asyncio.run, tasks(which)) for which in (0, 1)]
            time.sleep(0.3)
            for proxy, _ in ways:
                proxy.forget()
            words = ("DEBUG", "SLEEP", seconds) if how == "sleep" else ("CLIENT", "PAUSE", seconds * 1000, "ALL")
            # It answers at once, or when the sleep is over.
            patient = Control(("127.0.0.1", server.plain_port), login=CONTROL_LOGIN, timeout=seconds + 5)
            busy = pool.submit(patient, *words)
            time.sleep(seconds - 0.1)
            connects = [len(proxy.accepted()) for proxy, _ in ways]
            over.set()
            for caller in callers:
                caller.result()
            busy.result()
            patient.close()
        figure(f"row 6: {how} of {seconds} s, {failed} failures, {connects} connects, introduced and not")
        assert min(failed) > 0
        assert max(connects) <= seconds

    def test_a_reply_without_end(
        self,
        call_on_any_loop: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        """Nobody waits for it any more, and behind it nobody gets a reply: the connection is replaced."""
        call = call_on_any_loop
        proxy = start_proxy(server)
        cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 0.5, "operation_timeout": 0.5})
        call(cache.set, "k", "v")
        unit = b":1\r\n"
        proxy.answer(b"*1000000000\r\n", trigger=b"endless", unit=unit, units=-1, size=len(unit), pause=0.1)
        assert isinstance(attempt(call, cache.get, "endless").error, CacheTimeoutError)
        proxy.heal()
        assert until_it_works(call, cache.get, "k") < 1 + SLACK
        assert call(cache.get, "k") == "v"


class TestFullSocket:
    def test_new_requests_are_no_sign_of_life(
        self, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
    ) -> None:
        """They queue up behind what the server does not take."""
        server = start_server()
        limits = {"socket_timeout": 0.5, "operation_timeout": 1.5, "tcp_user_timeout": None, "retry": 0}
        cache = make_cache(server.url, OPTIONS=limits)
        large = "x" * 400_000

        async def work() -> list[Any]:
            await cache.aset("k", "v")
            server.suspend()
            try:
                calls = []
                for _ in range(30):
                    calls.append(asyncio.create_task(cache.aset("large", large)))
                    await asyncio.sleep(0.05)
                return await asyncio.gather(*calls, return_exceptions=True)
            finally:
                server.resume()

        first, *_ = asyncio.run(work())
        assert "no reply within 0.5 s" in str(first), "the silence was noticed, not only that its own time was over"


class TestBlackHole:
    def test_the_connection_is_replaced(
        self,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 1})
        call(cache.set, "k", "v")
        proxy.hole(new=False)
        first = attempt(call, cache.get, "k")
        assert isinstance(first.error, CacheTimeoutError)
        again = until_it_works(call, cache.get, "k")
        figure(f"row 7: works {again:.3f} s after the first timeout")
        assert again < 3 + SLACK

    def test_the_health_check_notices(
        self,
        call: Caller,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        """One idle connection that does not answer speaks for all others: they are not asked one after the other."""
        proxy = start_proxy(server)
        options = {"socket_timeout": 0.5, "operation_timeout": 30, "health_check_interval": 0.1}
        cache = make_cache(proxy.url, OPTIONS=options)
        _open_many(cache, proxy, 10)
        call(cache.set, "k", "v")
        time.sleep(0.2)
        proxy.hole(new=False)
        proxy.forget()
        first = attempt(call, cache.get, "k")
        assert (first.value, first.error) == ("v", None)
        assert first.seconds < 0.5 + SLACK
        assert len(proxy.accepted()) == 1

    def test_so_are_all_idle_ones(
        self,
        start_server: Callable[..., Server],
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        server = start_server()
        proxy = start_proxy(server)
        cache = make_cache(proxy.url, OPTIONS={"socket_timeout": 0.5})
        _open_many(cache, proxy, 20)
        idle = len(server.clients())
        assert idle >= 10
        proxy.hole(new=False)
        with pytest.raises(CacheTimeoutError):
            cache.get("k")
        start = time.perf_counter()
        failed = 0
        while time.perf_counter() - start < 10:
            try:
                cache.get("k")
            except CachexError:
                failed += 1
                continue
            break
        again = time.perf_counter() - start
        figure(f"row 7: {idle} idle connections in a black hole, works {again:.3f} s after the first timeout")
        assert again < 3 + SLACK

    def test_callers_do_not_queue_up_when_it_is_over(
        self,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        """While a server is suspect one caller connects at a time; once one has succeeded, all others do at once."""
        proxy = start_proxy(server)
        options = {"socket_timeout": 0.3, "operation_timeout": 30, "socket_connect_timeout": 30}
        cache = make_cache(proxy.url, OPTIONS=options)
        cache.set("k", "v")
        proxy.hole(new=False)
        with pytest.raises(CacheTimeoutError):
            cache.get("k")
        proxy.forget()
        handshake = 1.0
        proxy.delay(handshake, handshake, trigger=b"SETINFO")
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(cache.get, ["k"] * 8)) == ["v"] * 8
        _, second, *_, last = proxy.accepted()
        assert last - second < handshake


def _open_many(cache: RedisCache, proxy: Proxy, threads: int) -> None:
    """Have as many connections as threads, or nearly."""
    together = threading.Barrier(threads, timeout=30)

    def run(_: int) -> None:
        for _ in range(5):
            together.wait()
            cache.get("k")

    proxy.delay(0.01, 0.01)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    proxy.heal()
