"""Row 29: panics, which are bugs of ours in Rust, injected wherever they are caught.

`call`: before a command is handed over. `connect`: while a connection is made. `read`: on a loop, when replies have
arrived and none of them has been taken. What Rust says about each goes to standard error.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from django_cachex import _core
from django_cachex.exceptions import CachexError
from tests.caller import Caller
from tests.faults.figures import size
from tests.faults.outcomes import Outcome, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_cachex.cache import RedisCache

_TRIALS = size(300, 10_000)
_AT_ONCE = 8
# A thread whose wake-up is lost looks for itself after 50 ms; a machine that is busy has calls of that length too.
_LATE = 0.045  # seconds
_MAY_BE_LATE = _TRIALS // 10


@pytest.fixture(autouse=True)
def _told_on_standard_error(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Rust asks once, at the first panic. A trace through the interpreter takes it a tenth of a second.
    monkeypatch.setenv("RUST_BACKTRACE", "0")
    yield
    said = capfd.readouterr().err
    assert said.count("injected") == said.count("panicked") == _TRIALS


def _is_told(outcome: Outcome) -> bool:
    """Return whether a call failed of a panic, and as it should; one that was not touched by it returned `"v"`."""
    if outcome.error is None:
        assert outcome.value == "v"
        return False
    # None of its subclasses: a timeout would be a caller whom nobody told.
    assert type(outcome.error) is CachexError, outcome.error
    assert "internal failure" in str(outcome.error)
    return True


async def _disconnect(cache: RedisCache) -> None:
    cache._cache._get_connection_pool(write=True).disconnect()
    await cache._cache._get_async_connection_pool(write=True).disconnect()


@pytest.mark.parametrize(
    ("call_on_any_loop", "point"),
    [
        ("sync", "call"),
        ("sync", "connect"),
        *((loop, point) for loop in ("asyncio", "uvloop") for point in ("call", "connect", "read")),
    ],
    indirect=["call_on_any_loop"],
)
def test_one_call(point: str, call_on_any_loop: Caller, cache: RedisCache, figure: Callable[[str], None]) -> None:
    call = call_on_any_loop
    call(cache.set, "k", "v")
    late = 0
    for _ in range(_TRIALS):
        if point == "connect":
            call.run(_disconnect(cache))
        _core._panic_next(point)
        failed = attempt(call, cache.get, "k")
        assert _is_told(failed)
        after = attempt(call, cache.get, "k")
        assert not _is_told(after)
        late += max(failed.seconds, after.seconds) > _LATE
    figure(f"row 29: {_TRIALS} panics in {point!r}, {_TRIALS} errors, the next call worked, {late} slow calls")
    assert late <= _MAY_BE_LATE


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("point", ["call", "connect", "read"])
def test_tasks_on_one_connection(
    point: str,
    factory: Callable[[], asyncio.AbstractEventLoop],
    cache: RedisCache,
    figure: Callable[[str], None],
) -> None:
    told = 0

    async def one() -> bool:
        value, error = None, None
        try:
            value = await cache.aget("k")
        except CachexError as raised:
            error = raised
        return _is_told(Outcome(value, error, 0.0))

    async def work() -> None:
        nonlocal told
        await cache.aset("k", "v")
        for _ in range(_TRIALS):
            if point == "connect":
                await _disconnect(cache)
            _core._panic_next(point)
            tasks = [asyncio.ensure_future(one()) for _ in range(_AT_ONCE)]
            # The others come when the first ones are under way.
            await asyncio.sleep(0)
            tasks += [asyncio.ensure_future(one()) for _ in range(_AT_ONCE)]
            async with asyncio.timeout(10):
                failed = sum(await asyncio.gather(*tasks))
            assert failed == 1 if point == "call" else failed >= 1
            told += failed
            assert await cache.aget("k") == "v"

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())
    answered = _TRIALS * 2 * _AT_ONCE - told
    figure(f"row 29: {_TRIALS} panics in {point!r} among {2 * _AT_ONCE} tasks: {told} errors, {answered} answers")


@pytest.mark.parametrize("point", ["call", "connect"])
@pytest.mark.parametrize("connections", [1, _AT_ONCE])
def test_threads_that_wait_for_each_other(
    point: str,
    connections: int,
    make_cache: Callable[..., RedisCache],
    figure: Callable[[str], None],
) -> None:
    options: dict[str, Any] = {
        "max_connections": connections,
        "pool_class": "redis.BlockingConnectionPool",
        "timeout": 30,
    }
    cache = make_cache(OPTIONS=options)
    cache.set("k", "v")

    def prepare() -> None:
        if point == "connect":
            cache._cache._get_connection_pool(write=True).disconnect()
        _core._panic_next(point)

    together = threading.Barrier(_AT_ONCE, prepare, timeout=30)

    call = Caller("sync")

    def run(_: int) -> tuple[int, int]:
        told = late = 0
        for _ in range(_TRIALS):
            together.wait()
            outcome = attempt(call, cache.get, "k")
            told += _is_told(outcome)
            late += outcome.seconds > _LATE
        return told, late

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        counts = list(pool.map(run, range(_AT_ONCE)))
    told, late = (sum(column) for column in zip(*counts, strict=True))
    figure(
        f"row 29: {_TRIALS} panics in {point!r} among {_AT_ONCE} threads with {connections} connections: "
        f"{told} errors, {late} of {_TRIALS * _AT_ONCE} calls slow"
    )
    assert told == _TRIALS
    assert late <= _MAY_BE_LATE
    assert cache.get("k") == "v"
