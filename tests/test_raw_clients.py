"""Raw clients: any command as it stands, but for those that would change a shared connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import NotSupportedError, ResponseError

if TYPE_CHECKING:
    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

REFUSED = [
    "SUBSCRIBE c",
    "UNSUBSCRIBE",
    "PSUBSCRIBE c",
    "PUNSUBSCRIBE",
    "SSUBSCRIBE c",
    "SUNSUBSCRIBE",
    "MONITOR",
    "WATCH k",
    "UNWATCH",
    "MULTI",
    "EXEC",
    "DISCARD",
    "SELECT 1",
    "AUTH x",
    "HELLO 3",
    "RESET",
    "QUIT",
    "CLIENT REPLY OFF",
    "CLIENT TRACKING ON",
    "CLIENT NO-EVICT ON",
    "CLIENT SETNAME x",
    "READONLY",
    "READWRITE",
    "ASKING",
    "SYNC",
    "PSYNC ? -1",
]

# Until they have connections of their own.
BLOCKING = [
    "BLPOP k 0",
    "BRPOP k 0",
    "BLMOVE a b LEFT LEFT 0",
    "BRPOPLPUSH a b 0",
    "BLMPOP 0 1 k LEFT",
    "BZPOPMIN k 0",
    "BZPOPMAX k 0",
    "BZMPOP 0 1 k MIN",
    "WAIT 1 0",
    "WAITAOF 1 1 0",
    "XREAD BLOCK 0 STREAMS s $",
    "XREAD COUNT 1 block 0 STREAMS s $",
    "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
]


class Raw:
    """A raw client, sync or async."""

    def __init__(self, cache: RedisCache, call: Caller) -> None:
        self.client = call(cache.get_client, write=True)
        self._call = call

    def __call__(self, name: str, *args: Any) -> Any:
        result = getattr(self.client, name)(*args)
        return self._call.run(result) if self._call.is_async else result

    def execute(self, *words: Any) -> Any:
        return self("execute_command", *words)


@pytest.fixture
def raw(cache: RedisCache, call: Caller) -> Raw:
    return Raw(cache, call)


def test_replies(raw: Raw, key_prefix: str) -> None:
    k = key_prefix + "raw"
    assert raw.execute("SET", k, "v") == b"OK"
    assert raw.execute("GET", k) == b"v"
    assert raw.execute("GET", k + "x") is None
    assert raw.execute("APPEND", k, "w") == 2
    assert raw.execute("MGET", k, k + "x") == [b"vw", None]
    assert raw.execute("EVAL", "return {1, {'two', {3}}, false}", 0) == [1, [b"two", [3]], None]
    assert raw.execute("KEYS", k + "*") == [k.encode()]
    with pytest.raises(ResponseError, match=r"^ERR value is not an integer or out of range \(INCR at "):
        raw.execute("INCR", k)
    with pytest.raises(ResponseError, match=r"^ERR unknown command 'NONSENSE'"):
        raw.execute("NONSENSE", "x")
    assert raw.execute("DEL", k) == 1


def test_names(raw: Raw, key_prefix: str) -> None:
    k = key_prefix + "raw"
    for name in ("set", "SET", "sEt", " SET "):
        assert raw.execute(name, k, "v") == b"OK"
    assert raw.execute("CONFIG GET", "maxmemory") == raw.execute("config", "get", "maxmemory")
    assert raw.execute("object encoding", k) == b"embstr"
    with pytest.raises(ValueError, match="needs a name"):
        raw.execute("")
    with pytest.raises(ValueError, match="needs a name"):
        raw.execute("  ", "x")
    raw.execute("DEL", k)


def test_attributes(raw: Raw, key_prefix: str) -> None:
    k = key_prefix + "raw"
    assert raw("set", k, "v") == b"OK"
    assert raw("get", k) == b"v"
    assert raw("publish", "ch", "m") == 0
    assert raw("config_get", "maxmemory")[0] == b"maxmemory"
    assert raw("object_encoding", k) == b"embstr"
    assert raw("script_exists", "0" * 40) == [0]
    assert raw("unlink", k) == 1
    assert not hasattr(raw.client, "_private")
    assert not hasattr(raw.client, "__length_hint__")


def test_methods(raw: Raw, server: Server) -> None:
    assert raw("ping") is True
    info = raw("client_info")
    assert info["id"] > 0
    assert info["addr"].startswith("127.0.0.1:")
    assert info["user"] == "default"
    said = raw("info")
    assert said["tcp_port"] == server.plain_port
    assert isinstance(said["used_memory"], int)
    assert isinstance(said["mem_fragmentation_ratio"], float)
    assert raw("info", "server")["tcp_port"] == server.plain_port
    assert "used_memory" not in raw("info", "server")
    raw.execute("SET", "info-key", 1)
    assert set(raw("info", "keyspace")["db0"]) >= {"keys", "expires", "avg_ttl"}
    raw.execute("DEL", "info-key")
    assert raw("close") is None
    assert raw("ping") is True


@pytest.mark.parametrize(
    ("arg", "sent"),
    [
        (b"\x00\xff", b"\x00\xff"),
        ("☃", "☃".encode()),
        (5, b"5"),
        (-(10**30), b"-" + b"1" + b"0" * 30),
        (1.5, b"1.5"),
        (True, b"1"),
        (False, b"0"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (b"x" * 100_000, b"x" * 100_000),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_arguments(raw: Raw, arg: Any, sent: bytes) -> None:
    assert raw.execute("ECHO", arg) == sent


@pytest.mark.parametrize("arg", [None, [], {}, object(), ("a",)], ids=lambda value: type(value).__name__)
def test_arguments_of_no_use(raw: Raw, arg: Any) -> None:
    with pytest.raises(TypeError, match=f"cannot send a {type(arg).__name__}"):
        raw.execute("ECHO", arg)


def test_nothing_is_made_of_keys_and_values(raw: Raw, cache: RedisCache, call: Caller, server: Server) -> None:
    call(cache.set, "k", {"a": 1})
    assert raw.execute("GET", "k") is None
    assert raw.execute("GET", cache.make_key("k")) == cache.encode({"a": 1})


@pytest.mark.parametrize("words", [*REFUSED, *BLOCKING])
def test_refused(raw: Raw, words: str) -> None:
    name, *args = words.split()
    ways: list[tuple[Any, ...]] = [
        (name, *args),
        (name.lower(), *args),
        (name, *(arg.encode() for arg in args)),
        (name, *(arg.lower() for arg in args)),
    ]
    if name == "CLIENT":
        ways += [(f"CLIENT {args[0]}", *args[1:]), (f"client  {args[0].lower()}", *args[1:])]
    for way in ways:
        with pytest.raises(NotSupportedError) as caught:
            raw.execute(*way)
        assert caught.value.backend == type(raw.client).__name__
        assert caught.value.operation.startswith(name)
    with pytest.raises(NotSupportedError):
        raw(name.lower(), *args)


def test_refused_by_attributes_of_two_words(raw: Raw) -> None:
    for name in ("client_setname", "client_reply", "client_no_evict", "CLIENT_TRACKING"):
        with pytest.raises(NotSupportedError):
            raw(name, "x")


def test_harmless_relatives(raw: Raw, key_prefix: str) -> None:
    assert raw("client_getname") in (None, b"")
    assert raw.execute("CLIENT", "ID") == raw.execute("CLIENT ID")
    assert raw.execute("XREAD", "STREAMS", key_prefix + "BLOCK", "0") is None
    stream = key_prefix + "stream"
    raw.execute("XADD", stream, "*", "f", "v")
    raw.execute("XGROUP", "CREATE", stream, "block", "0")
    assert raw.execute("XREADGROUP", "GROUP", "block", "block", "STREAMS", stream, ">")[0][0] == stream.encode()
    raw.execute("DEL", stream)


def test_made_up_names_are_not_kept_for_ever(raw: Raw) -> None:
    commands = type(raw.client)
    for number in range(commands._MOST_KNOWN + 100):
        with pytest.raises(ResponseError):
            raw.execute(f"NOSUCH{number}")
    assert max(len(known) for known in commands._known) == commands._MOST_KNOWN
    assert raw("ping") is True
