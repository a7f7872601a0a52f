"""Run as a process of its own: how much memory large work takes.

Usage: python -m benchmarks.footprint WORK BACKEND LOCATION COUNT. Prints one JSON object: how many MB the process grew
at most while it did the work, the seconds it took, and how many things the work met.
"""

# ruff: noqa: PLC0415  (Django wants its settings first)

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["WORKS", "main"]

# Work that is repeated must not grow further.
_TIMES = 5


def _most_resident_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _pipeline(cache: Any, count: int) -> int:
    done = 0
    with cache.pipeline() as pipeline:
        for _ in range(_TIMES):
            for number in range(count // 2):
                pipeline.set(f"bench:{number}", number, 60).get(f"bench:{number}")
            done = len(pipeline.execute())
    return done


def _apipeline(cache: Any, count: int) -> int:
    async def work() -> int:
        done = 0
        async with cache.apipeline() as pipeline:
            for _ in range(_TIMES):
                for number in range(count // 2):
                    pipeline.set(f"bench:{number}", number, 60).get(f"bench:{number}")
                done = len(await pipeline.execute())
        return done

    return asyncio.run(work())


def _iter_keys(cache: Any, _: int) -> int:
    return sum(1 for _ in cache.iter_keys("bench:*"))


def _aiter_keys(cache: Any, _: int) -> int:
    async def work() -> int:
        met = 0
        async for _ in cache.aiter_keys("bench:*"):
            met += 1
        return met

    return asyncio.run(work())


def _delete_pattern(cache: Any, _: int) -> int:
    deleted: int = cache.delete_pattern("bench:*")
    return deleted


WORKS = {
    "pipeline": _pipeline,
    "apipeline": _apipeline,
    "iter_keys": _iter_keys,
    "aiter_keys": _aiter_keys,
    "delete_pattern": _delete_pattern,
}


def main(work: str, backend: str, location: str, count: str) -> None:
    """Do the work and print."""
    from django.conf import settings
    from django.utils.module_loading import import_string

    settings.configure()
    cache = import_string(backend)(location, {})
    # Connected, and everything imported: what grows from here on is the work's.
    cache.get("bench")
    asyncio.run(cache.aget("bench"))
    _forget_peak()
    before = _most_resident_mb()
    start = time.perf_counter()
    met = WORKS[work](cache, int(count))
    seconds = time.perf_counter() - start
    print(json.dumps({"grown_mb": _most_resident_mb() - before, "seconds": seconds, "met": met}))


if __name__ == "__main__":
    main(*sys.argv[1:])
