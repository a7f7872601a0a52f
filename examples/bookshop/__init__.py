"""A small bookshop that uses Django's cache in every usual way; see ``settings.py`` for the backends."""

from __future__ import annotations

__all__: list[str] = []
