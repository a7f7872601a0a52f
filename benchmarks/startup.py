"""Run as a process of its own: what importing a backend and its first operation cost.

Usage: python -m benchmarks.startup BACKEND LOCATION [MODULE TO HIDE...] [--async]. Prints one JSON object. Imports as
little as it can before measuring, so that nothing the backend needs is already there for free, but for what Django
imports whatever the backend.
"""

# ruff: noqa: PLC0415, PTH208  (what is imported, and when, is what is measured)

from __future__ import annotations

import os
import stat
import sys
import time

__all__ = ["main"]


def _threads() -> int:
    return len(os.listdir("/proc/self/task")) - 1


def _sockets() -> int:
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            count += stat.S_ISSOCK(os.fstat(int(descriptor)).st_mode)
        except OSError:  # the descriptor of this very listing
            continue
    return count


def main(backend: str, location: str, *hidden: str) -> None:
    """Measure and print; `hidden` modules are made to look as if they were not installed."""
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's own way to say "not there"
    from django.conf import settings

    settings.configure()
    import django.core.cache  # noqa: F401 - what Django itself imports for any backend

    module = backend.rpartition(".")[0]
    start = time.perf_counter()
    __import__(module)
    imported = time.perf_counter() - start

    cache = getattr(sys.modules[module], backend.rpartition(".")[2])(location, {})
    threads, sockets = _threads(), _sockets()

    def get() -> float:
        start = time.perf_counter()
        cache.get("profile:4711")
        return time.perf_counter() - start

    async def aget() -> float:
        start = time.perf_counter()
        await cache.aget("profile:4711")
        return time.perf_counter() - start

    async def agets(count: int) -> list[float]:
        return [await aget() for _ in range(count)]

    import asyncio
    import json
    import statistics

    times = asyncio.run(agets(200)) if "--async" in sys.argv else [get() for _ in range(200)]
    found = {
        "import_ms": imported * 1000,
        "threads": threads,
        "sockets": sockets,
        "first_extra_ms": (times[0] - statistics.median(times[1:])) * 1000,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*(word for word in sys.argv[1:] if not word.startswith("--")))
