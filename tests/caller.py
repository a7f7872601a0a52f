"""One test body for both worlds: `call(cache.get, "k")` is `cache.get("k")` or `await cache.aget("k")`."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

__all__ = ["Caller", "twin"]

type Mode = Literal["sync", "async", "queued", "aqueued"]

# The twins that are not called `a` + name.
_IRREGULAR = {"get_client": "get_async_client", "_get_connection_pool": "_get_async_connection_pool"}


def twin(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the async twin of a bound method, or the method itself if it is one already.

    Raises:
        AttributeError: There is none.
    """
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        return method
    name = method.__name__
    owner: Any = getattr(method, "__self__", None)
    found: Callable[..., Any] = getattr(owner, _IRREGULAR.get(name, "a" + name))
    return found


class Caller:
    """Calls methods as they are, or their async twins on one event loop that lives as long as the test.

    Attributes:
        mode: `"sync"`, `"async"`, `"queued"` or `"aqueued"`.
        settle: Waits until whatever was written can be read.
    """

    def __init__(
        self,
        mode: Mode,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        *,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare to call.

        Args:
            mode: Which of the twins; "queued" and "aqueued" send one command through a pipeline of either kind.
            loop_factory: What makes the loop; None: asyncio's own.
            settle: Waits until whatever was written can be read, before and after each call.
        """
        self.mode = mode
        self.settle = settle
        self._runner = asyncio.Runner(loop_factory=loop_factory)

    def __repr__(self) -> str:
        """Tell the mode."""
        return f"<call {self.mode}>"

    def __enter__(self) -> Self:
        """Return the caller."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the loop."""
        self._runner.close()

    @property
    def is_async(self) -> bool:
        """Whether the async twins are called."""
        return self.mode in ("async", "aqueued")

    @property
    def is_queued(self) -> bool:
        """Whether commands go through a pipeline."""
        return self.mode in ("queued", "aqueued")

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the async twins run on; it stands still between calls."""
        return self._runner.get_loop()

    def __call__(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `method` or its twin; what iterates comes back as a list.

        Args:
            method: The sync method, bound to a cache, a client or a pipeline.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            What it returns, awaited if need be.
        """
        self.settle()
        try:
            return self._call(method, args, kwargs)
        finally:
            self.settle()

    def _call(self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.is_queued:
            return self._queue(method, args, kwargs)
        if not self.is_async:
            result = method(*args, **kwargs)
            return list(result) if inspect.isgenerator(result) else result
        result = twin(method)(*args, **kwargs)
        if inspect.isasyncgen(result):
            return self._drive(_listed(result))
        return self._drive(result) if inspect.isawaitable(result) else result

    def _queue(self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Send one command through a pipeline, with a neighbour before and after it."""
        owner: Any = method.__self__  # type: ignore[attr-defined]
        pipeline = owner.apipeline() if self.is_async else owner.pipeline()
        pipeline.has_key("a-neighbour")
        getattr(pipeline, method.__name__)(*args, **kwargs)
        pipeline.has_key("a-neighbour")
        executed = pipeline.execute()
        before, result, after = self._drive(executed) if self.is_async else executed
        assert (before, after) == (False, False)
        return result

    def run[T](self, awaitable: Awaitable[T]) -> T:
        """Run something awaitable on the loop to its end and return its result."""
        self.settle()
        try:
            return self._drive(awaitable)
        finally:
            self.settle()

    def _drive[T](self, awaitable: Awaitable[T]) -> T:
        return self._runner.run(_awaited(awaitable))

    def every(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        """Make several calls, on a loop at the same time.

        Args:
            calls: `(method, *args)` each.

        Returns:
            Their results in order.
        """
        if not self.is_async:
            return [self(method, *args) for method, *args in calls]

        async def together() -> list[Any]:
            return await asyncio.gather(*(twin(method)(*args) for method, *args in calls))

        return self.run(together())


async def _listed(source: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in source]


def _awaited[T](awaitable: Awaitable[T]) -> Coroutine[Any, Any, T]:
    async def wait() -> T:
        return await awaitable

    return wait()
