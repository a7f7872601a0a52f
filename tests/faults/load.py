"""Threads and an event loop that use a cache all the while something happens to its servers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tests.caller import twin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

__all__ = ["Call", "Load", "Script", "Step", "longest", "rate"]

type Step = tuple[Callable[..., Any], tuple[Any, ...]]


class Call(NamedTuple):
    """A call that was made.

    Attributes:
        who: The name of the caller's script.
        on_a_loop: Whether it was awaited.
        step: The method, of the sync twins, and its arguments.
        begun: When, in seconds of the monotonic clock.
        ended: When it returned or raised.
        value: What it returned.
        error: What it raised; None: it returned.
    """

    who: str
    on_a_loop: bool
    step: Step
    begun: float
    ended: float
    value: Any
    error: Exception | None


#: What a caller does: yields steps, and is sent the call that each became.
type Script = Generator[Step, Call, None]

# Between two calls of one caller: the load is to show what the servers do, not how fast one interpreter is.
_PAUSE = 0.005


class Load:
    """Callers at work; a context manager that ends them.

    Attributes:
        calls: What they have done so far.
    """

    def __init__(self, threads: dict[str, Script], tasks: dict[str, Script]) -> None:
        """Begin.

        Args:
            threads: Scripts by name, for a thread each.
            tasks: Scripts by name, for a task each, all on one loop.
        """
        self.calls: list[Call] = []
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(len(threads) + 1)
        self._callers: list[Future[None]] = [
            *(self._pool.submit(self._thread, name, script) for name, script in threads.items()),
            self._pool.submit(asyncio.run, self._tasks(tasks)),
        ]

    def __enter__(self) -> Self:
        """Return the load."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End the callers, whatever they are at, and raise what went wrong in them."""
        self._over.set()
        self._pool.shutdown()
        for caller in self._callers:
            caller.result()

    def until(self, happened: Callable[[], bool], seconds: float) -> bool:
        """Wait until something comes true; return whether it has.

        Raises:
            Exception: A script has failed meanwhile.
        """
        deadline = time.monotonic() + seconds
        while not happened():
            for caller in self._callers:
                if caller.done():
                    caller.result()
            if time.monotonic() > deadline:
                return False
            # To look through all calls takes time that the callers would miss.
            time.sleep(0.1)
        return True

    def since(self, moment: float) -> list[Call]:
        """Return the calls that were begun after a moment."""
        return [call for call in tuple(self.calls) if call.begun > moment]

    def recovered(self, moment: float, names: Iterable[str]) -> float | None:
        """Return how many seconds after a moment each of these callers had a write done; None: not all have."""
        first: dict[str, float] = {}
        for call in self.since(moment):
            if call.error is None and call.step[0].__name__ == "set":
                first.setdefault(call.who, call.ended)
        ended = [first.get(name) for name in names]
        return None if None in ended else max(end for end in ended if end is not None) - moment

    # Inside

    def _thread(self, name: str, script: Script) -> None:
        step = next(script)
        while not self._over.is_set():
            method, args = step
            value, error, begun = None, None, time.monotonic()
            try:
                value = method(*args)
            except Exception as raised:  # noqa: BLE001 - whatever it is, the scenario judges it
                error = raised
            step = script.send(self._made(Call(name, False, step, begun, time.monotonic(), value, error)))
            time.sleep(_PAUSE)

    async def _task(self, name: str, script: Script) -> None:
        step = next(script)
        while not self._over.is_set():
            method, args = step
            value, error, begun = None, None, time.monotonic()
            try:
                value = await twin(method)(*args)
            except Exception as raised:  # noqa: BLE001 - whatever it is, the scenario judges it
                error = raised
            step = script.send(self._made(Call(name, True, step, begun, time.monotonic(), value, error)))
            await asyncio.sleep(_PAUSE)

    def _made(self, call: Call) -> Call:
        self.calls.append(call)
        return call

    async def _tasks(self, scripts: dict[str, Script]) -> None:
        await asyncio.gather(*(self._task(name, script) for name, script in scripts.items()))


def longest(calls: Sequence[Call]) -> float:
    """Return how many seconds the longest of these calls took."""
    return max(call.ended - call.begun for call in calls)


def rate(calls: Sequence[Call], begin: float, end: float) -> float:
    """Return how many of these calls were done per second of a time, errors left out."""
    return sum(1 for call in calls if begin <= call.ended < end and call.error is None) / (end - begin)
