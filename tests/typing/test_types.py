"""The public types, as mypy sees them from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import django_cachex

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = ["caches.py", "clients.py", "commands.py"]


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(django_cachex.__file__).parent / "py.typed").exists()


def test_types() -> None:
    files = [str(HERE / name) for name in FILES]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *files], cwd=ROOT, capture_output=True, text=True, check=False, timeout=150
    )
    mistakes = [line for line in checked.stdout.splitlines() if line.startswith("tests/typing/")]
    assert mistakes == []
    assert not any(name in checked.stderr for name in FILES)
