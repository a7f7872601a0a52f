"""What Django code may touch on the cache: the client class, key functions, patches of every kind."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import ImproperlyConfigured

from django_cachex.cache import KeyValueCache, RedisCache, ValkeyCache
from django_cachex.client import KeyValueCacheClient, RedisCacheClient, ValkeyCacheClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller
    from tests.servers import Server

pytestmark = pytest.mark.standalone("about the classes of the backends for one server")


def test_classes(make_cache: Callable[..., RedisCache]) -> None:
    client_classes = [each._class for each in (RedisCache, ValkeyCache, make_cache())]
    assert client_classes == [RedisCacheClient, ValkeyCacheClient, RedisCacheClient]
    assert type(make_cache()._cache) is RedisCacheClient
    valkey: Any = make_cache(backend=ValkeyCache)
    assert type(valkey._cache) is ValkeyCacheClient
    assert issubclass(RedisCache, BaseCache)
    assert str(KeyValueCache[RedisCacheClient]).endswith("RedisCacheClient]")
    assert str(KeyValueCacheClient[Any]).endswith("[typing.Any]")


def test_either_class_with_either_scheme(make_cache: Callable[..., RedisCache], server: Server, call: Caller) -> None:
    place = server.url.split("://")[1]
    for backend in (RedisCache, ValkeyCache):
        for scheme in ("redis", "valkey"):
            cache = make_cache(f"{scheme}://{place}", backend=backend)
            call(cache.set, "k", scheme)
            assert call(cache.get, "k") == scheme
        cache = make_cache(server.socket_url, backend=backend)
        assert call(cache.get, "k") == "valkey"


def test_a_copy_is_an_object_of_its_own(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache()
    call(cache.rpush, "k", ["of the original"])
    other = copy.copy(cache)
    other.key_prefix = f"{cache.key_prefix}copy"
    call(other.rpush, "k", ["of the copy"])
    assert call(cache.lrange, "k", 0, -1) == [["of the original"]]
    assert call(other.lrange, "k", 0, -1) == [["of the copy"]]
    assert other._cache is cache._cache


def test_bases_are_no_backends() -> None:
    with pytest.raises(ImproperlyConfigured, match="KeyValueCache is a base class"):
        KeyValueCache("redis://h", {})
    with pytest.raises(ImproperlyConfigured, match="KeyValueCacheClient is a base class"):
        KeyValueCacheClient(["redis://h"])


def test_nothing_is_opened_before_the_first_command(make_cache: Callable[..., RedisCache]) -> None:
    cache = make_cache("redis://127.0.0.1:1")
    assert cache._cache is cache._cache
    cache.get_client()
    cache._cache._get_connection_pool(write=True)
    cache.close()


def test_attributes(make_cache: Callable[..., RedisCache], key_prefix: str) -> None:
    options = {"db": "3", "socket_timeout": 1}
    cache = make_cache("redis://a:1, redis://b:2;redis://c:3", OPTIONS=options, VERSION=4, TIMEOUT=9)
    assert cache._servers == ["redis://a:1", "redis://b:2", "redis://c:3"]
    assert cache._cache._servers == cache._servers
    assert cache._options == options
    assert (cache.version, cache.default_timeout, cache.key_prefix) == (4, 9, key_prefix)
    assert make_cache(["redis://a", "redis://b"])._servers == ["redis://a", "redis://b"]
    assert make_cache("redis://a")._options == {}


def test_a_client_class_of_one_s_own(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    seen: list[Any] = []

    class Client(RedisCacheClient):
        _CLIENT_ONLY_OPTIONS = RedisCacheClient._CLIENT_ONLY_OPTIONS | {"colour"}

        def __init__(self, servers: Any, colour: str = "none", **options: Any) -> None:
            super().__init__(servers, **options)
            seen.append((servers, colour, options))

        def get(self, key: str, default: Any = None) -> Any:
            return "patched", super().get(key, default)

        async def aget(self, key: str, default: Any = None) -> Any:
            return "patched", await super().aget(key, default)

    class Cache(RedisCache):
        _class = Client

    cache = make_cache(backend=Cache, OPTIONS={"colour": "red", "socket_timeout": 1})
    call(cache.set, "k", 1)
    assert call(cache.get, "k") == ("patched", 1)
    assert seen == [(cache._servers, "red", {"socket_timeout": 1})]

    cache = make_cache()
    cache._class = Client
    assert call(cache.get, "k") == ("patched", 1)

    with pytest.raises(ImproperlyConfigured, match="colour"):
        make_cache(OPTIONS={"colour": "red"})


def test_a_replaced_class_on_the_class(make_cache: Callable[..., RedisCache], monkeypatch: pytest.MonkeyPatch) -> None:
    class Client(RedisCacheClient):
        pass

    monkeypatch.setattr(RedisCache, "_class", Client)
    assert type(make_cache()._cache) is Client


@pytest.mark.parametrize(
    ("timeout", "expected"), [(None, None), (0, 0), (-5, 0), (1.9, 1), (300, 300), (0.5, 0), (-0.5, 0), (True, 1)]
)
def test_get_backend_timeout(cache: RedisCache, timeout: float | None, expected: int | None) -> None:
    found = cache.get_backend_timeout(timeout)
    assert found == expected
    assert type(found) is type(expected)


def test_the_default_timeout_is_recognised_by_equality(cache: RedisCache) -> None:
    assert cache.get_backend_timeout() == 300
    cache.default_timeout = 17
    assert cache.get_backend_timeout() == 17
    assert cache.get_backend_timeout(mock.ANY) == 17


ASYNC = [
    "aadd",
    "aget",
    "aset",
    "atouch",
    "adelete",
    "aget_many",
    "aset_many",
    "adelete_many",
    "ahas_key",
    "aincr",
    "adecr",
    "aget_or_set",
    "aincr_version",
    "adecr_version",
    "aclear",
    "aclose",
]


@pytest.mark.parametrize("name", ASYNC)
def test_async_methods_are_native(name: str) -> None:
    method = getattr(RedisCache, name)
    assert inspect.iscoroutinefunction(method)
    assert method is not getattr(BaseCache, name)
    sync = getattr(BaseCache, name[1:])
    assert callable(sync)


def test_no_async_method_runs_a_sync_one(cache: RedisCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a sync method was called")

    for name in ASYNC:
        monkeypatch.setattr(cache, name[1:], never)
        if hasattr(cache._cache, name[1:]):
            monkeypatch.setattr(cache._cache, name[1:], never)
    monkeypatch.setattr("asgiref.sync.SyncToAsync.__call__", never)

    async def everything() -> None:
        assert await cache.aadd("k", 1) is True
        assert await cache.aget("k") == 1
        await cache.aset("k", 2)
        assert await cache.atouch("k") is True
        assert await cache.aget_many(["k"]) == {"k": 2}
        assert await cache.aset_many({"k": 3}) == []
        assert await cache.ahas_key("k") is True
        assert await cache.aincr("k") == 4
        assert await cache.adecr("k") == 3
        assert await cache.aget_or_set("k", 9) == 3
        assert await cache.aincr_version("k") == 2
        assert await cache.adecr_version("k", version=2) == 1
        assert await cache.adelete("k") is True
        assert await cache.adelete_many(["k"]) == 0
        await cache.aclose()

    asyncio.run(everything())


# Patches


def twins(cache: Any, name: str, replacement: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Patch a method and its twin, to the same effect."""

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        return replacement(*args, **kwargs)

    monkeypatch.setattr(cache, name, replacement)
    monkeypatch.setattr(cache, "a" + name, coroutine)


@pytest.mark.parametrize("where", ["instance", "class", "base"])
def test_calls_among_methods_see_patches(
    make_cache: Callable[..., RedisCache], call: Caller, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    cache = make_cache()
    target: Any = {"instance": cache, "class": RedisCache, "base": KeyValueCache}[where]
    call(cache.set, "k", 5)
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def note(name: str, result: Any) -> None:
        def patched(*args: Any, **kwargs: Any) -> Any:
            calls.append((name, args[0 if where == "instance" else 1 :], kwargs))
            return result

        twins(target, name, patched, monkeypatch)

    note("incr", 42)
    assert call(cache.decr, "k", 3, version=2) == 42
    note("incr_version", 43)
    assert call(cache.decr_version, "k", 3, 2) == 43
    note("has_key", result=True)
    assert "nothing" in cache
    note("get", "got")
    assert call(cache.get_or_set, "nothing", 1) == "got"
    assert [name for name, _, _ in calls] == ["incr", "incr_version", "has_key", "get"]
    assert calls[0][1:] == (("k", -3), {"version": 2})
    assert calls[1][1] == ("k", -3, 2)


def test_get_or_set_adds_through_add(cache: RedisCache, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[Any] = []
    twins(cache, "add", lambda *args, **kwargs: added.append((args, kwargs)), monkeypatch)
    assert call(cache.get_or_set, "k", 1, 50, 2) == 1
    assert added == [(("k", 1), {"timeout": 50, "version": 2})]


def test_methods_are_plain_functions(cache: RedisCache) -> None:
    for owner in (cache, cache._cache):
        for name in ("get", "aget", "set", "incr", "delete_many", "ttl", "attl", "scan", "iter_keys"):
            assert inspect.isfunction(getattr(owner, name).__func__)
    cache.anything = 1  # type: ignore[attr-defined]
    assert cache.__dict__["anything"] == 1


def test_incr_asks_for_its_client_once(cache: RedisCache) -> None:
    with mock.patch.object(cache._cache, "get_client") as get_client:
        get_client.return_value.execute_command.return_value = mock.sentinel.result
        assert cache._cache.incr("made", 3) is mock.sentinel.result
    get_client.assert_called_once_with("made", write=True)


def test_django_s_own_check_of_incr(cache: RedisCache) -> None:
    cache.set("number", 42)
    with mock.patch("django_cachex.client.default.RedisCacheClient.get_client") as get_client:
        cache.incr("number")
    assert get_client.call_args.kwargs == {"write": True}


# Not there yet


@pytest.mark.parametrize("name", ["lock", "alock", "semaphore", "asemaphore"])
def test_what_comes_later(cache: RedisCache, name: str) -> None:
    from django_cachex.exceptions import NotSupportedError

    with pytest.raises(NotSupportedError) as caught:
        getattr(cache, name)("k", lease=5)
    assert (caught.value.operation, caught.value.backend) == (name, "RedisCache")
    assert str(caught.value) == f"Operation '{name}' is not supported by RedisCache"


def test_deep_and_pickled_copies(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache()
    call(cache.set, "k", 1)
    call(cache.rpush, "l", "a")
    for other in (copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert call(other.get, "k") == 1
        assert call(other.lrange, "l", 0, -1) == ["a"]
        assert other._cache is not cache._cache


class Marking(RedisCache):
    """Stores values with a mark, and shows that it was asked to read them."""

    def encode(self, value: Any) -> int | bytes:
        return super().encode(["marked", value])

    def decode(self, data: int | bytes) -> Any:
        mark, value = super().decode(data)
        assert mark == "marked"
        return value


def test_own_encode_and_decode(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    """Every method goes through them."""
    plain, marking = make_cache(), make_cache(backend=Marking)
    call(marking.set, "set", 1)
    call(marking.add, "add", 1)
    call(marking.set, "nx", 1, nx=True)
    call(marking.set_many, {"many": 1})
    call(marking.set_many, {"many_for_a_while": 1}, 60)
    p: Any = marking.apipeline() if call.is_async else marking.pipeline()
    p.set("queued", 1).add("queued_add", 1).set_many({"queued_many": 1}).hset("h", "f", 1).get("set").get_many(["set"])
    done = call.run(p.execute()) if call.is_async else p.execute()
    assert done[-2:] == [1, {"set": 1}]
    names = ["set", "add", "nx", "many", "many_for_a_while", "queued", "queued_add", "queued_many"]
    assert call(plain.get_many, names) == {name: ["marked", 1] for name in names}
    assert call(marking.get_many, names) == dict.fromkeys(names, 1)
    assert [call(marking.get, name) for name in names] == [1] * len(names)
    assert call(marking.set, "set", 2, get=True) == 1
    assert call(plain.hget, "h", "f") == ["marked", 1]
    assert call(marking.hget, "h", "f") == 1
    with mock.patch.object(plain, "decode", return_value="patched"):
        assert call(plain.get, "set") == "patched"
        assert call(plain.get_many, ["set"]) == {"set": "patched"}
    assert call(plain.get, "set") == ["marked", 2]


@pytest.mark.parametrize("nothing", [None, [], (), {}])
def test_many_of_nothing(make_cache: Callable[..., RedisCache], call: Caller, nothing: Any) -> None:
    cache = make_cache()
    assert call(cache.set_many, nothing) == []
    assert call(cache.delete_many, nothing) is None


def test_another_serializer_for_a_while(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache()
    client = cache._cache
    before = client._serializer
    call(cache.set, "k", "v")
    other = mock.Mock(dumps=lambda obj: b"other", loads=lambda data: "other")
    with mock.patch.object(client, "_serializer", other):
        assert client._serializer is other
        call(cache.set, "other", "v")
        assert call(cache.get, "other") == "other"
    assert client._serializer is before
    assert cache.encode("v") == before.dumps("v")
    assert call(cache.get, "k") == "v"


@pytest.mark.parametrize("write", [None, 0, "", 1, 2, "yes", [1]])
def test_any_truth_value_asks_for_a_client(cache: RedisCache, call: Caller, write: Any) -> None:
    client = call(cache.get_client, write=write)
    if call.is_async:
        assert call.run(client.ping()) is True
    else:
        assert client.ping() is True
        assert client is cache.get_client(write=bool(write))
