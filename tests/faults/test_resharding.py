"""Row 16: slots move to another primary while clients read and write them."""

from __future__ import annotations

import collections
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from django_cachex.cache import RedisClusterCache, ValkeyClusterCache
from tests.faults.figures import size
from tests.faults.keys import keys_in
from tests.faults.load import Load, longest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller
    from tests.cluster_servers import Cluster
    from tests.faults.load import Call, Script

_BACKENDS = {"redis": RedisClusterCache, "valkey": ValkeyClusterCache}
_THREADS, _CALLERS = 4, 20
# Seconds that the operations before and after the move may take.
_LIMIT = 120


def _script(cache: Any, tags: list[str], wrong: list[Any], expected: dict[str, int]) -> Script:
    """Write, count and read, one key or several, and compare all that comes back with what must be there."""
    keys = [f"{tag}-{number}" for number in range(5) for tag in tags]
    counter = f"{tags[0]}-n"

    def check(call: Call, right: object, *stored: dict[str, int]) -> None:
        if call.error is None and call.value != right:
            wrong.append((call, right))
        for each in stored:
            expected.update(each)

    check((yield cache.set, (counter, 0)), None)
    for number in itertools.count(1):
        one = {keys[number % len(keys)]: number}
        more = {keys[(number + step) % len(keys)]: number + step for step in range(1, 12)}
        check((yield cache.set, (*one, number)), None, one)
        check((yield cache.set_many, (more,)), [], more)
        check((yield cache.get, (*one,)), number)
        check((yield cache.get_many, (list(more),)), more)
        check((yield cache.incr, (counter,)), number, {counter: number})


def test_under_load(cluster: Cluster, make_cache_at: Callable[..., Any], figure: Callable[[str], None]) -> None:
    cache = make_cache_at(cluster.urls, _BACKENDS[cluster.family.name])
    source, target, _ = cluster.primaries()
    slots, operations = size(300, 2_000), size(6_000, 100_000)
    wrong: list[Any] = []
    expected: dict[str, int] = {}
    moving = keys_in(cluster, cache, cluster.slots(source)[:slots], 2 * _CALLERS)
    staying = keys_in(cluster, cache, cluster.slots(target), 2 * _CALLERS)
    places = (moving[::2], staying[::2], moving[1::2], staying[1::2])
    scripts = {tags[0]: _script(cache, list(tags), wrong, expected) for tags in zip(*places, strict=True)}
    threads = {name: scripts.pop(name) for name in list(scripts)[:_THREADS]}
    redirected = _redirects(cluster)
    with Load(threads, scripts) as load:
        assert load.until(lambda: len(load.calls) > operations / 10, _LIMIT)
        begun = time.monotonic()
        assert cluster.reshard(slots, source, target)
        took = time.monotonic() - begun
        assert load.until(lambda: len(load.calls) >= operations, _LIMIT)
    redirected = _redirects(cluster) - redirected
    errors = collections.Counter(repr(call.error)[:120] for call in load.calls if call.error is not None)
    lost = {key: (right, found) for key, right in expected.items() if (found := cache.get(key)) != right}
    figure(
        f"row 16: {slots} slots moved in {took:.1f} s, {len(load.calls)} operations, {dict(redirected)}, "
        f"{errors.total()} errors, {len(lost)} lost, {len(wrong)} wrong, longest {longest(load.calls) * 1000:.0f} ms"
    )
    assert not errors
    assert not lost
    assert not wrong
    assert redirected


def test_a_slot_stays_half_moved(
    call: Caller, cluster: Cluster, make_cache_at: Callable[..., Any], figure: Callable[[str], None]
) -> None:
    cache = make_cache_at(cluster.urls, _BACKENDS[cluster.family.name])
    source, target, _ = cluster.primaries()
    (tag,) = keys_in(cluster, cache, cluster.slots(source)[-500:], 1)
    slot = cluster.slot(cache.make_key(tag))
    keys = [f"{tag}-{number}" for number in range(10)]
    call(cache.set_many, dict.fromkeys(keys, 1))
    before = _redirects(cluster)
    move = cluster.move(slot, source, target)
    move.begin()
    assert move.move_keys(5) == 5
    assert [call(cache.incr, key) for key in keys] == [2] * 10
    call(cache.set, f"{tag}-new", 1)
    assert [call(cache.get, key) for key in (*keys, f"{tag}-new")] == [2] * 10 + [1]

    def go_on() -> None:
        time.sleep(0.3)
        move.move_keys()

    with ThreadPoolExecutor(1) as pool:
        # Nobody has all of them; whoever asks waits until somebody has.
        rest = pool.submit(go_on)
        begun = time.monotonic()
        assert call(cache.get_many, keys) == dict.fromkeys(keys, 2)
        waited = time.monotonic() - begun
        rest.result()
    move.end()
    cluster.settle()
    assert [call(cache.incr, key) for key in keys] == [3] * 10
    said = _redirects(cluster) - before
    figure(f"row 16: a slot that is half moved: {dict(said)}, keys of both halves after {waited:.2f} s")
    assert {"ASK", "TRYAGAIN"} <= said.keys()


def _redirects(cluster: Cluster) -> collections.Counter[str]:
    """Return how many times the servers have said MOVED, ASK and TRYAGAIN."""
    said: collections.Counter[str] = collections.Counter()
    for node in cluster.running():
        for name, value in node.info("errorstats").items():
            kind = name.removeprefix("errorstat_")
            if kind in {"MOVED", "ASK", "TRYAGAIN"}:
                said[kind] += int(value.partition("=")[2])
    return said
