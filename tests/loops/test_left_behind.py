"""Loops that nobody closes, or somebody else does."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING

import pytest
import uvloop

from tests.faults.outcomes import eventually
from tests.loops.connections import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.servers import Server

_FACTORIES = pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


@_FACTORIES
def test_a_loop_that_stands_still_keeps_its_connection(
    factory: Callable[[], asyncio.AbstractEventLoop],
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    loops = [factory() for _ in range(5)]
    for turn in range(20):
        for number, loop in enumerate(loops):
            loop.run_until_complete(cache.aset(f"k{number}", turn))
            assert loop.run_until_complete(cache.aget(f"k{number}")) == turn
            assert cache.get(f"k{number}") == turn
    # One each, and one for the sync calls.
    assert connected(server) <= len(loops) + 1
    for loop in loops:
        loop.close()
    before = server.opened()
    for _ in range(20):
        asyncio.run(cache.aget("k0"))
    assert server.opened() - before <= 0
    assert connected(server) <= len(loops) + 1


@_FACTORIES
def test_a_loop_closed_by_another_thread(
    factory: Callable[[], asyncio.AbstractEventLoop],
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    before = server.opened()
    for number in range(20):
        loop = factory()
        assert loop.run_until_complete(cache.aget("k", number)) == number
        closer = threading.Thread(target=loop.close)
        closer.start()
        closer.join()
        gone = weakref.ref(loop)
        del loop, closer
        gc.collect()
        assert gone() is None
    assert server.opened() - before <= 2


@_FACTORIES
def test_a_loop_run_in_one_thread_and_closed_in_another(
    factory: Callable[[], asyncio.AbstractEventLoop],
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    before = server.opened()
    found = []
    for number in range(50):
        loop = factory()

        def work(loop: asyncio.AbstractEventLoop, number: int) -> None:
            found.append(loop.run_until_complete(cache.aget("k", number)))

        thread = threading.Thread(target=work, args=(loop, number))
        thread.start()
        thread.join()
        loop.close()
    assert found == list(range(50))
    assert server.opened() - before <= 2


# uvloop's are never collected unless they were closed, whoever uses them.
def test_a_loop_collected_without_close(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
) -> None:
    server = start_server()
    cache = make_cache(server.url)
    before = server.opened()
    with warnings.catch_warnings():
        # It complains of being forgotten.
        warnings.simplefilter("ignore", ResourceWarning)
        for number in range(20):
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(cache.aget("k", number)) == number
            gone = weakref.ref(loop)
            del loop
            gc.collect()
            assert gone() is None
    assert cache.get("k", "none") == "none"
    assert server.opened() - before <= 2
    assert eventually(lambda: connected(server) <= 2, collecting=True)


def test_a_connection_that_was_closed_while_its_loop_was_idle(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache]
) -> None:
    """It has been idle for as long as the loop did not use it, not only since the loop was closed."""
    server = start_server()
    cache = make_cache(server.url)
    for number in range(20):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(cache.aset("n", number))
        assert connected(server) == 1
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert eventually(lambda: connected(server) == 0)
        # One that was used a moment ago is not looked at.
        time.sleep(0.005)
        loop.close()
        assert cache.incr("n") == number + 1, "what may not be sent twice is sent on another one"
