"""The whole public surface: names, signatures, twins, docstrings, and what each command is declared to be."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import django_cachex
import django_cachex.exceptions
from django_cachex._core import Spec
from django_cachex.cache import (
    KeyValueCache,
    RedisCache,
    RedisClusterCache,
    RedisSentinelCache,
    ValkeyCache,
    ValkeyClusterCache,
    ValkeySentinelCache,
)
from django_cachex.client import (
    KeyValueCacheClient,
    RedisCacheClient,
    RedisClusterCacheClient,
    RedisSentinelCacheClient,
    ValkeyCacheClient,
    ValkeyClusterCacheClient,
    ValkeySentinelCacheClient,
)
from django_cachex.client.pipeline import AsyncPipeline, Pipeline
from django_cachex.commands.base import Commands
from django_cachex.commands.command import Direct
from tests.contract import CLIENT, DECLARED, DJANGO, LATER, NOT_QUEUED, QUEUED_ONLY, SAMPLES, TWINLESS
from tests.control import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_cachex._core import Command
    from tests.servers import Server

MODULES = [
    "django_cachex",
    *(found.name for found in pkgutil.walk_packages(django_cachex.__path__, "django_cachex.")),
]

# Contract: what each module offers, but for the second wave.
EXPORTS = {
    "django_cachex": [
        "AsyncPipeline", "KeyType", "Pipeline", "ScriptHelpers", "__version__", "decode_list_post",
        "decode_single_post", "full_encode_pre", "keys_only_pre", *django_cachex.exceptions.__all__,
    ],
    "django_cachex.cache": [
        "KeyValueCache", "RedisCache", "RedisClusterCache", "RedisSentinelCache", "ValkeyCache", "ValkeyClusterCache",
        "ValkeySentinelCache",
    ],
    "django_cachex.client": [
        "AsyncPipeline", "KeyValueCacheClient", "Pipeline", "RedisCacheClient", "RedisClusterCacheClient",
        "RedisSentinelCacheClient", "ValkeyCacheClient", "ValkeyClusterCacheClient", "ValkeySentinelCacheClient",
    ],
    "django_cachex.client.cache": ["KeyValueCache", "RedisCache", "ValkeyCache"],
    "django_cachex.client.cluster": ["RedisClusterCacheClient", "ValkeyClusterCacheClient"],
    "django_cachex.client.sentinel": ["RedisSentinelCacheClient", "ValkeySentinelCacheClient"],
    "django_cachex.client.pipeline": ["AsyncPipeline", "Pipeline"],
    "django_cachex.script": [
        "ScriptHelpers", "decode_list_post", "decode_single_post", "full_encode_pre", "keys_only_pre",
    ],
    "django_cachex.client.default": ["KeyValueCacheClient", "RedisCacheClient", "ValkeyCacheClient"],
    "django_cachex.serializers": ["BaseSerializer"],
    "django_cachex.serializers.pickle": ["PickleSerializer"],
    "django_cachex.serializers.json": ["JsonSerializer"],
    "django_cachex.serializers.msgpack": ["MsgpackSerializer"],
    "django_cachex.serializers.orjson": ["OrjsonSerializer"],
    "django_cachex.serializers.ormsgpack": ["OrmsgpackSerializer"],
    "django_cachex.serializers.signed": ["SignedPickleSerializer"],
    "django_cachex.compressors": ["BaseCompressor"],
    "django_cachex.compressors.zlib": ["ZlibCompressor"],
    "django_cachex.compressors.gzip": ["GzipCompressor"],
    "django_cachex.compressors.lzma": ["LzmaCompressor"],
    "django_cachex.compressors.lz4": ["Lz4Compressor"],
    "django_cachex.compressors.zstd": ["ZstdCompressor"],
    "django_cachex.types": ["KeyType"],
}  # fmt: skip

CACHES = [
    RedisCache, ValkeyCache, RedisClusterCache, ValkeyClusterCache, RedisSentinelCache, ValkeySentinelCache,
]  # fmt: skip
CLIENTS = [
    RedisCacheClient, ValkeyCacheClient, RedisClusterCacheClient, ValkeyClusterCacheClient, RedisSentinelCacheClient,
    ValkeySentinelCacheClient,
]  # fmt: skip
PIPELINES = [Pipeline, AsyncPipeline]
QUEUED = {name: text for name, text in {**DJANGO, **DECLARED, **QUEUED_ONLY}.items() if name not in NOT_QUEUED}


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


# A child for each module, which has imported nothing of ours yet.
IMPORT_EACH = """
import importlib, os, sys
import django.core.cache, redis, valkey

for name in sys.argv[1:]:
    if os.fork() == 0:
        importlib.import_module(name)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(name)
"""


def test_every_module_may_be_imported_first() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORT_EACH, *MODULES], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


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
    if name in ("iter_keys", "sscan_iter"):
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
    named = {*DJANGO, *DECLARED, *TWINLESS, "get_client", "get_async_client", "pipeline", "apipeline", *LATER}
    named |= {"a" + name for name in (*DJANGO, *DECLARED)}
    public = {name for name in dir(cls) if not name.startswith("_") and callable(inspect.getattr_static(cls, name))}
    assert public <= named, public - named


@pytest.mark.parametrize("cls", [*CACHES, *CLIENTS, KeyValueCache, KeyValueCacheClient], ids=lambda cls: cls.__name__)
def test_docstrings(cls: type[Any]) -> None:
    assert cls.__doc__
    for name, member in inspect.getmembers(cls):
        if not name.startswith("_") and inspect.isfunction(member) and member.__module__.startswith("django_cachex"):
            assert member.__doc__, name


# Pipelines


@pytest.mark.parametrize("name", QUEUED)
@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda cls: cls.__name__)
def test_pipeline_methods(pipeline: type[Any], name: str) -> None:
    queued = getattr(pipeline, name)
    assert parameters(queued) == QUEUED[name]
    assert inspect.isfunction(queued)
    assert not inspect.iscoroutinefunction(queued)
    assert queued.__name__ == name
    if name in DECLARED:
        assert queued.__doc__ == getattr(RedisCache, name).__doc__
    assert queued.__doc__


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda cls: cls.__name__)
def test_nothing_else_can_be_queued(pipeline: type[Any]) -> None:
    public = {name for name in dir(pipeline) if not name.startswith("_") and hasattr(pipeline, name)}
    assert public == {*QUEUED, "execute", "reset", "encode", "decode"}
    assert parameters(pipeline.execute) == "(raise_on_error=True)"
    assert parameters(pipeline.reset) == "()"


@pytest.mark.parametrize("cache", CACHES, ids=lambda cls: cls.__name__)
def test_making_pipelines(cache: type[Any]) -> None:
    assert parameters(cache.pipeline) == f"(*, transaction={'Cluster' not in cache.__name__}, version=None)"
    assert parameters(cache.pipeline) == parameters(cache.apipeline)
    assert not inspect.iscoroutinefunction(cache.apipeline)


def test_helpers_of_commands_do_not_hide_each_other() -> None:
    """The groups of commands are put together in one class, in which a name means one thing."""
    groups = [cls for cls in RedisCacheClient.__mro__ if cls.__module__.startswith("django_cachex.commands.")]
    base = {name for name in vars(Commands) if not name.startswith("__")}
    seen: dict[str, str] = {}
    for cls in (*groups, KeyValueCacheClient, KeyValueCache):
        for name in vars(cls):
            if cls is Commands or name.startswith("__") or name in base or not name.startswith("_"):
                continue
            if cls.__module__.startswith("django_cachex.commands."):
                assert name not in seen, f"{name} of {seen[name]} and {cls.__name__}"
                seen[name] = cls.__name__
            else:
                assert name not in seen or name in vars(Direct), f"{name} of {seen[name]}"


# Commands

# Declared otherwise than the server has it, with the reason.
WRITES_OF_READERS = {
    "SCAN": "a cursor belongs to one server, so that scans which hand it out stay with the write server",
    "SSCAN": "the same",
    "EXISTS": "decides on a write, for which a replica may lag behind",
    "GET": "the old value of a key that is about to be written",
    "SCRIPT LOAD": "scripts run on the write server",
    "MULTI": "everything in a transaction goes to the write server",
    "EXEC": "the same",
}
# What may be sent a second time after bytes of it were written, as the contract lists it: plain SET, DEL, UNLINK and
# (P)EXPIRE; their kin that set several keys or an absolute moment come to the same the second time.
REPEATABLE_WRITES = {"SET", "MSET", "DEL", "UNLINK", "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"}
# The server tells no positions for what has a number of keys as an argument.
KEYS_OF_SCRIPTS = {"EVAL", "EVALSHA"}


def specs() -> Iterator[tuple[str, Spec]]:
    """Every command that is declared anywhere, with the place."""
    for cls in (*CACHES, *CLIENTS, *PIPELINES):
        for name in dir(cls):
            spec = getattr(getattr(cls, name, None), "__command__", None)
            if spec is not None:
                yield f"{cls.__name__}.{name}", spec
    for name in MODULES:
        for attribute, value in vars(importlib.import_module(name)).items():
            if isinstance(value, Spec):
                yield f"{name}.{attribute}", value


def test_commands_are_what_the_server_says(server: Server) -> None:
    seen = set()
    for place, spec in specs():
        told: Any = server.command("COMMAND", "INFO", "|".join(spec.name.split()))
        assert told[0] is not None, f"{place}: {spec.name} is unknown to this server"
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
        if isinstance(spec.keys, str):
            assert "movablekeys" in flags, f"{place}: keys of {spec.name}"
        else:
            assert spec.keys == tuple(positions), f"{place}: keys of {spec.name}"
    assert seen >= {"GET", "SET", "DEL", "TTL", "SCAN", "RENAME", "EVALSHA", "XGROUP CREATE", "BLMOVE", "MULTI"}


class Recorder:
    """Stands in for an engine, a pipeline's batch and its shortcut."""

    def __init__(self) -> None:
        self.commands: list[tuple[Spec, tuple[Any, ...]]] = []

    def run(self, spec: Spec, built: Command[Any]) -> None:
        self.commands.append((built.spec or spec, built.args))

    call = run

    def call_several(self, _name: str, _reply: object, commands: tuple[Any, ...], *, together: bool) -> None:
        assert together
        self.commands += commands

    def found(self, _default: object) -> None:
        pass

    def queue_get(self, *_: object) -> bool:
        return False

    queue_set = queue_get


def sent(cache: RedisCache, name: str) -> list[tuple[Spec, tuple[Any, ...]]]:
    """Return what a method sends, with the arguments of the table."""
    args, kwargs = SAMPLES[name]
    recorder = Recorder()
    if name in NOT_QUEUED or name in ("xread", "xreadgroup"):
        cache._key("k")  # What is native is made with the real engine.
        cache._cache._engine = recorder  # type: ignore[assignment]
        getattr(cache, name)(*args, **kwargs)
    else:
        pipeline = cache.pipeline()
        pipeline._batch = pipeline._shortcut = recorder  # type: ignore[assignment]
        getattr(pipeline, name)(*args, **kwargs)
    return recorder.commands


@pytest.mark.parametrize("name", SAMPLES)
def test_keys_are_where_the_server_finds_them(cache: RedisCache, server: Server, name: str) -> None:
    for spec, args in sent(cache, name):
        found = [key if isinstance(key, bytes) else str(key).encode() for key in spec.keys_of(args)]
        told: Any = []
        # What it refuses has no keys.
        with contextlib.suppress(ServerError):
            told = server.command("COMMAND", "GETKEYS", *spec.name.split(), *args)
        assert [key if isinstance(key, bytes) else key.encode() for key in told] == found, name


def test_samples_of_all_methods() -> None:
    several = {"iter_keys", "delete_pattern", "clear_all_versions", "sscan_iter", "decr"}
    assert set(SAMPLES) == ({*DECLARED, *QUEUED} - several)


def test_specs() -> None:
    spec = Spec("CONFIG GET", write=False, keys=(0, 0, 0))
    assert (spec.name, spec.write, spec.repeatable, spec.keys) == ("CONFIG GET", False, True, (0, 0, 0))
    assert Spec("X", write=True).repeatable is False
    assert Spec("X", write=True, repeatable=True).repeatable is True
    assert repr(spec) == "<Spec CONFIG GET>"
    with pytest.raises(ValueError, match="needs a name"):
        Spec(" ", write=True)
