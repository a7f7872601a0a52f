"""Kills the servers of a test run whose pytest has died: reads `+pid directory` and `-pid` lines until its pipe closes.

A process of its own, as nothing inside pytest survives a `kill -9` of pytest; and not PR_SET_PDEATHSIG, which fires
when the *thread* that started a server ends, and exists on Linux only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys

__all__: list[str] = []


def main() -> None:
    """Follow the lines on standard input, then clean up what is left."""
    alive: dict[int, str] = {}
    for line in sys.stdin:
        pid, _, directory = line[1:].strip().partition(" ")
        if line.startswith("+"):
            alive[int(pid)] = directory
        else:
            alive.pop(int(pid), None)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for directory in alive.values():
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
