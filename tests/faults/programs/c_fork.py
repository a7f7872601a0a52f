"""Forks as application servers in C do, without a word to Python: `c_fork URL CHILDREN`.

Prints a JSON object with counts, and the values that a child got in place of its own.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

from tests.faults.programs.application import make_cache

_CALLS = 200
_HANGS_AFTER = 20  # seconds

# Keeps the interpreter, as the caller of `os.fork` does.
_libc = ctypes.PyDLL(None)


def _child(cache: Any, number: int, report: int) -> None:
    signal.alarm(_HANGS_AFTER)

    async def calls() -> list[object]:
        return [await cache.aget(f"k{number}") for _ in range(_CALLS)]

    every = [cache.get(f"k{number}") for _ in range(_CALLS)] + asyncio.run(calls())
    wrong = [repr(found) for found in every if found != f"value {number}"]
    os.write(report, json.dumps(wrong).encode() + b"\n")


def _fork(cache: Any, children: int) -> list[int]:
    """Fork children that all use the cache at once; return their exit codes."""
    reading, writing = os.pipe()
    started = []
    for number in range(children):
        process = _libc.fork()
        if process == 0:
            status = 1
            try:
                _child(cache, number, writing)
                status = 0
            finally:
                os._exit(status)
        started.append(process)
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in started]
    os.close(writing)
    with os.fdopen(reading) as said:
        _wrong.extend(value for line in said for value in json.loads(line))
    return codes


_wrong: list[str] = []


def _main(url: str, children: int) -> None:
    cache = make_cache(url)
    for number in range(children):
        cache.set(f"k{number}", f"value {number}")
    # While the thread that has connected still lingers, and after it has gone.
    codes = _fork(cache, children)
    asyncio.run(cache.aget("k0"))
    time.sleep(0.2)
    codes += _fork(cache, children)
    after = cache.get("k0")
    print(json.dumps({"codes": codes, "wrong": _wrong, "after": after}))  # noqa: T201 - the report


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
