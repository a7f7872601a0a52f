"""Row 1: a cancelled call leaves its reply to nobody else."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from tests.faults.figures import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.faults.proxy import Proxy
    from tests.servers import Server

_KEYS = 500
_AT_ONCE = 800


class _Run:
    """Calls whose results identify their keys, many at a time, some of them cancelled on the way."""

    def __init__(self, cache: RedisCache, awaits: int) -> None:
        self.cache = cache
        self.left = awaits
        self.made = 0
        self.cancelled = 0
        self.outstanding = 0
        self.wrong: list[object] = []

    async def _get(self, number: int) -> None:
        found = await self.cache.aget(f"k{number}")
        if found != f"value of {number}":
            self.wrong.append((number, found))

    async def _get_many(self, number: int) -> None:
        numbers = [number, (number + 7) % _KEYS, (number + 99) % _KEYS]
        found = await self.cache.aget_many([f"k{each}" for each in numbers])
        if found != {f"k{each}": f"value of {each}" for each in numbers}:
            self.wrong.append((numbers, found))

    async def _set(self, number: int) -> None:
        if await self.cache.aset(f"k{number}", f"value of {number}", None, get=True) != f"value of {number}":
            self.wrong.append(number)

    async def _missing(self, number: int) -> None:
        if await self.cache.aget(f"none{number}", number) != number:
            self.wrong.append(number)

    async def _worker(self) -> None:
        loop = asyncio.get_running_loop()
        kinds = [*[self._get] * 6, self._get_many, self._set, self._missing]
        while self.left > 0:
            self.left -= 1
            self.made += 1
            task = loop.create_task(random.choice(kinds)(random.randrange(_KEYS)))
            alarm = None
            if random.random() < 0.6:
                alarm = loop.call_later(random.uniform(0, 0.04), task.cancel)
            try:
                await task
            except asyncio.CancelledError:
                self.cancelled += 1
            finally:
                if alarm is not None:
                    alarm.cancel()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._worker())


async def _client_id(cache: RedisCache) -> Any:
    client = await cache.get_async_client()
    return await client.execute_command("CLIENT", "ID")


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_no_reply_goes_astray(
    factory: Callable[[], asyncio.AbstractEventLoop],
    server: Server,
    start_proxy: Callable[[Server], Proxy],
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    # Both loops together make the number that is asked for.
    awaits = size(100_000, 500_000)
    proxy = start_proxy(server)
    cache = make_cache(proxy.url)
    cache.set_many({f"k{number}": f"value of {number}" for number in range(_KEYS)}, None)
    run = _Run(cache, awaits)

    async def main() -> tuple[Any, Any]:
        before = await _client_id(cache)
        proxy.delay(0, 0.05)
        await run.run()
        return before, await _client_id(cache)

    with asyncio.Runner(loop_factory=factory) as runner:
        before, after = runner.run(main())
    figure(f"row 1: {run.made} awaits, {run.cancelled} cancelled while outstanding, {len(run.wrong)} wrong")
    assert run.made == awaits
    assert run.wrong == []
    assert run.cancelled >= awaits / 3
    assert before == after
