"""A cache object's first call does without a client. What an application has done to either counts all the same."""

from __future__ import annotations

import gc
import weakref
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.utils.module_loading import import_string

from django_cachex.client import KeyValueCacheClient
from django_cachex.exceptions import SerializerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server
    from tests.topologies import Topology


@pytest.fixture
def backend(topology: Topology) -> type[RedisCache]:
    """A cache class, with a client class, that tests may change."""
    base: type[RedisCache] = import_string(topology.backend)
    client: Any = base._class
    mine: type[RedisCache] = type("Mine", (base,), {"_class": type("Client", (client,), {})})
    return mine


def _patch(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Replace a method and its twin."""

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        return replacement(*args, **kwargs)

    monkeypatch.setattr(target, name, replacement)
    monkeypatch.setattr(target, "a" + name, coroutine)


def test_without_a_client(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    make_cache().set("k", 1)  # from here on, what they share is there
    for method, args, result in [
        ("get", ("k",), 1),
        ("get", ("none", "default"), "default"),
        ("set", ("k", 5), None),
        ("get_many", (["k", "none"],), {"k": 5}),
        ("set_many", ({"k": 6},), []),
    ]:
        cache = make_cache()
        assert call(getattr(cache, method), *args) == result
        assert "_cache" not in vars(cache)
        assert call(cache.get, "k") in (1, 5, 6)
        assert vars(cache)["_cache"] is cache._cache
    assert call(make_cache().incr, "k") == 7
    assert call(make_cache().get, "k") == 7


@pytest.mark.parametrize("used", [False, True])
def test_methods_of_the_client_s_class(
    make_cache: Callable[..., RedisCache],
    call: Caller,
    monkeypatch: pytest.MonkeyPatch,
    backend: type[RedisCache],
    *,
    used: bool,
) -> None:
    if used:
        call(make_cache(backend=backend).set, "k", "v")
        call(make_cache(backend=backend).get, "k")
    client = backend._class
    _patch(monkeypatch, client, "get", lambda self, key, default: ("patched", key, default))
    _patch(monkeypatch, client, "incr", lambda self, key, delta: ("patched", key, delta))
    cache = make_cache(backend=backend)
    key = cache.make_key("k")
    assert call(cache.get, "k", 5) == ("patched", key, 5)
    assert call(make_cache(backend=backend).incr, "k", 5) == ("patched", key, 5)
    monkeypatch.undo()
    monkeypatch.setattr(client, "encode", lambda self, value: b"encoded")
    monkeypatch.setattr(client, "decode", lambda self, data: ("decoded", data))
    call(make_cache(backend=backend).set, "k", "v")
    assert call(make_cache(backend=backend).get, "k") == ("decoded", b"encoded")
    assert call(make_cache(backend=backend).get_many, ["k"]) == {"k": ("decoded", b"encoded")}


def test_methods_of_the_cache(make_cache: Callable[..., RedisCache], call: Caller, backend: type[RedisCache]) -> None:
    call(make_cache(backend=backend).set, "k", "v")
    cache: Any = make_cache(backend=backend)
    cache.key_func = lambda key, prefix, version: "elsewhere"
    assert call(cache.get, "k", "default") == "default"
    cache = make_cache(backend=backend)
    cache.decode = lambda data: ("decoded", data)
    assert call(cache.get, "k")[0] == "decoded"


def test_how_the_client_is_made(make_cache: Callable[..., RedisCache], call: Caller, backend: type[RedisCache]) -> None:
    """One that is made in another way is made for the first call too."""
    call(make_cache(backend=backend).set, "k", "v")
    base, made = cast("Any", backend._class), cast("Any", backend._cache)

    def init(self: Any, *args: Any, **options: Any) -> None:
        base.__init__(self, *args, **options)
        self.decode = lambda data: ("decoded", data)

    def make(self: Any) -> Any:
        client = made.func(self)
        client.decode = lambda data: ("decoded", data)
        return client

    def new(cls: type[Any], *args: Any, **options: Any) -> Any:
        client = object.__new__(cls)
        client.decode = lambda data: ("decoded", data)
        return client

    for own in (
        {"_class": type("Client", (base,), {"__init__": init})},
        {"_class": type("Client", (base,), {"__new__": new})},
        {"_cache": cached_property(make)},
    ):
        kind = type("Mine", (backend,), own)
        for _ in range(2):
            assert call(make_cache(backend=kind).get, "k")[0] == "decoded"


def test_clients_that_are_all_made_otherwise(
    make_cache: Callable[..., RedisCache], call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(make_cache().set, "k", "v")
    call(make_cache().get, "k")
    made: Any = KeyValueCacheClient.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        self.decode = lambda data: ("decoded", data)

    monkeypatch.setattr(KeyValueCacheClient, "__init__", init)
    cache = make_cache()
    for _ in range(2):
        assert call(cache.get, "k")[0] == "decoded"


def test_classes_that_come_and_go(topology: Topology, key_prefix: str, backend: type[RedisCache]) -> None:
    base: Any = backend._class

    def use_one() -> weakref.ref[Any]:
        client = type("Client", (base,), {})
        mine = type("Mine", (backend,), {"_class": client})
        mine(topology.location, {"KEY_PREFIX": key_prefix, "OPTIONS": topology.options}).get("k")
        return weakref.ref(client)

    classes = [use_one() for _ in range(100)]
    gc.collect()
    assert sum(known() is not None for known in classes) < 20


def test_settings_that_change_before(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    plain = make_cache()
    call(plain.set, "k", {"a": 1})
    call(make_cache().get, "k")
    cache: Any = make_cache()
    cache._options = {**cache._options, "serializer": "django_cachex.serializers.json.JsonSerializer"}
    call(cache.set, "k", {"a": 1})
    with pytest.raises(SerializerError):
        call(make_cache().get, "k")
    assert call(cache.get, "k") == {"a": 1}


@pytest.mark.standalone("about another server")
def test_a_server_that_changes_before(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller
) -> None:
    server = start_server()
    call(make_cache().set, "k", "v")
    cache: Any = make_cache()
    cache._servers = [server.url]
    assert call(cache.get, "k") is None
    call(cache.set, "k", "w")
    assert server.command("EXISTS", cache.make_key("k")) == 1


@pytest.mark.parametrize("policy", ["raise", "miss"])
def test_what_cannot_be_read(make_cache: Callable[..., RedisCache], call: Caller, policy: str) -> None:
    options = {"on_undecodable": policy}
    call(make_cache(OPTIONS=options).set, "good", 1)
    other = make_cache()
    other.get_client(write=True).set(other.make_key("bad"), b"\x80\x05garbage")
    call.settle()
    if policy == "raise":
        with pytest.raises(SerializerError):
            call(make_cache(OPTIONS=options).get, "bad")
        with pytest.raises(SerializerError):
            call(make_cache(OPTIONS=options).get_many, ["good", "bad"])
    else:
        assert call(make_cache(OPTIONS=options).get, "bad", "default") == "default"
        assert call(make_cache(OPTIONS=options).get_many, ["good", "bad"]) == {"good": 1}


def test_copies_share_the_client(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache()
    call(cache.set, "k", 1)
    other = copy(cache)
    assert other._cache is cache._cache
    assert call(other.get, "k") == 1


def test_on_the_class(backend: type[RedisCache]) -> None:
    assert type(backend._shortcut).__name__ == "_OneUse"
