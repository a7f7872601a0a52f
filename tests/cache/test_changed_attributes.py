"""What the native methods know of a cache is forgotten whenever the cache, its client or their classes change."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server
    from tests.topologies import Topology


@pytest.fixture
def cache(make_cache: Callable[..., RedisCache], topology: Topology) -> RedisCache:
    """A cache with a class of its own, which tests may change."""
    backend = import_string(topology.backend)
    return make_cache(backend=type("Mine", (type("Base", (backend,), {}),), {}))


def _warm(cache: Any, call: Caller) -> None:
    """Use it until everything about it is known."""
    for _ in range(3):
        call(cache.set, "k", "v")
        assert call(cache.get, "k") == "v"
        call(cache.set_many, {"k": "v"})
        assert call(cache.get_many, ["k"]) == {"k": "v"}
        call(cache.hset, "h", "f", "v")
        assert call(cache.hget, "h", "f") == "v"


def _decoded(_: object) -> str:
    return "decoded"


def _set_in_hot_code(target: Any, name: str, value: object) -> None:
    """Set it where CPython has specialised the bytecode for just that."""
    values = [getattr(target, name)] * 100 + [value]
    exec(f"for value in values: target.{name} = value", {"target": target, "values": values})  # noqa: S102 - our own


_SETTERS: dict[str, Callable[[Any, str, object], None]] = {
    "setattr": setattr,
    "vars": lambda target, name, value: vars(target).__setitem__(name, value),
    "update": lambda target, name, value: vars(target).update({name: value}),
    "another dict": lambda target, name, value: setattr(target, "__dict__", {**vars(target), name: value}),
    "object": object.__setattr__,
    "hot code": _set_in_hot_code,
}


@pytest.mark.parametrize("how", _SETTERS)
@pytest.mark.parametrize("of_client", [False, True])
def test_a_method_of_the_object(cache: Any, call: Caller, how: str, *, of_client: bool) -> None:
    _warm(cache, call)
    _SETTERS[how](cache._cache if of_client else cache, "decode", _decoded)
    for _ in range(3):
        assert call(cache.get, "k") == "decoded"
        assert call(cache.get_many, ["k"]) == {"k": "decoded"}
        assert call(cache.hget, "h", "f") == "decoded"
    del (cache._cache if of_client else cache).decode
    _warm(cache, call)


@pytest.mark.parametrize("where", ["own class", "base class", "client class"])
def test_a_method_of_the_class(cache: Any, call: Caller, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _warm(cache, call)
    owner = {"own class": type(cache), "base class": type(cache).__mro__[1], "client class": type(cache._cache)}[where]
    monkeypatch.setattr(owner, "decode", lambda self, data: "decoded", raising=False)
    for _ in range(3):
        assert call(cache.get, "k") == "decoded"
        assert call(cache.hget, "h", "f") == "decoded"
    monkeypatch.undo()
    _warm(cache, call)


@pytest.mark.parametrize("how", _SETTERS)
@pytest.mark.parametrize(
    ("name", "value", "made"),
    [
        ("key_prefix", "{}-other", "{}-other:1:k"),
        ("version", 7, "{}:7:k"),
        ("key_func", lambda key, prefix, version: f"{key}/{prefix}/{version}", "k/{}/1"),
    ],
)
def test_what_keys_are_made_of(
    cache: Any, server: Server, call: Caller, key_prefix: str, how: str, name: str, value: object, made: str
) -> None:
    _warm(cache, call)
    made = made.format(key_prefix)
    _SETTERS[how](cache, name, value.format(key_prefix) if isinstance(value, str) else value)
    for number in range(3):
        call(cache.set, "k", number)
        assert server.command("GET", made) == str(number).encode()
        assert call(cache.get, "k") == number
        assert call(cache.get_many, ["k"]) == {"k": number}
    server.command("DEL", made)


def test_a_property_takes_the_place_of_an_attribute(cache: Any, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data descriptor goes before the object's own attribute, and may give something else each time."""
    _warm(cache, call)
    monkeypatch.setattr(type(cache), "version", property(lambda _: next(numbers)), raising=False)
    numbers = iter(range(100, 200))
    for number in range(4):
        call(cache.set, "k", number)
    assert [call(cache.get, "k", version=100 + number) for number in range(4)] == [0, 1, 2, 3]


def test_versions_that_are_given(cache: Any, server: Server, call: Caller, key_prefix: str) -> None:
    _warm(cache, call)
    for version in (1, 2, 3, None, 2):
        call(cache.set, "k", version or 0, version=version)
        assert server.command("GET", f"{key_prefix}:{version or 1}:k") == str(version or 0).encode()


def test_another_client(cache: Any, make_cache: Callable[..., Any], server: Server, call: Caller) -> None:
    _warm(cache, call)
    other = make_cache(OPTIONS={"serializer": "django_cachex.serializers.json.JsonSerializer"})
    cache._cache = other._cache
    for _ in range(3):
        call(cache.set, "k", "v")
        assert server.command("GET", cache.make_key("k")) == b'"v"'
        assert call(cache.get, "k") == "v"


def test_two_caches_do_not_mix(make_cache: Callable[..., Any], call: Caller, key_prefix: str) -> None:
    one, other = (make_cache(KEY_PREFIX=f"{key_prefix}{number}") for number in (1, 2))
    for _ in range(4):
        call(one.set, "k", 1)
        call(other.set, "k", 2)
        assert (call(one.get, "k"), call(other.get, "k")) == (1, 2)
    one.version = 2
    assert (call(one.get, "k"), call(other.get, "k")) == (None, 2)


def test_a_dict_of_attributes_that_somebody_has_hold_of(cache: Any, call: Caller) -> None:
    """As `unittest.mock.patch.dict` has."""
    held = vars(cache)
    _warm(cache, call)
    assert vars(cache) is held
    for version in (5, 6, 7):
        held["version"] = version
        call(cache.set, "k", version)
        assert [call(cache.get, "k", version=version), call(cache.get, "k")] == [version, version]
    held["decode"] = _decoded
    for _ in range(3):
        assert call(cache.get, "k") == "decoded"
    del held["decode"]
    del held
    _warm(cache, call)
    cache.decode = _decoded
    assert call(cache.get, "k") == "decoded"


def test_another_dict_while_somebody_has_hold_of_the_first(cache: Any, call: Caller) -> None:
    _warm(cache, call)
    held = []
    for version in (5, 6, 7):
        held.append(vars(cache))
        cache.__dict__ = {**vars(cache), "version": version}
        for _ in range(3):
            call(cache.set, "k", version)
            assert [call(cache.get, "k", version=version), call(cache.get, "k")] == [version, version]


@pytest.mark.parametrize("of_class", [False, True])
def test_another_way_with_timeouts(
    cache: Any, call: Caller, monkeypatch: pytest.MonkeyPatch, *, of_class: bool
) -> None:
    _warm(cache, call)
    if of_class:
        monkeypatch.setattr(type(cache), "get_backend_timeout", lambda _, timeout=None: 4711, raising=False)
    else:
        cache.get_backend_timeout = lambda timeout=None: 4711
    call(cache.set, "k", "v")
    call(cache.set_many, {"other": "v"}, 5)
    assert {call(cache.ttl, "k"), call(cache.ttl, "other")} <= {4710, 4711}


def test_default_timeouts_and_all_others(cache: Any, call: Caller) -> None:
    _warm(cache, call)
    cache.default_timeout = 100
    call(cache.set, "k", "v")
    assert 98 < call(cache.ttl, "k") <= 100
    cache.default_timeout = None
    call(cache.set, "k", "v")
    assert call(cache.ttl, "k") is None
    for timeout, left in ((17.9, 17), ("16", 16), (True, 1), (0.5, None), (-1, None), (0, None)):
        call(cache.set, "k", "v", timeout)
        if left is None:
            assert call(cache.get, "k") is None
        else:
            assert left - 1 <= call(cache.ttl, "k") <= left
    for timeout in (float("nan"), float("inf"), "soon"):
        with pytest.raises((ValueError, OverflowError)):
            call(cache.set, "k", "v", timeout)


# CPython has numbers for eight watchers, all of which are taken here before we come.
_WITHOUT_A_WATCHER = """
import ctypes, sys
add = ctypes.pythonapi.PyDict_AddWatcher
add.argtypes = [ctypes.c_void_p]
try:
    while True:
        add(ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p))
except RuntimeError:
    pass

from django.conf import settings
settings.configure()
from django_cachex.cache import RedisCache

cache = RedisCache(sys.argv[1], {"KEY_PREFIX": sys.argv[2]})
for version in (1, 2, 3):
    cache.version = version
    for _ in range(3):
        cache.set("k", version)
        assert [cache.get("k", version=version), cache.get("k")] == [version, version]
cache.decode = lambda _: "decoded"
assert cache.get("k") == "decoded"
del cache.decode
print(cache.get("k"), cache.delete("k"))
"""


def test_where_nothing_can_be_watched(start_server: Callable[..., Server], key_prefix: str) -> None:
    command = [sys.executable, "-c", _WITHOUT_A_WATCHER, start_server().url, key_prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("3 True\n", "", 0)
