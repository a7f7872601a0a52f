"""One run of Django's tests on one backend, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.django_suite.backends import serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.django_suite.backends import Backend
    from tests.django_suite.edition import Edition
    from tests.servers import Family

__all__ = ["LABELS", "Outcome", "run"]

LABELS = ("cache", "sessions_tests")
_BACKEND_TESTS = "cache.tests.RedisCacheTests."
_LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Outcome:
    """What became of each test.

    Attributes:
        tests: Test id -> `"passed"`, `"skipped"`, `"failed"` or `"expected failure"`.
        output: What Django's runner printed.
    """

    tests: Mapping[str, str]
    output: str

    def count(self, outcome: str, prefix: str = "") -> int:
        """Return how many tests, of those whose id starts with `prefix`, ended like that."""
        return sum(found == outcome and test.startswith(prefix) for test, found in self.tests.items())

    def ending(self, outcome: str) -> set[str]:
        """Return the ids of the tests that ended like that."""
        return {test for test, found in self.tests.items() if found == outcome}

    @property
    def summary(self) -> str:
        """`RedisCacheTests` apart from everything."""
        parts = []
        for name, prefix in (("RedisCacheTests", _BACKEND_TESTS), ("all", "")):
            counts = {outcome: self.count(outcome, prefix) for outcome in ("passed", "skipped", "failed")}
            parts.append(f"{name} " + ", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
        return "; ".join(parts)

    @property
    def tested_the_backend(self) -> bool:
        """Whether the backend's own tests ran at all: they are skipped where its name is not in CACHES."""
        return self.count("passed", _BACKEND_TESTS) > 0


def run(edition: Edition, family: Family, backend: Backend) -> Outcome:
    """Run Django's cache and session tests.

    Args:
        edition: Which Django.
        family: The server program to test on.
        backend: The backend to test.

    Raises:
        RuntimeError: The runner ended without results.
        subprocess.TimeoutExpired: It did not end.
    """
    with serving(backend, family) as location, tempfile.TemporaryDirectory() as directory:
        results = Path(directory, "results.json")
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).with_name("inside")),
            "SUITE_BACKEND": backend.cache,
            "SUITE_LOCATION": location,
            "SUITE_RESULTS": str(results),
        }
        ended = subprocess.run(
            [edition.python, "runtests.py", "--settings=suite_settings", "--parallel=1", *LABELS],
            cwd=edition.home / backend.tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_LIMIT_SECONDS,
        )
        if not results.exists():
            raise RuntimeError(f"Django {edition.version} on {backend.name} gave no results:\n{ended.stdout[-4000:]}")
        return Outcome(json.loads(results.read_text()), ended.stdout)
