"""Zstandard: small and fast."""

from __future__ import annotations

from django_cachex.compressors.native import NativeCompressor

__all__ = ["ZstdCompressor"]


class ZstdCompressor(NativeCompressor):
    """Writes Zstandard frames with a checksum, levels up to 22; those below 1 are faster still."""

    format = "zstd"
    level = 3
