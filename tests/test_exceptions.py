"""The tree of errors: bases, redis-py's and valkey-py's classes, texts, causes, and what they never say."""

from __future__ import annotations

import builtins
import copy
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis.exceptions
import redis.sentinel
import valkey.exceptions
import valkey.sentinel

import django_cachex
from django_cachex import exceptions
from django_cachex.exceptions import (
    AuthenticationError,
    CacheConnectionError,
    CacheTimeoutError,
    CachexError,
    KeyNotFoundError,
    NotSupportedError,
    ResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

SECRET = "hunter2-the-secret"

# name: (own base, builtin bases, redis-py's name)
TREE: dict[str, tuple[str, tuple[type, ...], str | None]] = {
    "CacheConnectionError": ("CachexError", (builtins.ConnectionError,), "ConnectionError"),
    "AuthenticationError": ("CacheConnectionError", (), "AuthenticationError"),
    "BusyLoadingError": ("CacheConnectionError", (), "BusyLoadingError"),
    "MaxConnectionsError": ("CacheConnectionError", (), "MaxConnectionsError"),
    "MasterNotFoundError": ("CacheConnectionError", (), "MasterNotFoundError"),
    "ClusterUnreachableError": ("CacheConnectionError", (), None),
    "CacheTimeoutError": ("CachexError", (builtins.TimeoutError,), "TimeoutError"),
    "ResponseError": ("CachexError", (), "ResponseError"),
    "WrongTypeError": ("ResponseError", (TypeError,), None),
    "ReadOnlyError": ("ResponseError", (), "ReadOnlyError"),
    "NoScriptError": ("ResponseError", (), "NoScriptError"),
    "NoPermissionError": ("ResponseError", (), "NoPermissionError"),
    "OutOfMemoryError": ("ResponseError", (), "OutOfMemoryError"),
    "ExecAbortError": ("ResponseError", (), "ExecAbortError"),
    "CrossSlotError": ("ResponseError", (), "ClusterCrossSlotError"),
    "ClusterDownError": ("ResponseError", (), "ClusterDownError"),
    "KeyNotFoundError": ("CachexError", (ValueError,), None),
    "SerializerError": ("CachexError", (), None),
    "PickleSerializerError": ("SerializerError", (pickle.PicklingError, pickle.UnpicklingError), None),
    "CompressorError": ("CachexError", (), None),
    "ValueTooLargeError": ("CachexError", (ValueError,), None),
    "NotSupportedError": ("CachexError", (), None),
    "LockError": ("CachexError", (), "LockError"),
    "LockNotOwnedError": ("LockError", (), "LockNotOwnedError"),
    "SemaphoreError": ("CachexError", (), None),
    "SemaphoreTimeoutError": ("SemaphoreError", (), None),
}

REPLIES = {
    "WRONGTYPE Operation": "WrongTypeError",
    "READONLY You can't": "ReadOnlyError",
    "NOSCRIPT No matching": "NoScriptError",
    "NOPERM this user": "NoPermissionError",
    "OOM command": "OutOfMemoryError",
    "EXECABORT Transaction": "ExecAbortError",
    "CROSSSLOT Keys": "CrossSlotError",
    "CLUSTERDOWN Hash": "ClusterDownError",
    "LOADING Redis": "BusyLoadingError",
    "NOAUTH Authentication": "AuthenticationError",
    "WRONGPASS invalid": "AuthenticationError",
    "ERR something": "ResponseError",
    "ERR max number of clients per tenant": "ResponseError",
    "DENIED by a script": "ResponseError",
    "MYOWN code": "ResponseError",
    "NOREPLICAS Not enough": "ResponseError",
    "BUSYGROUP Consumer": "ResponseError",
    "WRONGTYPEX Operation": "ResponseError",
}


# The tree


def test_every_name() -> None:
    assert set(exceptions.__all__) == {"CachexError", *TREE}
    for name in exceptions.__all__:
        assert getattr(django_cachex, name) is getattr(exceptions, name)
        assert name in django_cachex.__all__


@pytest.mark.parametrize("name", TREE)
def test_bases(name: str) -> None:
    own, builtin, peer = TREE[name]
    cls = getattr(exceptions, name)
    assert issubclass(cls, getattr(exceptions, own))
    assert all(issubclass(cls, base) for base in builtin)
    peers = {base for base in cls.__bases__ if base.__module__.split(".")[0] in ("redis", "valkey")}
    expected = {
        getattr(where, peer)
        for module, sentinel in ((redis.exceptions, redis.sentinel), (valkey.exceptions, valkey.sentinel))
        for where in ((module, sentinel)[not hasattr(module, peer)],)
        if hasattr(where, peer)
    } if peer else set()  # fmt: skip
    assert peers == expected
    assert not peer or any(each.__module__.startswith("redis.") for each in peers)


@pytest.mark.parametrize("name", ["CachexError", *TREE])
def test_a_class_is_as_it_was_written(name: str) -> None:
    cls = getattr(exceptions, name)
    assert (cls.__name__, cls.__qualname__, cls.__module__) == (name, name, "django_cachex.exceptions")
    assert cls.__doc__
    made = cls("operation", "backend") if name == "NotSupportedError" else cls("text")
    text = "Operation 'operation' is not supported by backend" if name == "NotSupportedError" else "text"
    assert str(made) == text
    assert repr(made) == f"{name}({text!r})"
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made)):
        assert type(again) is cls
        assert str(again) == text
    made.add_note("a note")
    assert made.__notes__ == ["a note"]


def test_not_supported() -> None:
    error = NotSupportedError("scan")
    assert (error.operation, error.backend, str(error)) == ("scan", None, "Operation 'scan' is not supported")
    error = NotSupportedError("scan", backend="X")
    error.add_note("a note")
    again = pickle.loads(pickle.dumps(error))
    assert (again.operation, again.backend, again.__notes__) == ("scan", "X", ["a note"])


def test_the_engine_knows_the_same_names() -> None:
    source = Path(__file__).parents[1] / "src" / "errors.rs"
    if not source.exists():
        pytest.skip("no source tree")
    table = re.search(r"fn class_name.*?\n    }", source.read_text(), re.DOTALL)
    assert table is not None
    named = set(re.findall(r'"(\w+)"', table[0]))
    assert named <= set(exceptions.__all__)
    assert set(REPLIES.values()) <= named


def test_without_redis_py() -> None:
    """The bare package imports neither client library, and its errors have no bases of theirs."""
    code = """
import sys
sys.modules["redis"] = sys.modules["valkey"] = None
sys.modules["redis.exceptions"] = sys.modules["valkey.exceptions"] = None
sys.modules["redis.sentinel"] = sys.modules["valkey.sentinel"] = None
import builtins
from django_cachex import exceptions
assert exceptions.CacheConnectionError.__bases__ == (exceptions.CachexError, builtins.ConnectionError)
assert exceptions.ResponseError.__bases__ == (exceptions.CachexError,)
import django_cachex.cache, django_cachex.client
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


# Error replies


@pytest.mark.parametrize(("reply", "name"), REPLIES.items())
def test_replies(cache: RedisCache, call: Caller, reply: str, name: str) -> None:
    async def aeval(*args: Any) -> Any:
        return await (await cache.get_async_client(write=True)).eval(*args)

    def evaluate(*args: Any) -> Any:
        return call.run(aeval(*args)) if call.is_async else cache.get_client(write=True).eval(*args)

    with pytest.raises(getattr(exceptions, name)) as caught:
        evaluate("return redis.error_reply(ARGV[1])", 0, reply)
    error = caught.value
    assert type(error).__name__ == name
    assert re.fullmatch(re.escape(reply) + r" \(EVAL at 127\.0\.0\.1:\d+\)", str(error))
    assert call(cache.get, "k") is None, "the connection is still in order"


def test_peers_catch_them(cache: RedisCache, server: Server, call: Caller) -> None:
    server.command("RPUSH", cache.make_key("k"), "a")
    for base in (redis.exceptions.ResponseError, valkey.exceptions.ResponseError, TypeError, CachexError):
        with pytest.raises(base):
            call(cache.get, "k")


def test_real_refusals(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller
) -> None:
    server = start_server(users={"limited": "on >pw ~allowed:* +@all"})
    cache = make_cache(server.url)
    server.command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(exceptions.ReadOnlyError, match=r"^READONLY .* \(SET at "):
        call(cache.set, "k", 1)
    server.command("REPLICAOF", "NO", "ONE")
    server.command("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(exceptions.OutOfMemoryError, match=r"^OOM .* \(SET at "):
        call(cache.set, "k", 1)
    server.command("CONFIG", "SET", "maxmemory", 0)
    limited = make_cache(server.url_for(user="limited", password="pw"))
    with pytest.raises(exceptions.NoPermissionError, match=r"^NOPERM .* \(SET at "):
        call(limited.set, "k", 1)


def cluster_info(server: Server) -> bytes:
    said = server.command("CLUSTER", "INFO")
    assert isinstance(said, bytes)
    return said


def test_refusals_of_a_cluster_member(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller
) -> None:
    server = start_server(config={"cluster-enabled": "yes"})
    cache = make_cache(server.url)
    with pytest.raises(exceptions.ClusterDownError, match=r"^CLUSTERDOWN .* \(GET at "):
        call(cache.get, "k")
    if server.family.version >= (7,):
        server.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 10
        while b"cluster_state:ok" not in cluster_info(server) and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(exceptions.CrossSlotError, match=r"^CROSSSLOT .* \(MGET at "):
            call(cache.get_many, ["a", "b"])


# Connections


def test_nobody_there(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    for location in ("redis://127.0.0.1:1", "unix:///no/such/socket"):
        with pytest.raises(CacheConnectionError) as caught:
            call(make_cache(location).get, "k")
        error = caught.value
        address = "127.0.0.1:1" if "127" in location else "/no/such/socket"
        assert str(error).endswith(f" (GET at {address})")
        assert isinstance(error, builtins.ConnectionError)
        assert isinstance(error, redis.exceptions.ConnectionError)
        assert isinstance(error.__cause__, OSError)
    with pytest.raises(CacheConnectionError, match=r"nowhere\.invalid"):
        call(make_cache("redis://nowhere.invalid").get, "k")


def test_too_late(make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller) -> None:
    server = start_server()
    cache = make_cache(server.url, OPTIONS={"socket_timeout": 0.1})
    call(cache.get, "k")
    server.command("CLIENT", "PAUSE", 400, "ALL")
    with pytest.raises(CacheTimeoutError, match=r"0\.1 s \(GET at 127\.0\.0\.1:\d+\)$") as caught:
        call(cache.get, "k")
    assert isinstance(caught.value, builtins.TimeoutError)
    assert isinstance(caught.value, redis.exceptions.TimeoutError)


def test_who_is_asking(
    make_cache: Callable[..., RedisCache], start_server: Callable[..., Server], call: Caller
) -> None:
    server = start_server(password="right")
    for url in (f"redis://127.0.0.1:{server.port}", f"redis://:{SECRET}@127.0.0.1:{server.port}"):
        with pytest.raises(AuthenticationError, match=r"^(NOAUTH|WRONGPASS) .* \(GET at ") as caught:
            call(make_cache(url).get, "k")
        assert isinstance(caught.value, redis.exceptions.AuthenticationError)
        assert SECRET not in repr(caught.value)


# What they never say


def test_no_values(cache: RedisCache, server: Server, call: Caller) -> None:
    async def raw(*words: Any) -> Any:
        return await (await cache.get_async_client(write=True)).execute_command(*words)

    def execute(*words: Any) -> Any:
        return call.run(raw(*words)) if call.is_async else cache.get_client(write=True).execute_command(*words)

    server.command("RPUSH", cache.make_key("list"), "a")
    call(cache.set, "text", SECRET)
    call(cache.set, "n", 1)
    calls: list[Callable[[], Any]] = [
        lambda: execute("NOSUCHCOMMAND", SECRET, SECRET),
        lambda: execute("SET", "k", SECRET, SECRET),
        lambda: execute("CONFIG", "GET"),
        lambda: call(cache.set, "list", SECRET, get=True),
        lambda: call(cache.incr, "text"),
        lambda: call(cache.incr, "n", SECRET),
        lambda: call(cache.set, "k", {SECRET: lambda: None}),
        lambda: cache.decode(SECRET.encode()),
    ]
    for each in calls:
        with pytest.raises(CachexError) as caught:
            each()
        error: BaseException | None = caught.value
        while error is not None:
            assert SECRET not in str(error)
            assert SECRET not in repr(error)
            assert not any(SECRET in note for note in getattr(error, "__notes__", []))
            error = error.__cause__


def test_causes(cache: RedisCache, call: Caller) -> None:
    with pytest.raises(KeyNotFoundError) as caught:
        call(cache.rename, "no", "where")
    assert isinstance(caught.value.__cause__, ResponseError)
    assert "no such key (RENAME at 127.0.0.1:" in str(caught.value.__cause__)


def test_wrong_arguments_are_plain_errors(make_cache: Callable[..., RedisCache], call: Caller) -> None:
    cache = make_cache("redis://127.0.0.1:1")
    for method, args, kwargs in [
        (cache.get, (), {}),
        (cache.get, ("k",), {"nonsense": 1}),
        (cache.ttl, (), {}),
        (cache.expire, ("k",), {}),
        (cache.set, ("k", 1), {"nx": True, "xx": True}),
        (cache.scan, (0,), {"nonsense": 1}),
        (cache.rename, ("a",), {}),
    ]:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(method, *args, **kwargs)  # type: ignore[arg-type]
        assert not isinstance(caught.value, CachexError)
