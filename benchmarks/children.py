"""Processes of our own making that answer with one line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "answer", "spawned"]

ROOT = Path(__file__).resolve().parent.parent


def spawned(module: str, *args: str) -> subprocess.Popen[str]:
    """Start `python -m module args` at the project's root; its standard output is a pipe."""
    command = [sys.executable, "-m", module, *args]
    # A site runs from compiled bytecode, so an import is measured from it too, for every contender.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for the process and return the object it printed; raises `RuntimeError` when it failed."""
    output, _ = process.communicate(timeout=120)
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found
