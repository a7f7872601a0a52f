"""Raw clients: any command as it stands, but for those that would change a shared connection."""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex._core import Spec
from django_cachex.client.command_table import keys_of, refused, wait_of
from django_cachex.exceptions import CachexError, NotSupportedError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

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

# Each waits for a fifth of a second if there is nothing; the second word is what the server answers then.
BLOCKING: list[tuple[str, Any]] = [
    ("BLPOP {k} 0.2", None),
    ("blpop {k} {k}2 0.2", None),
    ("BRPOP {k} 0.2", None),
    ("BLMOVE {k} {k}2 LEFT RIGHT 0.2", None),
    ("BRPOPLPUSH {k} {k}2 0.2", None),
    ("BLMPOP 0.2 1 {k} LEFT", None),
    ("BZPOPMIN {k} 0.2", None),
    ("BZPOPMAX {k} 0.2", None),
    ("BZMPOP 0.2 1 {k} MIN", None),
    ("WAIT 1 200", 0),
    ("XREAD BLOCK 200 STREAMS {k} $", None),
    ("XREAD COUNT 1 block 200 streams {k} $", None),
    ("XREADGROUP GROUP BLOCK c BLOCK 200 STREAMS {k}-stream >", None),
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


@pytest.mark.parametrize(
    "command",
    [
        ("NONSENSE", "s3cret"),
        ("ACL SETUSER", "nobody", ">s3cret", "s3cret"),
        ("CONFIG SET", "maxmemory", "s3cret"),
        ("CLIENT KILL", "s3cret"),
        ("HELLO", "3", "AUTH", "nobody", "s3cret"),
    ],
    ids=lambda command: command[0],
)
def test_errors_show_no_argument(raw: Raw, command: tuple[str, ...]) -> None:
    with pytest.raises(CachexError) as caught:
        raw.execute(*command)
    assert command[0].split()[0] in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3])
def test_shapes_do_not_depend_on_the_protocol(
    make_cache: Callable[..., RedisCache], call: Caller, key_prefix: str, protocol: int
) -> None:
    raw = Raw(make_cache(OPTIONS={"protocol": protocol}), call)
    z, h, s = (f"{key_prefix}{{raw}}{name}" for name in "zhs")
    raw.execute("ZADD", z, 1, "a", 2.5, "b")
    raw.execute("HSET", h, "f", "v")
    raw.execute("XADD", s, "1-1", "f", "v")
    pairs = [b"a", b"1", b"b", b"2.5"]
    for words in (
        ("ZRANGE", z, 0, -1), ("zrangebyscore", z, "-inf", "+inf"), ("ZUNION", 1, z), ("ZINTER", 1, z), ("ZDIFF", 1, z)
    ):  # fmt: skip
        assert raw.execute(*words, "WITHSCORES") == pairs
        assert raw.execute(*words) == [b"a", b"b"]
    assert raw.execute("ZREVRANGE", z, 0, 0, "WITHSCORES") == [b"b", b"2.5"]
    assert raw.execute("ZREVRANGEBYSCORE", z, 1, 0, "WITHSCORES") == [b"a", b"1"]
    assert sorted(raw.execute("ZRANDMEMBER", z, 2, "WITHSCORES")) == sorted(pairs)
    assert raw.execute("HRANDFIELD", h, 1, "WITHVALUES") == [b"f", b"v"]
    assert raw.execute("HGETALL", h) == [b"f", b"v"]
    entries = [[s.encode(), [[b"1-1", [b"f", b"v"]]]]]
    assert raw.execute("XREAD", "STREAMS", s, "0") == entries
    raw.execute("XGROUP", "CREATE", s, "g", "0")
    assert raw.execute("XREADGROUP", "GROUP", "g", "c", "BLOCK", 50, "STREAMS", s, ">") == entries
    assert raw.execute("XREADGROUP", "GROUP", "g", "c", "STREAMS", s, ">") is None
    assert raw.execute("ZPOPMIN", z) == [b"a", b"1"]
    assert raw.execute("ZPOPMAX", z, 2) == [b"b", b"2.5"]
    assert raw.execute("ZPOPMAX", z, 2) == []
    assert raw.execute("ZSCORE", z, "a") is None
    for key in (h, s):
        raw.execute("DEL", key)


@pytest.mark.parametrize("protocol", [2, 3])
def test_big_numbers_are_text(
    make_cache: Callable[..., RedisCache], call: Caller, key_prefix: str, protocol: int
) -> None:
    raw = Raw(make_cache(OPTIONS={"protocol": protocol}), call)
    script = "redis.setresp(3); return {big_number='12345678901234567890'}"
    assert raw.execute("EVAL", script, 1, key_prefix) == b"12345678901234567890"


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


@pytest.mark.parametrize("words", REFUSED)
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
        assert caught.value.operation == (f"CLIENT {args[0]}" if name == "CLIENT" else name)
    with pytest.raises(NotSupportedError):
        raw(name.lower(), *args)


@pytest.mark.parametrize("name", ["CLIENT", "SCRIPT"])
def test_refused_whatever_was_sent_before(raw: Raw, name: str) -> None:
    raw.execute(name, "HELP")
    raw.execute(f"{name} HELP")
    with pytest.raises(NotSupportedError):
        raw.execute(name, {"CLIENT": "REPLY", "SCRIPT": "DEBUG"}[name], "YES")


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


# Waiting


@pytest.fixture
def impatient(make_cache: Callable[..., RedisCache], call: Caller) -> Raw:
    """A raw client that gives an ordinary reply less time than it gives what waits."""
    return Raw(make_cache(OPTIONS={"socket_timeout": 0.15, "retry": 0}), call)


@pytest.mark.parametrize(("command", "nothing"), BLOCKING)
def test_waiting_in_vain(impatient: Raw, call: Caller, key_prefix: str, command: str, nothing: Any) -> None:
    k = key_prefix + "raw"
    impatient.execute("XGROUP", "CREATE", k + "-stream", "BLOCK", "0", "MKSTREAM")
    name, *args = command.format(k=k).split()
    words: list[Any] = [arg.encode() for arg in args] if call.is_async else [*args]
    started = time.monotonic()
    assert impatient.execute(name, *words) == nothing
    assert 0.15 < time.monotonic() - started < 2
    impatient.execute("DEL", k + "-stream")


def test_waiting_for_ever(impatient: Raw, call: Caller, key_prefix: str, server: Server) -> None:
    k = key_prefix + "raw"
    timer = threading.Timer(0.4, server.command, ("LPUSH", k, "v"))
    timer.start()
    assert impatient("blpop", k, 0) == [k.encode(), b"v"]
    timer.join()
    timer = threading.Timer(0.4, server.command, ("XADD", k + "s", "1-1", "f", "v"))
    timer.start()
    assert impatient("xread", "BLOCK", 0, "STREAMS", k + "s", "$") == [[k.encode() + b"s", [[b"1-1", [b"f", b"v"]]]]]
    timer.join()
    impatient.execute("DEL", k + "s")


def test_waiting_alone(raw: Raw, cache: RedisCache, call: Caller, key_prefix: str, server: Server) -> None:
    """Neither ordinary commands nor others that wait are held up."""
    k = key_prefix + "raw"

    async def scenario() -> None:
        client = await cache.get_async_client(write=True)
        waiting = [asyncio.create_task(client.bzpopmin(f"{k}{number}", 0)) for number in range(20)]
        await asyncio.sleep(0.1)
        started = time.monotonic()
        assert await client.get(k) is None
        assert time.monotonic() - started < 10
        for number in reversed(range(20)):
            server.command("ZADD", f"{k}{number}", number, "m")
            assert await waiting[number] == [f"{k}{number}".encode(), b"m", str(number).encode()]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "command", ["BLPOP", "BLPOP k", "BLPOP k x", "BLPOP k -1", "WAIT", "WAIT 1 x", "XREAD BLOCK", "XREAD BLOCK x",
                "XREAD BLOCK -1 STREAMS k $", "BZMPOP nan 1 k MIN", "BLPOP k inf"],
)  # fmt: skip
def test_waiting_that_makes_no_sense(raw: Raw, command: str) -> None:
    with pytest.raises(ResponseError):
        raw.execute(*command.split())
    assert raw("ping") is True


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        ("BLPOP a b 1.5", 1.5),
        ("BLMPOP 2 1 k LEFT", 2),
        ("WAITAOF 1 1 1500", 1.5),
        ("WAIT 1 0", 0),
        ("BLPOP k 1e30", 1e9),
        ("BLPOP k inf", 0),
        ("BLPOP k -1", None),
        ("XREAD COUNT 2 BLOCK 250 STREAMS BLOCK 5", 0.25),
        ("XREAD STREAMS BLOCK 5", None),
        ("XREADGROUP GROUP BLOCK 7 STREAMS k >", None),
        ("XREADGROUP GROUP STREAMS BLOCK BLOCK 7 STREAMS k >", 0.007),
        ("LPOP k", None),
    ],
)
def test_how_long_commands_wait(command: str, seconds: float | None) -> None:
    name, *args = command.split()
    assert wait_of(name, args) == seconds


# Keys


def test_first_keys_are_what_the_server_says(server: Server) -> None:
    """A cluster's raw client finds the server of a command by its first key."""
    told: Any = server.command("COMMAND")
    for name, _, flags, first, _, _, *_, specs, subcommands in (entry[:10] for entry in told):
        command = name.decode().upper()
        if refused(command, ()) or command in ("XREAD", "XREADGROUP"):
            continue
        within = {each[3] for each in subcommands} - {0}
        expected = within or {first}
        found = keys_of(command, ())
        if "movablekeys" in {flag if isinstance(flag, str) else flag.decode() for flag in flags} and not first:
            begin = dict(zip(specs[0][::2], specs[0][1::2], strict=True))[b"begin_search"]
            at = dict(zip(begin[::2], begin[1::2], strict=True))[b"spec"][1]
            assert found == "numkeys" if at == 2 else found == (2, 2, 1), command
        else:
            assert {found[0]} == expected, command


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("GET k", ["k"]),
        ("NOSUCH k", ["k"]),
        ("PING x", []),
        ("OBJECT ENCODING k", ["k"]),
        ("BITOP AND k b c", ["k"]),
        ("EVALSHA sha 2 k l x", ["k", "l"]),
        ("XREAD COUNT 5 STREAMS k 0", ["k"]),
        ("xread count 5 streams k 0", ["k"]),
        ("XREADGROUP GROUP STREAMS c STREAMS k >", ["k"]),
        ("XREAD COUNT 5", []),
        ("MIGRATE h 1 k 0 1", ["k"]),
        ("ZUNION 2 k l", ["k"]),
    ],
)
def test_keys(command: str, keys: list[str]) -> None:
    name, *args = command.split()
    given = (name, *(int(arg) if arg.isdigit() else arg for arg in args))
    positions = keys_of(name.upper(), given[1:])
    assert Spec(name, write=True, keys=positions).keys_of(given[1:]) == keys
    # With the subcommand in the name.
    if isinstance(positions, tuple) and len(args) > 1:
        assert Spec(f"{name} {args[0]}", write=True, keys=positions).keys_of(given[2:]) == keys[: positions[0] > 1]


def test_made_up_names_are_not_kept_for_ever(raw: Raw) -> None:
    commands = type(raw.client)
    for number in range(commands._MOST_KNOWN + 100):
        with pytest.raises(ResponseError):
            raw.execute(f"NOSUCH{number}")
    assert max(len(known) for known in commands._known) == commands._MOST_KNOWN
    assert raw("ping") is True


class Word(str, enum.Enum):  # noqa: UP042 - a StrEnum calls itself by its text
    """What is sent is its text, what it calls itself is `Word.NO_EVICT`."""

    NO_EVICT = "NO-EVICT"
    REPLY = "REPLY"
    TRACKING = "TRACKING"


@pytest.mark.parametrize("word", Word)
def test_refused_whatever_it_calls_itself(raw: Raw, word: Word) -> None:
    with pytest.raises(NotSupportedError):
        raw.execute("CLIENT", word, "ON")


def test_a_key_in_the_name_keeps_its_case(raw: Raw, key_prefix: str) -> None:
    key = key_prefix + "Mixed"
    raw.execute("SET", key, "v")
    assert raw.execute(f"get {key}") == b"v"
    assert raw.execute(f"DEL {key}") == 1
