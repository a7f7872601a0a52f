"""Row 30: many processes that have lost the same server."""

from __future__ import annotations

import bisect
import time
from typing import TYPE_CHECKING

from tests.faults.figures import FULL, size
from tests.faults.program import start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.proxy import Proxy
    from tests.servers import Server

_WINDOW = 0.1  # seconds


def _most_at_once(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(bisect.bisect_right(moments, moment + _WINDOW) - index for index, moment in enumerate(moments))


def test_reconnects_are_spread(
    start_server: Callable[..., Server], start_proxy: Callable[[Server], Proxy], figure: Callable[[str], None]
) -> None:
    processes, seconds = size(8, 32), size(3, 5)
    server = start_server()
    proxy = start_proxy(server)
    herd = [start("herd", proxy.url, warnings="ignore") for _ in range(processes)]
    try:
        for process in herd:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        proxy.forget()
        server.kill()
        # All have noticed by then; what they do at once is one thing, what they do later another.
        down = time.monotonic()
        time.sleep(seconds)
        server.start()
        time.sleep(1.2)
        moments = proxy.accepted()
    finally:
        for process in herd:
            process.communicate("")
    later = [moment for moment in moments if moment > down + 0.5]
    most = _most_at_once(later)
    figure(
        f"row 30: {processes} processes, server down {seconds} s: {len(moments)} connects, {len(later)} of them after "
        f"the first half second, at most {most} within 100 ms"
    )
    assert len(later) >= processes
    assert most <= max(len(later) / 4, 1 if FULL else processes / 2)
    # One attempt per second and process in the long run, a few more at the start.
    assert len(moments) <= processes * (2 * seconds + 12)
