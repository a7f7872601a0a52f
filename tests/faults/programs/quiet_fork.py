"""Forks when nothing is going on, as preloading servers do: `quiet_fork URL`. Run with warnings as errors."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from tests.faults.programs.application import make_cache


def _main(url: str) -> None:
    cache = make_cache(url)
    for _ in range(5):
        cache.set("k", "v")
        asyncio.run(cache.aget("k"))
        cache._cache._get_connection_pool(write=True).disconnect()
        cache.get("k")
        time.sleep(0.1)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if cache.get("k") == "v" else 1)
        assert os.waitpid(pid, 0)[1] == 0
    print("quiet")  # noqa: T201 - the report


if __name__ == "__main__":
    _main(sys.argv[1])
