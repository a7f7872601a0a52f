"""gzip: zlib with a file's header."""

from __future__ import annotations

from django_cachex.compressors.native import NativeCompressor

__all__ = ["GzipCompressor"]


class GzipCompressor(NativeCompressor):
    """Writes gzip members (RFC 1952), levels -1 to 9; the same data always becomes the same bytes."""

    format = "gzip"
    level = 9
