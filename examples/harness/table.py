"""The table that the demo prints."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from examples.bookshop.tally import PAGES, percentile

if TYPE_CHECKING:
    from examples.harness.rounds import Sample

__all__ = ["NAMES", "Style", "results", "sync_beside_async"]

NAMES = {"cachex": "django-cachex", "django": "Django's own backend"}
_COLUMNS = (
    ("requests", 9),
    ("hits", 7),
    ("misses", 7),
    ("median", 10),
    ("p95", 10),
    ("req/s", 7),
    ("cpu", 9),
    ("open", 6),
    ("used", 6),
    ("opened", 8),
)
_LEGEND = (
    "hits, misses  keys found and not found, as the server counts them (INFO)",
    "median, p95   time of one HTTP request as the visitor sees it, with all visitors at once",
    "cpu           processor time of the bookshop's process per request",
    "connections   of that backend at the server: open at one time, idle ones included; used in one",
    "              round of that page; newly opened in all rounds",
)


@dataclass(frozen=True)
class Style:
    """Terminal emphasis; plain text where ``colour`` is false."""

    colour: bool

    def strong(self, text: str) -> str:
        """Return ``text`` in bold."""
        return f"\x1b[1m{text}\x1b[0m" if self.colour else text

    def soft(self, text: str) -> str:
        """Return ``text`` dimmed."""
        return f"\x1b[2m{text}\x1b[0m" if self.colour else text

    def backend(self, backend: str, text: str) -> str:
        """Return ``text`` in the colour of ``backend``."""
        if not self.colour:
            return text
        return f"\x1b[3{2 if backend == 'cachex' else 3}m{text}\x1b[0m"


def _median(sample: Sample) -> float:
    return statistics.median(sample.latencies) * 1000 if sample.latencies else 0.0


def _rate(sample: Sample) -> float:
    return len(sample.latencies) / sample.busy if sample.busy else 0.0


def _worked(sample: Sample) -> float:
    return sample.worked * 1000 / max(1, sample.requests)


def _cells(sample: Sample) -> list[str]:
    return [
        str(sample.requests),
        str(sample.hits),
        str(sample.misses),
        f"{_median(sample):.1f} ms",
        f"{percentile(sample.latencies, 95) * 1000:.1f} ms",
        f"{_rate(sample):.0f}",
        f"{_worked(sample):.1f} ms",
        str(sample.open_most),
        str(sample.used_most),
        str(sample.opened),
    ]


def results(samples: dict[str, dict[str, Sample]], style: Style) -> str:
    """Return the table of all pages and backends."""
    head = " " * 26 + "".join(name.rjust(width) for name, width in _COLUMNS)
    lines = [style.soft(f"{'connections':>{len(head) - 4}}"), style.soft(head)]
    for page, title in PAGES.items():
        lines.append(style.strong(f"  {title}"))
        for backend, sample in samples[page].items():
            cells = "".join(cell.rjust(width) for cell, (_, width) in zip(_cells(sample), _COLUMNS, strict=True))
            failed = f"  {sample.errors} FAILED" if sample.errors else ""
            lines.append(f"    {style.backend(backend, NAMES[backend].ljust(22))}{cells}{failed}")
    return "\n".join([*lines, "", *(style.soft(f"  {line}") for line in _LEGEND)])


def sync_beside_async(samples: dict[str, dict[str, Sample]], style: Style) -> str:
    """Return the same six cache operations in a synchronous and in an asynchronous view, side by side."""
    lines = [
        style.strong("  Sync beside async: the same six cache operations per request"),
        style.soft(f"{'':26}{'sync view':>28}{'async view':>32}"),
    ]
    for backend in samples["stock"]:
        pair = [samples[page][backend] for page in ("stock", "astock")]
        cells = "".join(
            f"{_median(sample):>9.1f} ms{_rate(sample):>6.0f} /s{_worked(sample):>6.1f} ms cpu" for sample in pair
        )
        lines.append(f"    {style.backend(backend, NAMES[backend].ljust(22))}{cells}")
    return "\n".join(lines)
