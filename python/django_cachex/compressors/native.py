"""The compressors that run in the native module, without a Python package and without Python code per value."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ImproperlyConfigured

from django_cachex._core import compress, compression_levels, decompress
from django_cachex.compressors.base import BaseCompressor

__all__ = ["NativeCompressor"]


class NativeCompressor(BaseCompressor):
    """What the compressors of this package have in common. A subclass of one of them may set other defaults.

    Attributes:
        format: the format's name in the native module.
        level: how hard to try: more is smaller and slower.
        max_size: the most bytes that ``decompress`` makes when it is called directly, ``None`` for any number; a cache
            goes by its option ``max_decompressed_size`` instead.
    """

    format: ClassVar[str]
    level: int
    max_size: int | None = 64 * 1024 * 1024

    def __init__(self, *, level: int | None = None, min_length: int | None = None) -> None:
        """Keep *level* and *min_length* (in bytes); ``None`` is the class's own.

        Raises:
            ImproperlyConfigured: the format does not have this level.
        """
        super().__init__(min_length=min_length)
        if level is not None:
            self.level = level
        lowest, highest = compression_levels(self.format)
        if type(self.level) is not int or not lowest <= self.level <= highest:
            levels = f"from {lowest} to {highest}" if lowest < highest else f"always {lowest}"
            raise ImproperlyConfigured(f"The level of {type(self).__qualname__} is {levels}")

    def _compress(self, data: bytes) -> bytes:
        return compress(self.format, self.level, data)

    def _decompress(self, data: bytes) -> bytes:
        return decompress(self.format, data, self.max_size)
