"""JSON: readable by everything, and harmless to read."""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from django_cachex.serializers.base import BaseSerializer

__all__ = ["JsonSerializer"]


class JsonSerializer(BaseSerializer):
    """Writes JSON. Dates, decimals, UUIDs and lazy strings are written as text, and come back as text.

    Attributes:
        encoder_class: what turns values into JSON, as ``json.dumps(cls=...)`` takes it.
    """

    def __init__(self, *, encoder_class: type[json.JSONEncoder] = DjangoJSONEncoder) -> None:
        """Keep *encoder_class*."""
        self.encoder_class = encoder_class

    def _dumps(self, obj: Any) -> bytes:
        return json.dumps(obj, cls=self.encoder_class).encode()

    def _loads(self, data: bytes) -> Any:
        # `json` itself would also take bytes that look like UTF-16 or UTF-32.
        return json.loads(data.decode())
