"""What the package costs before and at its first use, each time in a new process."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.children import answer, spawned
from benchmarks.contenders import CACHEX
from benchmarks.figures import Outcome, at_most, observed
from benchmarks.rows.registry import row

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender

__all__: list[str] = []

_PROCESSES = 15
_CLIENT_LIBRARIES = ("redis", "valkey")


def _started(bench: Bench, contender: Contender, *args: str) -> dict[str, float]:
    location = contender.location(bench.server.port)
    return answer(spawned("benchmarks.startup", contender.backend, location, *args))


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


@row("startup")
def startup(bench: Bench) -> Outcome:
    """Importing the backend; its first operation."""
    bench.fill()
    hidden = _CLIENT_LIBRARIES if bench.subject is CACHEX else ()
    bare: list[dict[str, float]] = []
    on_loop: list[dict[str, float]] = []
    others: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in bench.contenders}
    for _ in range(bench.times(_PROCESSES)):
        bare.append(_started(bench, bench.subject, *hidden))
        on_loop.append(_started(bench, bench.subject, *hidden, "--async"))
        for contender in bench.contenders:
            others[contender.name].append(_started(bench, contender))
    ours, ours_on_loop = _medians(bare), _medians(on_loop)
    figures = (
        at_most(30, ours["import_ms"], "to import, redis-py and valkey-py not installed", "ms"),
        at_most(0, max(one["threads"] for one in bare), "threads before the first operation", ""),
        at_most(0, max(one["sockets"] for one in bare), "sockets before the first operation", ""),
        at_most(10, ours["first_extra_ms"], "more for the first get than for any get", "ms"),
        at_most(10, ours_on_loop["first_extra_ms"], "more for the first aget than for any aget", "ms"),
        *(
            observed(_medians(found)["import_ms"], f"to import {name}, everything installed", "ms")
            for name, found in others.items()
        ),
    )
    return Outcome("startup", "import and first operation", None, figures)
