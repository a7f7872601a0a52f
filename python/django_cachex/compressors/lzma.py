"""LZMA: the smallest, and by far the slowest."""

from __future__ import annotations

from django_cachex.compressors.native import NativeCompressor

__all__ = ["LzmaCompressor"]


class LzmaCompressor(NativeCompressor):
    """Writes .xz streams with a checksum, levels 0 to 9."""

    format = "lzma"
    level = 4
