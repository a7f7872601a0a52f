"""zlib: what everything can read."""

from __future__ import annotations

from django_cachex.compressors.native import NativeCompressor

__all__ = ["ZlibCompressor"]


class ZlibCompressor(NativeCompressor):
    """Writes zlib streams (RFC 1950), levels -1 to 9."""

    format = "zlib"
    level = 6
