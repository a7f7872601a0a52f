"""Scripts on a cluster: where their keys are, or without keys anywhere; loaded on every primary."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import NoScriptError
from tests.cluster.places import calls_of

if TYPE_CHECKING:
    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster


@pytest.fixture
def script() -> str:
    """A script that no server knows."""
    return f"local _ = '{secrets.token_hex(8)}'; return {{KEYS[1], ARGV[1]}}"


def test_it_runs_where_its_keys_are(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    for key in places.apart():
        made = cache.make_key(key)
        assert call(cache.eval_script, "return redis.call('SET', KEYS[1], ARGV[1])", keys=[made], args=[7]) == b"OK"
        assert places.owner(key).command("GET", made) == b"7"
        assert call(cache.eval, "return redis.call('GET', KEYS[1])", 1, made) == b"7"


def test_the_text_goes_to_each_node_once(
    cluster: Cluster, cache: RedisClusterCache, places: Places, script: str, call: Caller
) -> None:
    keys = [cache.make_key(key) for key in places.apart()]
    before = calls_of(cluster.primaries(), "eval", "script|load")
    for _ in range(5):
        for key in keys:
            assert call(cache.eval_script, script, keys=[key], args=["a"]) == [key.encode(), b"a"]
    after = calls_of(cluster.primaries(), "eval", "script|load")
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]


def test_script_load(cluster: Cluster, cache: RedisClusterCache, places: Places, script: str, call: Caller) -> None:
    sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    with pytest.raises(NoScriptError):
        call(cache.evalsha, sha, 0)
    assert call(cache.script_load, script) == sha
    assert [node.command("SCRIPT", "EXISTS", sha) for node in cluster.primaries()] == [[1]] * 3
    for key in places.apart():
        made = cache.make_key(key)
        assert call(cache.evalsha, sha, 1, made, "a") == [made.encode(), b"a"]
    p: Any = cache.apipeline() if call.is_async else cache.pipeline()
    for key in places.apart():
        p.evalsha(sha, 1, cache.make_key(key), key)
    result = p.execute()
    found = call.run(result) if call.is_async else result
    assert [row[1] for row in found] == [key.encode() for key in places.apart()]


def test_without_keys(cache: RedisClusterCache, call: Caller) -> None:
    assert call(cache.eval_script, "return ARGV[1]", args=["a"]) == b"a"
    assert call(cache.eval, "return 5", 0) == 5
    sha = call(cache.script_load, "return 6")
    assert call(cache.evalsha, sha, 0) == 6


def test_a_node_that_forgot(
    cluster: Cluster, cache: RedisClusterCache, places: Places, script: str, call: Caller
) -> None:
    key = cache.make_key(places.apart()[1])
    assert call(cache.eval_script, script, keys=[key], args=["a"]) == [key.encode(), b"a"]
    cluster.primaries()[1].command("SCRIPT", "FLUSH")
    assert call(cache.eval_script, script, keys=[key], args=["b"]) == [key.encode(), b"b"]


def test_a_slot_that_has_moved(cluster: Cluster, cache: RedisClusterCache, script: str, tag: str, call: Caller) -> None:
    """The new owner does not know the script."""
    key = cache.make_key(tag)
    call(cache.eval_script, script, keys=[key], args=["a"])
    source = cluster.owner(key)
    cluster.move(cluster.slot(key), source, next(n for n in cluster.primaries() if n is not source)).run()
    assert call(cache.eval_script, script, keys=[key], args=["b"]) == [key.encode(), b"b"]


def test_counting(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    for key in places.apart():
        call(cache.set, key, 1)
        assert call(cache.incr, key) == 2
        assert call(cache.decr, key, 3) == -1
