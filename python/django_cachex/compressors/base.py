"""What all compressors of this package have in common."""

from __future__ import annotations

from django_cachex.exceptions import CompressorError, ValueTooLargeError

__all__ = ["BaseCompressor"]


class BaseCompressor:
    """Makes payloads smaller. Subclasses define ``_compress`` and ``_decompress``.

    Attributes:
        min_length: payloads shorter than this many bytes are left alone.
    """

    min_length: int = 256

    def __init__(self, *, min_length: int | None = None) -> None:
        """Keep *min_length*, in bytes; ``None`` is the class's own."""
        if min_length is not None:
            self.min_length = min_length

    def compress(self, data: bytes) -> bytes:
        """Return *data* compressed, or unchanged if it is shorter than ``min_length``.

        Raises:
            CompressorError: it cannot be compressed.
        """
        if len(data) < self.min_length:
            return data
        try:
            return self._compress(data)
        except Exception as error:
            raise CompressorError(f"cannot compress: {type(error).__name__}") from error

    def decompress(self, data: bytes) -> bytes:
        """Return what was compressed to *data*.

        Raises:
            CompressorError: this compressor did not make *data*.
        """
        try:
            return self._decompress(data)
        except ValueTooLargeError:
            raise
        except Exception as error:
            raise CompressorError(f"cannot decompress: {type(error).__name__}") from error

    def _compress(self, data: bytes) -> bytes:
        raise NotImplementedError

    def _decompress(self, data: bytes) -> bytes:
        raise NotImplementedError
