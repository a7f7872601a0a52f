"""How much memory this process holds."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["resident_mb"]


def resident_mb() -> float:
    """Return the resident set in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
