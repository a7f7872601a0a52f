"""Row 12: another server becomes the master. Row 13: sentinels that do not help. Row 14: the old master comes back."""

from __future__ import annotations

import itertools
import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.cache import RedisSentinelCache, ValkeySentinelCache
from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError
from tests.faults.figures import FULL, size
from tests.faults.load import Load, longest
from tests.faults.outcomes import SLACK, attempt
from tests.sentinel_servers import DOWN_AFTER, SERVICE
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.caller import Caller
    from tests.faults.load import Call, Script
    from tests.faults.proxy import Proxy
    from tests.sentinel_servers import SentinelSet
    from tests.servers import Server

# The usual limit of a call in seconds.
_DEADLINE = 3.0
# Seconds until all sentinels know of a failover that one of them leads.
_SPREADS = 0.5
_BACKENDS = {"redis": RedisSentinelCache, "valkey": ValkeySentinelCache}
_THREADS, _TASKS = 4, 8
_KEYS_AT_ONCE = 500


@pytest.fixture
def make_sentinel_cache(sentinel_set: SentinelSet, make_cache_at: Callable[..., Any]) -> Callable[..., Any]:
    """Make caches on the Sentinel set; keywords are OPTIONS."""

    def make(**options: Any) -> Any:
        options = {**sentinel_set.options, **options}
        return make_cache_at(sentinel_set.url, _BACKENDS[sentinel_set.family.name], **options)

    return make


@pytest.fixture
def mended(sentinel_set: SentinelSet) -> Iterator[None]:
    """Make the Sentinel set whole again afterwards."""
    yield
    for node in sentinel_set.nodes:
        if not node.running:
            node.start()
    sentinel_set.settle()


def _write_and_read(cache: Any, name: str, wrong: list[Any]) -> Script:
    """Write key after key, so that each write can be looked for, and read it: a replica may not have it yet."""
    for number in itertools.count():
        key = f"{name}:{number}"
        yield cache.set, (key, key)
        read = yield cache.get, (key,)
        if read.error is None and read.value not in {None, key}:
            wrong.append((key, read.value))


def _load(cache: Any, wrong: list[Any]) -> Load:
    threads = {f"thread{number}": _write_and_read(cache, f"thread{number}", wrong) for number in range(_THREADS)}
    tasks = {f"task{number}": _write_and_read(cache, f"task{number}", wrong) for number in range(_TASKS)}
    return Load(threads, tasks)


_NAMES = [*(f"thread{number}" for number in range(_THREADS)), *(f"task{number}" for number in range(_TASKS))]


def _missing(cache: Any, master: Server, calls: list[Call]) -> list[Call]:
    """Return the writes that have been acknowledged and that the master does not have."""
    writes = [call for call in calls if call.step[0].__name__ == "set" and call.error is None]
    missing = []
    for some in itertools.batched(writes, _KEYS_AT_ONCE):
        found = master.command("MGET", *(cache.make_key(call.step[1][0]) for call in some))
        assert isinstance(found, list)
        missing += [call for call, value in zip(some, found, strict=True) if value is None]
    return missing


def _is_replica(server: Server) -> bool:
    return server.info("replication")["role"] == "slave"


@pytest.mark.usefixtures("mended")
class TestFailover:
    @pytest.mark.parametrize("how", ["killed", "frozen"] if FULL else ["killed"])
    def test_after_a_failure(
        self,
        how: str,
        sentinel_set: SentinelSet,
        make_sentinel_cache: Callable[..., Any],
        figure: Callable[[str], None],
    ) -> None:
        cache, wrong = make_sentinel_cache(), list[Any]()
        old = sentinel_set.master()
        with _load(cache, wrong) as load:
            time.sleep(0.5)
            failed = time.monotonic()
            old.kill() if how == "killed" else old.suspend()
            assert load.until(lambda: load.recovered(failed, _NAMES) is not None, DOWN_AFTER + 6 + SLACK)
            again = load.recovered(failed, _NAMES)
            assert again is not None
            # For a while it thinks that it is the master.
            old.start() if how == "killed" else old.resume()
            back = time.monotonic()
            assert load.until(lambda: _is_replica(old), 10)
            time.sleep(0.3)
        sentinel_set.settle()
        calls = load.calls
        errors = [call for call in calls if call.error is not None]
        lost = _missing(cache, sentinel_set.master(), load.since(failed))
        late = [call for call in errors if call.begun > failed + again + 0.1]
        figure(
            f"row 12: master {how}, writes again after {again:.2f} s, {len(calls)} calls, {len(errors)} errors, "
            f"longest {longest(calls):.2f} s, {len(lost)} writes accepted by the old master afterwards"
        )
        figure(f"row 14: the old master comes back, {sum(call.begun > back for call in late)} errors")
        assert lost == []
        assert late == []
        assert wrong == []
        assert all(isinstance(call.error, CacheConnectionError | CacheTimeoutError) for call in errors)
        assert longest(calls) < _DEADLINE + SLACK

    def test_in_order(
        self, sentinel_set: SentinelSet, make_sentinel_cache: Callable[..., Any], figure: Callable[[str], None]
    ) -> None:
        cache, wrong = make_sentinel_cache(), list[Any]()
        old = sentinel_set.master()
        with _load(cache, wrong) as load:
            time.sleep(0.3)
            begun = time.monotonic()
            sentinel_set.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
            assert load.until(lambda: sentinel_set.master() is not old, DOWN_AFTER + 6 + SLACK)
            told = time.monotonic()
            assert load.until(lambda: _is_replica(old), DOWN_AFTER + 6 + SLACK)
            demoted = time.monotonic()
            assert load.until(lambda: load.recovered(demoted, _NAMES) is not None, 6 + SLACK)
            again = load.recovered(demoted, _NAMES)
            assert again is not None
            time.sleep(0.3)
        sentinel_set.settle()
        calls = load.calls
        errors = [call for call in calls if call.error is not None]
        # The old master takes writes until the sentinels have told it, which they do after everybody else. They tell
        # each other a moment after the first of them knows.
        lost = _missing(cache, sentinel_set.master(), calls)
        known = sum(told < call.begun <= told + _SPREADS for call in lost)
        afterwards = [call for call in lost if call.begun > told + _SPREADS]
        figure(
            f"row 12: SENTINEL FAILOVER, known after {told - begun:.2f} s, the old master is a replica after "
            f"{demoted - begun:.2f} s, writes again {again:.2f} s later, {len(calls)} calls, {len(errors)} errors, "
            f"longest {longest(calls):.2f} s, writes accepted by the old master: {len(lost) - known - len(afterwards)} "
            f"in vain before it was known, {known} within {_SPREADS} s, {len(afterwards)} afterwards"
        )
        assert afterwards == []
        assert wrong == []
        # Above all no ReadOnlyError.
        assert all(isinstance(call.error, CacheConnectionError | CacheTimeoutError) for call in errors)
        assert [call for call in errors if call.begun > demoted + again + 0.1] == []
        assert longest(calls) < _DEADLINE + SLACK

    def test_unnoticed(
        self,
        call: Caller,
        sentinel_set: SentinelSet,
        make_sentinel_cache: Callable[..., Any],
        figure: Callable[[str], None],
    ) -> None:
        cache = make_sentinel_cache()
        call(cache.set, "k", 0)
        old = sentinel_set.master()
        sentinel_set.failover()
        assert _is_replica(old)
        asked = sum(sentinel.opened() for sentinel in sentinel_set.sentinels)
        outcome = attempt(call, cache.incr, "k")
        asked = sum(sentinel.opened() for sentinel in sentinel_set.sentinels) - asked
        figure(f"row 14: the write after a failover takes {outcome.seconds * 1000:.0f} ms, {asked} sentinels asked")
        assert outcome.error is None
        assert outcome.value == 1
        # At most one search, which asks each once.
        assert 1 <= asked <= len(sentinel_set.sentinels)


class TestSentinels:
    def test_that_do_not_help(
        self,
        call: Caller,
        sentinel_set: SentinelSet,
        make_sentinel_cache: Callable[..., Any],
        start_proxy: Callable[..., Proxy],
        figure: Callable[[str], None],
    ) -> None:
        good, *others = sentinel_set.sentinels
        silent, lying = (start_proxy(sentinel) for sentinel in others)
        silent.hole()
        # It says what was true before the last failover; and that there are no replicas and no other sentinels.
        port = str(sentinel_set.replicas()[0].port)
        stale = f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n*0\r\n*0\r\n"
        lying.answer(stale.encode(), trigger=b"GET-MASTER-ADDR-BY-NAME")
        ports = {"dead": free_port(), "silent": silent.port, "lying": lying.port, "good": good.port}
        bad = [("127.0.0.1", port) for port in ports.values()]

        # Nobody waits so long without knowing it.
        patient = {"socket_connect_timeout": 8, "socket_timeout": 8, "operation_timeout": 16}

        def first_write(number: int, sentinels: list[tuple[str, int]], kind: str) -> float:
            options = {"sentinels": sentinels, "sentinel_kwargs": patient, "client_name": f"{kind}{number}", **patient}
            cache = make_sentinel_cache(**options)
            outcome = attempt(call, cache.set, "k", number)
            assert outcome.error is None, ports
            assert call(cache.incr, "k") == number + 1
            return outcome.seconds

        trials = size(12, 50)
        usual = [first_write(number, sentinel_set.addresses, "good") for number in range(trials)]
        slow = [first_write(number, bad, "bad") for number in range(trials)]
        cost = max(slow) - statistics.median(usual)
        figure(
            f"row 13: one sentinel dead, one silent, one stale: at most {cost * 1000:.0f} ms more, "
            f"median {(statistics.median(slow) - statistics.median(usual)) * 1000:.0f} ms, "
            f"the stale one asked {lying.happened()} times in {trials} trials"
        )
        assert cost < 0.3 + SLACK
        assert lying.happened()

    def test_all_silent(
        self,
        call: Caller,
        sentinel_set: SentinelSet,
        make_sentinel_cache: Callable[..., Any],
        start_proxy: Callable[..., Proxy],
        figure: Callable[[str], None],
    ) -> None:
        proxies = [start_proxy(sentinel) for sentinel in sentinel_set.sentinels]
        for proxy in proxies:
            proxy.hole()
        addresses = [("127.0.0.1", proxy.port) for proxy in proxies]
        cache = make_sentinel_cache(sentinels=addresses, operation_timeout=0.5)
        outcomes = [attempt(call, cache.set, "k", 1) for _ in range(3)]
        slowest = max(outcome.seconds for outcome in outcomes)
        figure(f"row 13: all sentinels silent, errors within {slowest:.2f} s of 0.5")
        assert all(isinstance(outcome.error, CacheConnectionError | CacheTimeoutError) for outcome in outcomes)
        assert slowest < 0.5 + SLACK
