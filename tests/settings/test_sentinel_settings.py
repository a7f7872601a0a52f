"""Settings of the sentinel backends: what is accepted, what is said about the rest, and what the engine is told."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex import _core
from django_cachex.cache import RedisSentinelCache, ValkeySentinelCache
from django_cachex.client import RedisSentinelCacheClient, ValkeySentinelCacheClient
from django_cachex.pools import AsyncBlockingConnectionPool, ConnectionPool, PoolHandle
from django_cachex.topology import build_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.settings import Settings

SECRET = "hunter2-the-secret"
OTHER = "other-the-secret"
URL = "redis://cachex"
SENTINELS = [("s1", 26379), ("s2", 26380)]


def settings(location: Any = URL, **options: Any) -> Settings:
    return RedisSentinelCacheClient._settings_of(location, options)


def fault(location: Any = URL, **options: Any) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        RedisSentinelCache(location, {"OPTIONS": options})
    assert SECRET not in str(caught.value)
    return str(caught.value)


def server(host: str, port: int, **options: Any) -> _core.Server:
    return ConnectionPool(host=host, port=port, **options).server


def remap(host: str, port: int) -> tuple[str, int]:
    return host, port + 1


class Engine:
    """Remembers what it was told."""

    def __init__(self, name: str, *args: Any, **options: Any) -> None:
        self.name, self.args, self.options = name, args, options

    @classmethod
    def sentinel(cls, *args: Any, **options: Any) -> Engine:
        return cls("sentinel", *args, **options)


@pytest.fixture
def engine_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings], Any]:
    """Return what the engine of settings would be told."""
    monkeypatch.setattr("django_cachex.topology._core", SimpleNamespace(Engine=Engine))
    monkeypatch.setattr(PoolHandle, "describe", lambda _handle, host, port, path=None: (host, port, path))
    return lambda found: build_engine("sentinel", found.handles, found.sentinels, found.cache_options)


@pytest.mark.parametrize(
    ("location", "service", "db"),
    [
        ("redis://cachex", "cachex", 0),
        ("redis://My_Master.1/2", "My_Master.1", 2),
        ("rediss://u:p@cachex/2?db=3", "cachex", 3),
        ("valkeys://:p@cachex", "cachex", 0),
        ("redis://a%3Ab", "a:b", 0),
        (["valkey://cachex/"], "cachex", 0),
    ],
)
def test_the_host_of_a_location_is_the_service(location: Any, service: str, db: int) -> None:
    found = settings(location, sentinels=SENTINELS)
    assert [handle.connection_kwargs["host"] for handle in found.handles] == [service, service]
    assert found.connection.db == db
    assert found.sentinels == (server("s1", 26379), server("s2", 26380))


@pytest.mark.parametrize(
    ("location", "service", "db", "sentinels"),
    [
        ("redis+sentinel://s1/cachex", "cachex", 0, [("s1", 26379)]),
        ("redis+sentinel://s1:1,s2/cachex/4", "cachex", 4, [("s1", 1), ("s2", 26379)]),
        ("valkey+sentinel://s1, [::1]:7 ,/cachex?db=4", "cachex", 4, [("s1", 26379), ("::1", 7)]),
        (["rediss+sentinel://u:p%2C@s1,s2/Cachex%2D1/0"], "Cachex-1", 0, [("s1", 26379), ("s2", 26379)]),
    ],
)
def test_sentinels_in_the_location(location: Any, service: str, db: int, sentinels: list[tuple[str, int]]) -> None:
    found = settings(location)
    assert found.handles[0].connection_kwargs["host"] == service
    assert found.connection.db == db
    assert found.sentinels == tuple(server(host, port) for host, port in sentinels)


def test_credentials_and_tls_in_the_location_are_those_of_the_data_servers() -> None:
    found = settings("rediss+sentinel://u:p%2C@s1/cachex")
    assert (found.connection.username, found.connection.password) == ("u", "p,")
    assert found.connection.tls is not None
    assert found.sentinels == (server("s1", 26379),)


def test_sentinels_in_the_location_beat_those_of_the_option() -> None:
    found = settings("redis+sentinel://s9/cachex", sentinels=SENTINELS, sentinel_kwargs={"password": "p"})
    assert found.sentinels == (server("s9", 26379, password="p"),)


@pytest.mark.parametrize(
    ("sentinels", "expected"),
    [
        ([("s1", 1), ["s2", "2"]], [server("s1", 1), server("s2", 2)]),
        (["s1", "s2:5", "[::1]:6"], [server("s1", 26379), server("s2", 5), server("::1", 6)]),
        (["redis://s1"], [server("s1", 26379)]),
        (["valkeys://u:p@s1:7"], [server("s1", 7, username="u", password="p", ssl=True)]),
        (["redis://:p@s1?socket_timeout=0.5"], [server("s1", 26379, password="p", socket_timeout=0.5)]),
        ((("s1", 1), "s2"), [server("s1", 1), server("s2", 26379)]),
    ],
)
def test_forms_of_sentinels(sentinels: Any, expected: list[_core.Server]) -> None:
    assert list(settings(sentinels=sentinels).sentinels) == expected


def test_a_sentinel_has_options_of_its_own() -> None:
    found = settings(
        "rediss://u:p@cachex/2",
        sentinels=["s1", "redis://v:q@s2"],
        sentinel_kwargs={"username": "w", "password": "x", "client_name": "web"},
        ssl_check_hostname=False,
        client_name="data",
        retry=5,
    )
    common = {"client_name": "web"}
    assert found.sentinels == (
        server("s1", 26379, username="w", password="x", **common),
        server("s2", 26379, username="v", password="q", **common),
    )


def test_tls_for_sentinels_alone() -> None:
    found = settings(sentinels=["s1"], sentinel_kwargs={"ssl": True, "ssl_check_hostname": False})
    assert found.connection.tls is None
    assert found.sentinels == (server("s1", 26379, ssl=True, ssl_check_hostname=False),)


def test_time_limits_carry_over() -> None:
    limits: dict[str, Any] = {
        "socket_connect_timeout": 0.3,
        "socket_timeout": 0.4,
        "operation_timeout": 0.9,
        "tcp_user_timeout": None,
    }
    assert settings(sentinels=["s1"], **limits).sentinels == (server("s1", 26379, **limits),)
    assert settings("redis://cachex?socket_timeout=9", sentinels=["s1"], retry=3).sentinels == (
        server("s1", 26379, socket_timeout=9),
    )
    own = {"socket_timeout": 0.1}
    assert settings(sentinels=["s1"], sentinel_kwargs=own, **limits).sentinels == (
        server("s1", 26379, **{**limits, **own}),
    )


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ([URL, "redis://other"], "LOCATION: a sentinel backend has one location"),
        ("redis://h1:26379,redis://h2:26379", "LOCATION: a sentinel backend has one location"),
        ("redis://", "with the name that the sentinels know the master by"),
        ("redis:///0", "with the name that the sentinels know the master by"),
        ("redis://cachex:26379/0", "hosts and ports of the sentinels belong in OPTIONS['sentinels']"),
        (f"redis://:{SECRET}/x@cachex", "hosts and ports of the sentinels belong in OPTIONS['sentinels']"),
        ("redis://my service", "with the name that the sentinels know the master by"),
        ("redis+sentinel://s1", "with the name that the sentinels know the master by"),
        ("redis+sentinel://s1:0/cachex", "the port after redis+sentinel:// must be a number from 1 to 65535"),
        (f"redis+sentinel://s1/cachex/{SECRET}", "the database after redis+sentinel:// must be a number"),
        (f"redis://cachex/{SECRET}", "the database after redis:// must be a number"),
        ("redis://cachex?is_master=0", "Unknown option 'is_master'"),
        ("redis://cachex?max_redirects=1", "'max_redirects' in the query of LOCATION is for cluster backends only"),
        ("embedded://", "scheme 'embedded' is unknown; valid for sentinel backends are"),
        ("unix:///run/x.sock", "scheme 'unix' is unknown; valid for sentinel backends are"),
    ],
)
def test_bad_locations(location: Any, expected: str) -> None:
    assert expected in fault(location, sentinels=SENTINELS)


@pytest.mark.parametrize("location", [URL, "redis+sentinel:///cachex", "redis+sentinel://,/cachex"])
def test_somebody_has_to_know_the_master(location: str) -> None:
    assert fault(location).startswith("A sentinel backend needs sentinels: give Option 'sentinels'")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sentinels": []}, "Option 'sentinels' must be a list that is not empty"),
        ({"sentinels": "s1:26379"}, "Option 'sentinels' must be a list that is not empty"),
        ({"sentinels": [5]}, "Option 'sentinels': each must be (host, port), 'host:port' or 'redis://host:port'"),
        ({"sentinels": [("s1", 1, 2)]}, "Option 'sentinels': each must be (host, port)"),
        ({"sentinels": [("", 1)]}, "Option 'sentinels': each must be (host, port)"),
        ({"sentinels": [" "]}, "Option 'sentinels': each must be (host, port)"),
        ({"sentinels": [("s1", 0)]}, "Option 'sentinels': the port of a sentinel must be an integer from 1 to 65535"),
        ({"sentinels": [("s1", "x")]}, "Option 'sentinels': the port of a sentinel must be"),
        ({"sentinels": ["s1:x"]}, "Option 'sentinels': write host[:port]"),
        ({"sentinels": ["s1:70000"]}, "Option 'sentinels': the port must be a number from 1 to 65535"),
        ({"sentinels": ["unix:///s"]}, "Option 'sentinels': valid are URLs that begin with redis://, rediss://"),
        ({"sentinels": [f"redis://:{SECRET}@s1/3"]}, "Option 'sentinels': a database has no meaning there"),
        ({"sentinels": [f"redis://:{SECRET}/@s1"]}, "Option 'sentinels': write redis://[user:password@]host[:port]"),
        ({"sentinel_kwargs": []}, "Option 'sentinel_kwargs' must be a dict"),
        ({"sentinel_kwargs": {"db": 0}}, "Option 'sentinel_kwargs': 'db' has no meaning there"),
        ({"sentinel_kwargs": {"passwd": SECRET}}, "Option 'sentinel_kwargs': Unknown option 'passwd'; did you mean"),
        ({"sentinel_kwargs": {"host": "h"}}, "Option 'sentinel_kwargs': 'host' has no meaning there: the s"),
        ({"sentinel_kwargs": {"serializer": "x"}}, "Option 'sentinel_kwargs': Option 'serializer' does not describe"),
        ({"sentinel_kwargs": {"max_redirects": 1}}, "Option 'sentinel_kwargs': Option 'max_redirects' is for cluster"),
        ({"sentinel_kwargs": {"retry": SECRET}}, "Option 'sentinel_kwargs': Option 'retry' must be"),
        ({"sentinel_kwargs": {"ssl_ca_certs": "/x"}}, "Option 'sentinel_kwargs': Option 'ssl_ca_certs' needs TLS"),
        ({"read_from_replicas": True}, "Option 'read_from_replicas' is for cluster backends only"),
        ({"max_redirects": 1}, "Option 'max_redirects' is for cluster backends only"),
        ({"service_name": "x"}, "it belongs in LOCATION"),
        ({"SENTINELS": []}, "did you mean 'sentinels'?"),
    ],
)
def test_bad_options(options: dict[str, Any], expected: str) -> None:
    message = fault(**{"sentinels": SENTINELS, **options})
    assert expected in message
    assert "LOCATION: " not in message


def test_weak_tls_of_sentinels_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "django_cachex"):
        settings(sentinels=["s1", "s2", "s3"], sentinel_kwargs={"ssl": True, "ssl_cert_reqs": "none"})
    assert len(caplog.records) == 1


def test_what_the_engine_is_told(engine_of: Callable[[Settings], Any]) -> None:
    found = settings("redis://cachex/3", sentinels=SENTINELS, address_remap=f"{__name__}.remap")
    engine = engine_of(found)
    assert engine.name == "sentinel"
    assert engine.args == ("cachex", list(found.sentinels), (None, None, None))
    assert engine.options == {"address_remap": remap}


def test_equal_values_are_the_same_settings() -> None:
    one = settings(sentinels=[("s1", 1)], sentinel_kwargs={"password": OTHER})
    assert one is settings([URL], sentinels=[("s1", 1)], sentinel_kwargs={"password": OTHER})
    assert one is not settings(sentinels=[("s1", 1)], sentinel_kwargs={"password": "another"})
    assert one is not settings(sentinels=[("s1", 2)], sentinel_kwargs={"password": OTHER})


def test_no_repr_shows_a_secret() -> None:
    found = settings(f"redis://u:{SECRET}@cachex", sentinels=[f"redis://:{SECRET}@s1"], sentinel_kwargs={})
    for shown in (found, *found.handles, *found.sentinels):
        assert SECRET not in repr(shown)


def test_pools_of_the_sentinel_modules_are_ordinary_ones() -> None:
    found = settings(
        sentinels=SENTINELS,
        pool_class="redis.sentinel.SentinelConnectionPool",
        async_pool_class="valkey.asyncio.BlockingConnectionPool",
    )
    assert found.pool_class is ConnectionPool
    assert found.async_pool_class is AsyncBlockingConnectionPool


def test_a_cache_has_one_location_and_its_client_two_servers() -> None:
    cache = RedisSentinelCache("redis://cachex/1", {"OPTIONS": {"sentinels": SENTINELS}})
    assert cache._servers == ["redis://cachex/1"]
    found = settings("redis://cachex/1", sentinels=SENTINELS)
    assert found.locations == ["redis://cachex/1"]
    assert found.servers == ["redis://cachex/1", "redis://cachex/1?is_master=0"]
    queried = settings("redis://cachex?db=1", sentinels=SENTINELS)
    assert queried.servers == ["redis://cachex?db=1", "redis://cachex?db=1&is_master=0"]


@pytest.mark.parametrize(
    ("backend", "client", "raw", "raw_async"),
    [
        (RedisSentinelCache, RedisSentinelCacheClient, "Redis", "AsyncRedis"),
        (ValkeySentinelCache, ValkeySentinelCacheClient, "Valkey", "AsyncValkey"),
    ],
)
def test_what_django_code_may_touch(backend: Any, client: Any, raw: str, raw_async: str) -> None:
    cache = backend(URL, {"OPTIONS": {"sentinels": SENTINELS}})
    inner = cache._cache
    assert type(inner) is client is cache._class
    assert inner._servers == [URL, f"{URL}?is_master=0"]
    assert inner._client is inner._client_class is getattr(_core, raw)
    assert inner._async_client_class is getattr(_core, raw_async)
    assert {inner._get_connection_pool_index(True) for _ in range(20)} == {0}
    assert {inner._get_connection_pool_index(False) for _ in range(20)} == {1}
    master, replicas = inner._get_connection_pool(write=True), inner._get_connection_pool(write=False)
    assert master is not replicas
    assert replicas is inner._get_connection_pool(write=False)
    assert isinstance(inner.get_client(write=True), _core.Redis)
