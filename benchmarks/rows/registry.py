"""The list of rows, in the order in which their modules declare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench, Loop
    from benchmarks.figures import Outcome

__all__ = ["ROWS", "Row", "loop_row", "row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of DESIGN's table of figures: a name to select it by, and the function that measures it."""

    name: str
    title: str
    module: str
    measure: Callable[[Bench], list[Outcome]]


ROWS: list[Row] = []


def _title(function: Callable[..., Outcome]) -> str:
    return (function.__doc__ or function.__name__).splitlines()[0].rstrip(".")


def row(name: str) -> Callable[[Callable[[Bench], Outcome]], Callable[[Bench], Outcome]]:
    """Declare a row that is measured once. The first line of its docstring is its title."""

    def declare(function: Callable[[Bench], Outcome]) -> Callable[[Bench], Outcome]:
        ROWS.append(Row(name, _title(function), function.__module__, lambda bench: [function(bench)]))
        return function

    return declare


def loop_row(name: str) -> Callable[[Callable[[Bench, Loop], Outcome]], Callable[[Bench, Loop], Outcome]]:
    """Declare a row that is measured on each event loop of the run."""

    def declare(function: Callable[[Bench, Loop], Outcome]) -> Callable[[Bench, Loop], Outcome]:
        ROWS.append(
            Row(
                name,
                _title(function),
                function.__module__,
                lambda bench: [function(bench, loop) for loop in bench.loops],
            )
        )
        return function

    return declare
