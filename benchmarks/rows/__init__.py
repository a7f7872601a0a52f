"""The rows. To add one, write one decorated function; to add a module of them, import it here."""

from __future__ import annotations

from benchmarks.rows import (
    asgi,
    bulk,
    footprints,
    formats,
    giants,
    heartbeat,
    objects,
    operations,
    pipelines,
    runs,
    startup,
    structures,
    tasks,
    threads,
    topologies,
)
from benchmarks.rows.registry import ROWS, Row

__all__ = ["ROWS", "Row"]

# The imports declare; the order of the table is fixed here, from the smallest thing to the whole application.
_ORDER = (
    operations,
    threads,
    tasks,
    structures,
    giants,
    formats,
    bulk,
    pipelines,
    footprints,
    runs,
    heartbeat,
    objects,
    topologies,
    startup,
    asgi,
)
ROWS.sort(key=lambda row: [module.__name__ for module in _ORDER].index(row.module))
