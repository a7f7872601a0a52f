"""The default serializer: pickle, as Django's own backend uses it."""

from __future__ import annotations

import pickle
from typing import Any

from django_cachex.exceptions import PickleSerializerError
from django_cachex.serializers.base import BaseSerializer

__all__ = ["PickleSerializer"]


class PickleSerializer(BaseSerializer):
    """Pickles values. Whoever can write to the server can run code here: see the security page.

    Attributes:
        protocol: the pickle protocol that is written.
    """

    _error = PickleSerializerError

    def __init__(self, protocol: int | None = None) -> None:
        """Keep *protocol*; ``None`` is the newest one."""
        self.protocol = pickle.HIGHEST_PROTOCOL if protocol is None else protocol

    def _dumps(self, obj: Any) -> bytes:
        return pickle.dumps(obj, self.protocol)

    def _loads(self, data: bytes) -> Any:
        try:
            return int(data)
        except ValueError:
            return pickle.loads(data)
