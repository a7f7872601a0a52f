"""`health_check_interval`: a connection that was idle for longer answers a PING before it is used."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

pytestmark = pytest.mark.standalone("counts the PINGs of one server")

INTERVAL = 0.1


def pings(server: Server) -> int:
    """How many PINGs the server has answered in its life."""
    said = server.info("commandstats").get("cmdstat_ping", "calls=0")
    return int(said.partition("calls=")[2].partition(",")[0])


@pytest.fixture
def quiet(start_server: Callable[..., Server]) -> Server:
    """A server that nobody else talks to."""
    return start_server()


def test_an_idle_connection_is_asked(
    call_on_any_loop: Caller, make_cache: Callable[..., RedisCache], quiet: Server
) -> None:
    call = call_on_any_loop
    cache = make_cache(quiet.url, OPTIONS={"health_check_interval": INTERVAL})
    call(cache.set, "n", 1)
    before, opened = pings(quiet), quiet.opened()
    for number in range(3):
        time.sleep(2 * INTERVAL)
        assert call(cache.incr, "n") == 2 + number
        assert call(cache.get, "n") == 2 + number
    assert pings(quiet) - before == 3
    assert quiet.opened() == opened


def test_one_that_another_loop_takes_over(make_cache: Callable[..., RedisCache], quiet: Server) -> None:
    cache = make_cache(quiet.url, OPTIONS={"health_check_interval": INTERVAL})
    asyncio.run(cache.aset("n", 1))
    before, opened = pings(quiet), quiet.opened()
    for number in range(3):
        time.sleep(2 * INTERVAL)
        assert asyncio.run(cache.aincr("n")) == 2 + number
    assert pings(quiet) - before == 3
    assert quiet.opened() == opened


def test_by_default_none_is(call_on_any_loop: Caller, make_cache: Callable[..., RedisCache], quiet: Server) -> None:
    call = call_on_any_loop
    cache = make_cache(quiet.url)
    call(cache.set, "n", 1)
    before = pings(quiet)
    time.sleep(2 * INTERVAL)
    assert call(cache.get, "n") == 1
    assert pings(quiet) == before
