"""Has no file descriptor left when it is to connect: `descriptors URL`.

Prints what sync and async calls raise, and what they find afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.faults.programs.application import make_cache

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT = 200


def _raised(call: Callable[[], Any]) -> str:
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001 - the test judges it
        return f"{type(error).__name__}: {error}"


def _main(url: str) -> None:
    cache = make_cache(url)
    cache.set("k", 1)
    pool = cache._cache._get_connection_pool(write=True)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_LIMIT, _LIMIT))
    said: list[str] = []
    for call in (lambda: cache.get("k"), lambda: loop.run_until_complete(cache.aget("k"))):
        pool.disconnect()
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            said.append(_raised(call))
        for descriptor in held:
            os.close(descriptor)
        # Callers fail at once until the pause between two attempts is over.
        deadline = time.monotonic() + 10
        while (found := _raised(call)) == said[-1] and time.monotonic() < deadline:
            time.sleep(0.01)
        said.append(found)
    print(json.dumps(said))  # noqa: T201 - the report


if __name__ == "__main__":
    _main(sys.argv[1])
