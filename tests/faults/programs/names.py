"""Follows a name in /etc/hosts of its own: `names URL HOSTS FIRST SECOND`; run inside a mount namespace.

Prints which server answers: before the name is changed, after that, and, when it is told, once the connection is lost.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.programs.application import make_cache


def _main(url: str, hosts: str, first: str, second: str) -> None:
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)  # noqa: S607 - the system's own
    file = Path(hosts)
    file.write_text(f"{first} cache.test\n")
    cache = make_cache(url)
    print(cache.get("who"), asyncio.run(cache.aget("who")), flush=True)  # noqa: T201 - the report
    file.write_text(f"{second} cache.test\n")
    # The connection goes on until it is lost.
    print(cache.get("who"), flush=True)  # noqa: T201 - the report
    sys.stdin.readline()
    time.sleep(0.05)
    print(cache.get("who"), asyncio.run(cache.aget("who")), flush=True)  # noqa: T201 - the report


if __name__ == "__main__":
    _main(*sys.argv[1:5])
