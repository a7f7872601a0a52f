"""Waits for a server that does not answer, until Ctrl-C: `interrupted URL HOW`.

Prints "waiting", and then the moment (monotonic) at which KeyboardInterrupt came.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

from tests.faults.programs.application import make_cache


def _main(url: str, how: str) -> None:
    cache: Any = make_cache(
        url,
        socket_timeout=30,
        socket_connect_timeout=30,
        operation_timeout=60,
        max_connections=1,
        timeout=30,
        pool_class="redis.BlockingConnectionPool",
    )
    if how != "connecting":
        cache.get("k")
    if how == "pool":
        threading.Thread(target=cache.get, args=("silent",), daemon=True).start()
        time.sleep(0.2)
    print("waiting", flush=True)  # noqa: T201 - the report
    try:
        if how == "loop":
            # asyncio.Runner's own handler cancels the task.
            asyncio.run(cache.aget("silent"))
        else:
            cache.get("silent")
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)  # noqa: T201 - the report
    # A cut-off reply must not turn up now.
    if how == "waiting":
        assert cache.get("other", "none") == "none"
        print("fine", flush=True)  # noqa: T201 - the report


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
