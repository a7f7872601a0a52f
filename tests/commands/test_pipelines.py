"""Pipelines: what is queued, what is sent, what comes back, and what becomes of failures."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.client.pipeline import AsyncPipeline, Pipeline
from django_cachex.exceptions import (
    CacheConnectionError,
    CachexError,
    CompressorError,
    ExecAbortError,
    KeyNotFoundError,
    NoPermissionError,
    NoScriptError,
    NotSupportedError,
    OutOfMemoryError,
    ResponseError,
    SerializerError,
    ValueTooLargeError,
    WrongTypeError,
)
from tests.faults.memory import resident

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisCache
    from tests.caller import Caller
    from tests.servers import Server
    from tests.topologies import Topology

pytestmark = pytest.mark.one_slot

MIB = 1 << 20


class Maker:
    """Makes pipelines of one kind, and executes them."""

    def __init__(self, call: Caller, *, transaction: bool) -> None:
        self.call = call
        self.transaction = transaction

    def __call__(self, cache: RedisCache, **options: Any) -> Any:
        make = cache.apipeline if self.call.is_async else cache.pipeline
        return make(**{"transaction": self.transaction, **options})

    def execute(self, pipeline: Any, *args: Any, **kwargs: Any) -> Any:
        """Execute it, on the loop if need be."""
        try:
            result = pipeline.execute(*args, **kwargs)
            return self.call.run(result) if self.call.is_async else result
        finally:
            self.call.settle()


@pytest.fixture(params=[True, False], ids=["transaction", "plain"])
def pipe(request: pytest.FixtureRequest, call: Caller) -> Maker:
    """What makes pipelines: `pipe(cache)`, and `pipe.execute(pipeline)`."""
    return Maker(call, transaction=request.param)


@pytest.fixture
def nowhere(make_cache: Callable[..., RedisCache]) -> RedisCache:
    """A cache without a server: whatever sends something fails."""
    return make_cache("redis://127.0.0.1:1")


def calls_of(server: Server, *names: str) -> dict[str, int]:
    """Return how often commands were called."""
    stats = server.info("commandstats")
    return {
        name: int(dict(p.split("=") for p in stats.get(f"cmdstat_{name}", "calls=0").split(","))["calls"])
        for name in names
    }


# Queueing


def test_results_come_in_order(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    assert p.set("a", {"x": 1}, timeout=60).get("a").hset("h", "f", "v").hgetall("h") is p
    assert pipe.execute(p) == [True, {"x": 1}, 1, {"f": "v"}]
    assert cache.get("a") == {"x": 1}
    assert 0 < (cache.ttl("a") or 0) <= 60


def test_nothing_is_sent_before_execute(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    p.set("a", 1)
    assert cache.get("a") is None
    assert pipe.execute(p) == [True]
    assert cache.get("a") == 1


def test_nothing_queued(nowhere: RedisCache, pipe: Maker) -> None:
    assert pipe.execute(pipe(nowhere)) == []


def test_len_and_bool(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    assert (len(p), bool(p)) == (0, True)
    p.set("a", 1).touch("a", None).get_many([])
    assert (len(p), bool(p)) == (3, True)
    pipe.execute(p)
    assert (len(p), bool(p)) == (0, True)


def test_reset(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    p.set("a", 1).set("b", 2)
    assert p.reset() is None
    assert len(p) == 0
    assert pipe.execute(p) == []
    p.set("c", 3)
    assert pipe.execute(p) == [True]
    assert cache.get_many(["a", "b", "c"]) == {"c": 3}


def test_reuse_after_execute(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    p.set("a", 1)
    assert pipe.execute(p) == [True]
    assert pipe.execute(p) == []
    p.get("a").get("b", "none")
    assert pipe.execute(p) == [1, "none"]


def test_the_pipelines_version_is_the_default(cache: RedisCache, pipe: Maker, server: Server) -> None:
    p = pipe(cache, version=7)
    p.set("a", "seven").set("a", "two", version=2).get("a").get("a", version=2).rename("a", "a", version_dst=8)
    p.set_many({"b": 1}).get_many(["b"]).get_many(["b"], version=2)
    assert pipe.execute(p) == [True, True, "seven", "two", True, [], {"b": 1}, {}]
    assert cache.get("a", version=8) == "seven"
    assert cache.get("a") is None
    assert server.command("EXISTS", cache.make_key("b", version=7)) == 1


def test_key_functions_are_asked_when_queueing(make_cache: Callable[..., RedisCache], pipe: Maker) -> None:
    asked: list[Any] = []

    def key_function(key: str, prefix: str, version: object) -> str:
        asked.append((key, version))
        return f"{prefix}<{key}>{version}"

    cache = make_cache(KEY_FUNCTION=key_function)
    p = pipe(cache)
    p.set("a", 1).get("a", version="blue")
    assert asked == [("a", 1), ("a", "blue")]
    assert pipe.execute(p) == [True, None]


def test_values_are_encoded_when_queueing(cache: RedisCache, pipe: Maker) -> None:
    value = [1]
    p = pipe(cache)
    p.set("a", value)
    value.append(2)
    pipe.execute(p)
    assert cache.get("a") == [1]


@pytest.mark.parametrize(
    ("error", "queue"),
    [
        (SerializerError, lambda p: p.set("a", lambda: 1)),
        (SerializerError, lambda p: p.hset("a", "f", lambda: 1)),
        (SerializerError, lambda p: p.set_many({"a": 1, "b": lambda: 1})),
        (ValueError, lambda p: p.set("a", 1, nx=True, xx=True)),
        (ValueError, lambda p: p.sadd("a")),
        (ValueError, lambda p: p.sinter([])),
        (ValueError, lambda p: p.xread({})),
        (ValueError, lambda p: p.linsert("a", "beside", 1, 2)),
        (TypeError, lambda p: p.expire("a", None)),
        (TypeError, lambda p: p.get()),
        (TypeError, lambda p: p.get("a", no_such=1)),
        (TypeError, lambda p: p.eval("return 1", 0, object())),
        (TypeError, lambda p: p.eval_script("return 1", args=[None])),
        (NotSupportedError, lambda p: p.xread({"a": "0"}, block=0)),
        (NotSupportedError, lambda p: p.xread({"a": "0"}, block=10)),
        (NotSupportedError, lambda p: p.xreadgroup("g", "c", {"a": ">"}, block=1)),
        (ValueTooLargeError, lambda p: p.set("a", b"x" * 5000)),
        (ValueTooLargeError, lambda p: p.rpush("a", 1, 2, b"x" * 5000)),
        (ValueTooLargeError, lambda p: p.set_many({"a": 1, "b": b"x" * 5000}, timeout=5)),
        (ValueTooLargeError, lambda p: p.set_many({"a": 1, "b": b"x" * 5000}, timeout=None)),
    ],
)
def test_what_raises_queues_nothing(
    error: type[Exception], queue: Callable[[Any], Any], make_cache: Callable[..., RedisCache], pipe: Maker
) -> None:
    cache = make_cache(OPTIONS={"max_value_size": 4000})
    p = pipe(cache)
    p.set("before", 1)
    with pytest.raises(error):
        queue(p)
    assert len(p) == 1
    p.set("after", 2)
    assert pipe.execute(p) == [True, True]
    assert cache.get_many(["before", "a", "b", "after"]) == {"before": 1, "after": 2}


@pytest.mark.parametrize(
    "name",
    [
        "get_or_set", "incr_version", "decr_version", "clear", "close", "keys", "iter_keys", "scan", "sscan_iter",
        "delete_pattern", "clear_all_versions", "flush_db", "blpop", "brpop", "blmove", "script_load", "info",
        "slowlog_get", "slowlog_len", "ahset", "aget", "aset", "attl", "axread", "ablpop", "asscan_iter", "aiter_keys",
        "aeval_script", "lock", "semaphore", "pipeline", "get_client", "make_key",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [Pipeline, AsyncPipeline])
def test_what_pipelines_do_not_have(kind: type[Any], name: str, nowhere: RedisCache) -> None:
    made = nowhere.pipeline() if kind is Pipeline else nowhere.apipeline()
    assert not hasattr(made, name)
    assert not hasattr(kind, name)
    with pytest.raises(AttributeError, match=name):
        getattr(made, name)


def test_neither_kind_is_the_other(nowhere: RedisCache) -> None:
    assert type(nowhere.pipeline()) is Pipeline
    assert type(nowhere.apipeline()) is AsyncPipeline
    assert not issubclass(Pipeline, AsyncPipeline)
    assert not issubclass(AsyncPipeline, Pipeline)
    assert not inspect.iscoroutinefunction(nowhere.apipeline)
    assert inspect.iscoroutinefunction(AsyncPipeline.execute)
    with pytest.raises(TypeError):
        nowhere.pipeline(True)  # type: ignore[call-arg]


# Blocks


def test_leaving_a_block_discards(cache: RedisCache) -> None:
    with cache.pipeline() as p:
        p.set("a", 1)
    assert len(p) == 0
    with contextlib.suppress(LookupError), cache.pipeline() as p:
        p.set("a", 1)
        raise LookupError
    assert p.execute() == []
    assert cache.get("a") is None
    with p as again:
        assert again is p
        assert again.set("a", 2).execute() == [True]
    assert cache.get("a") == 2


def test_leaving_an_async_block_discards(cache: RedisCache) -> None:
    async def scenario() -> None:
        async with cache.apipeline() as p:
            p.set("a", 1)
        assert len(p) == 0
        with contextlib.suppress(LookupError):
            async with cache.apipeline() as p:
                p.set("a", 1)
                raise LookupError
        assert await p.execute() == []
        assert await cache.aget("a") is None
        async with await cache.apipeline() as p:
            assert await p.set("a", 2).execute() == [True]
        made = cache.apipeline()
        assert await made is made
        assert await (await made).get("a").execute() == [2]

    asyncio.run(scenario())


def test_blocks_of_the_other_kind(nowhere: RedisCache) -> None:
    with pytest.raises(TypeError, match="async with"), nowhere.apipeline():
        pass

    async def scenario() -> None:
        async with nowhere.pipeline():  # type: ignore[attr-defined]
            pass

    with pytest.raises(TypeError):
        asyncio.run(scenario())


def test_any_loop_may_execute(cache: RedisCache) -> None:
    p = cache.apipeline()
    for number in range(3):
        assert asyncio.run(p.set("a", number).get("a").execute()) == [True, number]


# Results


def test_sets_results(cache: RedisCache, pipe: Maker) -> None:
    cache.set("old", "value")
    p = pipe(cache)
    p.set("a", 1).set("a", 2, nx=True).set("a", 3, xx=True).set("b", 4, xx=True).set("c", 5, nx=True)
    p.set("old", 6, get=True).set("new", 7, get=True).set("a", 8, timeout=0).set("a", 9, timeout=-1, xx=True)
    p.set("c", 1, timeout=-1).set("c", 1, timeout=None, nx=True).ttl("c").ttl("old")
    *results, lives = pipe.execute(p)
    assert results == [True, None, True, None, True, "value", None, True, None, True, True, None]
    assert 290 < lives <= 300
    assert cache.get_many(["a", "b", "c", "old", "new"]) == {"c": 1, "old": 6, "new": 7}


def test_djangos_methods(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    p.add("a", 1).add("a", 2).add("gone", 1, timeout=0).has_key("a").exists("a").exists("b").incr("a").incr("a", 10)
    p.decr("a", 2).incr("a", 0).delete("a").delete("a").incr("a", version=None)
    results = pipe.execute(p, raise_on_error=False)
    assert results[:-1] == [True, False, True, True, True, False, 2, 12, 10, 10, True, False]
    assert isinstance(results[-1], KeyNotFoundError)


def test_big_sums(cache: RedisCache, pipe: Maker) -> None:
    cache.set("a", 2**62)
    p = pipe(cache)
    p.incr("a").decr("a", 2**62)
    assert pipe.execute(p) == [2**62 + 1, 1]


def test_touch(cache: RedisCache, pipe: Maker) -> None:
    cache.set("a", 1, timeout=None)
    cache.set("b", 1)
    p = pipe(cache)
    p.touch("a", 50).ttl("a").touch("b", None).ttl("b").touch("none", None).touch("none").touch("a", 0).has_key("a")
    assert pipe.execute(p) == [True, 50, True, None, False, False, True, False]


def test_touch_alone(cache: RedisCache, pipe: Maker) -> None:
    """The only call of a pipeline, and a transaction by itself."""
    cache.set("a", 1)
    assert pipe.execute(pipe(cache).touch("a", None)) == [True]
    assert cache.ttl("a") is None
    assert pipe.execute(pipe(cache).touch("none", None)) == [False]


def test_many_at_once(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    p.set_many({"a": 1, "b": None}).set_many({"c": 3}, timeout=50).set_many({"d": 4}, timeout=None)
    p.get_many(k for k in ["d", "none", "b", "a"]).ttl("c").ttl("d").delete_many(["a", "a", "none"])
    p.set_many({"b": 5, "c": 6}, timeout=0).get_many(["a", "b", "c", "d"]).set_many([("e", 5)]).get("e")
    assert pipe.execute(p) == [[], [], [], {"d": 4, "b": None, "a": 1}, 50, None, 1, [], {"d": 4}, [], 5]


def test_many_of_nothing(cache: RedisCache, nowhere: RedisCache, pipe: Maker) -> None:
    p = pipe(nowhere)
    p.get_many([]).set_many({}).delete_many([]).set_many({}, timeout=5)
    assert len(p) == 4
    assert pipe.execute(p) == [{}, [], None, []]
    # As the methods themselves have it.
    p.set_many(None).delete_many(None)
    assert pipe.execute(p) == [[], None]
    p = pipe(cache)
    p.get_many([]).set("a", 1).set_many({}).get("a").delete_many([])
    assert pipe.execute(p) == [{}, True, [], 1, None]


def test_get_many_skips_what_holds_no_string(cache: RedisCache, pipe: Maker) -> None:
    cache.rpush("list", 1)
    p = pipe(cache)
    p.set("a", 1).get_many(["list", "a"])
    assert pipe.execute(p) == [True, {"a": 1}]


@pytest.mark.parametrize("protocol", [2, 3])
def test_results_are_those_of_direct_methods(make_cache: Callable[..., RedisCache], pipe: Maker, protocol: int) -> None:
    cache = make_cache(OPTIONS={"protocol": protocol})
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("hset", ("h",), {"mapping": {"a": 1, "b": [2]}}), ("hget", ("h", "b"), {}), ("hmget", ("h", "a", "x"), {}),
        ("hgetall", ("h",), {}), ("hexists", ("h", "a"), {}), ("hkeys", ("h",), {}), ("hincrbyfloat", ("h", "n"), {}),
        ("rpush", ("l", "a", "b", "c"), {}), ("lpop", ("l",), {}), ("lpop", ("l", 5), {}), ("lpop", ("l", 5), {}),
        ("lpos", ("l", "a"), {"count": 0}), ("lmove", ("l", "m"), {}), ("lrange", ("l", 0, -1), {}),
        ("sadd", ("s", 1, 2), {}), ("smembers", ("s",), {}), ("smismember", ("s", 1, 3), {}), ("sunion", (["s"],), {}),
        ("sdiffstore", ("d", "s"), {}), ("sscan", ("d",), {}), ("spop", ("d", 9), {}),
        ("zadd", ("z", {"a": 1, "b": 2.5}), {}), ("zrange", ("z", 0, -1), {"withscores": True}),
        ("zscore", ("z", "b"), {}), ("zadd", ("z", {"a": 1}), {"incr": True}), ("zpopmax", ("z",), {}),
        ("zpopmin", ("z", 2), {}), ("xadd", ("x", {"f": 1}), {"entry_id": "5-5"}), ("xrange", ("x",), {}),
        ("xread", ({"x": "0"},), {}), ("xgroup_create", ("x", "g", "0"), {}), ("xinfo_groups", ("x",), {}),
        ("xreadgroup", ("g", "c", {"x": ">"}), {}), ("xpending", ("x", "g"), {}), ("xack", ("x", "g", "5-5"), {}),
        ("expire", ("x", timedelta(seconds=9)), {}), ("ttl", ("x",), {}), ("persist", ("x",), {}), ("type", ("z",), {}),
        ("type", ("x",), {}), ("rename", ("x", "y"), {}), ("renamenx", ("y", "h"), {}),
        ("eval_script", ("return {KEYS[1], ARGV[1]}",), {"keys": [cache.make_key("k")], "args": [5]}),
        ("eval", ("return 1.9", 0), {}),
    ]  # fmt: skip
    direct = [pipe.call(getattr(cache, name), *args, **kwargs) for name, args, kwargs in calls]
    cache.clear_all_versions()
    p = pipe(cache)
    for name, args, kwargs in calls:
        getattr(p, name)(*args, **kwargs)
    assert pipe.execute(p) == direct
    cache.clear_all_versions()


def test_scripts(cache: RedisCache, pipe: Maker, server: Server) -> None:
    server.command("SCRIPT", "FLUSH")
    p = pipe(cache)
    p.eval_script("return ARGV[1]", args=["5"], post_hook=lambda helpers, raw: helpers.decode(raw))
    p.eval("return redis.call('SET', KEYS[1], 1)", 1, cache.make_key("a"))
    assert pipe.execute(p) == [5, b"OK"]
    sha = cache.script_load("return 7")
    assert pipe.execute(pipe(cache).evalsha(sha, 0)) == [7]
    p = pipe(cache).set("a", 2).evalsha("0" * 40, 0).set("b", 3)
    results = pipe.execute(p, raise_on_error=False)
    assert (results[0], results[2]) == (True, True)
    assert isinstance(results[1], NoScriptError)


@pytest.mark.standalone("counts the commands of one server")
def test_one_transaction_or_none(cache: RedisCache, server: Server, pipe: Maker) -> None:
    before = calls_of(server, "multi", "exec", "set")
    pipe.execute(pipe(cache).set("a", 1).set("b", 2))
    after = calls_of(server, "multi", "exec", "set")
    assert [after[name] - before[name] for name in after] == [pipe.transaction, pipe.transaction, 2]


def test_transactions_are_the_default_but_on_a_cluster(cache: RedisCache, topology: Topology) -> None:
    assert cache.pipeline()._transaction is not topology.is_sharded
    assert cache.apipeline()._transaction is not topology.is_sharded


@pytest.mark.standalone("about several locations of one cache")
def test_everything_goes_to_the_write_server(
    make_cache: Callable[..., RedisCache], server: Server, pipe: Maker
) -> None:
    cache = make_cache([server.url, "redis://127.0.0.1:1"])
    p = pipe(cache)
    p.set("a", 1).get("a").ttl("a")
    assert pipe.execute(p)[:2] == [True, 1]


# Failures


def test_a_failure_is_raised_and_the_others_applied(cache: RedisCache, pipe: Maker) -> None:
    cache.rpush("list", 1)
    p = pipe(cache)
    p.set("a", 1).hget("list", "f").incr("none").set("b", 2)
    with pytest.raises(WrongTypeError) as caught:
        pipe.execute(p)
    assert caught.value.__notes__ == ["at position 1 of the pipeline: HGET"]
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 2}
    assert len(p) == 0
    assert pipe.execute(p.get("a")) == [1]


def test_failures_as_items(cache: RedisCache, pipe: Maker, server: Server) -> None:
    cache.rpush("list", 1)
    server.command("SET", cache.make_key("bytes"), b"\x00no pickle")
    p = pipe(cache)
    p.set("a", "text").hget("list", "f").incr("none").incr("a").rename("none", "x").get("bytes").lset("list", 9, 1)
    p.eval("return redis.error_reply('MINE is this')", 0).hincrby("h", "f", "much").get("a").touch("none", None)
    p.get_many(["a", "bytes"]).set("list", 1, get=True)
    results = pipe.execute(p, raise_on_error=False)
    kinds = [type(result) for result in results]
    assert kinds == [
        bool, WrongTypeError, KeyNotFoundError, ResponseError, KeyNotFoundError, SerializerError, ResponseError,
        ResponseError, ResponseError, str, bool, SerializerError, WrongTypeError,
    ]  # fmt: skip
    assert not any(getattr(result, "__notes__", None) for result in results)
    assert all(isinstance(result, CachexError) for result in results if isinstance(result, Exception))
    p = pipe(cache).incr("none")
    with pytest.raises(KeyNotFoundError, match="none") as caught:
        pipe.execute(p)
    assert isinstance(caught.value, ValueError)


def test_failures_are_those_of_direct_methods(cache: RedisCache, pipe: Maker) -> None:
    cache.rpush("list", 1)
    for name, args in [
        ("incr", ("none",)), ("incr", ("list",)), ("rename", ("none", "x")), ("renamenx", ("none", "x")),
        ("hget", ("list", "f")), ("lset", ("none", 0, 1)), ("xinfo_groups", ("none",)), ("get", ("list",)),
    ]:  # fmt: skip
        with pytest.raises(CachexError) as direct:
            getattr(cache, name)(*args)
        [queued] = pipe.execute(getattr(pipe(cache), name)(*args), raise_on_error=False)
        assert type(queued) is type(direct.value), name


def test_exceptions_may_be_values(cache: RedisCache, pipe: Maker) -> None:
    p = pipe(cache)
    p.set("a", KeyError("kept")).get("a").get("none", LookupError)
    _, kept, default = pipe.execute(p)
    assert type(kept) is KeyError
    assert default is LookupError


def test_undecodable_values_as_misses(make_cache: Callable[..., RedisCache], pipe: Maker, server: Server) -> None:
    cache = make_cache(OPTIONS={"on_undecodable": "miss"})
    server.command("SET", cache.make_key("bytes"), b"\x00no pickle")
    p = pipe(cache)
    p.get("bytes").get("bytes", 5).get_many(["bytes"])
    assert pipe.execute(p) == [None, 5, {}]


def test_hooks_that_raise(cache: RedisCache, pipe: Maker) -> None:
    def pre_hook(*_: Any) -> Any:
        raise LookupError("before")

    def post_hook(*_: Any) -> Any:
        raise LookupError("after")

    p = pipe(cache)
    with pytest.raises(LookupError, match="before"):
        p.eval_script("return 1", pre_hook=pre_hook)
    p.eval_script("return 1", post_hook=post_hook).set("a", 1)
    error, stored = pipe.execute(p, raise_on_error=False)
    assert (type(error), stored) == (LookupError, True)
    p.eval_script("return 1", post_hook=post_hook)
    with pytest.raises(LookupError, match="after") as caught:
        pipe.execute(p)
    assert caught.value.__notes__ == ["at position 0 of the pipeline: EVAL"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"users": {"app": "on >secret ~* &* +@all -hset"}}, NoPermissionError),
        ({"users": {"app": "on >secret ~* &* +@all"}, "config": {"rename-command": 'HSET ""'}}, ResponseError),
    ],
    ids=["not allowed", "unknown"],
)
@pytest.mark.parametrize("raise_on_error", [True, False])
def test_refused_while_queueing_in_multi(
    start_server: Callable[..., Server],
    make_cache: Callable[..., RedisCache],
    call: Caller,
    options: dict[str, Any],
    error: type[Exception],
    raise_on_error: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    server = start_server(**options)
    cache = make_cache(server.url_for(user="app", password="secret"))
    pipe = Maker(call, transaction=True)
    p = pipe(cache)
    p.set("a", 1).hset("h", "f", 1).set("b", 2)
    with pytest.raises(error, match=r"(?i)hset"):
        pipe.execute(p, raise_on_error)
    assert cache.get_many(["a", "b"]) == {}
    assert len(p) == 0
    assert pipe.execute(p.set("a", 1)) == [True]
    plain = Maker(call, transaction=False)
    stored, refused, also = plain.execute(plain(cache).set("b", 1).hset("h", "f", 1).set("c", 2), raise_on_error=False)
    assert (stored, type(refused), also) == (True, error, True)


def test_a_transaction_of_its_own_that_is_refused(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], call: Caller
) -> None:
    """What takes two commands is a transaction within a pipeline without one: its refusal is its own."""
    server = start_server(users={"app": "on >secret ~* &* +@all -persist"})
    cache = make_cache(server.url_for(user="app", password="secret"))
    pipe = Maker(call, transaction=False)
    p = pipe(cache)
    p.set("a", 1).touch("a", None).set("b", 2)
    stored, refused, also = pipe.execute(p, raise_on_error=False)
    assert (stored, type(refused), also) == (True, NoPermissionError, True)


def test_out_of_memory(start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], pipe: Maker) -> None:
    server = start_server()
    cache = make_cache(server.url)
    cache.set("a", 1)
    server.command("CONFIG", "SET", "maxmemory", "1")
    p = pipe(cache)
    p.get("a").set("b", b"x" * 1000).get("a")
    if pipe.transaction:
        with pytest.raises((OutOfMemoryError, ExecAbortError)):
            pipe.execute(p, raise_on_error=False)
    else:
        one, refused, other = pipe.execute(p, raise_on_error=False)
        assert (one, type(refused), other) == (1, OutOfMemoryError, 1)
    assert cache.get("b") is None
    server.command("CONFIG", "SET", "maxmemory", "0")
    assert pipe.execute(p.set("b", 1)) == [True]


def test_connection_lost(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], pipe: Maker
) -> None:
    server = start_server()
    cache = make_cache(server.url, OPTIONS={"retry": 0})
    p = pipe(cache)
    assert pipe.execute(p.set("a", 1)) == [True]
    server.kill()
    for raise_on_error in (True, False):
        p.set("a", 2).set("b", 3)
        with pytest.raises(CacheConnectionError):
            pipe.execute(p, raise_on_error=raise_on_error)
        assert len(p) == 0
    server.start()
    p.get("a").set("b", 4).get("b")
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(CacheConnectionError):
            assert pipe.execute(p) == [None, True, 4]
            break
        assert time.monotonic() < deadline
        p.get("a").set("b", 4).get("b")


def test_the_server_goes_while_it_works(
    start_server: Callable[..., Server], make_cache: Callable[..., RedisCache], pipe: Maker
) -> None:
    """Nothing of a pipeline is sent again after a byte of it was written."""
    server = start_server()
    cache = make_cache(server.url, OPTIONS={"retry": 3})
    pipe.execute(pipe(cache).set("a", 1))
    p = pipe(cache)
    p.incr("a").eval("while true do end", 0).incr("a")
    timer = threading.Timer(0.3, server.kill)
    timer.start()
    with pytest.raises(CacheConnectionError):
        pipe.execute(p)
    timer.join()
    assert len(p) == 0


def test_cancelled(cache: RedisCache, server: Server) -> None:
    async def scenario() -> None:
        p = cache.apipeline(transaction=False)
        p.set("a", 1).eval("local n = 0; for i = 1, 2e7 do n = n + i end; return n", 0).set("b", 2)
        task = asyncio.create_task(p.execute())
        await asyncio.sleep(0.05)
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 2
        assert len(p) == 0
        # Its replies reach nobody else.
        assert await p.set("c", 3).get("c").execute() == [True, 3]
        assert await cache.aincr("c") == 4

    asyncio.run(scenario())


def test_awaited_never(cache: RedisCache) -> None:
    async def scenario() -> None:
        p = cache.apipeline()
        p.set("a", 1)
        p.execute().close()
        assert len(p) == 1
        assert await cache.aget("a") is None
        assert await p.execute() == [True]

    asyncio.run(scenario())


def test_many_pipelines_at_a_time(cache: RedisCache) -> None:
    async def one(number: int) -> list[Any]:
        async with cache.apipeline(transaction=bool(number % 2)) as p:
            return await p.set(f"k{number}", number).get(f"k{number}").execute()

    async def scenario() -> None:
        results = await asyncio.gather(*(one(number) for number in range(200)))
        assert results == [[True, number] for number in range(200)]

    asyncio.run(scenario())


# Sizes


@pytest.mark.parametrize("transaction", [True, False])
def test_ten_thousand_commands(
    cache: RedisCache,
    server: Server,
    call: Caller,
    transaction: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    pipe = Maker(call, transaction=transaction)

    def run() -> None:
        p = pipe(cache)
        for number in range(5_000):
            p.set("k", number, timeout=None).get("k")
        results = pipe.execute(p)
        assert results[::2] == [True] * 5_000
        assert results[1::2] == list(range(5_000))

    for _ in range(3):
        run()
    opened, before = server.opened(), resident()
    for _ in range(5):
        run()
    assert server.opened() - opened <= 1
    assert resident() - before < 4 * MIB


def test_memory_while_it_grows(cache: RedisCache, pipe: Maker) -> None:
    """What is queued is kept once, as it will be sent."""
    p = pipe(cache)
    value = b"x" * 10_000
    before = resident()
    for number in range(5_000):
        p.set(f"k{number}", value + str(number).encode())
    assert resident() - before < 160 * MIB
    p.reset()


def test_large_values(cache: RedisCache, pipe: Maker) -> None:
    value = bytes(range(256)) * 40_000
    p = pipe(cache)
    p.set("a", value).get("a").set("b", 1).get("a").rpush("l", value, value).lrange("l", 0, -1)
    assert pipe.execute(p) == [True, value, True, value, 2, [value, value]]


def test_many_small_replies_and_a_large_request(cache: RedisCache, pipe: Maker) -> None:
    """Neither side may wait for the other to read."""
    cache.set("large", b"x" * 100_000)
    p = pipe(cache)
    for _ in range(200):
        p.get("large").set("other", b"y" * 100_000)
    results = pipe.execute(p)
    assert all(len(result) == 100_000 for result in results[::2])
    assert results[1::2] == [True] * 200


def test_compressors_that_fail(make_cache: Callable[..., RedisCache], pipe: Maker) -> None:
    class Broken:
        def compress(self, data: bytes) -> bytes:
            raise OSError("broken")

        def decompress(self, data: bytes) -> bytes:
            raise OSError("broken")

    cache = make_cache(OPTIONS={"compressor": Broken})
    p = pipe(cache)
    with pytest.raises((CompressorError, OSError)):
        p.set("a", "x" * 10_000)
    assert len(p) == 0


@pytest.mark.parametrize("truth", [1, 0, None, "yes"])
def test_any_truth_value_will_do(cache: RedisCache, pipe: Maker, truth: Any) -> None:
    p = pipe(cache, transaction=truth)
    p.set("n", "text").incr("n")
    if truth:
        with pytest.raises(ResponseError):
            pipe.execute(p, truth)
    else:
        assert [type(each) for each in pipe.execute(p, truth)] == [bool, ResponseError]
