"""The whole public surface: names, signatures, twins, docstrings, and what each command is declared to be."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest

import django_cachex
from django_cachex._core import Spec
from django_cachex.cache import KeyValueCache, RedisCache, ValkeyCache
from django_cachex.client import KeyValueCacheClient, RedisCacheClient, ValkeyCacheClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server

MODULES = [
    "django_cachex",
    *(found.name for found in pkgutil.walk_packages(django_cachex.__path__, "django_cachex.")),
]

# Contract: what each module offers, as far as it is there.
EXPORTS = {
    "django_cachex": ["KeyType", "__version__"],
    "django_cachex.cache": ["KeyValueCache", "RedisCache", "ValkeyCache"],
    "django_cachex.client": ["KeyValueCacheClient", "RedisCacheClient", "ValkeyCacheClient"],
    "django_cachex.client.cache": ["KeyValueCache", "RedisCache", "ValkeyCache"],
    "django_cachex.client.default": ["KeyValueCacheClient", "RedisCacheClient", "ValkeyCacheClient"],
    "django_cachex.serializers": ["BaseSerializer"],
    "django_cachex.serializers.pickle": ["PickleSerializer"],
    "django_cachex.compressors": ["BaseCompressor"],
    "django_cachex.types": ["KeyType"],
}

# Contract: name -> parameters. `DT` is Django's DEFAULT_TIMEOUT.
DJANGO = {
    "get": "(key, default=None, version=None)",
    "set": "(key, value, timeout=DT, version=None, *, nx=False, xx=False, get=False)",
    "add": "(key, value, timeout=DT, version=None)",
    "touch": "(key, timeout=DT, version=None)",
    "delete": "(key, version=None)",
    "has_key": "(key, version=None)",
    "get_many": "(keys, version=None)",
    "set_many": "(data, timeout=DT, version=None)",
    "delete_many": "(keys, version=None)",
    "incr": "(key, delta=1, version=None)",
    "decr": "(key, delta=1, version=None)",
    "get_or_set": "(key, default, timeout=DT, version=None)",
    "incr_version": "(key, delta=1, version=None)",
    "decr_version": "(key, delta=1, version=None)",
    "clear": "()",
    "close": "(**kwargs)",
}
DECLARED = {
    "ttl": "(key, version=None)",
    "pttl": "(key, version=None)",
    "expiretime": "(key, version=None)",
    "expire": "(key, timeout, version=None)",
    "pexpire": "(key, timeout, version=None)",
    "expireat": "(key, when, version=None)",
    "pexpireat": "(key, when, version=None)",
    "persist": "(key, version=None)",
    "keys": "(pattern='*', version=None)",
    "iter_keys": "(pattern='*', version=None, itersize=None)",
    "scan": "(cursor=0, pattern='*', count=None, version=None, key_type=None)",
    "delete_pattern": "(pattern, version=None, itersize=None)",
    "clear_all_versions": "(itersize=None)",
    "flush_db": "()",
    "type": "(key, version=None)",
    "rename": "(src, dst, version=None, version_src=None, version_dst=None)",
    "renamenx": "(src, dst, version=None, version_src=None, version_dst=None)",
}
# The stock backend's shapes.
CLIENT = {
    "get": "(key, default=None)",
    "set": "(key, value, timeout, *, nx=False, xx=False, get=False)",
    "add": "(key, value, timeout)",
    "touch": "(key, timeout)",
    "delete": "(key)",
    "has_key": "(key)",
    "get_many": "(keys)",
    "set_many": "(data, timeout)",
    "delete_many": "(keys)",
    "incr": "(key, delta)",
    "decr": "(key, delta)",
    "clear": "()",
    "close": "(**kwargs)",
}
TWINLESS = {
    "make_key": "(key, version=None)",
    "validate_key": "(key)",
    "make_and_validate_key": "(key, version=None)",
    "get_backend_timeout": "(timeout=DT)",
    "make_pattern": "(pattern, version=None)",
    "reverse_key": "(key)",
    "encode": "(value)",
    "decode": "(data)",
}
LATER = {"lock", "alock", "semaphore", "asemaphore"}

CACHES = [RedisCache, ValkeyCache]
CLIENTS = [RedisCacheClient, ValkeyCacheClient]


def parameters(function: Any) -> str:
    """Return a signature without `self` and annotations."""
    signature = inspect.signature(function)
    kept = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    text = str(signature.replace(parameters=kept[1:], return_annotation=signature.empty))
    before, found, after = text.partition("<object object at ")
    return f"{before}DT{after[after.index('>') + 1 :]}" if found else text


def without_versions(text: str) -> str:
    words = text[1:-1].split(", ")
    return f"({', '.join(word for word in words if not word.startswith('version'))})"


# Modules


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_what_they_export(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for exported in module.__all__:
        assert hasattr(module, exported), exported
    if name != "django_cachex._core":
        assert module.__doc__
    own = getattr(module, "__all__", [])
    for exported in own:
        found = getattr(module, exported)
        if (inspect.isclass(found) or inspect.isfunction(found)) and found.__module__.startswith("django_cachex."):
            assert found.__doc__ or name == "django_cachex._core", exported


@pytest.mark.parametrize("name", EXPORTS)
def test_exports(name: str) -> None:
    assert set(EXPORTS[name]) <= set(importlib.import_module(name).__all__)


def test_star_imports() -> None:
    for name in MODULES:
        exec(f"from {name} import *", {})  # noqa: S102 - that it can be written is what is tested


# Methods


@pytest.mark.parametrize("name", [*DJANGO, *DECLARED])
@pytest.mark.parametrize("cache", CACHES, ids=lambda cls: cls.__name__)
def test_cache_methods(cache: type[Any], name: str) -> None:
    assert parameters(getattr(cache, name)) == {**DJANGO, **DECLARED}[name]
    twins(cache, name)


@pytest.mark.parametrize("name", [*CLIENT, *DECLARED])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda cls: cls.__name__)
def test_client_methods(client: type[Any], name: str) -> None:
    expected = CLIENT.get(name) or without_versions(DECLARED[name])
    assert parameters(getattr(client, name)) == expected
    twins(client, name)


def twins(cls: type[Any], name: str) -> None:
    """Hold a method against its twin."""
    sync, twin = getattr(cls, name), getattr(cls, "a" + name)
    assert parameters(twin) == parameters(sync)
    stated = [
        {parameter.name: parameter.annotation for parameter in inspect.signature(each).parameters.values()}
        for each in (sync, twin)
    ]
    assert stated[0] == stated[1]
    assert (sync.__name__, twin.__name__) == (name, "a" + name)
    assert not inspect.iscoroutinefunction(sync)
    if name == "iter_keys":
        assert inspect.isgeneratorfunction(sync)
        assert inspect.isasyncgenfunction(twin)
    else:
        assert inspect.iscoroutinefunction(twin)
    assert sync.__doc__
    assert twin.__doc__
    if hasattr(sync, "__command__"):
        assert twin.__doc__ == sync.__doc__
        assert twin.__command__ is sync.__command__
    assert inspect.isfunction(sync)
    assert inspect.isfunction(twin)


@pytest.mark.parametrize("name", TWINLESS)
def test_helpers(name: str) -> None:
    assert parameters(getattr(RedisCache, name)) == TWINLESS[name]
    assert not hasattr(RedisCache, "a" + name)


@pytest.mark.parametrize("owner", [*CACHES, *CLIENTS], ids=lambda cls: cls.__name__)
def test_clients_have_their_own_names(owner: type[Any]) -> None:
    assert parameters(owner.get_client) == "(key=None, *, write=False)"
    assert parameters(owner.get_async_client) == "(key=None, *, write=False)"
    assert inspect.iscoroutinefunction(owner.get_async_client)


@pytest.mark.parametrize("cls", [*CACHES, *CLIENTS], ids=lambda cls: cls.__name__)
def test_nothing_else_is_public(cls: type[Any]) -> None:
    """A method that is not in the tables above is a method that nobody has thought through."""
    named = {*DJANGO, *DECLARED, *TWINLESS, "get_client", "get_async_client", *LATER}
    named |= {"a" + name for name in (*DJANGO, *DECLARED)}
    public = {name for name in dir(cls) if not name.startswith("_") and callable(inspect.getattr_static(cls, name))}
    assert public <= named, public - named


@pytest.mark.parametrize("cls", [*CACHES, *CLIENTS, KeyValueCache, KeyValueCacheClient], ids=lambda cls: cls.__name__)
def test_docstrings(cls: type[Any]) -> None:
    assert cls.__doc__
    for name, member in inspect.getmembers(cls):
        if not name.startswith("_") and inspect.isfunction(member) and member.__module__.startswith("django_cachex"):
            assert member.__doc__, name


# Commands

# Declared otherwise than the server has it, with the reason.
WRITES_OF_READERS = {
    "SCAN": "a cursor belongs to one server, so that scans which hand it out stay with the write server",
    "EXISTS": "decides on a write, for which a replica may lag behind",
    "GET": "the old value of a key that is about to be written",
    "INFO": "no data",
}
# What may be sent a second time after bytes of it were written, as the contract lists it: plain SET, DEL, UNLINK and
# (P)EXPIRE; their kin that set several keys or an absolute moment come to the same the second time.
REPEATABLE_WRITES = {"SET", "MSET", "DEL", "UNLINK", "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"}
# The server tells no positions for what has a number of keys as an argument.
KEYS_OF_SCRIPTS = {"EVAL", "EVALSHA"}


def specs() -> Iterator[tuple[str, Spec]]:
    """Every command that is declared anywhere, with the place."""
    for cls in (*CACHES, *CLIENTS):
        for name in dir(cls):
            spec = getattr(getattr(cls, name), "__command__", None)
            if spec is not None:
                yield f"{cls.__name__}.{name}", spec
    for name in MODULES:
        for attribute, value in vars(importlib.import_module(name)).items():
            if isinstance(value, Spec):
                yield f"{name}.{attribute}", value


def test_commands_are_what_the_server_says(server: Server) -> None:
    seen = set()
    for place, spec in specs():
        told: Any = server.command("COMMAND", "INFO", *spec.name.split()[:1])
        if told[0] is None:
            assert server.family.version < (7,), f"{place}: {spec.name} is unknown to this server"
            continue
        _, _, flags, *positions = told[0][:6]
        seen.add(spec.name)
        writes = "write" in flags or spec.name in KEYS_OF_SCRIPTS
        if spec.write != writes:
            assert spec.write, f"{place}: {spec.name} writes"
            assert spec.name in WRITES_OF_READERS, f"{place}: {spec.name} only reads"
        if not spec.write:
            assert spec.repeatable, f"{place}: {spec.name} may be sent again"
        elif spec.repeatable:
            assert spec.name in REPEATABLE_WRITES or not writes, f"{place}: {spec.name} must not be sent twice"
        if spec.name not in KEYS_OF_SCRIPTS:
            assert spec.keys == tuple(positions), f"{place}: keys of {spec.name}"
    assert seen >= {"GET", "SET", "DEL", "TTL", "SCAN", "RENAME", "EVALSHA"}


def test_specs() -> None:
    spec = Spec("CONFIG GET", write=False, keys=(0, 0, 0))
    assert (spec.name, spec.write, spec.repeatable, spec.keys) == ("CONFIG GET", False, True, (0, 0, 0))
    assert Spec("X", write=True).repeatable is False
    assert Spec("X", write=True, repeatable=True).repeatable is True
    assert repr(spec) == "<Spec CONFIG GET>"
    with pytest.raises(ValueError, match="needs a name"):
        Spec(" ", write=True)
