"""Python programs that are run apart from pytest: they fork, are interrupted, or end in the middle of something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["start"]

_ROOT = Path(__file__).parents[2]


def start(name: str, *args: str | int, warnings: str = "error") -> subprocess.Popen[str]:
    """Run `tests/faults/programs/{name}.py`.

    Args:
        name: Which.
        args: Its command line.
        warnings: What becomes of a warning, as for `python -W`.

    Returns:
        The process; its two outputs are pipes.
    """
    module = f"tests.faults.programs.{name}"
    command = [sys.executable, "-X", "faulthandler", "-W", warnings, "-m", module, *map(str, args)]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
