"""A thousand keys in one call."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from benchmarks.figures import Outcome, at_most, rates
from benchmarks.memory import resident_mb
from benchmarks.payload import BATCH, SWARM
from benchmarks.rows.operations import batch_of
from benchmarks.rows.registry import row
from benchmarks.samples import interleave

if TYPE_CHECKING:
    from benchmarks.bench import Bench

__all__: list[str] = []

# What the allocator may keep back without memory ceasing to be flat.
_FLAT_MB = 2.0
_TEN = "10 keys"


@row("get_many_1000")
def get_many_1000(bench: Bench) -> Outcome:
    """Sync get_many of 1000 keys."""
    thousand = {name: batch_of(cache, "get_many", list(SWARM)) for name, cache in bench.caches.items()}
    found = interleave({_TEN: batch_of(bench.cache, "get_many", list(BATCH)), **thousand}, bench.pace)
    ours = found[bench.subject.name]
    per_key = len(BATCH) / len(SWARM) / ours.rate_over(found[_TEN])
    gc.collect()
    before = resident_mb()
    thousand[bench.subject.name](bench.times(300))
    gc.collect()
    figures = (
        at_most(1.0, per_key, "the time per key of get_many(10)"),
        at_most(_FLAT_MB, resident_mb() - before, "MB more resident after repeating it", "MB"),
    )
    shown = rates(found)
    shown[f"{bench.subject.name}, {_TEN}"] = shown.pop(_TEN)
    return Outcome("get_many_1000", "sync get_many(1000)", None, figures, shown, "call")
