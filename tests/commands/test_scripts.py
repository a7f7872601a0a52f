"""Lua scripts: raw replies, keys and values through hooks, and texts that are sent once."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.commands.scripts import digest
from django_cachex.exceptions import NoScriptError, ResponseError, SerializerError
from django_cachex.script import (
    ScriptHelpers,
    decode_list_post,
    decode_single_post,
    full_encode_pre,
    keys_only_pre,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server

ECHO = "return {KEYS, ARGV}"
GET = "return redis.call('GET', KEYS[1])"
SET = "return redis.call('SET', KEYS[1], ARGV[1])"
MGET = "return redis.call('MGET', unpack(KEYS))"


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def cache(request: pytest.FixtureRequest, make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache that speaks the one protocol or the other."""
    return make_cache(OPTIONS={"protocol": request.param})


@pytest.fixture
def nowhere(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: whatever sends something fails otherwise than a wrong argument does."""
    return make_cache("redis://127.0.0.1:1")


def sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


# Replies and arguments


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1", 1),
        ("-9007199254740992", -9007199254740992),
        ("3.99", 3),
        ("'text'", b"text"),
        ("'\\0\\255\\r\\n'", b"\x00\xff\r\n"),
        ("{ok = 'FINE'}", b"FINE"),
        ("nil", None),
        ("false", None),
        ("true", 1),
        ("{}", []),
        ("{1, 'a', false, {2, {'b'}}}", [1, b"a", None, [2, [b"b"]]]),
    ],
)
def test_raw_replies(cache: RedisCache, call_anyhow: Caller, expression: str, expected: Any) -> None:
    for found in (
        call_anyhow(cache.eval_script, f"return {expression}"),
        call_anyhow(cache.eval, f"return {expression}", 0),
    ):
        assert found == expected
        assert type(found) is type(expected)


def test_arguments(cache: RedisCache, call_anyhow: Caller) -> None:
    args = ["ü", b"\xff\x00", 7, -(10**30), 0.5, True, False, ""]
    sent = ["ü".encode(), b"\xff\x00", b"7", b"-1" + b"0" * 30, b"0.5", b"1", b"0", b""]
    assert call_anyhow(cache.eval_script, ECHO, keys=["{t}k", "{t}l"], args=args) == [[b"{t}k", b"{t}l"], sent]
    assert call_anyhow(cache.eval_script, ECHO, args=args) == [[], sent]
    assert call_anyhow(cache.eval_script, ECHO, keys=["k"]) == [[b"k"], []]
    keys = ("{t}" + key for key in "kl")
    assert call_anyhow(cache.eval_script, ECHO, keys=keys, args=iter([1])) == [[b"{t}k", b"{t}l"], [b"1"]]
    assert call_anyhow(cache.eval_script, ECHO, keys="key", args=b"arg") == [[b"key"], [b"arg"]]
    assert call_anyhow(cache.eval, ECHO, 2, "{t}k", "{t}l", *args) == [[b"{t}k", b"{t}l"], sent]
    assert call_anyhow(cache.eval, ECHO, 0) == [[], []]


def test_nothing_is_made_unasked(cache: RedisCache, server: Server, call_anyhow: Caller, key_prefix: str) -> None:
    raw = f"{key_prefix}-raw"
    assert call_anyhow(cache.eval_script, SET, keys=[raw], args=["v"]) == b"OK"
    assert server.command("GET", raw) == b"v"
    assert call_anyhow(cache.eval_script, GET, keys=[raw], version=2) == b"v"
    assert call_anyhow(cache.eval, GET, 1, raw) == b"v"


@pytest.mark.parametrize("wrong", [None, ["k"], {"a": 1}, object(), bytearray(b"k"), 1j], ids=repr)
def test_other_types(nowhere: RedisCache, call_anyhow: Caller, wrong: Any) -> None:
    with pytest.raises(TypeError, match="cannot send"):
        call_anyhow(nowhere.eval_script, ECHO, keys=[wrong])
    with pytest.raises(TypeError, match="cannot send"):
        call_anyhow(nowhere.eval_script, ECHO, args=[1, wrong])
    with pytest.raises(TypeError, match="cannot send"):
        call_anyhow(nowhere.eval, ECHO, 1, "k", wrong)
    with pytest.raises(TypeError, match="cannot send"):
        call_anyhow(nowhere.evalsha, sha1(ECHO), 0, wrong)
    with pytest.raises(TypeError):
        call_anyhow(nowhere.eval_script, wrong)
    with pytest.raises(TypeError):
        call_anyhow(nowhere.eval, wrong, 0)


def test_keys_and_args_have_names(nowhere: RedisCache, call_anyhow: Caller) -> None:
    with pytest.raises(TypeError):
        call_anyhow(nowhere.eval_script, ECHO, ["k"], [1])


@pytest.mark.parametrize("script", ["return nonsense(", "return redis.call('NOSUCH')", "error('no')"])
def test_scripts_that_fail(cache: RedisCache, call_anyhow: Caller, script: str) -> None:
    with pytest.raises(ResponseError) as caught:
        call_anyhow(cache.eval_script, script)
    assert type(caught.value) is ResponseError
    with pytest.raises(ResponseError):
        call_anyhow(cache.eval, script, 0)


@pytest.mark.parametrize("numkeys", [2, -1, "x", 10**20])
def test_counts_that_are_wrong(cache: RedisCache, call_anyhow: Caller, numkeys: Any) -> None:
    with pytest.raises(ResponseError):
        call_anyhow(cache.eval, ECHO, numkeys, "k")


def test_what_a_failing_script_has_done_stays(cache: RedisCache, call_anyhow: Caller) -> None:
    script = "redis.call('SET', KEYS[1], 5) return redis.call('LPUSH', KEYS[1], 1)"
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        call_anyhow(cache.eval_script, script, keys=["k"], pre_hook=keys_only_pre)
    assert call_anyhow(cache.get, "k") == 5


# Texts that are sent once


def test_texts_are_sent_once(cache: RedisCache, server: Server, call: Caller, key_prefix: str) -> None:
    script = f"return 'ü {key_prefix} {call.mode}'"
    expected = f"ü {key_prefix} {call.mode}".encode()

    def calls(name: str) -> int:
        said = server.info("commandstats").get(f"cmdstat_{name}", "calls=0")
        return int(said.split(",")[0].removeprefix("calls="))

    before = calls("eval"), calls("evalsha")
    assert [call(cache.eval_script, script) for _ in range(3)] == [expected] * 3
    assert (calls("eval") - before[0], calls("evalsha") - before[1]) == (1, 3)
    # The server may forget.
    server.command("SCRIPT", "FLUSH")
    assert call(cache.eval_script, script) == expected
    assert calls("eval") - before[0] == 2
    assert call(cache.evalsha, sha1(script), 0) == expected


def test_hooks_run_once(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    server.command("SCRIPT", "FLUSH")
    seen: list[Any] = []

    def pre(helpers: ScriptHelpers, keys: list[Any], args: list[Any]) -> tuple[list[Any], list[Any]]:
        seen.append((type(helpers), keys, args))
        return [*keys, "{t}l"], [*args, 2]

    def post(helpers: ScriptHelpers, result: Any) -> Any:
        seen.append(type(helpers))
        return {"made of": result}

    found = call_anyhow(cache.eval_script, ECHO, keys=("{t}k",), args=(1,), pre_hook=pre, post_hook=post)
    assert found == {"made of": [[b"{t}k", b"{t}l"], [b"1", b"2"]]}
    assert seen == [(ScriptHelpers, ["{t}k"], [1]), ScriptHelpers]
    assert [type(part) for part in seen[0][1:]] == [list, list]


def test_hooks_that_fail(cache: RedisCache, call_anyhow: Caller) -> None:
    class OwnError(Exception):
        pass

    def fail(*_: Any) -> Any:
        raise OwnError

    with pytest.raises(OwnError):
        call_anyhow(cache.eval_script, ECHO, pre_hook=fail)
    with pytest.raises(OwnError):
        call_anyhow(cache.eval_script, ECHO, post_hook=fail)

    def forget(*_: Any) -> Any:
        raise NoScriptError("NOSCRIPT, says the hook")

    count = "return redis.call('INCR', KEYS[1])"
    with pytest.raises(NoScriptError, match="says the hook"):
        call_anyhow(cache.eval_script, count, keys=["n"], pre_hook=keys_only_pre, post_hook=forget)
    assert call_anyhow(cache.get, "n") == 1


def test_evalsha(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    server.command("SCRIPT", "LOAD", ECHO)
    assert call_anyhow(cache.evalsha, sha1(ECHO), 1, "k", 1, True) == [[b"k"], [b"1", b"1"]]
    assert call_anyhow(cache.evalsha, sha1(ECHO).upper(), 0) == [[], []]
    with pytest.raises(NoScriptError, match="NOSCRIPT"):
        call_anyhow(cache.evalsha, "0" * 40, 0)


def test_script_load(cache: RedisCache, server: Server, call: Caller) -> None:
    script = "return 'loaded ü'"
    found = call(cache.script_load, script)
    assert (found, type(found)) == (sha1(script), str)
    assert server.command("SCRIPT", "EXISTS", found) == [1]
    assert call(cache.evalsha, found, 0) == "loaded ü".encode()
    with pytest.raises(ResponseError):
        call(cache.script_load, "return nonsense(")


def test_digest() -> None:
    assert digest(ECHO) == digest(ECHO.encode()) == sha1(ECHO)
    assert digest("return 'ü\udcff'") == digest("return 'ü".encode() + b"\xff'")


# Hooks of the package


@pytest.mark.one_slot
def test_keys_only(cache: RedisCache, server: Server, call_anyhow: Caller) -> None:
    assert call_anyhow(cache.eval_script, SET, keys=["k"], args=["v"], pre_hook=keys_only_pre) == b"OK"
    assert server.command("GET", cache.make_key("k")) == b"v"
    assert call_anyhow(cache.eval_script, SET, keys=["k"], args=[7], pre_hook=keys_only_pre, version=2) == b"OK"
    assert call_anyhow(cache.get, "k", version=2) == 7
    found = call_anyhow(cache.eval_script, ECHO, keys=["a", "b"], args=[1, "x"], pre_hook=keys_only_pre, version=3)
    assert found == [[cache.make_key(key, 3).encode() for key in "ab"], [b"1", b"x"]]


@pytest.mark.parametrize("value", [1, "text", None, 2.5, {"a": [1, (2,)]}, b"\xff", True], ids=repr)
def test_full_encode_and_decode_single(cache: RedisCache, call_anyhow: Caller, value: Any) -> None:
    stored = call_anyhow(cache.eval_script, SET, keys=["k"], args=[value], pre_hook=full_encode_pre)
    assert stored == b"OK"
    assert call_anyhow(cache.get, "k") == value
    found = call_anyhow(cache.eval_script, GET, keys=["k"], pre_hook=full_encode_pre, post_hook=decode_single_post)
    assert (found, type(found)) == (value, type(value))


def test_decode_single_of_nothing(cache: RedisCache, call_anyhow: Caller) -> None:
    get = {"pre_hook": keys_only_pre, "post_hook": decode_single_post}
    assert call_anyhow(cache.eval_script, GET, keys=["none"], **get) is None
    assert call_anyhow(cache.eval_script, "return 5", post_hook=decode_single_post) == 5
    with pytest.raises(SerializerError):
        call_anyhow(cache.eval_script, "return 'no pickle'", post_hook=decode_single_post)


@pytest.mark.one_slot
def test_decode_list(cache: RedisCache, call_anyhow: Caller) -> None:
    cache.set_many({"a": 1, "b": [2], "c": "three"})
    hooks = {"pre_hook": keys_only_pre, "post_hook": decode_list_post}
    assert call_anyhow(cache.eval_script, MGET, keys=["a", "b", "none", "c"], **hooks) == [1, [2], None, "three"]
    assert call_anyhow(cache.eval_script, "return {}", post_hook=decode_list_post) == []
    assert call_anyhow(cache.eval_script, "return false", post_hook=decode_list_post) == []


def test_helpers(cache: RedisCache, call_anyhow: Caller) -> None:
    """All that a hook may ask for, with the version that the script was called with."""

    def pre(helpers: ScriptHelpers, keys: list[Any], args: list[Any]) -> tuple[list[Any], list[Any]]:
        assert helpers.version == 4
        assert helpers.make_keys(["a", "b"]) == [cache.make_key("a", 4), cache.make_key("b", 4)]
        assert helpers.make_key("a", 7) == cache.make_key("a", 7)
        assert helpers.make_key("a", None) == cache.make_key("a")
        assert helpers.make_key("a") == cache.make_key("a", 4)
        assert helpers.encode(5) == 5
        assert helpers.encode("x") == cache.encode("x")
        assert helpers.encode_values([5, "x"]) == [5, cache.encode("x")]
        return keys, args

    def post(helpers: ScriptHelpers, result: Any) -> Any:
        assert helpers.version == 4
        assert helpers.decode_values([cache.encode("x"), b"5", 6, None]) == ["x", 5, 6, None]
        return helpers.decode(result)

    assert call_anyhow(cache.eval_script, "return '5'", pre_hook=pre, post_hook=post, version=4) == 5


def test_helpers_know_the_version_of_their_pipeline(cache: RedisCache) -> None:
    versions = []

    def pre(helpers: ScriptHelpers, keys: list[Any], args: list[Any]) -> tuple[list[Any], list[Any]]:
        versions.append(helpers.version)
        return helpers.make_keys(keys), args

    p = cache.pipeline(version=7)
    p.eval_script(ECHO, keys=["k"], pre_hook=pre).eval_script(ECHO, keys=["k"], pre_hook=pre, version=8)
    assert p.execute() == [[[cache.make_key("k", version).encode()], []] for version in (7, 8)]
    assert versions == [7, 8]


def test_helpers_are_a_dataclass() -> None:
    assert [field.name for field in dataclasses.fields(ScriptHelpers)] == ["make_key", "encode", "decode", "version"]
    helpers = ScriptHelpers(lambda key, version: f"{version}/{key}", str.encode, bytes.decode, 2)
    assert full_encode_pre(helpers, ("k",), ("v",)) == (["2/k"], [b"v"])
    assert keys_only_pre(helpers, ("k",), ("v",)) == (["2/k"], ["v"])
    assert decode_single_post(helpers, b"v") == "v"
    assert decode_list_post(helpers, (b"v", None)) == ["v", None]


def test_made_keys_are_validated(make_cache: Callable[..., RedisCache], call_anyhow: Caller) -> None:
    cache = make_cache()
    with pytest.warns(Warning, match="memcached"):
        call_anyhow(cache.eval_script, ECHO, keys=["with space"], pre_hook=keys_only_pre)


def test_clients_take_made_keys(cache: RedisCache, call: Caller) -> None:
    client = cache._cache
    made = cache.make_key("k")
    hooks = {"pre_hook": full_encode_pre, "post_hook": decode_single_post}
    assert call(client.eval_script, SET, keys=[made], args=[[1]], pre_hook=full_encode_pre) == b"OK"
    assert call(client.eval_script, GET, keys=[made], **hooks) == [1]
    assert call(cache.get, "k") == [1]
    with pytest.raises(TypeError, match="version"):
        call(client.eval_script, ECHO, version=1)
