"""What drives the bookshop in ``make demo``: processes, visitors, rounds and the table."""

from __future__ import annotations

__all__: list[str] = []
