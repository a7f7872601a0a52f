"""Settings of the cluster backends: what is accepted, what is said about the rest, and what the engine is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cachex import _core
from django_cachex.cache import RedisClusterCache, ValkeyClusterCache
from django_cachex.client import RedisClusterCacheClient, ValkeyClusterCacheClient
from django_cachex.pools import BlockingConnectionPool, ConnectionPool
from django_cachex.topology import build_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.options import Topology
    from django_cachex.settings import Settings

SECRET = "hunter2-the-secret"
SEEDS = ["redis://h1:7000", "redis://h2:7001"]


def settings(location: Any = SEEDS, **options: Any) -> Settings:
    return RedisClusterCacheClient._settings_of(location, options)


def fault(location: Any = SEEDS, **options: Any) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        RedisClusterCache(location, {"OPTIONS": options})
    assert SECRET not in str(caught.value)
    return str(caught.value)


def remap(host: str, port: int) -> tuple[str, int]:
    return host, port + 1


class Hooked(ConnectionPool):
    def get_credentials(self) -> str:
        return SECRET


class Engine:
    """Remembers what it was told."""

    def __init__(self, name: str, *args: Any, **options: Any) -> None:
        self.name, self.args, self.options = name, args, options

    @classmethod
    def cluster(cls, *args: Any, **options: Any) -> Engine:
        return cls("cluster", *args, **options)


@pytest.fixture
def engine_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what the engine of settings would be told."""
    monkeypatch.setattr("django_cachex.topology._core", SimpleNamespace(Engine=Engine))

    def engine(kind: Topology, found: Settings) -> Any:
        return build_engine(kind, found.handles, found.sentinels, found.cache_options)

    return engine


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("redis://h1", [("h1", 6379)]),
        ("redis://h1:7000,redis://h2:7001", [("h1", 7000), ("h2", 7001)]),
        (["valkeys://u:p@h1:7000/0", "valkeys://u:p@[::1]:7001?db=0"], [("h1", 7000), ("::1", 7001)]),
        (("redis://h1?retry=2", "redis://h2/?retry=2"), [("h1", 6379), ("h2", 6379)]),
    ],
)
def test_locations_are_start_up_nodes(location: Any, expected: list[tuple[str, int]]) -> None:
    found = settings(location)
    assert [
        (handle.connection_kwargs["host"], handle.connection_kwargs["port"]) for handle in found.handles
    ] == expected
    assert found.servers == found.locations
    assert found.connection.db == 0


@pytest.mark.parametrize(
    "location", ["redis://h/3", "redis://h?db=3", "redis://h/0?db=3", ["redis://h1", "redis://h2/3"], "valkeys://h/3"]
)
def test_a_cluster_has_one_database(location: Any) -> None:
    assert fault(location) == "Option 'db' must be 0: a cluster has one database"


def test_the_database_of_options_counts_too() -> None:
    assert fault(db=3) == "Option 'db' must be 0: a cluster has one database"
    assert settings(db="0").connection.db == 0


@pytest.mark.parametrize(
    "location",
    [
        "embedded://",
        "unix:///run/x.sock",
        "redis+sentinel://h1,h2/service",
        f"redsi://:{SECRET}@h",
        ["redis://h1", "embedded://"],
    ],
)
def test_schemes_of_other_backends(location: Any) -> None:
    assert fault(location).endswith("valid for cluster backends are redis://, rediss://, valkey://, valkeys://")


@pytest.mark.parametrize(
    ("location", "options", "expected"),
    [
        ([f"redis://:{SECRET}@h1", "redis://h2"], {}, "'password'"),
        (["redis://u@h1", f"redis://v:{SECRET}@h2"], {}, "'password', 'username'"),
        (["redis://h1", "rediss://h2"], {}, "'ssl'"),
        (["redis://h1", "redis://h2", "redis://h3?max_redirects=2"], {"max_redirects": 3}, "'max_redirects'"),
    ],
)
def test_start_up_nodes_are_alike(location: Any, options: dict[str, Any], expected: str) -> None:
    message = fault(location, **options)
    assert message.startswith("LOCATION: the nodes of a cluster are all talked to in the same way")
    assert f"differ in {expected};" in message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"read_from_replicas": 1}, "Option 'read_from_replicas' must be True or False"),
        ({"address_remap": 5}, "Option 'address_remap' must be a callable or the dotted path of one"),
        ({"address_remap": "no.such.module.f"}, "Option 'address_remap': cannot import"),
        ({"max_redirects": -1}, "Option 'max_redirects' must be an integer from 0"),
        ({"topology_refresh_interval": 0}, "Option 'topology_refresh_interval' must be a number of seconds greater"),
        ({"topology_refresh_interval": None}, "Option 'topology_refresh_interval' must be a number of seconds"),
        ({"sentinels": [("h", 1)]}, "Option 'sentinels' is for sentinel backends only"),
        ({"sentinel_kwargs": {}}, "Option 'sentinel_kwargs' is for sentinel backends only"),
        ({"read_from_replica": True}, "Unknown option 'read_from_replica'; did you mean 'read_from_replicas'?"),
        ({"startup_nodes": []}, "it belongs in LOCATION, as a list"),
        ({"pool_class": "redis.sentinel.SentinelConnectionPool"}, "'pool_class' must be a pool class"),
    ],
)
def test_bad_options(options: dict[str, Any], expected: str) -> None:
    assert expected in fault(**options)


def test_options_in_the_url_beat_those_beside_it() -> None:
    found = settings("redis://h?max_redirects=2&topology_refresh_interval=7.5", max_redirects=9, retry=4)
    assert found.connection.max_redirects == 2
    assert found.connection.topology_refresh_interval == 7.5
    assert found.handles[0].connection_kwargs["max_redirects"] == 2
    assert found.handles[0].connection_kwargs["retry"] == 4
    assert "read_from_replicas" in fault("redis://h?read_from_replicas=1")


def test_defaults() -> None:
    found = settings()
    assert found.connection.max_redirects == 5
    assert found.connection.topology_refresh_interval == 60.0
    assert found.cache_options["read_from_replicas"] is False
    assert found.cache_options["address_remap"] is None


def test_what_the_engine_is_told(engine_of: Callable[..., Any]) -> None:
    found = settings(
        ["redis://:pw@h1:7000", "redis://:pw@h2:7001"],
        read_from_replicas=True,
        address_remap=f"{__name__}.remap",
        max_redirects=2,
        topology_refresh_interval=30,
    )
    engine = engine_of("cluster", found)
    (seeds,) = engine.args
    assert engine.name == "cluster"
    assert seeds == [handle.server for handle in found.handles]
    assert engine.options == {
        "read_from_replicas": True,
        "address_remap": remap,
        "max_redirects": 2,
        "topology_refresh_interval": 30.0,
    }


def test_all_nodes_ask_the_same_hooks(engine_of: Callable[..., Any]) -> None:
    found = settings(pool_class=Hooked)
    (seeds,) = engine_of("cluster", found).args
    first = found.handles[0]
    assert seeds == [first.describe("h1", 7000), first.describe("h2", 7001)]
    assert seeds[1] != found.handles[1].server, "its hooks are those of another object"


def test_equal_values_are_the_same_settings() -> None:
    assert settings(address_remap=remap) is settings(",".join(SEEDS), address_remap=remap)
    assert settings(address_remap=remap) is not settings()
    assert settings() is not settings(read_from_replicas=True)
    assert settings() is not settings(SEEDS[::-1])


@pytest.mark.parametrize(
    ("backend", "client", "raw", "raw_async"),
    [
        (RedisClusterCache, RedisClusterCacheClient, "RedisCluster", "AsyncRedisCluster"),
        (ValkeyClusterCache, ValkeyClusterCacheClient, "ValkeyCluster", "AsyncValkeyCluster"),
    ],
)
def test_what_django_code_may_touch(backend: Any, client: Any, raw: str, raw_async: str) -> None:
    cache = backend(SEEDS, {"OPTIONS": {"pool_class": "redis.BlockingConnectionPool"}})
    assert cache._servers == SEEDS
    inner = cache._cache
    assert type(inner) is client is cache._class
    assert inner._servers == SEEDS
    assert inner._client is inner._client_class is getattr(_core, raw)
    assert inner._async_client_class is getattr(_core, raw_async)
    assert {inner._get_connection_pool_index(write) for write in (True, False) for _ in range(20)} == {0}
    assert inner._get_connection_pool(write=True) is inner._get_connection_pool(write=False)
    assert isinstance(inner._get_connection_pool(write=True), BlockingConnectionPool)
    assert isinstance(inner.get_client(write=True), _core.RedisCluster)
