"""Commands with several keys: in one slot they work, in several nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CrossSlotError, ResponseError
from tests.cluster.places import calls_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster

# A command, its name on the server, and its arguments for two keys.
CALLS: list[tuple[str, str, Callable[[str, str], tuple[Any, ...]]]] = [
    ("rename", "rename", lambda a, b: (a, b)),
    ("renamenx", "renamenx", lambda a, b: (a, b)),
    ("lmove", "lmove", lambda a, b: (a, b)),
    ("blmove", "blmove", lambda a, b: (a, b, 1)),
    ("blpop", "blpop", lambda a, b: ([a, b], 1)),
    ("brpop", "brpop", lambda a, b: ([a, b], 1)),
    ("smove", "smove", lambda a, b: (a, b, 1)),
    ("sdiff", "sdiff", lambda a, b: ([a, b],)),
    ("sinter", "sinter", lambda a, b: ([a, b],)),
    ("sunion", "sunion", lambda a, b: ([a, b],)),
    ("sdiffstore", "sdiffstore", lambda a, b: (a, b)),
    ("sinterstore", "sinterstore", lambda a, b: (a, b)),
    ("sunionstore", "sunionstore", lambda a, b: (a, b)),
    ("xread", "xread", lambda a, b: ({a: "0-0", b: "0-0"},)),
    ("xread", "xread", lambda a, b: ({a: "$", b: "$"}, None, 100)),
    ("xreadgroup", "xreadgroup", lambda a, b: ("g", "c", {a: ">", b: ">"})),
    ("eval", "eval", lambda a, b: ("return 1", 2, a, b)),
    ("evalsha", "evalsha", lambda a, b: ("0" * 40, 2, a, b)),
]
WHO = pytest.mark.parametrize(("method", "name", "arguments"), CALLS, ids=[f"{c[0]}-{i}" for i, c in enumerate(CALLS)])


@WHO
def test_several_slots(
    cluster: Cluster,
    cache: RedisClusterCache,
    places: Places,
    call: Caller,
    method: str,
    name: str,
    arguments: Callable[[str, str], tuple[Any, ...]],
) -> None:
    one, two, _ = places.apart()
    another = [key for _, key in zip(range(2), places.keys_at(cluster.primaries()[0]), strict=False)]
    call(cache.get, one)
    before = calls_of(cluster.nodes, name)
    for keys in ((one, two), another):
        with pytest.raises(CrossSlotError, match=r"^CROSSSLOT ") as caught:
            call(getattr(cache, method), *arguments(*keys))
        assert isinstance(caught.value, ResponseError)
        for key in keys:
            assert call(cache.has_key, key) is False
    assert calls_of(cluster.nodes, name) == before, "nothing was sent"


def test_scripts_in_several_slots(cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller) -> None:
    before = calls_of(cluster.nodes, "eval", "evalsha")
    with pytest.raises(CrossSlotError, match=r"^CROSSSLOT "):
        call(cache.eval_script, "return redis.call('SET', KEYS[1], 1)", keys=places.apart()[:2])
    assert calls_of(cluster.nodes, "eval", "evalsha") == before


def test_hash_tags(cache: RedisClusterCache, call: Caller) -> None:
    for tag in ("{u1}", "{u2}", "{another-user}"):
        a, b, c = (f"{tag}:{name}" for name in "abc")
        call(cache.sadd, a, 1, 2)
        call(cache.sadd, b, 2, 3)
        assert call(cache.sunion, [a, b]) == {1, 2, 3}
        assert call(cache.sinterstore, c, [a, b]) == 1
        assert call(cache.smove, a, b, 1) is True
        assert call(cache.rename, b, c) is True
        assert call(cache.smembers, c) == {1, 2, 3}
        assert call(cache.eval_script, "return #KEYS", keys=[cache.make_key(a), cache.make_key(b)]) == 2


def test_braces_that_are_no_tag(cache: RedisClusterCache, call: Caller) -> None:
    """An empty pair or an open brace tags nothing: the whole key counts."""
    for a, b in (("{}a", "{}b"), ("{a", "{b"), ("a}{", "b}{")):
        with pytest.raises(CrossSlotError):
            call(cache.sunion, [a, b])
    call(cache.sadd, "{{x}}a", 1)
    call(cache.sadd, "b{{x}}", 2)
    assert call(cache.sunion, ["{{x}}a", "b{{x}}"]) == {1, 2}, "the tag is '{x'"


def test_the_same_key_twice(cache: RedisClusterCache, call: Caller) -> None:
    call(cache.sadd, "k", 1)
    assert call(cache.sunion, ["k", "k"]) == {1}
    assert call(cache.rename, "k", "k") is True


def test_other_versions_are_other_slots(cache: RedisClusterCache, call: Caller) -> None:
    call(cache.set, "k", 1)
    with pytest.raises(CrossSlotError):
        call(cache.rename, "k", "k", version_dst=2)
    assert call(cache.rename, "k", "k", version_dst=1) is True
    call(cache.set, "{k}", 1)
    assert call(cache.rename, "{k}", "{k}", version_dst=2) is True
