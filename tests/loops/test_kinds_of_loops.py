"""Loops that are not quite like asyncio's: no `add_reader`, eager tasks, contexts that must not leak."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import uvloop

from tests.faults.figures import size
from tests.faults.outcomes import eventually
from tests.loops.connections import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.faults.proxy import Proxy
    from tests.servers import Server

_FACTORIES = pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


class _NoReaders(asyncio.SelectorEventLoop):
    """As Windows' proactor: sockets cannot be watched through the loop (nor can its own, so those go another way)."""

    def add_reader[*Ts](self, fd: Any, callback: Callable[[*Ts], Any], *args: *Ts) -> NoReturn:
        raise NotImplementedError

    def add_writer[*Ts](self, fd: Any, callback: Callable[[*Ts], Any], *args: *Ts) -> NoReturn:
        raise NotImplementedError


class TestWithoutReaders:
    def test_calls_work(self, server: Server, make_cache: Callable[..., RedisCache]) -> None:
        cache = make_cache(server.url)

        async def work() -> None:
            await cache.aset("large", b"x" * 8_000_000)
            await asyncio.gather(*(cache.aset(f"k{number}", number) for number in range(500)))
            found = await asyncio.gather(*(cache.aget(f"k{number}") for number in range(500)))
            assert found == list(range(500))
            assert await cache.aget("large") == b"x" * 8_000_000

        with asyncio.Runner(loop_factory=_NoReaders) as runner:
            for _ in range(3):
                runner.run(work())

    def test_connections_come_back(
        self, start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
    ) -> None:
        server = start_server()
        cache = make_cache(server.url)
        before = server.opened()
        for number in range(100):
            assert asyncio.run(cache.aget("k", number), loop_factory=_NoReaders) == number
            assert cache.get("k", number) == number
        assert server.opened() - before <= 2
        assert eventually(lambda: connected(server) <= 2, collecting=True)

    def test_nothing_keeps_the_loop(self, server: Server, make_cache: Callable[..., RedisCache]) -> None:
        cache = make_cache(server.url)
        loop = _NoReaders()
        loop.run_until_complete(cache.aget("k"))
        loop.close()
        gone = weakref.ref(loop)
        del loop
        assert cache.get("k") is None
        assert asyncio.run(cache.aget("k")) is None
        assert eventually(lambda: gone() is None, collecting=True)

    def test_cancelled_calls(
        self,
        server: Server,
        start_proxy: Callable[[Server], Proxy],
        make_cache: Callable[..., RedisCache],
    ) -> None:
        proxy = start_proxy(server)
        cache = make_cache(proxy.url)
        cache.set_many({f"k{number}": number for number in range(100)})
        calls = size(5_000, 50_000)

        async def work() -> int:
            loop = asyncio.get_running_loop()
            cancelled = 0
            for start in range(0, calls, 100):
                tasks = [loop.create_task(cache.aget(f"k{number}")) for number in range(100)]
                for number in range(0, 100, 2):
                    loop.call_later(start % 7 * 0.001, tasks[number].cancel)
                found = await asyncio.gather(*tasks, return_exceptions=True)
                gone = [isinstance(each, asyncio.CancelledError) for each in found]
                cancelled += sum(gone)
                assert all(over or each == number for number, (each, over) in enumerate(zip(found, gone, strict=True)))
            return cancelled

        proxy.delay(0, 0.01)
        assert asyncio.run(work(), loop_factory=_NoReaders) > 0


class TestEagerTasks:
    def test_calls_work(self, server: Server, make_cache: Callable[..., RedisCache]) -> None:
        cache = make_cache(server.url)

        async def work() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            for _ in range(20):
                await asyncio.gather(*(cache.aset(f"k{number}", number) for number in range(100)))
                found = await asyncio.gather(*(cache.aget(f"k{number}") for number in range(100)))
                assert found == list(range(100))

        asyncio.run(work())

    def test_cancelled_before_anything_was_sent(self, server: Server, make_cache: Callable[..., RedisCache]) -> None:
        cache = make_cache(server.url)

        async def work() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            for number in range(500):
                task = asyncio.create_task(cache.aget("k", number))
                task.cancel()
                assert await cache.aget(f"k{number}", number) == number
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(work())


_who: contextvars.ContextVar[object] = contextvars.ContextVar("_who")


class _Person:
    pass


class TestContexts:
    @_FACTORIES
    def test_the_first_caller_is_forgotten(
        self,
        factory: Callable[[], asyncio.AbstractEventLoop],
        server: Server,
        make_cache: Callable[..., RedisCache],
    ) -> None:
        cache = make_cache(server.url)

        async def request() -> weakref.ref[_Person]:
            person = _Person()
            _who.set(person)
            await cache.aget("k")
            return weakref.ref(person)

        async def work() -> None:
            first = await asyncio.create_task(request())
            # One task more, as the loop itself may hold the last one for a moment.
            await asyncio.create_task(asyncio.sleep(0))
            gc.collect()
            assert first() is None
            await cache.aget("k")

        asyncio.run(work(), loop_factory=factory)

    @_FACTORIES
    def test_every_caller_keeps_his_own(
        self,
        factory: Callable[[], asyncio.AbstractEventLoop],
        server: Server,
        make_cache: Callable[..., RedisCache],
    ) -> None:
        cache = make_cache(server.url)

        async def request(number: int) -> None:
            _who.set(number)
            for turn in range(5):
                assert await cache.aget(f"k{number}", turn) == turn
                assert _who.get() == number

        async def work() -> None:
            await asyncio.gather(*(request(number) for number in range(200)))

        asyncio.run(work(), loop_factory=factory)

    def test_what_the_loop_calls_for_us_sees_no_context(
        self, server: Server, make_cache: Callable[..., RedisCache]
    ) -> None:
        cache = make_cache(server.url)
        seen: list[object] = []

        class Loop(asyncio.SelectorEventLoop):
            def add_reader[*Ts](self, fd: Any, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
                def called() -> None:
                    seen.append(_who.get(None))
                    callback(*args)

                super().add_reader(fd, called)

        async def work() -> None:
            _who.set("somebody")
            for _ in range(3):
                await cache.aget("k")

        asyncio.run(work(), loop_factory=Loop)
        assert len(seen) >= 3
        assert set(seen) == {None}
