"""Python programs that are run apart from pytest: they fork, are interrupted, or end in the middle of something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["start"]

_ROOT = Path(__file__).parents[2]


def start(name: str, *args: str | int, warnings: str = "error", inside: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Run `tests/faults/programs/{name}.py`.

    Args:
        name: Which.
        args: Its command line.
        warnings: What becomes of a warning, as for `python -W`.
        inside: A command that runs it.

    Returns:
        The process; its input and its two outputs are pipes.
    """
    module = f"tests.faults.programs.{name}"
    command = [*inside, sys.executable, "-X", "faulthandler", "-W", warnings, "-m", module, *map(str, args)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=_ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
