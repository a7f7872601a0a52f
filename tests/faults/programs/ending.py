"""Ends while calls are in flight: `ending URL HOW`. Prints the moment (monotonic) at which its own code was over."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

from tests.faults.programs.application import make_cache


def _report() -> None:
    print(time.monotonic(), flush=True)  # noqa: T201 - the report


def _daemons(cache: Any) -> None:
    for _ in range(8):
        threading.Thread(target=cache.get, args=("silent",), daemon=True).start()
    time.sleep(0.3)


def _connecting_daemons(cache: Any) -> None:
    _daemons(cache)


def _busy_daemons(cache: Any) -> None:
    def work() -> None:
        while True:
            cache.get("k")

    for _ in range(8):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.3)


def _loop_with_tasks(cache: Any) -> None:
    async def work() -> None:
        tasks = [asyncio.create_task(cache.aget("silent")) for _ in range(100)]
        await asyncio.sleep(0.2)
        del tasks

    asyncio.run(work())


def _exit_in_a_task(cache: Any) -> None:
    async def leave() -> None:
        await asyncio.sleep(0.2)
        _report()
        sys.exit(0)

    async def work() -> None:
        await asyncio.gather(*(cache.aget("silent") for _ in range(20)), leave())

    asyncio.run(work())


def _loop_left_open(cache: Any) -> None:
    loop = asyncio.new_event_loop()

    async def work() -> None:
        for _ in range(20):
            loop.create_task(cache.aget("silent"))._log_destroy_pending = False  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)

    loop.run_until_complete(work())
    # Its destructor says so as well; here it is the point.
    globals()["loop"] = loop


def _loop_in_a_daemon(cache: Any) -> None:
    async def work() -> None:
        await asyncio.gather(*(cache.aget("silent") for _ in range(20)))

    threading.Thread(target=asyncio.run, args=(work(),), daemon=True).start()
    time.sleep(0.3)


def _just_after_a_call(cache: Any) -> None:
    cache.get("k")


_WAYS = {
    "daemons": _daemons,
    "connecting daemons": _connecting_daemons,
    "busy daemons": _busy_daemons,
    "loop with tasks": _loop_with_tasks,
    "exit in a task": _exit_in_a_task,
    "loop left open": _loop_left_open,
    "loop in a daemon": _loop_in_a_daemon,
    "just after a call": _just_after_a_call,
}

if __name__ == "__main__":
    made = make_cache(sys.argv[1], socket_timeout=30, socket_connect_timeout=30, operation_timeout=60)
    if sys.argv[2] != "connecting daemons":
        made.get("k")
    _WAYS[sys.argv[2]](made)
    _report()
