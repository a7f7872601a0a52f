"""Uses the cache all the time: `herd URL`, until standard input ends."""

from __future__ import annotations

import sys
import threading
import time

from tests.faults.programs.application import make_cache


def _main(url: str) -> None:
    cache = make_cache(url)
    over = threading.Event()

    def follow() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=follow, daemon=True).start()
    cache.get("k")
    print("ready", flush=True)  # noqa: T201 - the report
    while not over.is_set():
        try:
            cache.get("k")
        except ConnectionError:
            time.sleep(0.001)
        time.sleep(0.001)


if __name__ == "__main__":
    _main(sys.argv[1])
