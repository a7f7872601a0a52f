"""Row 8: servers that are gone and come back. Row 9: idle connections that end. Row 11: overload meanwhile."""

from __future__ import annotations

import asyncio
import collections
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError
from tests.caller import Caller
from tests.faults.figures import size
from tests.faults.memory import resident
from tests.faults.outcomes import SLACK, attempt, eventually, until_it_works
from tests.faults.program import start

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.servers import Server


def _half_closed(server: Server) -> list[str]:
    """Return our connections that the server has closed and we have not (CLOSE_WAIT)."""
    _, *lines = Path("/proc/net/tcp").read_text().splitlines()
    rows = [line.split() for line in lines]
    return [
        remote for _, _, remote, state, *_ in rows if state == "08" and remote.endswith(f":{server.plain_port:04X}")
    ]


class TestRestart:
    def test_refusal_is_told_at_once(
        self,
        call_on_any_loop: Caller,
        start_server: Callable[..., Server],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        call = call_on_any_loop
        server = start_server()
        cache = make_cache(server.url)
        call(cache.set, "k", "v")
        server.kill()
        outcomes = [attempt(call, cache.get, "k") for _ in range(50)]
        outcomes += [attempt(call, cache.incr, "n") for _ in range(50)]
        longest = max(outcome.seconds for outcome in outcomes)
        assert all(isinstance(outcome.error, CacheConnectionError) for outcome in outcomes)
        server.start()
        again = until_it_works(call, cache.set, "k", "v")
        figure(f"row 8: refusals within {longest * 1000:.1f} ms, works {again:.3f} s after the restart")
        # At once, that is: a caller who waited would have waited for operation_timeout, 3 s.
        assert longest < SLACK
        assert again < 1 + SLACK
        assert call(cache.get, "k") == "v"

    def test_after_a_long_time(
        self,
        start_server: Callable[..., Server],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        server = start_server()
        with Caller("sync") as sync, Caller("async") as on_a_loop:
            # Not one state of the server's health for both.
            pairs = [(sync, make_cache(server.url)), (on_a_loop, make_cache(server.url, OPTIONS={"client_name": "l"}))]
            for call, cache in pairs:
                call(cache.set, "k", "v")
            server.kill()
            deadline = time.monotonic() + size(3, 10)
            while time.monotonic() < deadline:
                for call, cache in pairs:
                    assert isinstance(attempt(call, cache.get, "k").error, CacheConnectionError)
                time.sleep(0.02)
            server.start()
            started = time.monotonic()
            again = []
            for call, cache in pairs:
                until_it_works(call, cache.get, "k")
                again.append(time.monotonic() - started)
        figure(f"row 8: works {again[0]:.3f} s after the restart, on a loop not later than {again[1]:.3f} s")
        assert max(again) < 1 + SLACK

    def test_threads_and_loops(
        self, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], figure: Callable[[str], None]
    ) -> None:
        server = start_server()
        cache = make_cache(server.url)
        over = threading.Event()
        wrong = 0
        last_error = [0.0] * 20

        def thread(index: int) -> None:
            nonlocal wrong
            while not over.is_set():
                try:
                    wrong += cache.get(f"k{index}", index) != index
                except (CacheConnectionError, CacheTimeoutError):
                    last_error[index] = time.monotonic()
                    time.sleep(0.002)

        async def task(index: int) -> None:
            nonlocal wrong
            while not over.is_set():
                try:
                    wrong += await cache.aget(f"k{index}", index) != index
                except (CacheConnectionError, CacheTimeoutError):
                    last_error[index] = time.monotonic()
                await asyncio.sleep(0.002)

        async def tasks() -> None:
            await asyncio.gather(*(task(index) for index in range(10, 20)))

        with ThreadPoolExecutor(11) as pool:
            callers = [*(pool.submit(thread, index) for index in range(10)), pool.submit(asyncio.run, tasks())]
            restarted = 0.0
            for wait in (1.0, 1.0, 1.5 + SLACK):
                time.sleep(0.2)
                server.kill()
                time.sleep(0.3)
                server.start()
                restarted = time.monotonic()
                time.sleep(wait)
            over.set()
            for caller in callers:
                caller.result()
        again = max(last_error) - restarted
        figure(f"row 8: 10 threads and 10 tasks, last error {again:.3f} s after the restart, {wrong} wrong")
        assert wrong == 0
        assert again < 1 + SLACK


class TestIdle:
    def test_killed(
        self,
        call_on_any_loop: Caller,
        start_server: Callable[..., Server],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        call = call_on_any_loop
        server = start_server()
        cache = make_cache(server.url)
        call(cache.set, "k", 1)
        trials = size(350, 1_000)
        for _ in range(trials):
            server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert call(cache.get, "k") == 1
        figure(f"row 9: {trials} x CLIENT KILL, 0 errors on the next read")

    def test_killed_before_a_write(
        self,
        call_on_any_loop: Caller,
        start_server: Callable[..., Server],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        call = call_on_any_loop
        server = start_server()
        cache = make_cache(server.url)
        call(cache.set, "n", 0)
        trials = size(200, 1_000)
        for _ in range(trials):
            server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            # Not within the moment for which a connection is trusted without a look.
            time.sleep(0.002)
            call(cache.incr, "n")
        assert call(cache.get, "n") == trials
        figure(f"row 9: {trials} x CLIENT KILL, 0 errors on the next incr")

    def test_many_at_once(
        self, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], figure: Callable[[str], None]
    ) -> None:
        server = start_server()
        cache = make_cache(server.url)
        together = threading.Barrier(16, timeout=30)
        call = Caller("sync")
        kills = size(150, 1_000)

        def run(_: int) -> list[Exception]:
            errors = []
            for _ in range(5):
                together.wait()
                outcome = attempt(call, cache.get, "k", 1)
                if outcome.error is not None:
                    errors.append(outcome.error)
            return errors

        errors: list[Exception] = []
        with ThreadPoolExecutor(16) as pool:
            for _ in range(kills):
                for found in pool.map(run, range(16)):
                    errors += found
                server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        figure(f"row 9: {kills} x CLIENT KILL with 16 connections, {len(errors)} errors on the next reads")
        assert errors == []

    def test_none_stays_half_closed(
        self, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
    ) -> None:
        """Whoever connects next clears away what servers have closed, of other servers too."""
        left, other = start_server(), start_server()
        caches = [make_cache(server.url) for server in (left, other)]
        together = threading.Barrier(8, timeout=30)

        def run(_: int) -> None:
            for cache in caches:
                for _ in range(5):
                    together.wait()
                    cache.get("k")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(run, range(8)))
        assert len(left.clients()) > 1
        assert len(other.clients()) > 1
        left.kill()
        other.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert eventually(lambda: len(_half_closed(left)) > 1 and len(_half_closed(other)) > 1)
        assert caches[1].get("k") is None
        assert [*_half_closed(left), *_half_closed(other)] == []

    def test_timed_out_by_the_server(
        self, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
    ) -> None:
        server = start_server(config={"timeout": 1})
        with Caller("sync") as sync, Caller("async") as on_a_loop:
            pairs = [(sync, make_cache(server.url)), (on_a_loop, make_cache(server.url, OPTIONS={"client_name": "l"}))]
            for number, (call, cache) in enumerate(pairs):
                call(cache.set, f"n{number}", 0)
            assert len(server.clients()) == len(pairs)
            deadline = time.monotonic() + 5
            while server.clients() and time.monotonic() < deadline:
                time.sleep(0.1)
            assert server.clients() == []
            for number, (call, cache) in enumerate(pairs):
                assert call(cache.incr, f"n{number}") == 1
                assert call(cache.get, f"n{number}") == 1


def test_no_descriptor_is_left(server: Server) -> None:
    """It is said what is lacking, as a connection error, and once there are some again it works."""
    with start("descriptors", server.url) as program:
        said, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    full = f"CacheConnectionError: connecting failed: Too many open files (GET at 127.0.0.1:{server.plain_port})"
    assert json.loads(said) == [full, "1", full, "1"]


class TestOverload:
    @pytest.mark.parametrize("how", ["killed", "frozen"])
    def test_10000_awaits(
        self,
        how: str,
        start_server: Callable[..., Server],
        make_cache: Callable[..., RedisCache],
        figure: Callable[[str], None],
    ) -> None:
        server = start_server()
        cache = make_cache(server.url)
        kinds: collections.Counter[str] = collections.Counter()

        async def one(number: int) -> None:
            try:
                await cache.aget(f"k{number}")
            except (CacheConnectionError, CacheTimeoutError) as error:
                kinds[type(error).__name__] += 1
            else:
                kinds["answered"] += 1

        async def all_of_them() -> tuple[float, int]:
            await cache.aget("k")
            if how == "killed":
                server.kill()
            else:
                server.suspend()
            before = resident()
            start = time.perf_counter()
            tasks = [asyncio.ensure_future(one(number)) for number in range(10_000)]
            await asyncio.sleep(0.5)
            during = resident()
            await asyncio.gather(*tasks)
            took = time.perf_counter() - start
            return took, max(during, resident()) - before

        took, grown = asyncio.run(all_of_them())
        figure(f"row 11: 10,000 awaits, {how}: {dict(kinds)}, {took:.2f} s, {grown / 1e6:.0f} MB more")
        assert kinds["answered"] == 0
        assert took < 3 + SLACK
        assert grown < 64_000_000

    def test_64_threads(
        self, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], figure: Callable[[str], None]
    ) -> None:
        server = start_server()
        cache = make_cache(server.url)
        cache.get("k")
        server.kill()

        def run(number: int) -> float:
            start = time.perf_counter()
            with pytest.raises((CacheConnectionError, CacheTimeoutError)):
                cache.get(f"k{number}")
            return time.perf_counter() - start

        before = resident()
        start = time.perf_counter()
        with ThreadPoolExecutor(64) as pool:
            longest = max(pool.map(run, range(10_000)))
        took = time.perf_counter() - start
        grown = resident() - before
        figure(f"row 11: 10,000 calls in 64 threads, longest {longest:.2f} s, {took:.2f} s, {grown / 1e6:.0f} MB more")
        assert longest < 3 + SLACK
        assert grown < 64_000_000
