"""Pipelines on a cluster: split by node, run at the same time, put back in order; transactions sit in one slot."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import CacheTimeoutError, CrossSlotError, OutOfMemoryError, WrongTypeError
from tests.cluster.places import calls_of, one_is_slow
from tests.faults.outcomes import SLACK

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_cachex.cache import RedisClusterCache
    from tests.caller import Caller
    from tests.cluster.places import Places
    from tests.cluster_servers import Cluster, SlotMove
    from tests.servers import Server


def made(cache: RedisClusterCache, call: Caller, **options: Any) -> Any:
    """A pipeline of the caller's kind."""
    return cache.apipeline(**options) if call.is_async else cache.pipeline(**options)


def executed(pipeline: Any, call: Caller, **options: Any) -> list[Any]:
    result = pipeline.execute(**options)
    found: list[Any] = call.run(result) if call.is_async else result
    return found


def test_by_default_there_is_no_transaction(
    cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller
) -> None:
    before = calls_of(cluster.nodes, "multi", "exec")
    p = made(cache, call)
    for key in places.apart():
        p.set(key, 1)
    assert executed(p, call) == [True] * 3
    assert calls_of(cluster.nodes, "multi", "exec") == before


def test_results_come_in_the_order_of_the_calls(cache: RedisClusterCache, call: Caller) -> None:
    p = made(cache, call)
    for number in range(1000):
        p.set(f"k{number}", number)
    for number in reversed(range(1000)):
        p.get(f"k{number}").incr(f"k{number}")
    found = executed(p, call)
    assert found[:1000] == [True] * 1000
    assert found[1000:] == [value for number in reversed(range(1000)) for value in (number, number + 1)]


def test_the_order_within_a_slot_is_kept(cache: RedisClusterCache, call: Caller) -> None:
    keys = [f"list{number}" for number in range(20)]
    pushes = [(key, number) for number in range(50) for key in keys]
    random.shuffle(pushes)
    p = made(cache, call)
    for key, number in pushes:
        p.rpush(key, number)
    executed(p, call)
    for key in keys:
        assert call(cache.lrange, key, 0, -1) == [number for other, number in pushes if other == key]


def test_every_node_gets_one_write(cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller) -> None:
    """Nodes that are slow to answer are waited for together."""
    keys = places.apart()
    call(cache.get_many, keys)
    for node in cluster.primaries():
        p = made(cache, call)
        for key in keys * 10:
            p.set(key, key).get(key)
        with one_is_slow(cluster, node, "get"):
            assert executed(p, call)[1::2] == keys * 10


def test_calls_with_many_keys(cache: RedisClusterCache, call: Caller) -> None:
    data = {f"k{number}": number for number in range(100)}
    p = made(cache, call)
    p.set("first", 1).set_many(data).get_many([*data, "missing"]).delete_many(data).get_many(data).get("first")
    found = executed(p, call)
    assert found == [True, [], data, 100, {}, 1]
    assert list(found[2]) == list(data)


def test_one_call_in_several_slots_fails_alone(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    one, two, three = places.apart()
    p = made(cache, call)
    p.sadd(one, 1).sunion([one, two]).set(three, 3)
    found = executed(p, call, raise_on_error=False)
    assert (found[0], found[2]) == (1, True)
    assert isinstance(found[1], CrossSlotError)
    assert str(found[1]).startswith("CROSSSLOT ")
    p.sadd(one, 2).rename(one, two).set(three, 4)
    with pytest.raises(CrossSlotError) as caught:
        executed(p, call)
    assert any("RENAME" in note for note in caught.value.__notes__)
    assert call(cache.smembers, one) == {1, 2}
    assert call(cache.get, three) == 4


def test_failures_of_several_nodes(cache: RedisClusterCache, places: Places, call: Caller) -> None:
    one, two, three = places.apart()
    call(cache.set_many, {one: 1, two: 2, three: 3})
    p = made(cache, call)
    p.incr(three).lpush(two, 1).incr(one).lpush(one, 1)
    found = executed(p, call, raise_on_error=False)
    assert (found[0], found[2]) == (4, 2)
    assert [type(found[index]) for index in (1, 3)] == [WrongTypeError] * 2
    p.incr(three).lpush(two, 1).lpush(one, 1)
    with pytest.raises(WrongTypeError) as caught:
        executed(p, call)
    assert any("1" in note and "LPUSH" in note for note in caught.value.__notes__), "the first of them"


def test_one_node_is_silent(
    cluster: Cluster, make_cache: Callable[..., RedisClusterCache], places: Places, call: Caller
) -> None:
    cache = make_cache(OPTIONS={"socket_timeout": 0.4, "operation_timeout": 0.8, "retry": 0})
    keys = places.apart()
    call(cache.get_many, keys)
    cluster.primaries()[1].command("CLIENT", "PAUSE", 900, "ALL")
    p = made(cache, call)
    for key in keys:
        p.set(key, 5)
    begun = time.monotonic()
    with pytest.raises(CacheTimeoutError):
        executed(p, call)
    assert time.monotonic() - begun < 0.8 + SLACK
    time.sleep(0.9)
    p.get(keys[0]).get(keys[2])
    assert executed(p, call) == [5, 5], "others may have been applied, and their connections are in order"


# Transactions


def test_a_transaction_in_one_slot(cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller) -> None:
    for number in range(6):
        tag = f"{{tag{number}}}"
        before = calls_of(cluster.primaries(), "multi", "exec")
        p = made(cache, call, transaction=True)
        p.set(tag + "a", 1).incr(tag + "a").get_many([tag + "a", tag + "b"]).sadd(tag + "s", 1).sunion([tag + "s"])
        assert executed(p, call) == [True, 2, {tag + "a": 2}, 1, {1}]
        after = calls_of(cluster.primaries(), "multi", "exec")
        owner = cluster.primaries().index(places.owner(tag))
        assert [new - old for new, old in zip(after, before, strict=True)] == [2 * (i == owner) for i in range(3)]


def test_a_transaction_in_several_slots(
    cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller
) -> None:
    one, two, _ = places.apart()
    neighbours = [key for _, key in zip(range(2), places.keys_at(cluster.primaries()[0]), strict=False)]
    call(cache.get_many, [one, two])
    names = ("multi", "exec", "set", "get", "mget", "rename")
    before = calls_of(cluster.nodes, *names)
    queued: list[list[tuple[Any, ...]]] = [
        [("set", one, 1), ("set", two, 2)],
        [("set", neighbours[0], 1), ("get", neighbours[1])],
        [("get_many", [one, two])],
        [("set", one, 1), ("rename", one, two)],
    ]
    for calls in queued:
        p = made(cache, call, transaction=True)
        for raise_on_error in (True, True, False):
            for method, *args in calls:
                getattr(p, method)(*args)
            with pytest.raises(CrossSlotError, match=r"^CROSSSLOT "):
                executed(p, call, raise_on_error=raise_on_error)
            assert len(p) == 0
    assert calls_of(cluster.nodes, *names) == before, "nothing was sent"
    assert call(cache.get_many, [one, two, *neighbours]) == {}


def test_a_transaction_without_keys(cache: RedisClusterCache, call: Caller) -> None:
    p = made(cache, call, transaction=True)
    p.eval("return 1", 0).eval_script("return ARGV[1]", args=[2])
    assert executed(p, call) == [1, b"2"]
    p.eval("return 1", 0).set("{a}1", 1).eval("return 3", 0).get("{a}1")
    assert executed(p, call) == [1, True, 3, 1], "they go where the keys are"


def test_a_refused_transaction(cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller) -> None:
    owner = places.owner("{tag}")
    owner.command("CONFIG", "SET", "maxmemory", 1)
    try:
        p = made(cache, call, transaction=True)
        p.set("{tag}a", 1).set("{tag}b", 1)
        with pytest.raises(OutOfMemoryError, match=r"^OOM "):
            executed(p, call)
    finally:
        owner.command("CONFIG", "SET", "maxmemory", 0)
    assert call(cache.get_many, ["{tag}a", "{tag}b"]) == {}


# Slots that move


def test_pipelines_follow_slots(cluster: Cluster, cache: RedisClusterCache, places: Places, call: Caller) -> None:
    source, target, _ = cluster.primaries()
    keys = [*places.apart(), *(key for _, key in zip(range(5), places.keys_at(source, "s"), strict=False))]
    call(cache.set_many, dict.fromkeys(keys, 1))
    for key in keys[3:]:
        cluster.move(cluster.slot(cache.make_key(key)), source, target).run()
    p = made(cache, call)
    for key in keys:
        p.incr(key).get(key)
    assert executed(p, call) == [2] * (2 * len(keys))


def test_transactions_follow_slots(
    cache: RedisClusterCache, ends: tuple[Server, Server], move: SlotMove, call: Caller, tag: str
) -> None:
    """MOVED comes for each command as it is queued, and the server discards the rest: none was applied."""
    call(cache.set, tag + "n", 1)
    move.run()
    p = made(cache, call, transaction=True)
    p.incr(tag + "n").incr(tag + "n")
    assert executed(p, call) == [2, 3]
    assert ends[1].command("GET", cache.make_key(tag + "n")) == b"3"


def test_transactions_into_a_slot_that_is_moving(
    cache: RedisClusterCache, move: SlotMove, call: Caller, tag: str
) -> None:
    """ASK comes for the whole transaction, in place of EXEC's reply."""
    call(cache.set, tag + "n", 1)
    move.begin()
    move.move_keys()
    p = made(cache, call, transaction=True)
    p.incr(tag + "n").incr(tag + "n")
    assert executed(p, call) == [2, 3]
    assert call(cache.get, tag + "n") == 3


def test_pipelines_into_a_slot_that_is_moving(cache: RedisClusterCache, move: SlotMove, call: Caller, tag: str) -> None:
    keys = [f"{tag}{number}" for number in range(10)]
    call(cache.set_many, dict.fromkeys(keys, 0))
    move.begin()
    move.move_keys(5)
    p = made(cache, call)
    for key in [*keys, tag + "new"]:
        p.set(key, 1, nx=True).rpush(key + "-list", "x").get(key)
    found = executed(p, call)
    assert found == [None, 1, 0] * 10 + [True, 1, 1]
    move.move_keys()
    assert call(cache.get_many, keys) == dict.fromkeys(keys, 0)
    assert all(call(cache.llen, key + "-list") == 1 for key in keys), "each was applied once"


def test_nothing_overtakes_in_a_slot(cache: RedisClusterCache, move: SlotMove, call: Caller, tag: str) -> None:
    """What is put off is not done after a later command of its slot has written."""
    a, b = tag + "a", tag + "b"
    call(cache.set, a, "old")
    move.begin()
    p = made(cache, call)
    refused, stored = executed(p.get_many([a, b]).set(a, "new"), call, raise_on_error=False)
    assert str(refused).startswith("TRYAGAIN")
    assert stored is True

    def go_on() -> None:
        move.move_keys()
        move.end()

    mover = threading.Timer(0.3, go_on)
    mover.start()
    # Reads that came after it see what it saw.
    assert executed(p.get_many([a, b]).get(a).get(b), call) == [{a: "new"}, "new", None]
    mover.join()


@pytest.mark.parametrize("options", [{}, {"raise_on_error": False}], ids=["raising", "not raising"])
def test_a_primary_that_does_not_answer(
    cluster: Cluster,
    make_cache: Callable[..., RedisClusterCache],
    places: Places,
    call: Caller,
    options: dict[str, Any],
) -> None:
    """Nobody knows what of the pipeline was done: that is no result of one of its commands."""
    cache = make_cache(OPTIONS={"socket_timeout": 0.3, "operation_timeout": 0.5, "retry": 0})
    p = made(cache, call)
    executed(p.get("warm"), call)
    for key in places.apart():
        p.set(key, 1)
    cluster.primaries()[0].command("CLIENT", "PAUSE", 800, "ALL")
    with pytest.raises(CacheTimeoutError):
        executed(p, call, **options)
    assert len(p) == 0


def test_nothing_overtakes_on_its_way_elsewhere(
    cache: RedisClusterCache, move: SlotMove, call: Caller, tag: str
) -> None:
    """One key has moved already: what reads it is sent there behind what writes it."""
    a, b = tag + "a", tag + "b"
    call(cache.set, a, "old")
    move.begin()
    assert move.move_keys() == 1
    mover = threading.Timer(0.3, move.end)
    mover.start()
    p = made(cache, call)
    assert executed(p.set_many({a: "new", b: "new"}, None).get(a).get(b), call) == [[], "new", "new"]
    mover.join()
