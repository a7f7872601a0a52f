"""What all compressors of this package have in common."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from django_cachex.exceptions import CompressorError, ValueTooLargeError

__all__ = ["BaseCompressor"]


class BaseCompressor:
    """Makes payloads smaller. Subclasses define ``_compress`` and ``_decompress``.

    Attributes:
        min_length: payloads shorter than this many bytes are left alone.
    """

    min_length: int = 256

    def __init__(self, *, min_length: int | None = None) -> None:
        """Keep *min_length*, in bytes; ``None`` is the class's own.

        Raises:
            ImproperlyConfigured: it is no number of bytes.
        """
        if min_length is not None:
            if type(min_length) is not int or min_length < 0:
                raise ImproperlyConfigured("min_length is a number of bytes, from 0")
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
            ValueTooLargeError: too much would come out.
        """
        try:
            return self._decompress(data)
        except (CompressorError, ValueTooLargeError):
            raise
        except Exception as error:
            raise CompressorError(f"cannot decompress: {type(error).__name__}") from error

    def _compress(self, data: bytes) -> bytes:
        raise NotImplementedError

    def _decompress(self, data: bytes) -> bytes:
        raise NotImplementedError
