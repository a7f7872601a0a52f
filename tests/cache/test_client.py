"""What Django code may touch on `cache._cache`: its internals, its methods' shapes, and its pools."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import weakref
from typing import TYPE_CHECKING, Any
from unittest import mock

import django
import pytest

import django_cachex
from django_cachex import _core
from django_cachex.cache import RedisCache, ValkeyCache
from django_cachex.client import KeyValueCacheClient, RedisCacheClient
from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError, KeyNotFoundError, ResponseError
from django_cachex.serializers.pickle import PickleSerializer

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from tests.caller import Caller
    from tests.servers import Server

pytestmark = pytest.mark.standalone("about the classes and handles of the backends for one server")


def test_methods_in_django_s_shapes(cache: RedisCache, call: Caller) -> None:
    client, key, other = cache._cache, cache.make_key("k"), cache.make_key("other")
    assert call(client.add, key, 1, 100) is True
    assert call(client.add, key, 1, None) is False
    assert call(client.get, key) == 1
    assert call(client.get, other, "default") == "default"
    assert call(client.set, key, 2, 100) is None
    assert call(client.set, key, 2, 100, nx=True) is False
    assert call(client.touch, key, None) is True
    assert call(client.touch, key, 100) is True
    assert call(client.incr, key, 5) == 7
    assert call(client.decr, key, 3) == 4
    with pytest.raises(KeyNotFoundError):
        call(client.incr, other, 1)
    assert call(client.has_key, key) is True
    call(client.set_many, {key: 1, other: 2}, 100)
    assert call(client.get_many, [key, other, "x"]) == {key: 1, other: 2}
    assert call(client.delete_many, [key, other]) == 2
    assert call(client.delete_many, []) is None
    assert call(client.delete, key) is False


def test_methods_take_made_keys_and_no_versions(cache: RedisCache, call: Caller) -> None:
    client, prefix = cache._cache, cache.make_key("")
    a, b = prefix + "a", prefix + "b"
    call(client.set, a, 1, 100)
    assert call(client.ttl, a) in (99, 100)
    assert call(client.expire, a, 500) is True
    assert call(client.rename, a, b) is True
    assert call(client.type, b) == "string"
    assert call(client.keys, prefix + "*") == [b]
    assert call(client.iter_keys, prefix + "*") == [b]
    assert call(client.iter_keys, prefix + "*", itersize=10) == [b]
    cursor, found = call(client.scan, 0, prefix + "*", 100_000, "string")
    assert (cursor, found) == (0, [b])
    assert call(client.delete_pattern, prefix + "*", 10) == 1
    with pytest.raises(TypeError):
        call(client.ttl, a, 2)
    with pytest.raises(TypeError):
        call(client.ttl, a, version=2)
    with pytest.raises(TypeError):
        call(client.rename, a, b, version_src=1)


@pytest.mark.parametrize("where", ["instance", "class", "base"])
def test_patches_of_the_client_are_seen(
    make_cache: Callable[..., RedisCache], call: Caller, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    cache = make_cache()
    client = cache._cache
    target: Any = {"instance": client, "class": RedisCacheClient, "base": KeyValueCacheClient}[where]
    for _ in range(3):  # whatever is remembered of an earlier look
        call(cache.set, "k", "v", 100)
        assert call(cache.get, "k") == "v"

    def patch(name: str, replacement: Callable[..., Any]) -> None:
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return replacement(*args, **kwargs)

        monkeypatch.setattr(target, name, replacement)
        if name in ("get", "set", "incr"):
            monkeypatch.setattr(target, "a" + name, coroutine)

    stored: list[Any] = []
    patch("get", lambda *args: ("patched", *args[-2:]))
    assert call(cache.get, "k", 5) == ("patched", cache.make_key("k"), 5)
    patch("set", lambda *args: stored.append(args[-3:]))
    assert call(cache.set, "k", "w", 50) is None
    assert stored == [(cache.make_key("k"), "w", 50)]
    patch("incr", lambda *args: args[-2:])
    assert call(cache.incr, "k", 5) == (cache.make_key("k"), 5)
    monkeypatch.undo()
    assert call(cache.get, "k") == "v"

    patch("encode", lambda *args: b"encoded")
    patch("decode", lambda *args: ("decoded", args[-1]))
    call(cache.set, "k", "w", 50)
    assert call(cache.get, "k") == ("decoded", b"encoded")
    assert call(cache.get_many, ["k"]) == {"k": ("decoded", b"encoded")}
    monkeypatch.undo()
    call(cache.set, "k", "v")
    assert call(cache.get, "k") == "v"


def test_a_client_put_in_place(cache: RedisCache, make_cache: Callable[..., RedisCache], call: Caller) -> None:
    call(cache.set, "k", 1)
    other = make_cache(OPTIONS={"serializer": PickleSerializer(2)})
    cache._cache = other._cache
    call(cache.set, "k", "v")
    assert call(cache.get, "k") == "v"
    assert call(cache.get_client) is not None
    with mock.patch.object(cache, "_cache") as client:
        client.get.return_value = "mocked"
        client.aget = mock.AsyncMock(return_value="mocked")
        assert call(cache.get, "k") == "mocked"
        client.incr.return_value = 5
        client.aincr = mock.AsyncMock(return_value=5)
        assert call(cache.incr, "k") == 5
    assert call(cache.get, "k") == "v"


@pytest.mark.parametrize("calls", [0, 1, 2])
@pytest.mark.parametrize("kind", ["plain", "autospec", "instance"])
def test_a_mock_in_place_of_the_client(
    make_cache: Callable[..., RedisCache], call: Caller, kind: str, calls: int
) -> None:
    cache, key = make_cache(), make_cache().make_key("k")
    for _ in range(calls):
        assert call(cache.get, "k") is None
    how: dict[str, Any] = {"autospec": True} if kind == "autospec" else {}
    if kind == "instance":
        how = {"new": mock.create_autospec(type(cache._cache), instance=True)}
    with mock.patch.object(cache, "_cache", **how):
        client: Any = cache._cache
        for method, args, sent in [
            ("get", ("k", 5), (key, 5)),
            ("set", ("k", "v", 100), (key, "v", 100)),
            ("incr", ("k", 2), (key, 2)),
            ("touch", ("k", 100), (key, 100)),
            ("delete", ("k",), (key,)),
        ]:
            setattr(client, method, mock.Mock(return_value="mocked"))
            setattr(client, "a" + method, mock.AsyncMock(return_value="mocked"))
            assert call(getattr(cache, method), *args) in ("mocked", None)
            used = getattr(client, method if call.mode == "sync" else "a" + method)
            assert used.call_args.args == sent
    call(cache.set, "k", "v")
    assert call(cache.get, "k") == "v"


def test_a_mock_in_place_of_the_client_s_class(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache()
    with mock.patch.object(cache, "_class") as client:
        client.return_value.get.return_value = "mocked"
        client.return_value.aget = mock.AsyncMock(return_value="mocked")
        assert call(cache.get, "k") == "mocked"
        assert call(cache.get, "k") == "mocked"


def test_native_module() -> None:
    lib: Any = RedisCacheClient._lib
    assert lib is _core
    assert lib.__version__ == django_cachex.__version__
    for base, derived in [
        ("Redis", "Valkey"),
        ("Redis", "RedisCluster"),
        ("RedisCluster", "ValkeyCluster"),
        ("AsyncRedis", "AsyncValkey"),
        ("AsyncRedis", "AsyncRedisCluster"),
        ("AsyncRedisCluster", "AsyncValkeyCluster"),
        ("ConnectionPool", "BlockingConnectionPool"),
        ("AsyncConnectionPool", "AsyncBlockingConnectionPool"),
    ]:
        assert issubclass(getattr(lib, derived), getattr(lib, base))
    assert lib.ResponseError is ResponseError
    assert lib.ConnectionError is CacheConnectionError
    assert lib.TimeoutError is CacheTimeoutError
    with pytest.raises(AttributeError, match=r"'django_cachex\._core' has no attribute 'Nonsense'"):
        _ = lib.Nonsense


def test_driver_info() -> None:
    info = _core.DriverInfo()
    assert info.add_upstream_driver("celery", "5.4") is info
    assert info.formatted_name == "django-cachex(celery_v5.4)"


def test_attributes(make_cache: Callable[..., RedisCache]) -> None:
    client = make_cache()._cache
    assert type(client._serializer) is PickleSerializer
    assert client._serializer is client._serializers[0]
    assert client._compressors == []
    assert (client._client, client._client_class, client._async_client_class) == (
        _core.Redis,
        _core.Redis,
        _core.AsyncRedis,
    )
    assert (client._pool_class, client._async_pool_class) == (_core.ConnectionPool, _core.AsyncConnectionPool)
    assert isinstance(client._CLIENT_ONLY_OPTIONS, frozenset)
    assert {"serializer", "compressor", "pool_class"} <= client._CLIENT_ONLY_OPTIONS
    valkey = make_cache(backend=ValkeyCache)._cache
    assert (valkey._client_class, valkey._async_client_class) == (_core.Valkey, _core.AsyncValkey)


def test_clients(cache: RedisCache, call: Caller) -> None:
    kind = _core.AsyncRedis if call.is_async else _core.Redis
    for owner in (cache, cache._cache):
        assert type(call(owner.get_client)) is kind
        assert type(call(owner.get_client, "k")) is kind
        assert type(call(owner.get_client, write=True)) is kind
        assert type(call(owner.get_client, key="k", write=True)) is kind


# Pools


def test_pool_handles(make_cache: Callable[..., RedisCache], server: Server) -> None:
    client = make_cache(server.url_for(db=2), OPTIONS={"socket_timeout": 7, "username": None})._cache
    assert client._pools == {}
    handle = client._get_connection_pool(write=True)
    assert client._pools == {0: handle}
    assert client._get_connection_pool(write=False) is handle
    assert isinstance(handle, client._lib.ConnectionPool)
    assert handle.connection_kwargs == {
        "host": "127.0.0.1",
        "port": server.port,
        "db": 2,
        "username": None,
        "password": None,
        "socket_timeout": 7,
    }
    assert handle.max_connections == 100


def test_pool_indexes(make_cache: Callable[..., RedisCache], monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_cache("redis://a,redis://b,redis://c")._cache
    assert {client._get_connection_pool_index(write=True) for _ in range(50)} == {0}
    assert {client._get_connection_pool_index(write=False) for _ in range(200)} == {1, 2}
    handles = {client._get_connection_pool(write=False) for _ in range(200)}
    assert {handle.connection_kwargs["host"] for handle in handles} == {"b", "c"}
    assert client._get_connection_pool(write=True).connection_kwargs["host"] == "a"
    assert set(client._pools) == {0, 1, 2}
    monkeypatch.setattr(client, "_get_connection_pool_index", lambda write: 1)
    assert client._get_connection_pool(write=True).connection_kwargs["host"] == "b"
    assert random.random() != random.random(), "choosing leaves the generator alone"


def test_async_handles(make_cache: Callable[..., RedisCache]) -> None:
    client, equal, different = make_cache()._cache, make_cache()._cache, make_cache(OPTIONS={"retry": 0})._cache
    with pytest.raises(RuntimeError, match="no running event loop"):
        client._get_async_connection_pool(write=True)

    async def handles() -> list[Any]:
        loop = asyncio.get_running_loop()
        found = [each._get_async_connection_pool(write=True) for each in (client, equal, different)]
        assert client._get_async_connection_pool(write=False) is found[0]
        assert client._async_pools[loop] == {0: found[0]}
        return [*found, weakref.ref(loop)]

    first, second = asyncio.run(handles()), asyncio.run(handles())
    assert isinstance(first[0], _core.AsyncConnectionPool)
    assert first[0] is first[1]
    assert first[0] is not first[2]
    assert first[0] is not second[0]
    assert first[0].server == second[0].server
    assert first[0].server == client._get_connection_pool(write=True).server, "sync and async share a server"


def test_async_handles_go_with_their_loop(make_cache: Callable[..., RedisCache], server: Server) -> None:
    client = make_cache(OPTIONS={"client_name": "goes-with-its-loop"})._cache
    pools: MutableMapping[Any, Any] = client._async_pools
    assert isinstance(pools, weakref.WeakKeyDictionary)

    async def use() -> None:
        client._get_async_connection_pool(write=True)
        await client.aget("k")

    for _ in range(3):
        asyncio.run(use())
        gc.collect()
        assert len(pools) == 0


def test_caches_end_with_their_last_reference(server: Server, call: Caller) -> None:
    """Django makes a cache for each context: none is left to the garbage collector."""

    def queue(cache: RedisCache) -> None:
        pipeline: Any = cache.apipeline() if call.is_async else cache.pipeline()
        executed = pipeline.set("k", 1).get("k").hget("h", "f").execute()
        assert (call.run(executed) if call.is_async else executed) == [True, 1, None]

    uses: list[Callable[[RedisCache], Any]] = [
        lambda cache: call(cache.get, "k"),
        lambda cache: call(cache.set_many, {"k": 1}),
        lambda cache: call(cache.hset, "h", "g", 1),
        lambda cache: call(cache.hget, "h", "g"),
        lambda cache: call(cache.iter_keys),
        lambda cache: call(cache.eval_script, "return 1"),
        queue,
    ]
    gc.disable()
    try:
        for use in uses:
            cache = RedisCache(server.url, {"KEY_PREFIX": "ends"})
            use(cache)
            reference = weakref.ref(cache)
            del cache
            assert reference() is None
    finally:
        gc.enable()


def test_disconnect(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    cache = make_cache(OPTIONS={"client_name": f"disconnect-{call.mode}"})

    def connections() -> int:
        return sum(client["name"] == f"disconnect-{call.mode}" for client in server.clients())

    async def leave() -> None:
        await cache._cache._get_async_connection_pool(write=True).disconnect()

    call(cache.get, "k")
    assert connections() == 1
    if call.is_async:
        call.run(leave())
    else:
        cache._cache._get_connection_pool(write=True).disconnect()
    # A server notices when it gets round to it.
    deadline = time.monotonic() + 5
    while connections() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert connections() == 0
    assert call(cache.get, "k") is None, "it comes back when needed"


# The name at the server


def test_library_name_at_the_server(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    async def of_loop() -> dict[str, Any]:
        found: dict[str, Any] = await (await cache.get_async_client()).client_info()
        return found

    def info() -> dict[str, Any]:
        found: dict[str, Any] = call.run(of_loop()) if call.is_async else cache.get_client().client_info()
        return found

    cache = make_cache()
    said = info()
    if server.family.name == "redis" and server.family.version < (7, 2):
        assert "lib-name" not in said
        assert "lib-ver" not in said
        return
    assert said["lib-name"] == f"django-cachex(django_v{django.__version__})"
    assert said["lib-ver"] == django_cachex.__version__
    cache = make_cache(OPTIONS={"driver_info": _core.DriverInfo().add_upstream_driver("shop", "1.0")})
    assert info()["lib-name"] == "django-cachex(shop_v1.0)"
    cache = make_cache(OPTIONS={"lib_name": "mine", "lib_version": "7.8"})
    said = info()
    assert (said["lib-name"], said["lib-ver"]) == ("mine", "7.8")


@pytest.mark.parametrize("protocol", [None, 2, 3])
def test_results_do_not_depend_on_the_protocol(
    make_cache: Callable[..., RedisCache], call: Caller, protocol: int | None
) -> None:
    cache = make_cache(OPTIONS={"protocol": protocol, "client_name": "by-name"})
    call(cache.set_many, {"a": 1, "b": None})
    assert call(cache.get_many, ["a", "x", "b"]) == {"a": 1, "b": None}
    assert call(cache.incr, "a") == 2
    assert call(cache.touch, "a", None) is True
    assert call(cache.set, "a", 1, nx=True) is False
    assert sorted(call(cache.keys)) == ["a", "b"]
    assert call(cache.scan, 0, "*", 100_000)[0] == 0

    async def of_loop() -> dict[str, Any]:
        found: dict[str, Any] = await (await cache.get_async_client()).client_info()
        return found

    said = call.run(of_loop()) if call.is_async else cache.get_client().client_info()
    assert said["name"] == "by-name"
    assert said["resp"] == (protocol or said["resp"])


@pytest.mark.standalone("about a server of its own")
@pytest.mark.parametrize("secret", ["", None])
def test_empty_credentials_are_none(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller, secret: str | None
) -> None:
    """So settings that come from the environment work where it says nothing."""
    cache = make_cache(OPTIONS={"username": secret, "password": secret, "client_name": f"empty-{secret}"})
    call(cache.set, "k", 1)
    assert call(cache.get, "k") == 1
    locked = start_server(password="secret")
    cache = make_cache(f"redis://127.0.0.1:{locked.port}", OPTIONS={"username": secret, "password": "secret"})
    call(cache.set, "k", 2)
    assert call(cache.get, "k") == 2
