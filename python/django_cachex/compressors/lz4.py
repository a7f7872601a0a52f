"""LZ4: the fastest."""

from __future__ import annotations

from django_cachex.compressors.native import NativeCompressor

__all__ = ["Lz4Compressor"]


class Lz4Compressor(NativeCompressor):
    """Writes LZ4 frames with a checksum. There are no levels but 0."""

    format = "lz4"
    level = 0
