"""Runnable examples for django-cachex: the bookshop project and the demo that drives it."""

from __future__ import annotations

__all__: list[str] = []
