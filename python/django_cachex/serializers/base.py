"""What all serializers of this package have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from django_cachex.exceptions import SerializerError
from django_cachex.redaction import hide_items

__all__ = ["BaseSerializer"]


# Python itself writes no longer integers as digits.
_TOO_LONG = 10**4300


class BaseSerializer:
    """Turns values into bytes and back. Subclasses define ``_dumps`` and ``_loads``."""

    _error: ClassVar[type[SerializerError]] = SerializerError

    def dumps(self, obj: Any) -> bytes | int:
        """Return *obj* as bytes; an exact ``int`` of up to 4300 digits comes back unchanged: the server counts with it.

        Raises:
            SerializerError: *obj* cannot be serialized.
        """
        if type(obj) is int and -_TOO_LONG < obj < _TOO_LONG:
            return obj
        try:
            return self._dumps(obj)
        except Exception as error:
            hide_items(error)
            raise self._error(f"cannot serialize a {type(obj).__qualname__}: {type(error).__name__}") from error

    def loads(self, data: bytes | int) -> Any:
        """Return the value that *data* stands for.

        Raises:
            SerializerError: these are not bytes of this serializer.
        """
        if type(data) is int:
            return data
        try:
            return self._loads(data)  # type: ignore[arg-type]
        except Exception as error:
            raise self._error(f"cannot read the stored bytes: {type(error).__name__}") from error

    def _dumps(self, obj: Any) -> bytes:
        raise NotImplementedError

    def _loads(self, data: bytes) -> Any:
        raise NotImplementedError
