"""How much memory this process has."""

from __future__ import annotations

import gc
import os
from pathlib import Path

__all__ = ["resident"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return the bytes of memory that are resident, garbage collected."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
