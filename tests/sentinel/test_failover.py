"""`SENTINEL FAILOVER`: the command after it reaches the new master, and no READONLY reaches the caller."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import uvloop

from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError
from tests.faults.outcomes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisSentinelCache
    from tests.caller import Caller
    from tests.sentinel_servers import SentinelSet


def test_the_next_command(sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller) -> None:
    for number in range(2):
        call(cache.set, "k", number, None)
        after = sentinel_set.failover()
        assert call(cache.incr, "k") == number + 1
        assert after.command("GET", cache.make_key("k")) == str(number + 1).encode()
        assert call(cache.rpush, f"l{number}", 1) == 1, "not even what may be sent once only is lost"


def test_the_next_pipeline(sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller) -> None:
    def run(*, transaction: bool) -> list[Any]:
        p: Any = (cache.apipeline if call.is_async else cache.pipeline)(transaction=transaction)
        result = p.incr("n").rpush("l", 1).execute()
        found: list[Any] = call.run(result) if call.is_async else result
        return found

    call(cache.set, "n", 0, None)
    for number, transaction in enumerate((True, False)):
        sentinel_set.failover()
        assert run(transaction=transaction) == [number + 1] * 2


def test_the_next_blocking_command(sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller) -> None:
    call(cache.rpush, "l", 1)
    sentinel_set.failover()
    assert call(cache.blpop, "l", 5) == ("l", 1)


def test_the_next_walk(sentinel_set: SentinelSet, cache: RedisSentinelCache, call: Caller) -> None:
    call(cache.set_many, {f"k{number}": number for number in range(50)}, None)
    sentinel_set.failover()
    assert eventually(lambda: len(set(call(cache.iter_keys, itersize=10))) == 50)
    assert call(cache.delete_pattern, "*") == 50


def test_under_load(sentinel_set: SentinelSet, make_cache: Callable[..., RedisSentinelCache]) -> None:
    """Threads and a loop at the same time: at the moment itself a connection may break, and no more."""
    cache = make_cache(client_name="under-load")
    cache.set("n", 0, None)
    stop = threading.Event()
    errors: list[BaseException] = []
    workers = [threading.Thread(target=_work, args=(cache, stop, errors)) for _ in range(2)]
    workers.append(threading.Thread(target=lambda: uvloop.run(_work_on_a_loop(cache, stop, errors))))
    for worker in workers:
        worker.start()
    try:
        time.sleep(0.3)
        sentinel_set.failover()
        time.sleep(0.3)
        settled = len(errors)
        time.sleep(0.5)
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not [error for error in errors if not isinstance(error, CacheConnectionError | CacheTimeoutError)], errors
    assert len(errors) == settled, "afterwards all is well"
    assert cache.incr("n") == 1


def _work(cache: RedisSentinelCache, stop: threading.Event, errors: list[BaseException]) -> None:
    while not stop.is_set():
        try:
            cache.set("s", 1)
            cache.get("s")
        except Exception as error:  # noqa: BLE001 - judged in the end
            errors.append(error)
        time.sleep(0.001)


async def _work_on_a_loop(cache: RedisSentinelCache, stop: threading.Event, errors: list[BaseException]) -> None:
    while not stop.is_set():
        calls = (
            [cache.aset(f"a{number}", 1) for number in range(10)],
            [cache.aget(f"a{number}") for number in range(10)],
        )
        results = await asyncio.gather(*calls[0], *calls[1], return_exceptions=True)
        errors.extend(result for result in results if isinstance(result, BaseException))
        await asyncio.sleep(0.001)
