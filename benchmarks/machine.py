"""Where and with what a run was made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.bench import Bench

__all__ = ["described"]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def described(bench: Bench) -> dict[str, object]:
    """Return date, machine, interpreter, server, and the version of everyone who takes part."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": f"{platform.python_implementation().lower()}{platform.python_version()}",
        "server": bench.server.name,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "subject": bench.subject.name,
        "rounds": bench.pace.rounds,
        "seconds_per_batch": bench.pace.seconds,
        "loops": [loop.name for loop in bench.loops],
        "uvloop": metadata.version("uvloop"),
        "uvicorn": metadata.version("uvicorn"),
        "contenders": {contender.name: contender.versions() for contender in bench.contenders},
    }
