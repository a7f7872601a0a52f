"""Large work in bounded memory, each in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.children import answer, spawned
from benchmarks.contenders import CACHEX
from benchmarks.figures import Outcome, Rate, at_most
from benchmarks.rows.registry import row

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.figures import Figure

__all__: list[str] = []

_MOST_MB = 32.0
_COMMANDS = 10_000
_KEYS = 1_000_000
_PORTION = 100_000
# Without values to speak of: it is the keys that are walked.
_FILL = "for i = ARGV[1], ARGV[1] + ARGV[2] - 1 do redis.call('SET', ':1:bench:' .. string.format('%d', i), 1) end"


def _measured(bench: Bench, db: int, work: str, count: int) -> tuple[Figure, Rate]:
    found = answer(
        spawned("benchmarks.footprint", work, CACHEX.backend, CACHEX.location(bench.server.port, db), str(count))
    )
    if found["met"] != count:
        raise RuntimeError(f"{work} met {found['met']} of {count}: its memory would mean nothing")
    figure = at_most(_MOST_MB, found["grown_mb"], f"MB over start at most: {work}", "MB")
    return figure, Rate(found["met"] / found["seconds"], 0.0)


@row("large_pipeline")
def large_pipeline(bench: Bench) -> Outcome:
    """Memory of a pipeline of 10,000 commands."""
    db = bench.spare_db()
    figures = [_measured(bench, db, work, _COMMANDS)[0] for work in ("pipeline", "apipeline")]
    return Outcome("large_pipeline", f"pipeline of {_COMMANDS:,} commands, again and again", None, tuple(figures))


@row("many_keys")
def many_keys(bench: Bench) -> Outcome:
    """Memory of walking over 1,000,000 keys, and of deleting them."""
    db, count = bench.spare_db(), bench.times(_KEYS)
    with bench.server.admin() as admin:
        admin.call("SELECT", str(db))
        for start in range(0, count, _PORTION):
            admin.call("EVAL", _FILL, "0", str(start), str(min(_PORTION, count - start)))
    found = {work: _measured(bench, db, work, count) for work in ("iter_keys", "aiter_keys", "delete_pattern")}
    figures = tuple(figure for figure, _ in found.values())
    shown = {work: rate for work, (_, rate) in found.items()}
    return Outcome("many_keys", f"{count:,} keys", None, figures, shown, "key")
