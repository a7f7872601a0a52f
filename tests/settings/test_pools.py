"""Pool handles: where they lead, what they are made of, and which classes the options may name."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

import pytest
import redis
import redis.asyncio
import redis.sentinel
import valkey
import valkey.asyncio
from django.core.exceptions import ImproperlyConfigured

from django_cachex.pools import (
    AsyncBlockingConnectionPool,
    AsyncConnectionPool,
    BlockingConnectionPool,
    ConnectionPool,
    async_counterpart,
    resolve_async_pool_class,
    resolve_pool_class,
)

SECRET = "hunter2-the-secret"


class Small(ConnectionPool):
    max_connections = 2


class SmallInside(BlockingConnectionPool):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_connections = 4
        self.timeout = 0.5


class Hooked(ConnectionPool):
    seen: ClassVar[list[object]] = []

    def get_credentials(self) -> tuple[str, str]:
        return "u", SECRET

    def on_connect(self, client: Any) -> None:
        self.seen.append(client)


class OfRedis(redis.ConnectionPool):
    pass


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("redis://", {}, {"host": "localhost", "port": 6379, "db": 0, "username": None, "password": None}),
        (
            "redis://127.0.0.1:6379",
            {"db": "5", "socket_timeout": 0.1, "retry_on_timeout": True},
            {"host": "127.0.0.1", "port": 6379, "db": 5, "username": None, "password": None}
            | {"socket_timeout": 0.1, "retry_on_timeout": True},
        ),
        (
            "redis://u:p@h:1/2?socket_timeout=3&retry=0",
            {"db": 7, "password": "x", "socket_timeout": 9, "client_name": "web"},
            {"host": "h", "port": 1, "db": 2, "username": "u", "password": "p"}
            | {"socket_timeout": 3.0, "retry": 0, "client_name": "web"},
        ),
        (
            "redis://u:p@h?password=q&username=v",
            {},
            {"host": "h", "port": 6379, "db": 0, "username": "u", "password": "p"},
        ),
        ("redis://h?password=q", {}, {"host": "h", "port": 6379, "db": 0, "username": None, "password": "q"}),
        ("unix:///s.sock?db=3", {}, {"path": "/s.sock", "db": 3, "username": None, "password": None}),
        (
            "rediss://h",
            {"ssl": False},
            {"host": "h", "port": 6379, "db": 0, "username": None, "password": None, "ssl": True},
        ),
        (
            "redis://h",
            {"ssl": True},
            {"host": "h", "port": 6379, "db": 0, "username": None, "password": None, "ssl": True},
        ),
    ],
)
def test_connection_kwargs(url: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    for cls in (ConnectionPool, BlockingConnectionPool, AsyncConnectionPool, AsyncBlockingConnectionPool):
        handle = cls.from_url(url, **options)
        assert handle.connection_kwargs == expected
        assert type(handle) is cls


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("unix:///s", {"ssl": True}, "a unix socket is not encrypted"),
        ("rediss://h?ssl=false", {}, "'ssl' in the query of LOCATION contradicts rediss://"),
        ("redis://h", {"serializer": "x"}, "'serializer' does not describe a connection"),
        ("redis://h", {"ssl_cert_reqs": None}, "needs TLS"),
        ("redis://h?username=u", {"credential_provider": lambda: SECRET}, "exclude each other"),
    ],
)
def test_bad_urls_and_options(url: str, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        ConnectionPool.from_url(url, **options)
    assert expected in str(caught.value)


def test_limits() -> None:
    assert (ConnectionPool.from_url("redis://").max_connections, ConnectionPool.from_url("redis://").timeout) == (
        100,
        None,
    )
    blocking = BlockingConnectionPool.from_url("redis://")
    assert (blocking.max_connections, blocking.timeout) == (100, 20.0)
    given = BlockingConnectionPool.from_url("redis://?timeout=none", max_connections=7)
    assert (given.max_connections, given.timeout) == (7, None)
    assert Small.from_url("redis://").max_connections == 2
    assert Small.from_url("redis://", max_connections=9).max_connections == 9
    inside = SmallInside.from_url("redis://", max_connections=9)
    assert (inside.max_connections, inside.timeout) == (4, 0.5)


def test_a_bad_limit_of_a_subclass() -> None:
    class Bad(ConnectionPool):
        max_connections = "many"  # type: ignore[assignment]

    with pytest.raises(ImproperlyConfigured, match=r"^Option .max_connections. must be an integer from 1, or None"):
        _ = Bad.from_url("redis://").server


def test_a_wait_that_has_no_effect_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "django_cachex"):
        BlockingConnectionPool.from_url("redis://", timeout=5)
        assert not caplog.records
        ConnectionPool.from_url("redis://", timeout=5)
    assert "'timeout' has no effect unless 'pool_class' is a BlockingConnectionPool" in caplog.text


def test_equal_handles_share_sockets() -> None:
    url = "rediss://u:p@h/1"
    assert ConnectionPool.from_url(url).server == ConnectionPool.from_url(url).server
    assert ConnectionPool.from_url(url).server == AsyncConnectionPool.from_url(url).server
    others = [
        ConnectionPool.from_url(url, retry=0),
        ConnectionPool.from_url(url, max_connections=5),
        ConnectionPool.from_url(url, ssl_check_hostname=False),
        ConnectionPool.from_url("rediss://u:q@h/1"),
        BlockingConnectionPool.from_url(url),
        Small.from_url(url),
    ]
    assert all(other.server != ConnectionPool.from_url(url).server for other in others)


def test_hooks_are_only_those_of_subclasses() -> None:
    assert ConnectionPool.from_url("redis://").server == Small.from_url("redis://", max_connections=100).server
    assert Hooked.from_url("redis://").server != Hooked.from_url("redis://").server, "each asks its own object"
    with pytest.raises(ImproperlyConfigured, match=r"Hooked.get_credentials\(\) excludes the options"):
        _ = Hooked.from_url("redis://:p@h").server


def test_repr_shows_where_and_no_secret() -> None:
    options = {"credential_provider": lambda: SECRET}
    assert repr(ConnectionPool.from_url("redis://h:1/2", **options)) == "<django_cachex.pools.ConnectionPool(h:1/2)>"
    handle = AsyncConnectionPool.from_url(f"unix://u:{SECRET}@/run/s")
    assert repr(handle) == "<django_cachex.pools.AsyncConnectionPool(/run/s/0)>"


def test_disconnect() -> None:
    ConnectionPool.from_url("redis://h").disconnect()

    async def on_a_loop() -> None:
        await AsyncConnectionPool.from_url("redis://h").disconnect()

    asyncio.run(on_a_loop())


SYNC = [
    (None, ConnectionPool),
    *[
        (f"{package}{module}.{prefix}ConnectionPool", native)
        for package in ("redis", "valkey")
        for module in ("", ".connection")
        for prefix, native in (("", ConnectionPool), ("Blocking", BlockingConnectionPool))
    ],
    ("django_cachex.pools.BlockingConnectionPool", BlockingConnectionPool),
    (redis.ConnectionPool, ConnectionPool),
    (redis.BlockingConnectionPool, BlockingConnectionPool),
    (valkey.ConnectionPool, ConnectionPool),
    (valkey.BlockingConnectionPool, BlockingConnectionPool),
    ("redis.client.ConnectionPool", ConnectionPool),
    (ConnectionPool, ConnectionPool),
    (Small, Small),
]


@pytest.mark.parametrize(("value", "expected"), SYNC)
def test_pool_class(value: Any, expected: type) -> None:
    assert resolve_pool_class(value, "standalone") is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(value, async_counterpart(expected)) for value, expected in SYNC if value is not None],
        ("redis.asyncio.ConnectionPool", AsyncConnectionPool),
        ("valkey.asyncio.connection.BlockingConnectionPool", AsyncBlockingConnectionPool),
        (redis.asyncio.BlockingConnectionPool, AsyncBlockingConnectionPool),
        (valkey.asyncio.ConnectionPool, AsyncConnectionPool),
        (AsyncBlockingConnectionPool, AsyncBlockingConnectionPool),
    ],
)
def test_async_pool_class(value: Any, expected: type) -> None:
    assert async_counterpart(resolve_async_pool_class(value, "standalone")) is expected


@pytest.mark.parametrize("package", ["redis", "valkey"])
def test_sentinel_pools_are_of_sentinel_backends(package: str) -> None:
    name = f"{package}.sentinel.SentinelConnectionPool"
    assert resolve_pool_class(name, "sentinel") is ConnectionPool
    assert resolve_async_pool_class(f"{package}.asyncio.sentinel.SentinelConnectionPool", "sentinel") is ConnectionPool
    with pytest.raises(ImproperlyConfigured, match="SentinelConnectionPool is neither"):
        resolve_pool_class(name, "standalone")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (OfRedis, "or a subclass of django_cachex.pools.ConnectionPool; .*OfRedis is neither"),
        (int, "builtins.int is neither"),
        (5, "int is neither"),
        ("django_cachex.pools.resolve_pool_class", "function is neither"),
        ("no.such.Pool", "Option 'pool_class': cannot import 'no.such.Pool'"),
        (
            "redis.asyncio.ConnectionPool",
            "must be a sync class; give redis.asyncio.ConnectionPool as 'async_pool_class'",
        ),
        (AsyncConnectionPool, "must be a sync class; give django_cachex.pools.AsyncConnectionPool as"),
        (redis.sentinel.SentinelConnectionPool, "SentinelConnectionPool is neither"),
    ],
)
def test_bad_pool_classes(value: Any, expected: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=expected):
        resolve_pool_class(value, "standalone")
