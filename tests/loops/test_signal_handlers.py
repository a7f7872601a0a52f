"""Signal handlers that raise while the loop is told who to wake: whoever waits is woken all the same.

A real signal would hit that moment once in some hundred times; a loop that raises there itself is like it always.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from django_cachex.exceptions import WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from django_cachex.cache import RedisCache


@pytest.fixture(params=[False, True], ids=["before", "after"])
def late(request: pytest.FixtureRequest) -> Any:
    """Whether the loop has taken note when the handler raises."""
    return request.param


class Alarm(Exception):  # noqa: N818 - it is none
    """What a handler raises, as job queues do at the end of a job's time."""


class Interrupted(asyncio.SelectorEventLoop):
    """Raises once, when it is to wake a task: before it has taken note or after.

    Attributes:
        raises: What it raises; None: nothing any more.
        late: Whether it has taken note by then.
    """

    raises: type[BaseException] | None = None
    late = False

    def call_soon[*Ts](
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As of other loops, but for that once."""
        raised = self.raises if "wakeup" in repr(callback) else None
        if raised is not None:
            self.raises = None
            if not self.late:
                raise raised
        handle = super().call_soon(callback, *args, context=context)
        if raised is not None:
            raise raised
        return handle


def test_the_task_goes_on(cache: RedisCache, late: Any) -> None:
    told: list[Any] = []

    async def calls() -> list[Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Interrupted)
        loop.set_exception_handler(lambda _, context: told.append(type(context["exception"])))
        await cache.aset("k", "v")
        await cache.alpush("list", 1)
        found: list[Any] = []
        for _ in range(3):
            loop.raises, loop.late = Alarm, late
            found.append(await cache.aget("k"))
            loop.raises = Alarm
            with pytest.raises(WrongTypeError):
                await cache.aget("list")
        return found

    with asyncio.Runner(loop_factory=Interrupted) as runner:
        assert runner.run(calls()) == ["v"] * 3
    assert told == [Alarm] * 6


def test_the_loop_ends(cache: RedisCache, late: Any) -> None:
    """What ends a loop ends it, and the task is there to be cancelled, or to go on."""
    seen: list[str] = []

    async def calls() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Interrupted)
        await cache.aset("k", "v")
        loop.raises, loop.late = SystemExit, late
        try:
            seen.append(await cache.aget("k"))
            await asyncio.sleep(60)
        finally:
            seen.append("ended")

    with pytest.raises(SystemExit), asyncio.Runner(loop_factory=Interrupted) as runner:
        runner.run(calls())
    assert seen[-1] == "ended"
