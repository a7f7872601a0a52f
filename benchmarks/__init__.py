"""Benchmarks of django-cachex beside its peers and beside the floors that no cache backend can pass."""

from __future__ import annotations

__all__: list[str] = []
