"""What type checkers know of commands, direct and queued. Never run: `test_types.py` has mypy read it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, assert_type

from django_cachex import AsyncPipeline, Pipeline, full_encode_pre

if TYPE_CHECKING:
    from django_cachex import ScriptHelpers
    from django_cachex.cache import RedisCache
    from django_cachex.client import RedisCacheClient

__all__: list[str] = []

type Entry = tuple[str, dict[str, Any]]
type Pairs = list[tuple[Any, float]]


def hashes(cache: RedisCache) -> None:
    assert_type(cache.hset("k", "f", 1), int)
    assert_type(cache.hset("k", mapping={"a": 1}, items=["b", 2], version=2), int)
    assert_type(cache.hsetnx("k", "f", 1), bool)
    assert_type(cache.hget("k", b"f"), Any)
    assert_type(cache.hmget("k", "f", 1, version=2), list[Any])
    assert_type(cache.hgetall("k"), dict[str, Any])
    assert_type(cache.hkeys("k"), list[str])
    assert_type(cache.hincrbyfloat("k", "f"), float)
    numbers: dict[str, int] = {}
    cache.hset("k", mapping=numbers)
    cache.hset("k", None, None, None, 5)  # type: ignore[arg-type]


def lists(cache: RedisCache) -> None:
    assert_type(cache.lpush("k", 1, "x", version=2), int)
    assert_type(cache.lpop("k"), Any)
    assert_type(cache.lpop("k", 3), list[Any])
    assert_type(cache.rpop("k", count=3, version=2), list[Any])
    assert_type(cache.lrange("k", 0, -1), list[Any])
    assert_type(cache.lpos("k", "v"), int | None)
    assert_type(cache.lpos("k", "v", 1, version=2), int | None)
    assert_type(cache.lpos("k", "v", None, 0), list[int])
    assert_type(cache.lpos("k", "v", count=0, maxlen=5), list[int])
    assert_type(cache.linsert("k", "BEFORE", 1, 2), int)
    assert_type(cache.blpop(["a", "b"], 1.5), tuple[str, Any] | None)
    assert_type(cache.lset("k", 0, None), bool)
    cache.lpop("k", "three")  # type: ignore[call-overload]
    cache.lpop()  # type: ignore[call-overload]


def either(cache: RedisCache, count: int | None, flag: bool) -> None:  # noqa: FBT001 - for the type
    assert_type(cache.lpos("k", "v", count=count), int | list[int] | None)
    assert_type(cache.zadd("k", {"m": 1}, incr=flag), int | float | None)
    assert_type(cache.zrange("k", 0, -1, withscores=flag), list[Any])
    assert_type(cache.xclaim("k", "g", "c", 0, ["1-0"], justid=flag), list[Entry] | list[str])


def sets(cache: RedisCache) -> None:
    assert_type(cache.sadd("k", 1, 2), int)
    assert_type(cache.smembers("k"), set[Any])
    assert_type(cache.smismember("k", 1), list[bool])
    assert_type(cache.spop("k"), Any)
    assert_type(cache.spop("k", 2), set[Any])
    assert_type(cache.srandmember("k", -2), list[Any])
    assert_type(cache.sinter(k for k in "ab"), set[Any])
    assert_type(cache.sunionstore("d", "k", version_dest=2), int)
    assert_type(cache.sscan("k", 0), tuple[int, set[Any]])
    assert_type(cache.sscan_iter("k"), Generator[Any])


def sorted_sets(cache: RedisCache) -> None:
    assert_type(cache.zadd("k", {"m": 1.5}), int)
    assert_type(cache.zadd("k", {"m": "+inf"}, nx=True, ch=True, version=2), int)
    assert_type(cache.zadd("k", {"m": 1}, incr=True), float | None)
    assert_type(cache.zincrby("k", 1, "m"), float)
    assert_type(cache.zscore("k", "m"), float | None)
    assert_type(cache.zmscore("k", "m"), list[float | None])
    assert_type(cache.zrank("k", "m"), int | None)
    assert_type(cache.zrange("k", 0, -1, desc=True), list[Any])
    assert_type(cache.zrange("k", 0, -1, withscores=True), Pairs)
    assert_type(cache.zrevrange("k", 0, -1, withscores=True), Pairs)
    assert_type(cache.zrevrange("k", 0, -1), list[Any])
    assert_type(cache.zrangebyscore("k", "-inf", "(5", withscores=True, start=0, num=5), Pairs)
    assert_type(cache.zrevrangebyscore("k", max_score=5, min_score=0), list[Any])
    assert_type(cache.zpopmin("k"), Pairs)
    cache.zrevrange("k", 0, -1, desc=True)  # type: ignore[call-overload]
    cache.zadd("k", {"m": []})  # type: ignore[dict-item]


def streams(cache: RedisCache) -> None:
    assert_type(cache.xadd("k", {"f": 1}, maxlen=5), str | None)
    assert_type(cache.xrange("k", count=5), list[Entry])
    assert_type(cache.xread({"k": "$"}, block=5), dict[str, list[Entry]] | None)
    assert_type(cache.xinfo_stream("k", full=True), dict[str, Any])
    assert_type(cache.xpending("k", "g"), dict[str, Any])
    assert_type(cache.xpending("k", "g", "-", "+", 5, idle=10), list[dict[str, Any]])
    assert_type(cache.xclaim("k", "g", "c", 0, ["1-0"]), list[Entry])
    assert_type(cache.xclaim("k", "g", "c", 0, ["1-0"], retrycount=1, justid=True), list[str])
    assert_type(cache.xautoclaim("k", "g", "c", 0), tuple[str, list[Entry], list[str]])
    assert_type(cache.xautoclaim("k", "g", "c", 0, justid=True), tuple[str, list[str], list[str]])
    cache.xpending("k", "g", "-")  # type: ignore[call-overload]


def scripts(cache: RedisCache) -> None:
    def post_hook(helpers: ScriptHelpers, result: Any) -> list[Any]:
        return helpers.decode_values(result)

    assert_type(cache.eval_script("", keys=["k"], pre_hook=full_encode_pre, post_hook=post_hook), Any)
    assert_type(cache.eval("", 1, "k", b"x", 1.5), Any)
    assert_type(cache.script_load(""), str)
    assert_type(cache.info("memory"), dict[str, Any])
    assert_type(cache.slowlog_len(), int)


async def twins(cache: RedisCache, client: RedisCacheClient) -> None:
    assert_type(await cache.ahset("k", "f", 1), int)
    assert_type(await cache.alpop("k"), Any)
    assert_type(await cache.alpop("k", 2), list[Any])
    assert_type(await cache.alpos("k", "v"), int | None)
    assert_type(await cache.aspop("k", 2), set[Any])
    assert_type(await cache.azadd("k", {"m": 1}), int)
    assert_type(await cache.azadd("k", {"m": 1}, incr=True), float | None)
    assert_type(await cache.azrange("k", 0, -1, withscores=True), Pairs)
    assert_type(await cache.azrevrangebyscore("k", 5, 0), list[Any])
    assert_type(await cache.axpending("k", "g", "-", "+", 5), list[dict[str, Any]])
    assert_type(await cache.axautoclaim("k", "g", "c", 0, justid=True), tuple[str, list[str], list[str]])
    assert_type(await cache.ablpop("k"), tuple[str, Any] | None)
    assert_type(cache.asscan_iter("k"), AsyncGenerator[Any])
    assert_type(await cache.aeval_script(""), Any)
    assert_type(client.zrange("made", 0, -1, withscores=True), Pairs)
    assert_type(await client.alpop("made", 2), list[Any])


def pipelines(cache: RedisCache) -> None:
    p = cache.pipeline(transaction=False, version=2)
    assert_type(p, Pipeline)
    assert_type(p.set("k", 1, nx=True), Pipeline)
    assert_type(p.hset("k", "f", 1), Pipeline)
    assert_type(p.lpop("k"), Pipeline)
    assert_type(p.lpop("k", 3), Pipeline)
    assert_type(p.zadd("k", {"m": 1}, incr=True), Pipeline)
    assert_type(p.zrange("k", 0, -1, withscores=True), Pipeline)
    assert_type(p.xpending("k", "g"), Pipeline)
    assert_type(p.get_many(["k"]), Pipeline)
    assert_type(p.decr("k"), Pipeline)
    assert_type(p.eval_script("", keys=["k"]), Pipeline)
    assert_type(p.ttl("k").exists("k").rename("a", "b").execute(), list[Any])
    assert_type(p.execute(raise_on_error=False), list[Any])
    assert_type(len(p), int)
    with cache.pipeline() as block:
        assert_type(block, Pipeline)
    p.lpop("k", "three")  # type: ignore[arg-type]
    p.hset("k", no_such=1)  # type: ignore[call-arg]
    p.get_or_set("k", 1)  # type: ignore[attr-defined]
    p.keys("*")  # type: ignore[operator]
    p.blpop("k")  # type: ignore[operator]
    p.iter_keys("*")  # type: ignore[operator]
    p.ahget("k", "f")  # type: ignore[operator]
    p.alpop("k")  # type: ignore[operator]


async def async_pipelines(cache: RedisCache) -> None:
    p = cache.apipeline()
    assert_type(p, AsyncPipeline)
    assert_type(p.hset("k", "f", 1).lpop("k", 3), AsyncPipeline)
    assert_type(await p, AsyncPipeline)
    assert_type(await p.zrange("k", 0, -1).execute(), list[Any])
    async with cache.apipeline() as block:
        assert_type(block, AsyncPipeline)
    async with await cache.apipeline() as awaited:
        assert_type(awaited, AsyncPipeline)
