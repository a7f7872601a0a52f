"""Ends with its first call on a loop, which is the first on its connection too: `connecting URL`."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from django_cachex.exceptions import CacheConnectionError
from tests.faults.programs.application import make_cache


async def _call() -> None:
    with contextlib.suppress(CacheConnectionError):
        await make_cache(sys.argv[1]).aget("k")


if __name__ == "__main__":
    asyncio.run(_call())
    print("over", flush=True)  # noqa: T201 - the report
