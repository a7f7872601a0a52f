"""How large a scenario is, and what it measured."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FULL", "figure", "size"]

#: Whether the scenarios run as long as RELIABILITY.md asks before a release: `CACHEX_FAULTS=full`.
FULL = os.environ.get("CACHEX_FAULTS") == "full"


def size(usual: int, full: int) -> int:
    """Return how many trials to make: `usual`, or `full` when that is asked for."""
    return full if FULL else usual


class _Summary:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what was measured."""
        terminalreporter.section("figures")
        for line in self.lines:
            terminalreporter.write_line(line)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what a scenario measured; it is printed at the end: `figure("row 1: ...")`."""
    plugins = request.config.pluginmanager
    summary = plugins.get_plugin("cachex-figures")
    if summary is None:
        summary = _Summary()
        plugins.register(summary, "cachex-figures")
    name = request.node.name

    def note(text: str) -> None:
        summary.lines.append(f"{text} [{name}]")

    return note
