"""Django's test runner, which besides writes down what became of each test. Imported by Django's runtests.py."""

from __future__ import annotations

import json
import os
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.test.runner import DiscoverRunner

if TYPE_CHECKING:
    from types import TracebackType

    type ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

__all__ = ["RecordingResult", "RecordingRunner"]


class RecordingResult(unittest.TextTestResult):
    """Keeps the outcome of each test; the worst of its subtests counts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with none."""
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}

    def addSuccess(self, test: unittest.TestCase) -> None:
        """Count a pass, unless a subtest failed."""
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), "passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """Count a skip."""
        super().addSkip(test, reason)
        self.outcomes.setdefault(test.id(), "skipped")

    def addFailure(self, test: unittest.TestCase, err: ExcInfo) -> None:
        """Count a failed assertion."""
        super().addFailure(test, err)
        self.outcomes[test.id()] = "failed"

    def addError(self, test: unittest.TestCase, err: ExcInfo) -> None:
        """Count an unexpected exception."""
        super().addError(test, err)
        self.outcomes[test.id()] = "failed"

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: ExcInfo | None) -> None:
        """Count a failed subtest as its test's failure."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[test.id()] = "failed"

    def addExpectedFailure(self, test: unittest.TestCase, err: ExcInfo) -> None:
        """Count a failure that Django expects."""
        super().addExpectedFailure(test, err)
        self.outcomes[test.id()] = "expected failure"

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        """Count a pass that Django does not expect."""
        super().addUnexpectedSuccess(test)
        self.outcomes[test.id()] = "failed"


class RecordingRunner(DiscoverRunner):
    """Writes the outcomes to the file that the environment names."""

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        """Return the class that records."""
        return RecordingResult

    def run_suite(self, suite: unittest.TestSuite, **kwargs: Any) -> Any:
        """Run, then write."""
        result = super().run_suite(suite, **kwargs)
        assert isinstance(result, RecordingResult)
        Path(os.environ["SUITE_RESULTS"]).write_text(json.dumps(result.outcomes))
        return result
