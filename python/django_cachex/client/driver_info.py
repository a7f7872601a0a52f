"""How the library introduces itself to servers."""

from __future__ import annotations

from typing import Self

__all__ = ["DriverInfo"]


class DriverInfo:
    """The name under which a library built on this one is listed by ``CLIENT LIST``."""

    def __init__(self) -> None:
        """Start without an upstream library."""
        self._upstream: list[str] = []

    def add_upstream_driver(self, name: str, version: str) -> Self:
        """Name a library that uses this one; returns the object itself."""
        self._upstream.append(f"{name}_v{version}")
        return self

    @property
    def formatted_name(self) -> str:
        """The value for ``CLIENT SETINFO LIB-NAME``."""
        return f"django-cachex({';'.join(self._upstream)})" if self._upstream else "django-cachex"

    @property
    def lib_version(self) -> str:
        """The value for ``CLIENT SETINFO LIB-VER``."""
        from django_cachex import __version__  # noqa: PLC0415 - the package imports this module's folder

        return __version__
