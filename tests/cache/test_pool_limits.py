"""How many sockets sync callers hold, and what the hooks of a pool class do while one is made."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from django_cachex._core import AsyncBlockingConnectionPool, AsyncConnectionPool, BlockingConnectionPool, ConnectionPool
from django_cachex.cache import RedisCache
from django_cachex.exceptions import AuthenticationError, CacheTimeoutError, MaxConnectionsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller
    from tests.servers import Server

pytestmark = pytest.mark.standalone("counts the connections to one server")

BLOCKING = "redis.BlockingConnectionPool"


@pytest.fixture
def paused(start_server: Callable[..., Server]) -> Server:
    """A server of this test's own."""
    return start_server()


def hold_one(cache: RedisCache, server: Server, seconds: float) -> threading.Thread:
    """Keep one connection busy: the server answers nobody for a while."""
    cache.get("warm")
    server.command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
    holder = threading.Thread(target=cache.get, args=("k",))
    holder.start()
    time.sleep(0.1)
    return holder


def test_at_once(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    cache = make_cache(paused.url, OPTIONS={"max_connections": 1})
    holder = hold_one(cache, paused, 1.5)
    with pytest.raises(MaxConnectionsError, match=r"\(GET at 127\.0\.0\.1:\d+\)$") as caught:
        cache.get("k")
    assert holder.is_alive(), "it was not waited for"
    assert isinstance(caught.value, ConnectionError)
    holder.join()
    assert cache.get("k") is None


def test_waiting_in_vain(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    options = {"max_connections": 1, "pool_class": BLOCKING, "timeout": 0.2}
    cache = make_cache(paused.url, OPTIONS=options)
    holder = hold_one(cache, paused, 1.5)
    start = time.monotonic()
    with pytest.raises(MaxConnectionsError):
        cache.get("k")
    assert time.monotonic() - start > 0.15
    assert holder.is_alive(), "it was not waited for to the end"
    holder.join()


@pytest.mark.parametrize("timeout", [5, None])
def test_waiting_with_success(make_cache: Callable[..., RedisCache], paused: Server, timeout: float | None) -> None:
    options = {"max_connections": 1, "pool_class": BLOCKING, "timeout": timeout}
    cache = make_cache(paused.url, OPTIONS=options)
    holder = hold_one(cache, paused, 0.4)
    assert cache.get("k") is None
    holder.join()
    assert len(paused.clients()) == 1


def test_the_operation_s_limit_holds_anyway(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    options = {"max_connections": 1, "pool_class": BLOCKING, "timeout": None, "operation_timeout": 0.3}
    cache = make_cache(paused.url, OPTIONS={**options, "socket_timeout": 0.3})
    waiting = make_cache(paused.url, OPTIONS={**options, "socket_timeout": 0.3})
    waiting.get("warm")
    paused.command("CLIENT", "PAUSE", 3000, "ALL")

    def get() -> type[BaseException]:
        with pytest.raises((MaxConnectionsError, CacheTimeoutError)) as caught:
            cache.get("k")
        return caught.type

    start = time.monotonic()
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: get(), range(3)))
    assert time.monotonic() - start < 2.5, "the server says nothing for longer"


def test_the_limit_is_kept(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    options = {"max_connections": 3, "pool_class": BLOCKING, "timeout": 10}
    caches = [make_cache(paused.url, OPTIONS=options) for _ in range(4)]
    for cache in caches:
        cache.set("n", 0)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: caches[number % 4].incr("n"), range(400)))
    assert caches[0].get("n") == 400
    assert len(paused.clients()) <= 3


def test_loops_are_not_counted(make_cache: Callable[..., RedisCache], server: Server) -> None:
    cache = make_cache(OPTIONS={"max_connections": 1})

    async def alongside() -> None:
        await cache.aset("k", 1)
        assert cache.get("k") == 1
        assert await asyncio.gather(*(cache.aget("k") for _ in range(50))) == [1] * 50

    asyncio.run(alongside())


def test_settings_that_are_equal_share(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    same: list[dict[str, Any]] = [{}, {"max_connections": 100}, {"retry": 1}, {"timeout": 5}]
    for options in same:
        make_cache(paused.url, OPTIONS=options).get("k")
    assert len(paused.clients()) == 1
    others: list[dict[str, Any]] = [{"retry": 0}, {"pool_class": BLOCKING}, {"db": 3}]
    for options in others:
        make_cache(paused.url, OPTIONS=options).get("k")
    assert len(paused.clients()) == 4


# A pool class of one's own


class Pool(ConnectionPool):
    """Logs in as `app`, whose password changes, and leaves a mark on each connection."""

    password: ClassVar[str] = "one"
    threads: ClassVar[list[int]] = []
    calls: ClassVar[list[Any]] = []

    def get_credentials(self) -> tuple[str, str]:
        self.threads.append(threading.get_ident())
        return "app", self.password

    def on_connect(self, client: Any) -> None:
        self.threads.append(threading.get_ident())
        self.calls.append(client.execute_command("CLIENT SETNAME", "made-by-a-hook"))
        self.calls.append((client.ping(), client.client_info()["user"], client.get("k")))


@pytest.fixture
def pool() -> type[Pool]:
    return type("Own", (Pool,), {"threads": [], "calls": [], "password": "one"})


class Hanging(ConnectionPool):
    """Hangs once it is told to."""

    go_on: ClassVar[threading.Event]
    hang: ClassVar[bool] = False

    def on_connect(self, client: Any) -> None:
        if type(self).hang:
            type(self).hang = False
            self.go_on.wait(60)


def test_a_hook_that_hangs_holds_up_nobody_else(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    """Not even after trouble, when one caller at a time connects."""
    pool: Any = type("Hanging", (Hanging,), {"go_on": threading.Event()})
    cache = make_cache(paused.url, OPTIONS={"pool_class": pool, "socket_timeout": 0.3, "operation_timeout": 2})
    cache.set("k", "v")
    paused.suspend()
    with pytest.raises(CacheTimeoutError):
        cache.get("k")
    paused.resume()
    pool.hang = True
    try:
        with pytest.raises(CacheTimeoutError):
            cache.get("k")
        assert cache.get("k") == "v"
    finally:
        pool.go_on.set()


def test_what_loops_leave_behind_is_limited_too(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    cache = make_cache(paused.url, OPTIONS={"max_connections": 3})
    together = threading.Barrier(12, timeout=30)

    async def use() -> None:
        await cache.aset("k", 1)
        together.wait()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: asyncio.run(use()), range(12)))
    assert cache.get("k") == 1
    deadline = time.monotonic() + 10
    while len(paused.clients()) > 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 1 <= len(paused.clients()) <= 3


def test_nobody_s_connections_are_closed(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    """Settings that no cache has any more, as those of a tenant that has left, keep no connection."""
    for number in range(300):
        cache = RedisCache(paused.url, {"OPTIONS": {"client_name": f"tenant-{number}"}})
        assert cache.get("k") is None
        del cache
    # The last 256 are remembered: they may come back.
    assert len(paused.clients()) < 290


def locked(start_server: Callable[..., Server]) -> Server:
    return start_server(password="locked", users={"app": "on >one ~* &* +@all"})


def without_userinfo(server: Server) -> str:
    return f"redis://127.0.0.1:{server.port}"


def test_hooks(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller, pool: type[Pool]
) -> None:
    server = locked(start_server)
    cache = make_cache(without_userinfo(server), OPTIONS={"pool_class": pool})
    call(cache.set, "k", 1)
    assert call(cache.get, "k") == 1
    assert pool.calls == [b"OK", (True, "app", None)]
    assert [client["name"] for client in server.clients()] == ["made-by-a-hook"]
    assert type(cache._cache._get_connection_pool(write=True)) is pool
    if call.is_async:
        assert threading.get_ident() not in pool.threads, "never on an event loop's thread"
    assert cache._cache._pool_class is pool
    assert cache._cache._async_pool_class is AsyncConnectionPool


def test_credentials_are_asked_for_each_connection(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller, pool: type[Pool]
) -> None:
    server = locked(start_server)
    cache = make_cache(without_userinfo(server), OPTIONS={"pool_class": pool})
    call(cache.set, "k", 1)
    server.command("ACL", "SETUSER", "app", "resetpass", ">two")
    assert call(cache.get, "k") == 1, "the connection that is open stays open"
    server.command("CLIENT", "KILL", "USER", "app")
    with pytest.raises(AuthenticationError, match=r"^WRONGPASS "):
        call(cache.get, "k")
    pool.password = "two"
    deadline = time.monotonic() + 3
    while True:
        try:
            assert call(cache.get, "k") == 1
            break
        except AuthenticationError:  # the server is left alone for a moment
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_exceptions_of_hooks_pass(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    class Failing(ConnectionPool):
        where = "get_credentials"

        def get_credentials(self) -> object:
            if self.where == "get_credentials":
                raise LookupError("no credentials today")
            return None

    class FailingLater(ConnectionPool):
        def on_connect(self, client: Any) -> None:
            raise LookupError("no connection today")

    for pool_class, text in [(Failing, "no credentials today"), (FailingLater, "no connection today")]:
        cache = make_cache(OPTIONS={"pool_class": pool_class})
        with pytest.raises(LookupError, match=text):
            call(cache.get, "k")


def test_limits_of_a_subclass(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    class Small(BlockingConnectionPool):
        max_connections = 1
        timeout = 0.1

    cache = make_cache(paused.url, OPTIONS={"pool_class": Small})
    assert cache._cache._get_connection_pool(write=True).max_connections == 1
    holder = hold_one(cache, paused, 1.5)
    start = time.monotonic()
    with pytest.raises(MaxConnectionsError):
        cache.get("k")
    assert time.monotonic() - start > 0.05
    assert holder.is_alive(), "it was not waited for to the end"
    holder.join()


def test_async_pool_class(make_cache: Callable[..., RedisCache], paused: Server) -> None:
    for name, expected in [
        ("redis.asyncio.ConnectionPool", AsyncConnectionPool),
        ("redis.asyncio.BlockingConnectionPool", AsyncBlockingConnectionPool),
        (AsyncBlockingConnectionPool, AsyncBlockingConnectionPool),
        (BLOCKING, AsyncBlockingConnectionPool),
    ]:
        cache = make_cache(paused.url, OPTIONS={"async_pool_class": name})
        assert cache._cache._pool_class is ConnectionPool
        assert cache._cache._async_pool_class is expected

        async def use(cache: RedisCache = cache, expected: type[Any] = expected) -> None:
            await cache.aset("k", 1)
            assert await cache.aget("k") == 1
            assert type(cache._cache._get_async_connection_pool(write=True)) is expected

        asyncio.run(use())
        assert cache.get("k") == 1


class AsyncPool(AsyncConnectionPool):
    """A pool of the loops alone."""

    made: ClassVar[list[str]] = []

    def on_connect(self, client: Any) -> None:
        self.made.append(threading.current_thread().name)


def test_hooks_of_the_async_pools_alone(make_cache: Callable[..., RedisCache]) -> None:
    AsyncPool.made.clear()
    cache = make_cache(OPTIONS={"async_pool_class": AsyncPool})
    cache.get("k")
    assert AsyncPool.made == []
    asyncio.run(cache.aget("k"))
    assert len(AsyncPool.made) == 1
    assert threading.current_thread().name not in AsyncPool.made
