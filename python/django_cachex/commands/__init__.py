"""Commands, declared once: from a declaration come the sync method, its async twin and its pipeline form."""

from __future__ import annotations

__all__: list[str] = []
